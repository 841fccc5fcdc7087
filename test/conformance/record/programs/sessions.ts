// Records sessions and puts their seals into the log, as a busy gateway does, until it is killed: sessions.ts DATA

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newSessionId } from '../../../../src/core/ids.ts';
import { Recorder } from '../../../../src/session/recorder/recorder.ts';
import { lockDirectory } from '../../../../src/store/lock.ts';
import { RecordingDirectory } from '../../../../src/store/recordings.ts';
import { openTestLog } from '../../../support/log.ts';
import { ALICE } from '../../../support/record.ts';

const data = process.argv[2]!;
lockDirectory(data);
const { log } = await openTestLog(data, { checkpointMs: 15, now: () => Date.now() });
await log.checkpoint();
const recorder = new Recorder({ sink: new RecordingDirectory(join(data, 'recordings')), now: Date.now });
const fail = (error: Error) => {
  throw error;
};

async function sessions(): Promise<void> {
  for (;;) {
    const session = newSessionId(Date.now());
    const header = { session, principal: ALICE, connection: 'db', protocol: 'p', labels: {}, client: 'x', policy: 'v' };
    log.append('access', { verdict: 'allow', session });
    const recording = recorder.begin(header, undefined, { failed: fail, faulted: fail });
    const operation = { kind: 'query', text: 'select 1', exact: '', parts: [] };
    recording.intent(1, operation, { verdict: 'allow' });
    await new Promise<void>((resolve) => recording.recorded(resolve));
    await sleep(Math.random() * 200);
    recording.result(1, { part: 0, status: 'ok', rows: 1 });
    const seal = await recording.end({ code: 'client_closed', message: 'over' });
    log.append('recording', { session, ...seal });
  }
}

console.log('begun');
await Promise.all([sessions(), sessions(), sessions()]);
