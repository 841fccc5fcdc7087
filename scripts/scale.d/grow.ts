// A data directory that grows: sessions recorded and sealed as the gateway does it, side by side, with the log's entries
// about them. Refuses to know: what is measured.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { newSessionId } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import { LogKeyFile } from '../../src/gateway/log-keys.ts';
import type { MerkleLog } from '../../src/session/log/log.ts';
import { openLog } from '../../src/session/log/opening.ts';
import { DEFAULT_RECORDING, Recorder } from '../../src/session/recorder/recorder.ts';
import type { Recording } from '../../src/session/recorder/recording.ts';
import { LogDirectory, SegmentDirectory } from '../../src/store/log-directory.ts';
import { RecordingDirectory } from '../../src/store/recordings.ts';
import { seeded, traffic } from './traffic.ts';

/** Sessions at once, and operations a session at most: between one and this, as chance has it. */
const SESSIONS = 16;
const LONGEST = 1000;
/** The made-up time between two operations of the gateway. */
const STEP_MS = 20;

interface Open {
  readonly id: string;
  readonly recording: Recording;
  op: number;
  left: number;
}

/** Who waits for a record that failed waits for ever. */
const failed = (error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
};

export class Growing {
  readonly #log: MerkleLog;
  readonly #sink: RecordingDirectory;
  readonly #recorder: Recorder;
  readonly #random = seeded(4711);
  #now = Date.UTC(2026, 0, 1);
  operations = 0;
  sessions = 0;

  private constructor(data: string, log: MerkleLog) {
    this.#log = log;
    this.#sink = new RecordingDirectory(join(data, 'recordings'), { compress: () => true, limit: soon });
    this.#recorder = new Recorder({ sink: this.#sink, now: () => this.#now, version: 'scale' });
  }

  static async in(data: string): Promise<Growing> {
    mkdirSync(join(data, 'keys'), { recursive: true });
    let growing: Growing | undefined;
    const { log } = await openLog({
      storage: new LogDirectory(join(data, 'log')),
      segments: new SegmentDirectory(join(data, 'log')),
      keys: LogKeyFile.open(join(data, 'keys'), () => 'scale.example.com/log/gw-scale0'),
      now: () => growing?.now ?? Date.UTC(2026, 0, 1),
      log: silentLog,
    });
    growing = new Growing(data, log);
    return growing;
  }

  get now(): number {
    return this.#now;
  }

  /** Up to so many operations in all; all sessions are sealed then. */
  async to(goal: number): Promise<void> {
    const open: Open[] = [];
    while (this.operations < goal) {
      while (open.length < SESSIONS) open.push(this.#begin());
      for (const one of open) if (this.operations < goal && one.left > 0) this.#step(one);
      await Promise.all(open.map(({ recording }) => new Promise<void>((done) => recording.recorded(done))));
      for (const one of open.filter(({ left }) => left === 0)) {
        open.splice(open.indexOf(one), 1);
        await this.#end(one);
      }
      // Where the gateway waits for its sockets.
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const one of open) await this.#end(one);
    await this.#log.checkpoint();
  }

  async close(): Promise<void> {
    await this.#sink.stop();
    await this.#log.close();
  }

  #begin(): Open {
    const id = newSessionId(this.#now);
    this.sessions += 1;
    const person = Math.floor(this.#random() * 200);
    const principal = {
      kind: 'person' as const,
      subject: `u-${person}`,
      issuer: 'corp',
      email: `user${person}@example.com`,
      groups: ['engineering'],
      claims: {},
    };
    const [connection, client] = [`db-${Math.floor(this.#random() * 12)}`, '10.1.2.3:40001'];
    this.#log.append('access', { verdict: 'allow', session: id, connection, principal, client, via: 'tunnel' });
    const header = { session: id, principal, connection, protocol: 'scale', labels: { env: 'prod' }, client };
    const recording = this.#recorder.begin({ ...header, policy: 'a'.repeat(64) }, DEFAULT_RECORDING, {
      failed,
      faulted: failed,
    });
    return { id, recording, op: 0, left: 1 + Math.floor(this.#random() * LONGEST) };
  }

  #step(one: Open): void {
    this.#now += STEP_MS;
    this.operations += 1;
    one.op += 1;
    one.left -= 1;
    const { operation, decision, rows, outcome } = traffic(this.#random);
    one.recording.intent(one.op, operation, decision);
    if (outcome === undefined) return;
    if (rows.length > 0) one.recording.columns(one.op, 0, ['id', 'city', 'amount']);
    for (const row of rows) one.recording.row(one.op, 0, row);
    one.recording.result(one.op, outcome);
  }

  async #end({ id, recording, op }: Open): Promise<void> {
    const seal = await recording.end({ code: 'client_closed', message: 'the client left', operations: op });
    if (seal === undefined) throw new Error(`${id} was not sealed`);
    this.#log.append('recording', { session: id, ...seal });
  }
}

/** Compressed at once, not after a minute. */
function soon<L extends { readonly name: string; readonly value: number }>(bound: L): L {
  return bound.name === 'recording_pack_after_ms' ? { ...bound, value: 0 } : bound;
}
