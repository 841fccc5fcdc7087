import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Checkpoint, parseCheckpoint } from '../../../../src/session/log/checkpoint.ts';
import type { MerkleLog } from '../../../../src/session/log/log.ts';
import { verifyConsistency } from '../../../../src/session/log/merkle.ts';
import { parseVkey, signatureBy } from '../../../../src/session/log/note.ts';
import { type KeyChange, keyOf } from '../../../../src/session/log/rotation.ts';
import { TreeReader } from '../../../../src/session/log/tiles.ts';
import { Chain, encodeFields, lineDigest } from '../../../../src/session/recorder/line.ts';
import { LogDirectory, LogFolder } from '../../../../src/store/log-directory.ts';
import { nodeFiles } from '../../../../src/store/node-files.ts';
import { collect, logEntries, logKeys, oldSegment, openTestLog } from '../../../support/log.ts';
import { FaultyFiles } from '../recorder/fixtures.ts';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'log-'));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

const open = async (): Promise<MerkleLog> => {
  const { log, damage } = await openTestLog(data);
  expect(damage).toBeUndefined();
  return log;
};
const journal = (): string =>
  join(
    data,
    'log',
    'journal',
    readdirSync(join(data, 'log', 'journal'))
      .sort()
      .at(-1)!,
  );
const checkpoint = (): Checkpoint => parseCheckpoint(readFileSync(join(data, 'log', 'checkpoint')))!;
const logins = async (): Promise<unknown[]> =>
  (await logEntries(data)).filter(({ kind }) => kind === 'login').map(({ fields }) => fields.i);
const failures = async () => (await logEntries(data)).filter(({ kind }) => kind === 'failure').map((one) => one.fields);

