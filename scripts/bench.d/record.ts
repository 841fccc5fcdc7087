// What recording costs: CPU time of one statement's lines (intent, forward, outcome with a row), and statements a second of
// both durabilities by sessions at once. At the recorder's interface, on the disk that the temporary directory is on.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newSessionId } from '../../src/core/ids.ts';
import type { Facts, Operation } from '../../src/protocol/contract.ts';
import { DEFAULT_RECORDING, Recorder } from '../../src/session/recorder/recorder.ts';
import type { Recording } from '../../src/session/recorder/recording.ts';
import type { Durability } from '../../src/session/recorder/writer.ts';
import { RecordingDirectory } from '../../src/store/recordings.ts';

/** As `pgbench -S` asks, with a value that changes. */
const facts: Facts = {
  does: ['select'],
  relations: [{ name: 'pgbench_accounts', read: true, written: false }],
  functions: [],
  unbounded: false,
};

function statement(aid: number): Operation {
  const text = `SELECT abalance FROM pgbench_accounts WHERE aid = ${aid};`;
  return { kind: 'query', text, exact: '', parts: [facts] };
}

const failed = (error: Error) => {
  throw error;
};

function begin(recorder: Recorder, durability: Durability): Recording {
  const session = newSessionId(Date.now());
  const principal = { kind: 'person' as const, subject: 'bench', issuer: 'bench', groups: [], claims: {} };
  const header = { session, principal, connection: 'bench', protocol: 'bench', labels: {}, client: '-', policy: '-' };
  return recorder.begin(header, { ...DEFAULT_RECORDING, durability }, { failed, faulted: failed });
}

function outcome(recording: Recording, op: number): void {
  recording.columns(op, 0, ['abalance']);
  recording.row(op, 0, ['0']);
  recording.result(op, { part: 0, status: 'ok', tag: 'SELECT 1', rows: 1, bytes: 44 });
}

async function inDirectory<T>(job: (recorder: Recorder, directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-record-'));
  const sink = new RecordingDirectory(directory);
  try {
    return await job(new Recorder({ sink, now: Date.now, version: 'bench' }), directory);
  } finally {
    await sink.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** CPU time, in microseconds, of all lines of one statement, `buffered`. */
export function recordCpu(statements: number): Promise<number> {
  return inDirectory(async (recorder) => {
    const recording = begin(recorder, 'buffered');
    const run = (from: number, to: number) => {
      for (let op = from; op <= to; op++) {
        recording.intent(op, statement(op), { verdict: 'allow' });
        recording.recorded(() => {});
        outcome(recording, op);
      }
    };
    run(1, 5000);
    const before = process.cpuUsage();
    run(5001, 5000 + statements);
    const { user, system } = process.cpuUsage(before);
    await recording.end({ code: 'client_closed', message: '' });
    return (user + system) / statements;
  });
}

/** Statements a second, each forwarded when it is recorded and followed by the next at once, over so many sessions. */
export function recordRate(durability: Durability, sessions: number, seconds: number): Promise<number> {
  return inDirectory(async (recorder) => {
    let done = 0;
    const end = performance.now() + seconds * 1000;
    await Promise.all(
      Array.from({ length: sessions }, async () => {
        const recording = begin(recorder, durability);
        for (let op = 1; performance.now() < end; op++) {
          recording.intent(op, statement(op), { verdict: 'allow' });
          await new Promise<void>((resolve) => recording.recorded(resolve));
          outcome(recording, op);
          done += 1;
          // The target's answer is an event of its own.
          if (durability === 'buffered' && op % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await recording.end({ code: 'client_closed', message: '' });
      }),
    );
    return done / seconds;
  });
}
