// Recordings in memory and a failing disk, for the tests of the recorder.

import type { Facts, Operation } from '../../../../src/protocol/contract.ts';
import type { DiskFiles } from '../../../../src/session/recorder/files.ts';
import type { LineCipher } from '../../../../src/session/recorder/line.ts';
import { DEFAULT_ROW_LIMITS, type Header, Recording } from '../../../../src/session/recorder/recording.ts';
import { FlushScheduler } from '../../../../src/session/recorder/scheduler.ts';
import type { SegmentedTarget } from '../../../../src/session/recorder/sink.ts';
import type { Durability } from '../../../../src/session/recorder/writer.ts';

export const T0 = Date.UTC(2026, 10, 20, 7, 0, 0);

export const header: Header = {
  session: 's-01gxv8hr0abcdefghjkm',
  principal: {
    kind: 'person',
    subject: 'alice',
    issuer: 'corp',
    email: 'alice@example.com',
    groups: ['eng'],
    claims: {},
  },
  connection: 'prod-db',
  protocol: 'sql',
  labels: { env: 'prod' },
  client: '127.0.0.1:1234',
  policy: 'a'.repeat(64),
};

export function facts(...does: string[]): Facts {
  return { does, relations: [], functions: [], unbounded: false };
}

export function statement(text: string, params?: readonly (string | null)[]): Operation {
  return { kind: 'query', text, exact: '', ...(params === undefined ? {} : { params }), parts: [facts('select')] };
}

/** A target in memory. */
export class MemoryTarget implements SegmentedTarget {
  readonly name = 'memory';
  readonly writes: Buffer[] = [];
  state: 'open' | 'finished' | 'abandoned' = 'open';
  /** Thrown by the next writes. */
  failure: Error | undefined;
  slow = false;
  maxSegment = Number.POSITIVE_INFINITY;
  onLost: ((error: Error) => void) | undefined;
  /** Bytes before each `next`. */
  readonly cuts: number[] = [];
  /** Appends wait for this. */
  gate: Promise<void> | undefined;
  readonly appended: { bytes: number; durable: boolean | undefined }[] = [];

  write(bytes: Uint8Array): void {
    if (this.failure !== undefined) throw this.failure;
    this.writes.push(Buffer.from(bytes));
  }

  get segment(): number {
    return this.cuts.length + 1;
  }

  get segmentBytes(): number {
    return this.bytes.length - (this.cuts.at(-1) ?? 0);
  }

  async append(bytes: Uint8Array, durable: boolean | undefined): Promise<void> {
    const copy = Buffer.from(bytes);
    await (this.gate ?? turn());
    this.write(copy);
    this.appended.push({ bytes: copy.length, durable });
  }

  next(): void {
    this.cuts.push(this.bytes.length);
  }

  restore(): void {}

  async finish(): Promise<void> {
    this.state = 'finished';
  }

  abandon(): void {
    this.state = 'abandoned';
  }

  get bytes(): Buffer {
    return Buffer.concat(this.writes);
  }

  get text(): string {
    return this.bytes.toString('utf8');
  }

  get lines(): Record<string, unknown>[] {
    return this.text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

export interface Made {
  readonly recording: Recording;
  readonly target: MemoryTarget;
  readonly failures: Error[];
  readonly faults: Error[];
}

export function makeRecording(
  limits = DEFAULT_ROW_LIMITS,
  how: {
    durability?: Durability;
    bestEffort?: boolean;
    maxSegment?: number;
    cipher?: LineCipher;
    scheduler?: FlushScheduler;
  } = {},
): Made {
  const target = new MemoryTarget();
  if (how.maxSegment !== undefined) target.maxSegment = how.maxSegment;
  const failures: Error[] = [];
  const faults: Error[] = [];
  let now = T0;
  const recording = new Recording({
    target,
    session: header.session,
    durability: how.durability ?? 'buffered',
    bestEffort: how.bestEffort ?? false,
    limit: (bound) => bound,
    scheduler: how.scheduler ?? new FlushScheduler(),
    now: () => now++,
    ticks: () => now,
    limits,
    ...(how.cipher === undefined ? {} : { cipher: how.cipher }),
    failed: (error) => failures.push(error),
    faulted: (error) => faults.push(error),
  });
  return { recording, target, failures, faults };
}

/** A small, complete recording: open, three operations (one refused), rows, an end, a seal. */
export async function sampleRecording(): Promise<Buffer> {
  const { recording, target } = makeRecording();
  recording.begin(header);
  recording.intent(1, statement('select $1::text', ['ü']), { verdict: 'allow' });
  recording.row(1, 0, ['ü', null]);
  recording.result(1, { part: 0, status: 'ok', tag: 'SELECT 1', rows: 1, bytes: 20 });
  recording.intent(2, statement('drop table t'), { verdict: 'deny', rule: 'no-drop', code: 'denied', message: 'no' });
  recording.intent(3, statement('select 2'), { verdict: 'allow' });
  await recording.end({ code: 'client_closed', message: 'bye' });
  return target.bytes;
}

/** The file calls of a disk that fails as told. */
export class FaultyFiles implements DiskFiles {
  readonly inner: DiskFiles;
  /** Bytes that may still be written before ENOSPC; undefined: no bound. */
  room: number | undefined;
  /** At most so many bytes a write. */
  most: number | undefined;
  failing: { call: keyof DiskFiles; code: string } | undefined;
  /** What the file system seems to have. */
  seen: { free: number; total: number } | undefined;
  /** Every open file has been removed. */
  removed = false;
  readonly calls: string[] = [];

  constructor(inner: DiskFiles) {
    this.inner = inner;
  }

  open(path: string, how: 'new' | 'existing'): number {
    this.#enter('open');
    return this.inner.open(path, how);
  }

  write(fd: number, bytes: Uint8Array, offset: number, length: number): number {
    this.#enter('write');
    let count = Math.min(length, this.most ?? length);
    if (this.room !== undefined) {
      if (this.room === 0) throw failure('ENOSPC');
      count = Math.min(count, this.room);
      this.room -= count;
    }
    return this.inner.write(fd, bytes, offset, count);
  }

  truncate(fd: number, length: number): void {
    this.#enter('truncate');
    this.inner.truncate(fd, length);
  }

  sync(fd: number): Promise<void> {
    this.#enter('sync');
    return this.inner.sync(fd);
  }

  datasync(fd: number): void {
    this.#enter('datasync');
    this.inner.datasync(fd);
  }

  syncDirectory(path: string): void {
    this.#enter('syncDirectory');
    this.inner.syncDirectory(path);
  }

  read(fd: number, into: Uint8Array, at: number): number {
    return this.inner.read(fd, into, at);
  }

  links(fd: number): number {
    return this.removed ? 0 : this.inner.links(fd);
  }

  space(path: string): { free: number; total: number } {
    return this.seen ?? this.inner.space(path);
  }

  close(fd: number): void {
    this.#enter('close');
    this.inner.close(fd);
  }

  #enter(call: keyof DiskFiles): void {
    this.calls.push(call);
    if (this.failing?.call === call) throw failure(this.failing.code);
  }
}

export function failure(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