describe("the gateway's log", () => {
  it('has an entry in its file when append returns, in a private file, and reads it back', async () => {
    const log = await open();
    log.append('login', { who: 'alice' });
    expect(readFileSync(journal(), 'utf8')).toContain('"who":"alice"');
    expect(statSync(journal()).mode & 0o777).toBe(0o600);
    const entries = await collect(log.entries(0));
    expect(entries).toMatchObject([
      { index: 0, kind: 'log', fields: { what: 'began', origin: log.origin } },
      { index: 1, kind: 'login', fields: { who: 'alice' } },
    ]);
    expect(entries[1]!.fields).toEqual({ who: 'alice' });
    expect(await logEntries(data)).toEqual(entries);
    await log.close();
    expect(await logEntries(data)).toEqual(entries);
    expect(checkpoint()).toMatchObject({ origin: log.origin, size: 2 });
  });

  it('goes on with the same tree after restarts, over tiles and journals, and each checkpoint contains those before', async () => {
    const seen: Checkpoint[] = [];
    let i = 0;
    for (const count of [1, 300, 0, 211, 513, 256]) {
      const { log } = await openTestLog(data, { journalBytes: 10_000 });
      for (let n = 0; n < count; n++) log.append('login', { i: i++ });
      if (count % 2 === 1) await log.checkpoint();
      await log.close();
      seen.push(checkpoint());
    }
    expect(await logins()).toEqual([...Array(i).keys()]);
    const last = seen.at(-1)!;
    const tree = new TreeReader(new LogDirectory(join(data, 'log')), last.size);
    expect(last.root.equals(await tree.root())).toBe(true);
    for (const old of seen) expect(verifyConsistency(old, last, await tree.consistency(old.size))).toBe(true);
    const { log } = await openTestLog(data);
    expect((await collect(log.entries(700))).map(({ index }) => index)[0]).toBe(700);
    await log.close();
  });

  it('cuts a torn last line, wherever a kill tore it, and says so', async () => {
    const log = await open();
    await log.checkpoint();
    log.append('login', { i: 0 });
    log.append('login', { i: 1 });
    const whole = readFileSync(journal());
    await log.close();
    const secondBegins = whole.lastIndexOf('\n', whole.length - 2) + 1;
    for (let length = secondBegins + 1; length < whole.length; length += 7) {
      rmSync(data, { recursive: true });
      const again = await open();
      await again.checkpoint();
      again.append('login', { i: 0 });
      again.append('login', { i: 1 });
      const copy = mkdtempSync(join(tmpdir(), 'log-'));
      cpSync(data, copy, { recursive: true });
      await again.close();
      rmSync(data, { recursive: true });
      data = copy;
      truncateSync(journal(), length);
      const third = await open();
      third.append('login', { i: 2 });
      await third.close();
      expect(await logins()).toEqual([0, 2]);
      expect(await failures()).toMatchObject([{ what: 'log line torn', cut: length - secondBegins }]);
    }
  });

  it('keeps what is too long for an entry beside the log, by its digest', async () => {
    const log = await open();
    const document = 'ü'.repeat(100_000);
    log.append('policy', { what: 'loaded', version: 'v', document });
    log.append('login', { i: 1 });
    await log.close();
    const [, entry] = await logEntries(data);
    expect(entry!.fields).toEqual({ what: 'loaded', version: 'v', document });
    const bundle = readFileSync(join(data, 'log', 'tile', 'entries', '000.p', '3'));
    expect(bundle.length).toBeLessThan(2000);
    const { sha256 } = JSON.parse(/"blob":(\{.*?\})/.exec(bundle.toString())![1]!) as { sha256: string };
    expect(JSON.parse(readFileSync(join(data, 'log', 'blob', 'sha256', sha256), 'utf8'))).toMatchObject({ document });
  });

  it('refuses an entry that it cannot write, and goes on where it was when it can again', async () => {
    const files = new FaultyFiles(nodeFiles);
    const { log } = await openTestLog(data, { storage: new LogDirectory(join(data, 'log'), files) });
    log.append('login', { i: 0 });
    for (const room of [0, 10, 100]) {
      files.room = room;
      expect(() => log.append('login', { lost: true })).toThrow(expect.objectContaining({ code: 'recording_failed' }));
      files.room = undefined;
      log.append('login', { i: room });
    }
    await log.close();
    expect(await logins()).toEqual([0, 0, 10, 100]);
    await (await open()).close();
  });

  it('takes no entry into a journal that was removed, nor, synced, without the disk', async () => {
    const files = new FaultyFiles(nodeFiles);
    const storage = new LogDirectory(join(data, 'log'), files, () => true);
    const { log } = await openTestLog(data, { storage });
    log.append('login', { i: 0 });
    expect(files.calls.filter((call) => call === 'datasync').length).toBeGreaterThan(1);
    files.failing = { call: 'datasync', code: 'EIO' };
    expect(() => log.append('login', { i: 'lost' })).toThrow(expect.objectContaining({ code: 'recording_failed' }));
    files.failing = undefined;
    log.append('login', { i: 1 });
    await log.close();
    expect(await logins()).toEqual([0, 1]);
    const again = await openTestLog(data);
    rmSync(join(data, 'log'), { recursive: true });
    expect(() => again.log.append('login', { i: 2 })).toThrow(expect.objectContaining({ code: 'recording_failed' }));
    await again.log.close();
  });

  it('keeps taking entries while tiles cannot be written, and writes them when they can', async () => {
    const storage = new LogDirectory(join(data, 'log'));
    const put = storage.put.bind(storage);
    let full = true;
    const putAll = storage.putAll.bind(storage);
    storage.putAll = (files) => (full ? Promise.reject(new Error('ENOSPC')) : putAll(files));
    storage.put = (path, bytes) => (full ? Promise.reject(new Error('ENOSPC')) : put(path, bytes));
    const { log } = await openTestLog(data, { storage });
    log.append('login', { i: 0 });
    await expect(log.checkpoint()).rejects.toThrow('ENOSPC');
    log.append('login', { i: 1 });
    full = false;
    await log.checkpoint();
    expect(log.checkpointed).toBe(3);
    await log.close();
    expect(await logins()).toEqual([0, 1]);
  });

  it('removes partial tiles that a full one has taken the place of', async () => {
    const log = await open();
    for (let i = 0; i < 300; i++) {
      log.append('login', { i });
      if (i % 50 === 0) await log.checkpoint();
    }
    await log.close();
    expect(readdirSync(join(data, 'log', 'tile', 'entries')).sort()).toEqual(['000', '001.p']);
    expect(readdirSync(join(data, 'log', 'tile', '0')).sort()).toEqual(['000', '001.p']);
  });
});

