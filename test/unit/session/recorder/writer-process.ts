// Run as a program by kill.test.ts: sessions that record operations as fast as they can, and tell on stdout, by one write
// each, which ones were "forwarded". Killed at a random moment.

import { writeSync } from 'node:fs';
import { newSessionId } from '../../../../src/core/ids.ts';
import { Recorder } from '../../../../src/session/recorder/recorder.ts';
import { RecordingDirectory } from '../../../../src/store/recordings.ts';

const recorder = new Recorder({ sink: new RecordingDirectory(process.argv[2]!), now: Date.now });
const fail = (error: Error) => {
  throw error;
};

for (let session = 0; session < 8; session++) {
  const id = newSessionId(Date.now());
  const principal = { kind: 'person' as const, subject: 'a', issuer: 'b', groups: [], claims: {} };
  const header = { session: id, principal, connection: 'c', protocol: 'p', labels: {}, client: 'x', policy: 'v' };
  const recording = recorder.begin(header, undefined, { failed: fail, faulted: fail });
  let op = 0;
  const next = () => {
    if (op > 0) recording.result(op, { part: 0, status: 'ok', rows: 1 });
    op += 1;
    recording.intent(
      op,
      { kind: 'query', text: `select ${'x'.repeat(op % 300)}`, exact: '', parts: [] },
      { verdict: 'allow' },
    );
    const forwarded = op;
    recording.recorded(() => {
      writeSync(1, `${id} ${forwarded}\n`);
      setImmediate(next);
    });
  };
  next();
}
