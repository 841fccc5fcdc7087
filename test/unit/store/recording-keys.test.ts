// Encrypted recordings in a directory: their keys beside them, through failures, crashes and erasure.

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newSessionId } from '../../../src/core/ids.ts';
import { newIdentity, parseIdentities, parseRecipient } from '../../../src/session/recorder/age/keys.ts';
import { openerOf } from '../../../src/session/recorder/encryption.ts';
import { type Line, LineSplitter, parseLine } from '../../../src/session/recorder/reader.ts';
import { DEFAULT_RECORDING, Recorder } from '../../../src/session/recorder/recorder.ts';
import { salvage } from '../../../src/session/recorder/salvage.ts';
import { readRecording } from '../../../src/session/recorder/stored.ts';
import { verify } from '../../../src/session/recorder/verify.ts';
import type { Durability, OnFailure } from '../../../src/session/recorder/writer.ts';
import { nodeFiles } from '../../../src/store/node-files.ts';
import { keyFile, recordingStem } from '../../../src/store/recording-files.ts';
import { RecordingDirectory } from '../../../src/store/recordings.ts';
import { FaultyFiles, header, statement, T0 } from '../session/recorder/fixtures.ts';

const CANARY = 'kanarienvogel';
const { file: identityFile, recipient } = newIdentity(new Date(T0));
const identities = parseIdentities(identityFile, 'key.txt');
const encrypt = { recipients: [parseRecipient(recipient)], gatewayReads: false };

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keys-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function begin(sink: RecordingDirectory, how: { durability?: Durability; onFailure?: OnFailure } = {}) {
  const id = newSessionId(T0);
  const failures: Error[] = [];
  const recorder = new Recorder({ sink, now: () => T0 });
  const hooks = { failed: (error: Error) => failures.push(error), faulted: (error: Error) => failures.push(error) };
  const recording = recorder.begin({ ...header, session: id }, { ...DEFAULT_RECORDING, ...how, encrypt }, hooks);
  let op = 0;
  const ask = () =>
    new Promise<void>((resolve) => {
      op += 1;
      recording.intent(op, statement(`select '${CANARY}' -- ${op}`), { verdict: 'allow' });
      recording.recorded(resolve);
    });
  const end = () => recording.end({ code: 'client_closed', message: '' });
  return { id, recording, failures, ask, end };
}

const keyPath = (id: string) => join(root, keyFile(recordingStem(id)));

async function texts(sink: RecordingDirectory, id: string): Promise<unknown[]> {
  const opener = openerOf(id, (await sink.key(id))!, identities)!;
  const lines: Line[] = [];
  const splitter = new LineSplitter();
  for await (const chunk of readRecording(sink, id)) {
    for (const raw of splitter.push(chunk)) lines.push(opener.open(raw.bytes, parseLine(raw.bytes)!));
  }
  return lines.filter(({ kind }) => kind === 'intent').map(({ text }) => text);
}

const salvaged = async (sink: RecordingDirectory) =>
  salvage(sink, await sink.unfinished(), { now: () => T0, reason: 'the gateway stopped without sealing it' });

function everything(): string {
  const names = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return names.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')).join('');
}