class Killed extends Error {}

/** Storage that stops working for good after so many calls, in the middle of the last one where it has a middle. */
function mortal(lives: number): { storage: LogDirectory; seen: string[] } {
  const storage = new LogDirectory(join(data, 'log'));
  const seen: string[] = [];
  let left = lives;
  const live = (): boolean => {
    left -= 1;
    if (left < 0) throw new Killed();
    return left === 0;
  };
  const { put, removeFolder, createJournal, reopenJournal, removeJournal } = storage;
  storage.put = async (path, bytes) => {
    if (live()) throw new Killed();
    await put.call(storage, path, bytes);
    if (path === 'checkpoint') seen.push(Buffer.from(bytes).toString());
  };
  storage.putAll = async (files) => {
    for (const { path, bytes } of files) await storage.put(path, bytes);
  };
  storage.removeFolder = async (path) => {
    live();
    await removeFolder.call(storage, path);
  };
  storage.removeJournal = async (first) => {
    live();
    await removeJournal.call(storage, first);
  };
  const dying = (target: ReturnType<LogDirectory['createJournal']>) => {
    const write = target.write.bind(target);
    target.write = (bytes) => {
      if (live()) {
        write(bytes.subarray(0, bytes.length / 2));
        throw new Killed();
      }
      write(bytes);
    };
    return target;
  };
  storage.createJournal = (first) => {
    live();
    return dying(createJournal.call(storage, first));
  };
  storage.reopenJournal = (first, length) => {
    live();
    return dying(reopenJournal.call(storage, first, length));
  };
  return { storage, seen };
}

it('survives a stop at any call: nothing that was taken is lost or doubled, no two trees of one size are signed', async () => {
  const checkpoints = new Map<number, string>();
  const start = mkdtempSync(join(tmpdir(), 'log-'));
  const before = await openTestLog(start);
  for (let i = 0; i < 252; i++) before.log.append('login', { i });
  await before.log.close();
  let died = true;
  for (let lives = 1; died; lives += 1) {
    rmSync(data, { recursive: true, force: true });
    cpSync(start, data, { recursive: true });
    const taken = [...Array(252).keys()];
    const { storage, seen } = mortal(lives);
    died = await (async () => {
      try {
        let i = 252;
        for (const count of [1, 6, 3]) {
          const { log, damage } = await openTestLog(data, { storage, journalBytes: 1500 });
          expect(damage).toBeUndefined();
          for (let n = 0; n < count; n++, i++) {
            log.append('login', { i });
            taken.push(i);
            if (i % 3 === 1) await log.checkpoint();
          }
          await log.checkpoint();
          await log.close();
        }
        return false;
      } catch (thrown) {
        if (thrown instanceof Error && (thrown instanceof Killed || thrown.cause instanceof Killed)) return true;
        throw thrown;
      }
    })();
    const { log, damage } = await openTestLog(data);
    expect(damage, `after ${lives} calls`).toBeUndefined();
    await log.close();
    expect(await logins(), `after ${lives} calls`).toEqual(taken);
    const last = checkpoint();
    const tree = new TreeReader(storage, last.size);
    for (const text of [...seen, readFileSync(join(data, 'log', 'checkpoint'), 'utf8')]) {
      const old = parseCheckpoint(text)!;
      expect(verifyConsistency(old, last, await tree.consistency(old.size)), `after ${lives} calls`).toBe(true);
      checkpoints.set(old.size, text);
    }
  }
  expect(checkpoints.size).toBeGreaterThan(5);
  rmSync(start, { recursive: true });
});

