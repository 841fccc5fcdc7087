// Recordings in memory and a failing disk, for the tests of the recorder.

import type { Facts, Operation } from '../../../../src/protocol/contract.ts';
import type { RecorderFiles } from '../../../../src/session/recorder/files.ts';
import { DEFAULT_ROW_LIMITS, type Header, Recording } from '../../../../src/session/recorder/recording.ts';
import { FlushScheduler } from '../../../../src/session/recorder/scheduler.ts';
import type { RecordingTarget } from '../../../../src/session/recorder/sink.ts';

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
  return { kind: 'query', text, ...(params === undefined ? {} : { params }), parts: [facts('select')] };
}

/** A target in memory. */
export class MemoryTarget implements RecordingTarget {
  readonly name = 'memory';
  readonly writes: Buffer[] = [];
  state: 'open' | 'finished' | 'abandoned' = 'open';
  /** Thrown by the next writes. */
  failure: Error | undefined;

  write(bytes: Uint8Array): void {
    if (this.failure !== undefined) throw this.failure;
    this.writes.push(Buffer.from(bytes));
  }

  async sync(): Promise<void> {}

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

export function makeRecording(limits = DEFAULT_ROW_LIMITS): Made {
  const target = new MemoryTarget();
  const failures: Error[] = [];
  const faults: Error[] = [];
  let now = T0;
  const recording = new Recording({
    target,
    scheduler: new FlushScheduler(),
    now: () => now++,
    ticks: () => now,
    limits,
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
export class FaultyFiles implements RecorderFiles {
  readonly inner: RecorderFiles;
  /** Bytes that may still be written before ENOSPC; undefined: no bound. */
  room: number | undefined;
  /** At most so many bytes a write. */
  most: number | undefined;
  failing: { call: keyof RecorderFiles; code: string } | undefined;
  readonly calls: string[] = [];

  constructor(inner: RecorderFiles) {
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

  close(fd: number): void {
    this.#enter('close');
    this.inner.close(fd);
  }

  #enter(call: keyof RecorderFiles): void {
    this.calls.push(call);
    if (this.failing?.call === call) throw failure(this.failing.code);
  }
}

export function failure(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
