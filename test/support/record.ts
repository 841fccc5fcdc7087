// A record in a directory: a log and recordings as the gateway writes them, for whoever follows, exports or searches them.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newSessionId } from '../../src/core/ids.ts';
import type { Facts } from '../../src/protocol/contract.ts';
import type { MerkleLog } from '../../src/session/log/log.ts';
import { followSource, type LogFollowing } from '../../src/session/recorder/follow-source.ts';
import { Recorder } from '../../src/session/recorder/recorder.ts';
import type { Recording } from '../../src/session/recorder/recording.ts';
import { RecordingDirectory } from '../../src/store/recordings.ts';
import { openTestLog } from './log.ts';

export const ALICE = {
  kind: 'person',
  subject: 'alice',
  issuer: 'corp',
  email: 'alice@example.com',
  groups: ['eng'],
  claims: {},
} as const;

export interface RecordedSession {
  readonly id: string;
  readonly recording: Recording;
  /** A statement that is allowed. */
  say(text: string, more?: { readonly params?: readonly (string | null)[]; readonly does?: readonly string[] }): number;
  /** Its outcome. */
  answer(op: number, outcome?: object, rows?: readonly (readonly (string | null)[])[]): void;
  /** Resolves when all so far is in the file: at once where the disk is quick. */
  written(): Promise<void>;
  end(): Promise<void>;
}

export interface Written {
  readonly root: string;
  /** Its first entry is its own. */
  readonly log: MerkleLog;
  readonly sink: RecordingDirectory;
  /** A new one each time, as another process would have it. */
  source(): LogFollowing;
  session(labels?: Record<string, string>): RecordedSession;
  close(): Promise<void>;
}

export const RECORD_TIME = Date.UTC(2026, 10, 20, 7, 0, 0);

export async function writeRecord(now: () => number = () => RECORD_TIME): Promise<Written> {
  const root = mkdtempSync(join(tmpdir(), 'record-'));
  const sink = new RecordingDirectory(join(root, 'recordings'));
  const { log } = await openTestLog(root, { now });
  const recorder = new Recorder({ sink, now });
  return {
    root,
    log,
    sink,
    source: () => followSource({ log, sink }),
    session: (labels = { env: 'prod' }) => beginSession(log, recorder, labels, now()),
    async close() {
      await log.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function beginSession(log: MerkleLog, recorder: Recorder, labels: Record<string, string>, at: number): RecordedSession {
  const id = newSessionId(at);
  const [connection, client] = ['prod-db', '10.1.2.3:40001'];
  log.append('access', { verdict: 'allow', session: id, connection, principal: ALICE, client, via: 'tunnel' });
  const header = { session: id, principal: ALICE, connection, protocol: 'sql', labels, client, policy: 'a'.repeat(64) };
  const recording = recorder.begin(header, undefined, { failed: () => {}, faulted: () => {} });
  let last = 0;
  return {
    id,
    recording,
    say(text, { params, does = ['select'] } = {}) {
      last += 1;
      const parts: Facts[] = [{ does, relations: [], functions: [], unbounded: false }];
      recording.intent(
        last,
        { kind: 'query', text, exact: '', parts, ...(params && { params }) },
        { verdict: 'allow' },
      );
      recording.recorded(() => {});
      return last;
    },
    answer(op, outcome = {}, rows = []) {
      for (const row of rows) recording.row(op, 0, row);
      recording.result(op, { part: 0, status: 'ok', tag: `SELECT ${rows.length}`, rows: rows.length, ...outcome });
      recording.recorded(() => {});
    },
    written: () => new Promise((resolve) => recording.recorded(resolve)),
    async end() {
      const seal = await recording.end({ code: 'client_closed', message: 'bye' });
      log.append('recording', { session: id, connection, ...seal });
    },
  };
}
