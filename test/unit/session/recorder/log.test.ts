import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/core/log.ts';
import { ChainedLog, verifyLog } from '../../../../src/session/recorder/log.ts';
import { LogDirectory } from '../../../../src/store/log-segments.ts';
import { nodeFiles } from '../../../../src/store/node-files.ts';
import { FaultyFiles, T0 } from './fixtures.ts';

let root: string;
let segments: LogDirectory;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'log-'));
  segments = new LogDirectory(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const open = (segmentBytes?: number, directory = segments) =>
  ChainedLog.open({ segments: directory, now: () => T0, log: silentLog, ...(segmentBytes ? { segmentBytes } : {}) });
const file = (number = 1) => join(root, `${String(number).padStart(4, '0')}.jsonl`);
const entries = (number = 1) =>
  readFileSync(file(number), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("the gateway's log", () => {
  it('has an entry in its file when append returns, in a private file', async () => {
    const log = await open();
    log.append('login', { who: 'alice' });
    expect(entries()).toMatchObject([
      { seq: 0, kind: 'open', log: '0001', previous: null },
      { seq: 1, kind: 'login', who: 'alice' },
    ]);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    await log.close();
  });

  it('goes on with the same chain after a restart', async () => {
    for (let start = 0; start < 3; start++) {
      const log = await open();
      log.append('start', { start });
      await log.close();
    }
    expect(entries().map((entry) => entry.seq)).toEqual([0, 1, 2, 3]);
    expect(await verifyLog(segments)).toMatchObject({ ok: true });
  });

  it('cuts a torn last line, wherever a kill tore it, and says so', async () => {
    const log = await open();
    log.append('login', { who: 'alice' });
    log.append('login', { who: 'bob' });
    await log.close();
    const whole = readFileSync(file());
    const secondEnds = whole.lastIndexOf('\n', whole.length - 2) + 1;
    for (let length = secondEnds + 1; length < whole.length; length += 9) {
      writeFileSync(file(), whole.subarray(0, length));
      const again = await open();
      again.append('login', { who: 'carol' });
      await again.close();
      expect(entries().map((entry) => entry.kind)).toEqual(['open', 'login', 'failure', 'login']);
      expect(entries()[2]).toMatchObject({ what: 'log line torn', cut: length - secondEnds });
      expect(await verifyLog(segments)).toMatchObject({ ok: true });
    }
  });

  it('begins again in a file that a kill left empty or torn in its first line', async () => {
    const log = await open();
    await log.close();
    const size = statSync(file()).size;
    for (const length of [0, 10, size - 1]) {
      writeFileSync(file(), readFileSync(file()));
      truncateSync(file(), length);
      await (await open()).close();
      expect(entries()[0]).toMatchObject({ kind: 'open', log: '0001' });
      expect(await verifyLog(segments)).toMatchObject({ ok: true });
    }
  });

  it('moves a damaged segment aside and goes on in the next one, which says so', async () => {
    const log = await open();
    for (let i = 0; i < 5; i++) log.append('login', { i });
    await log.close();
    const bytes = readFileSync(file());
    bytes[200] = bytes[200]! ^ 1;
    writeFileSync(file(), bytes);
    const again = await open();
    again.append('login', { who: 'dave' });
    await again.close();
    expect(readdirSync(root).sort()).toEqual(['0001.jsonl.damaged', '0002.jsonl']);
    expect(entries(2)).toMatchObject([
      { kind: 'open', previous: { segment: '0001', damaged: expect.stringContaining('0001.jsonl.damaged') } },
      { kind: 'failure', what: 'log segment damaged' },
      { kind: 'login' },
    ]);
    expect(await verifyLog(segments)).toMatchObject({ ok: false });
  });

  it('seals a full segment and binds the next one to it', async () => {
    const log = await open(1000);
    for (let i = 0; i < 30; i++) log.append('login', { i });
    await log.close();
    const again = await open(1000);
    again.append('login', { i: 30 });
    await again.close();
    const names = await segments.list();
    expect(names.length).toBeGreaterThan(4);
    const all = names.flatMap((name) => entries(Number(name)));
    expect(all.filter((entry) => entry.kind === 'login').map((entry) => entry.i)).toEqual([...Array(31).keys()]);
    expect(await verifyLog(segments)).toMatchObject({ ok: true, problems: [] });
  });

  it('misses a removed segment, a replaced one, and a removed last line of a sealed one', async () => {
    const log = await open(600);
    for (let i = 0; i < 20; i++) log.append('login', { i });
    await log.close();
    const whole = readFileSync(file(2));
    unlinkSync(file(2));
    expect(await verifyLog(segments)).toMatchObject({
      ok: false,
      problems: [{ what: 'missing' }, { what: 'changed' }],
    });
    writeFileSync(file(2), whole.subarray(0, whole.lastIndexOf('\n', whole.length - 2) + 1));
    expect((await verifyLog(segments)).ok).toBe(false);
    rmSync(file(2));
    const other = mkdtempSync(join(root, 'other-'));
    const forged = await open(600, new LogDirectory(other));
    for (let i = 0; i < 20; i++) forged.append('login', { i: -i });
    await forged.close();
    writeFileSync(file(2), readFileSync(join(other, '0002.jsonl')));
    expect((await verifyLog(segments)).ok).toBe(false);
    writeFileSync(file(2), whole);
    expect((await verifyLog(segments)).ok).toBe(true);
  });

  it('refuses an entry that it cannot write, and goes on where it was when it can again', async () => {
    const files = new FaultyFiles(nodeFiles);
    const faulty = new LogDirectory(root, files);
    const log = await open(undefined, faulty);
    log.append('login', { i: 0 });
    for (const room of [0, 10, 100]) {
      files.room = room;
      expect(() => log.append('login', { lost: true })).toThrow(expect.objectContaining({ code: 'recording_failed' }));
      files.room = undefined;
      log.append('login', { i: room });
    }
    await log.close();
    expect(readFileSync(file(), 'utf8')).not.toContain('lost');
    expect(await verifyLog(segments)).toMatchObject({ ok: true });
  });

  it.each([0, 50, 150, 400])('changes segments once, however the disk fails on the way (room %d)', async (room) => {
    const files = new FaultyFiles(nodeFiles);
    const log = await open(400, new LogDirectory(root, files));
    log.append('login', { i: 0, text: 'x'.repeat(400) });
    files.room = room;
    for (let i = 0; i < 3; i++) {
      try {
        log.append('login', { never: i });
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'recording_failed' });
      }
    }
    files.room = undefined;
    log.append('login', { i: 1 });
    await log.close();
    const found = await verifyLog(segments);
    expect(found.problems).toEqual([]);
    expect(found.ok).toBe(true);
    expect(readFileSync(file(2), 'utf8')).toContain('"i":1');
  });
});
