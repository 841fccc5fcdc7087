import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newSessionId } from '../../../src/core/ids.ts';
import { ownOpeners, ownRecipient } from '../../../src/gateway/recording-identity.ts';
import { newIdentity, parseRecipient } from '../../../src/session/recorder/age/keys.ts';
import { followSource } from '../../../src/session/recorder/follow-source.ts';
import { DEFAULT_RECORDING, Recorder } from '../../../src/session/recorder/recorder.ts';
import { keyFile, recordingStem } from '../../../src/store/recording-files.ts';
import { RecordingDirectory } from '../../../src/store/recordings.ts';
import { header, statement, T0 } from '../session/recorder/fixtures.ts';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'own-'));
  mkdirSync(join(data, 'keys'));
});
afterEach(() => rmSync(data, { recursive: true }));

async function recorded(sink: RecordingDirectory, gatewayReads: boolean): Promise<string> {
  const id = newSessionId(T0);
  const recorder = new Recorder({ sink, now: () => T0, own: () => ownRecipient(join(data, 'keys')) });
  const recipients = [parseRecipient(newIdentity(new Date(T0)).recipient)];
  const hooks = { failed: (error: Error) => expect.fail(error.message), faulted: () => {} };
  const policy = { ...DEFAULT_RECORDING, encrypt: { recipients, gatewayReads } };
  const recording = recorder.begin({ ...header, session: id }, policy, hooks);
  for (const op of [1, 2]) recording.intent(op, statement(`select ${op}`), { verdict: 'allow' });
  await recording.end({ code: 'client_closed', message: '' });
  return id;
}

it('what the gateway may read is followed in the clear; the rest, and what was changed, as it is stored, without a stop', async () => {
  const sink = new RecordingDirectory(join(data, 'recordings'));
  const [mine, theirs] = [await recorded(sink, true), await recorded(sink, false)];
  expect(statSync(join(data, 'keys', 'recordings.age')).mode & 0o777).toBe(0o600);
  const source = followSource({ log: { entries: async function* () {} }, sink, openerFor: ownOpeners(data) });
  const texts = async (id: string) => {
    const found: unknown[] = [];
    for await (const { line } of source.lines(id, { seq: 0, byte: 0 })) {
      if (line.kind === 'intent') found.push(line.text ?? typeof line.enc);
    }
    return found;
  };
  expect(await texts(mine)).toEqual(['select 1', 'select 2']);
  expect(await texts(theirs)).toEqual(['string', 'string']);
  const path = sink.path(mine);
  const before = readFileSync(path, 'utf8');
  writeFileSync(path, before.replace(/("op":2.*?"enc":")./, '$1-'));
  expect(await texts(mine)).toEqual(['select 1', 'string']);
  writeFileSync(path, before);
  writeFileSync(join(data, 'recordings', keyFile(recordingStem(mine))), 'no age file');
  expect(await texts(mine)).toEqual(['string', 'string']);
  await sink.stop();
});