describe('the key of an encrypted recording', () => {
  it.each(['buffered', 'synced'] as const)(
    'is durable, and its name, before the first line is written (%s)',
    async (durability) => {
      const files = new FaultyFiles(nodeFiles);
      const sink = new RecordingDirectory(root, { files });
      const { id, ask, end } = begin(sink, { durability });
      await ask();
      const write = files.calls.indexOf('write');
      const next = (call: string, from: number) => files.calls.indexOf(call as never, from);
      // The key's own write, then made durable with its name; the next write is the first of the lines.
      const synced = next('datasync', write);
      const named = next('syncDirectory', synced);
      expect([write, synced, named].every((place) => place >= 0)).toBe(true);
      expect(next('write', write + 1)).toBeGreaterThan(named);
      expect(statSync(keyPath(id)).mode & 0o777).toBe(0o600);
      await end();
      expect(await texts(sink, id)).toEqual([`select '${CANARY}' -- 1`]);
      expect(everything()).not.toContain(CANARY);
    },
  );

  it.each(['open', 'write', 'datasync', 'syncDirectory'] as const)(
    'that cannot be written (%s) ends the session before anything is forwarded',
    async (call) => {
      const files = new FaultyFiles(nodeFiles);
      const sink = new RecordingDirectory(root, { files });
      const { id, recording, failures, end } = begin(sink);
      // The file of the recording is there; what comes next is the key.
      files.failing = { call, code: 'EIO' };
      let forwarded = false;
      recording.intent(1, statement(CANARY), { verdict: 'allow' });
      recording.recorded(() => {
        forwarded = true;
      });
      await expect.poll(() => failures.length).toBe(1);
      expect(failures).toEqual([expect.objectContaining({ code: 'recording_failed' })]);
      files.failing = undefined;
      const seal = await end();
      expect(forwarded).toBe(false);
      expect(seal?.interrupted).toContain('EIO');
      expect(await verify(readRecording(sink, id))).toMatchObject({ ok: true, sealed: true });
      expect(everything()).not.toContain(CANARY);
    },
  );

  it('is never left out where a session may go on unrecorded', async () => {
    const files = new FaultyFiles(nodeFiles);
    const sink = new RecordingDirectory(root, { files });
    const { failures, ask, end } = begin(sink, { onFailure: 'best-effort' });
    files.failing = { call: 'datasync', code: 'EIO' };
    await ask();
    expect(failures).toHaveLength(1);
    files.failing = undefined;
    await end();
    expect(everything()).not.toContain(CANARY);
  });

  it('is not needed to salvage, and the content stays readable', async () => {
    const first = new RecordingDirectory(root);
    const { id, ask } = begin(first);
    for (let i = 0; i < 5; i++) await ask();
    const path = first.path(id);
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('{"seq":6,"at":"2026-11-2')]));
    const hidden = readFileSync(keyPath(id));
    unlinkSync(keyPath(id));
    const later = new RecordingDirectory(root);
    expect(await salvaged(later)).toEqual([expect.objectContaining({ session: id, outcome: 'sealed', cut: 24 })]);
    expect(await verify(readRecording(later, id), { session: id })).toMatchObject({ ok: true, sealed: true });
    writeFileSync(keyPath(id), hidden);
    expect(await texts(later, id)).toHaveLength(5);
  });

  it('goes with a recording that is put out of the way', async () => {
    const first = new RecordingDirectory(root);
    const { id, ask } = begin(first);
    await ask();
    const path = first.path(id);
    writeFileSync(path, readFileSync(path, 'utf8').replace('prod-db', 'test-db'));
    const [one] = await salvaged(new RecordingDirectory(root));
    expect(one).toMatchObject({ outcome: 'quarantined' });
    expect(existsSync(keyPath(id))).toBe(false);
    expect(readdirSync(join(root, 'damaged')).sort()).toEqual([`${id}.jsonl`, `${id}.key.age`]);
  });

  it('is put back while the recording is being written: alone, and with everything else', async () => {
    const sink = new RecordingDirectory(root);
    const alone = begin(sink);
    await alone.ask();
    unlinkSync(keyPath(alone.id));
    await alone.end();
    expect(await texts(sink, alone.id)).toHaveLength(1);
    const all = begin(sink);
    await all.ask();
    rmSync(join(root, '2026'), { recursive: true });
    const seal = await all.end();
    expect(await verify(readRecording(sink, all.id))).toMatchObject({ ok: true, digest: seal?.digest });
    expect(await texts(sink, all.id)).toHaveLength(1);
  });

  it('is erased for good, and the proof stays; never while it is being recorded', async () => {
    const sink = new RecordingDirectory(root);
    const { id, ask, end } = begin(sink);
    await ask();
    await expect(sink.eraseKey(id)).rejects.toMatchObject({ code: 'conflict' });
    const seal = await end();
    expect(await sink.eraseKey(id)).toBe(true);
    expect(await sink.eraseKey(id)).toBe(false);
    expect(await sink.key(id)).toBeUndefined();
    expect(readdirSync(join(root, recordingStem(id), '..'))).toEqual([`${id}.jsonl`]);
    expect(await verify(readRecording(sink, id))).toMatchObject({ ok: true, digest: seal?.digest });
    await expect(sink.eraseKey('s-nobody')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is there also for a recording that is compressed', async () => {
    const sink = new RecordingDirectory(root, {
      compress: () => true,
      limit: (bound) => (bound.name === 'recording_pack_after_ms' ? { ...bound, value: 0 } : bound),
    });
    const { id, ask, end } = begin(sink);
    await ask();
    await end();
    await expect.poll(() => existsSync(sink.path(id))).toBe(false);
    expect(existsSync(`${sink.path(id)}.zst`)).toBe(true);
    expect(await texts(sink, id)).toHaveLength(1);
    expect(everything()).not.toContain(CANARY);
  });
});