describe('a log that was changed between two starts', () => {
  const prepare = async (): Promise<void> => {
    const { log } = await openTestLog(data, { journalBytes: 4000 });
    for (let i = 0; i < 260; i++) log.append('login', { i });
    await log.close();
  };
  const file = (name: string): string => join(data, 'log', name);
  const flip = (name: string, at: number): void => {
    const bytes = readFileSync(file(name));
    bytes[at] = bytes[at]! ^ 1;
    writeFileSync(file(name), bytes);
  };
  const changes: [string, () => void, RegExp][] = [
    ['the checkpoint is gone', () => rmSync(file('checkpoint')), /rolled back: 261 entries were signed/],
    [
      'a changed size',
      () => {
        writeFileSync(file('checkpoint'), readFileSync(file('checkpoint'), 'utf8').replace('\n261\n', '\n260\n'));
      },
      /its signature does not hold/,
    ],
    ['a hash in a full tile', () => flip('tile/0/000', 70), /tile 0\/0 was changed/],
    ['a hash in a partial tile', () => flip('tile/0/001.p/5', 70), /do not make the tree of 261 entries/],
    ['an entry', () => flip('tile/entries/001.p/5', 30), /entry 256 was changed/],
    ['a tile is gone', () => rmSync(file('tile/1/000.p/1')), /tile 1\/0 is missing or cut/],
    ['a bundle is cut', () => truncateSync(file('tile/entries/001.p/5'), 300), /entry 25\d is missing/],
  ];
  it.each(changes)('%s: out of the way, told, and another log begun under another name', async (_, change, words) => {
    await prepare();
    const before = logKeys(data);
    change();
    const { log, damage } = await openTestLog(data);
    expect(damage!.problems[0]).toMatch(words);
    expect(existsSync(damage!.where)).toBe(true);
    expect(log.origin).toBe(`${before.origin}/again-1`);
    await log.close();
    expect(await logEntries(data)).toMatchObject([
      { kind: 'log', fields: { what: 'began', after: { origin: before.origin, where: damage!.where } } },
      { kind: 'failure', fields: { what: 'log damaged', problem: expect.stringMatching(words) } },
    ]);
    await (await open()).close();
  });

  it('an older copy of the whole log is noticed', async () => {
    await prepare();
    cpSync(join(data, 'log'), join(data, 'copy'), { recursive: true });
    const log = await open();
    log.append('login', { i: 'later' });
    await log.close();
    rmSync(join(data, 'log'), { recursive: true });
    cpSync(join(data, 'copy'), join(data, 'log'), { recursive: true });
    const { damage, log: next } = await openTestLog(data);
    await next.close();
    expect(damage!.problems[0]).toMatch(/rolled back: 262 entries were signed, 261 are here/);
  });

  /** As a kill leaves it: three entries that nobody signed. */
  const killed = async (): Promise<void> => {
    const { log } = await openTestLog(data);
    await log.checkpoint();
    for (let i = 0; i < 3; i++) log.append('login', { i });
    const copy = mkdtempSync(join(tmpdir(), 'log-'));
    cpSync(data, copy, { recursive: true });
    await log.close();
    rmSync(data, { recursive: true });
    data = copy;
  };
  const forge = (kind: string, fields: object): void => {
    const lines = readFileSync(journal(), 'utf8').trimEnd().split('\n');
    const { seq } = JSON.parse(lines.at(-1)!) as { seq: number };
    const chain = new Chain({ seq: seq + 1, head: lineDigest(lines.at(-1)!) });
    writeFileSync(journal(), chain.next(Date.UTC(2026, 10, 20), kind, encodeFields({ ...fields })), { flag: 'a' });
  };

  it('signs nothing that somebody added to the journal meanwhile, and tells of it', async () => {
    await killed();
    forge('purge', { session: 's-1', by: 'retention', reason: 'ninety days' });
    await (await openTestLog(data)).log.close();
    expect(await logins()).toEqual([0, 1, 2]);
    expect((await logEntries(data)).filter(({ kind }) => kind === 'purge')).toEqual([]);
    const problem = 'entry 4 was put there by somebody else: this gateway did not take it';
    expect(await failures()).toMatchObject([{ what: 'log journal damaged', problem, where: expect.any(String) }]);
    // Told once; what follows is as ever.
    await (await openTestLog(data)).log.close();
    expect(await failures()).toHaveLength(1);
  });

  it('tells of entries that were taken out of the journal meanwhile, but for the one that a kill may have kept from it', async () => {
    for (const [out, told] of [
      [1, []],
      [2, [{ what: 'log entries gone', entries: 2, after: 1 }]],
      [3, [{ what: 'log entries gone', entries: 3, after: 0 }]],
    ] as const) {
      rmSync(data, { recursive: true });
      await killed();
      const lines = readFileSync(journal(), 'utf8').trimEnd().split('\n');
      writeFileSync(
        journal(),
        lines
          .slice(0, -out)
          .map((line) => `${line}\n`)
          .join(''),
      );
      await (await openTestLog(data)).log.close();
      expect(await failures()).toEqual(told);
      await (await openTestLog(data)).log.close();
      expect(await failures()).toHaveLength(told.length);
    }
  });

  it('says which entries it took up unconfirmed, from a gateway that did not keep what it took', async () => {
    await killed();
    rmSync(join(data, 'keys', 'log-taken'));
    await (await openTestLog(data)).log.close();
    expect(await logins()).toEqual([0, 1, 2]);
    expect(await failures()).toEqual([{ what: 'log entries unconfirmed', entries: 3, from: 1 }]);
  });

  it.each(['checkpoint', 'tile/0/000.p/1', 'tile/entries/000.p/1', 'journal/000000000000.jsonl'])(
    'a pipe in the place of %s is no file, and keeps nobody waiting',
    async (name) => {
      await (await openTestLog(data)).log.close();
      rmSync(file(name));
      execFileSync('mkfifo', [file(name)]);
      expect(await new LogFolder(join(data, 'log')).get(name)).toBeUndefined();
    },
  );

  it('a changed journal goes out of the way, told, and what the tree has stays', async () => {
    await prepare();
    const log = await open();
    for (let i = 260; i < 265; i++) log.append('login', { i });
    const bytes = readFileSync(journal());
    await log.close();
    rmSync(data, { recursive: true });
    await prepare();
    bytes[bytes.length - 500] = bytes[bytes.length - 500]! ^ 1;
    writeFileSync(journal(), bytes);
    const again = await open();
    again.append('login', { i: 'after' });
    await again.close();
    expect(await failures()).toMatchObject([{ what: 'log journal damaged', where: expect.any(String) }]);
    expect((await logins()).slice(0, 260)).toEqual([...Array(260).keys()]);
    expect((await logins()).at(-1)).toBe('after');
  });
});

