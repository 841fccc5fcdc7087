// What the record says of a file that is read or written: what the host did of it, and no more.

import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { OperationId, Outcome, Session } from '../../../../../src/protocol/contract.ts';
import { DEFAULT_LIMITS } from '../../../../../src/protocol/ssh/limits.ts';
import { SftpInspector } from '../../../../../src/protocol/ssh/sftp/inspector.ts';
import { Fxp, packet, Status, status } from '../../../../../src/protocol/ssh/sftp/packet.ts';

const READING = 1;
const WRITING = 2;

class Host {
  /** By text of the operation. */
  readonly outcomes: Record<string, Partial<Outcome>> = {};
  readonly #texts: string[] = [];
  readonly inspector: SftpInspector;
  /** What the host got, and the client. */
  readonly asked: Buffer[] = [];
  readonly told: Buffer[] = [];
  readonly notes: unknown[] = [];
  masks: 'refused' | undefined;

  constructor() {
    const session = {
      ruled: false,
      decide: ({ text }: { text: string }) => ({ id: this.#texts.push(text) - 1, decision: { verdict: 'allow' } }),
      recorded: (then: () => void) => then(),
      result: (id: OperationId, outcome: Outcome) => {
        this.outcomes[this.#texts[Number(id)]!] = outcome;
      },
      note: (...noted: unknown[]) => void this.notes.push(noted),
    };
    this.inspector = new SftpInspector({
      ...{
        session: session as unknown as Session,
        keep: 0,
        masked: () => this.masks,
        maskedFiles: DEFAULT_LIMITS.window,
      },
      ...{ packetBytes: DEFAULT_LIMITS.sftpPacket, full: () => false },
      ...{ toTarget: (sent) => this.asked.push(Buffer.from(sent)), toClient: (sent) => this.told.push(sent) },
      ...{ later: (action) => action(), say: () => {} },
    });
  }

  open(id: number, path: string, flags: number): Buffer {
    this.inspector.client(packet(Fxp.OPEN, (out) => out.uint32(id).blob(Buffer.from(path)).uint32(flags).uint32(0)));
    const handle = Buffer.from(path);
    this.inspector.target(packet(Fxp.HANDLE, (out) => out.uint32(id).blob(handle)));
    return handle;
  }

  asks(type: number, id: number, handle: Buffer, offset?: number, rest?: Buffer | number): void {
    const request = packet(type, (out) => {
      out.uint32(id).blob(handle);
      if (offset !== undefined) out.uint32(0).uint32(offset);
      if (typeof rest === 'number') out.uint32(rest);
      else if (rest !== undefined) out.blob(rest);
    });
    this.inspector.client(request);
  }

  says(id: number, what: number | Buffer): void {
    const data = (bytes: Buffer) => packet(Fxp.DATA, (out) => out.uint32(id).blob(bytes));
    this.inspector.target(typeof what === 'number' ? status(id, what, '') : data(what));
  }
}

describe('the outcome of a file', () => {
  let host: Host;
  beforeEach(() => {
    host = new Host();
  });
  const hello = Buffer.from('hello');
  const digest = `sha256 ${createHash('sha256').update(hello).digest('hex')}`;

  it('is told with its digest when the host has closed it', () => {
    const file = host.open(1, '/a', WRITING);
    host.asks(Fxp.WRITE, 2, file, 0, hello);
    host.asks(Fxp.CLOSE, 3, file);
    host.says(2, Status.OK);
    expect(host.outcomes).toEqual({});
    host.says(3, Status.OK);
    expect(host.outcomes).toEqual({ 'write /a': { part: 0, status: 'ok', bytes: 5, tag: digest } });
  });

  it.each([
    ['a part', Status.FAILURE, Status.OK],
    ['its end', Status.OK, Status.FAILURE],
  ])('is an error when the host could not write %s', (_, written, closed) => {
    const file = host.open(1, '/full', WRITING);
    host.asks(Fxp.WRITE, 2, file, 0, hello);
    host.says(2, written);
    host.asks(Fxp.CLOSE, 3, file);
    host.says(3, closed);
    expect(host.outcomes['write /full']).toMatchObject({ status: 'error', tag: 'status 4' });
  });

  it('is an error when the host could not read it to where it was asked for', () => {
    const file = host.open(1, '/bad', READING);
    host.asks(Fxp.READ, 2, file, 0, 5);
    host.asks(Fxp.READ, 3, file, 5, 5);
    host.says(2, hello);
    host.says(3, Status.FAILURE);
    host.asks(Fxp.CLOSE, 4, file);
    host.says(4, Status.OK);
    expect(host.outcomes['read /bad']).toMatchObject({ status: 'error', bytes: 5, tag: 'status 4' });
  });

  it('has in it what was asked for before it was closed and comes behind that', () => {
    const file = host.open(1, '/a', READING);
    host.asks(Fxp.READ, 2, file, 0, 2);
    host.asks(Fxp.READ, 3, file, 2, 10);
    host.asks(Fxp.READ, 4, file, 5, 10);
    host.says(2, hello.subarray(0, 2));
    host.asks(Fxp.CLOSE, 5, file);
    host.says(3, hello.subarray(2));
    host.says(4, Status.EOF);
    host.says(5, Status.OK);
    expect(host.outcomes).toEqual({ 'read /a': { part: 0, status: 'ok', bytes: 5, tag: digest } });
  });

  it('is not known when the channel ends before the host has closed it', () => {
    const file = host.open(1, '/a', WRITING);
    host.asks(Fxp.CLOSE, 2, file);
    host.inspector.ended();
    expect(host.outcomes['write /a']).toMatchObject({ status: 'unknown' });
  });

  it('has no digest where another file was copied into it, and says which', () => {
    const [from, to] = [host.open(1, '/from', READING), host.open(2, '/to', WRITING)];
    host.asks(Fxp.WRITE, 3, to, 0, hello);
    host.says(3, Status.OK);
    const copy = packet(Fxp.EXTENDED, (out) => {
      out.uint32(4).text('copy-data').blob(from).bytes(Buffer.alloc(16)).blob(to).bytes(Buffer.alloc(8));
    });
    host.inspector.client(copy);
    host.says(4, Status.OK);
    host.asks(Fxp.CLOSE, 5, to);
    host.says(5, Status.OK);
    expect(host.outcomes['write /to']).toMatchObject({ status: 'ok', bytes: 5, tag: 'ok' });
    expect(host.notes).toEqual([['copied', { operation: 1, from: '/from' }]]);
  });
});

it('a file that is open when masks come to apply is read no further', () => {
  const host = new Host();
  const file = host.open(1, '/a', READING);
  host.asks(Fxp.READ, 2, file, 0, 5);
  host.says(2, Buffer.from('hello'));
  host.masks = 'refused';
  const before = host.asked.length;
  host.asks(Fxp.READ, 3, file, 5, 5);
  expect(host.asked.slice(before).every(({ length }) => length === 0)).toBe(true);
  expect(host.told.at(-1)!.toString('latin1')).toContain('masks apply to it now');
});

describe('a path with a NUL byte in it', () => {
  const path = Buffer.from('/kept\0x');
  const other = Buffer.from('/other');
  it.each<[string, number, (out: { blob(bytes: Buffer): unknown; text(text: string): unknown }) => void]>([
    ['of a file to remove', Fxp.REMOVE, (out) => out.blob(path)],
    ['of a file to rename', Fxp.RENAME, (out) => [out.blob(path), out.blob(other)]],
    ['to rename a file to', Fxp.RENAME, (out) => [out.blob(other), out.blob(path)]],
    ['that a link says', Fxp.SYMLINK, (out) => [out.blob(path), out.blob(other)]],
    ['of an extension', Fxp.EXTENDED, (out) => [out.text('hardlink@openssh.com'), out.blob(path), out.blob(other)]],
  ])('is refused: %s', (_, type, fields) => {
    const host = new Host();
    host.inspector.client(
      packet(type, (out) => {
        out.uint32(7);
        fields(out);
      }),
    );
    expect(Buffer.concat(host.asked)).toHaveLength(0);
    expect(host.outcomes).toEqual({});
    expect(Buffer.concat(host.told).toString('latin1')).toContain('the path has a NUL byte in it');
  });
});
