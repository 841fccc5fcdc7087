// One session whose recording grows to so many GiB, at the recorder's interface: that it needs no more memory than a short
// one, and that what was written reads and verifies.
//
//   node scripts/torture.d/long.ts [GIB] [DIRECTORY]      default 2, in the temporary directory

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newSessionId } from '../../src/core/ids.ts';
import { DEFAULT_RECORDING, Recorder } from '../../src/session/recorder/recorder.ts';
import { readRecording } from '../../src/session/recorder/stored.ts';
import { verify } from '../../src/session/recorder/verify.ts';
import { RecordingDirectory } from '../../src/store/recordings.ts';

const goal = Number(process.argv[2] ?? 2) * 2 ** 30;
const directory = mkdtempSync(join(process.argv[3] ?? tmpdir(), 'long-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));

const memory = (field: string) =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
const mib = (value: number) => `${Math.round(value)} MiB`;

const sink = new RecordingDirectory(directory);
const recorder = new Recorder({ sink, now: Date.now });
const failed = (error: Error) => {
  throw error;
};
const session = newSessionId(Date.now());
const principal = { kind: 'person' as const, subject: 'long', issuer: 'long', groups: [], claims: {} };
const header = { session, principal, connection: 'c', protocol: 'p', labels: {}, client: '-', policy: '-' };
const recording = recorder.begin(header, DEFAULT_RECORDING, { failed, faulted: failed });

const unkept = Buffer.alloc(200_000);
const row = ['x'.repeat(500), 'ü'.repeat(100), null, '4711'];
const began = performance.now();
let told = 0;
for (let op = 1; recording.bytes < goal; op++) {
  recording.intent(
    op,
    { kind: 'query', text: `select * from t where n > ${op}`, exact: '', parts: [] },
    { verdict: 'allow' },
  );
  await new Promise<void>((resolve) => recording.recorded(resolve));
  recording.columns(op, 0, ['a', 'b', 'c', 'd']);
  // More than are kept.
  for (let i = 0; i < 1200; i++) if (recording.wantsRows(op)) recording.row(op, 0, row);
  recording.rest(op, 0, unkept, 200);
  recording.result(op, { part: 0, status: 'ok', tag: 'SELECT 1200', rows: 1200, bytes: 840_000 });
  if (op % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  if (recording.bytes - told < 2 ** 29) continue;
  told = recording.bytes;
  console.log(`${mib(told / 2 ** 20)} written, ${mib(memory('VmRSS'))} resident, ${mib(memory('VmHWM'))} at most`);
}
const seal = await recording.end({ code: 'client_closed', message: '' });
const seconds = (performance.now() - began) / 1000;
console.log(
  `${seal?.segments} segments, ${mib((seal?.bytes ?? 0) / 2 ** 20 / seconds)} a second, ${mib(memory('VmHWM'))} at most`,
);
const from = performance.now();
const found = await verify(readRecording(sink, session), { session });
const rate = found.bytes / 2 ** 20 / ((performance.now() - from) / 1000);
console.log(`verified: ${found.ok}, ${mib(rate)} a second, ${mib(memory('VmHWM'))} at most, ${found.lines} lines`);
console.log(`open marks left: ${readdirSync(join(directory, 'open')).filter((name) => name.startsWith('s-')).length}`);
await sink.stop();
process.exitCode = found.ok && found.digest === seal?.digest ? 0 : 1;