it('rotates its key, and whoever pinned the first one finds the newest', async () => {
  const log = await open();
  const first = logKeys(data).signer.verifier;
  log.append('login', { i: 0 });
  await log.rotateKey();
  await log.rotateKey();
  log.append('login', { i: 1 });
  await log.close();
  let key: KeyChange | undefined;
  const seen: number[] = [];
  for (const entry of await logEntries(data)) {
    const found = keyOf(entry, log.origin, key?.key);
    if (found === undefined) continue;
    expect(found).not.toBe('wrong');
    key = found as KeyChange;
    seen.push(key.index);
  }
  expect(seen).toEqual([0, 2, 3]);
  expect(signatureBy(checkpoint().note, key!.key)).toBe('valid');
  expect(signatureBy(checkpoint().note, first)).toBe('absent');
  await (await open()).close();
});

it('takes over the chained segments of an older gateway: sealed, named, still there', async () => {
  mkdirSync(join(data, 'log'), { recursive: true });
  const one = oldSegment('0001', null, [{ kind: 'login', i: 'old' }]);
  const two = oldSegment('0002', { segment: '0001', digest: one.digest }, [{ kind: 'login', i: 'older' }]);
  writeFileSync(join(data, 'log', '0001.jsonl'), one.text + one.seal);
  writeFileSync(join(data, 'log', '0002.jsonl'), `${two.text}{"torn`);
  const log = await open();
  log.append('login', { i: 'new' });
  await log.close();
  await (await open()).close();
  const [began, login, ...rest] = await logEntries(data);
  expect(rest).toEqual([]);
  expect(login!.fields).toEqual({ i: 'new' });
  expect(began!.fields.segments).toEqual([
    { segment: '0001', lines: 3, digest: one.digest },
    { segment: '0002', lines: 3, digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
  ]);
  expect(readFileSync(join(data, 'log', '0002.jsonl'), 'utf8')).toContain('"kind":"seal"');
  expect(parseVkey(String(began!.fields.vkey))).toBeDefined();
});
