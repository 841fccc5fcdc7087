// The disk under the recordings: what survives a loss of power, marks, a directory that goes away, compression.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newSessionId } from '../../../src/core/ids.ts';
import type { Limit } from '../../../src/core/limits.ts';
import type { DiskFiles } from '../../../src/session/recorder/files.ts';
import { readLines } from '../../../src/session/recorder/reader.ts';
import { DEFAULT_RECORDING, Recorder, type RecordingPolicy } from '../../../src/session/recorder/recorder.ts';
import { salvage } from '../../../src/session/recorder/salvage.ts';
import { readRecording } from '../../../src/session/recorder/stored.ts';
import { verify } from '../../../src/session/recorder/verify.ts';
import { Journal, readJournal } from '../../../src/store/disk/journal.ts';
import type { DirectoryTarget } from '../../../src/store/disk/target.ts';
import { nodeFiles } from '../../../src/store/node-files.ts';
import { RecordingDirectory, type RecordingDirectoryOptions } from '../../../src/store/recordings.ts';
import { FaultyFiles, header, statement, T0 } from '../session/recorder/fixtures.ts';

let root: string;
let made: RecordingDirectory[] = [];
beforeEach(() => {
  root = join(mkdtempSync(join(tmpdir(), 'disk-')), 'recordings');
});
afterEach(async () => {
  for (const one of made) await one.stop();
  made = [];
  rmSync(dirname(root), { recursive: true, force: true });
});

function directory(options: RecordingDirectoryOptions = {}): RecordingDirectory {
  const one = new RecordingDirectory(root, { lookMs: 50, ...options });
  made.push(one);
  return one;
}

function recorderOn(sink: RecordingDirectory) {
  const recorder = new Recorder({ sink, now: () => T0 });
  return (how: Partial<RecordingPolicy> = {}) => {
    const failures: Error[] = [];
    const session = newSessionId(T0);
    const recording = recorder.begin(
      { ...header, session },
      { ...DEFAULT_RECORDING, ...how },
      {
        failed: (error) => failures.push(error),
        faulted: (error) => failures.push(error),
      },
    );
    let op = 0;
    /** Resolves when it may be forwarded. */
    const ask = () =>
      new Promise<number>((resolve) => {
        op += 1;
        const mine = op;
        recording.intent(mine, statement(`select ${mine}`), { verdict: 'allow' });
        recording.recorded(() => resolve(mine));
      });
    return { session, recording, failures, ask };
  };
}

const repaired = async (sink: RecordingDirectory) =>
  salvage(sink, await sink.unfinished(), { now: () => T0, reason: 'the power went' });

async function intents(sink: RecordingDirectory, session: string): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const line of readLines(readRecording(sink, session))) if (line.kind === 'intent') found.push(line.op);
  return found;
}

/** Knows what a loss of power would leave: bytes and names that were made durable. */
class PowerFiles implements DiskFiles {
  readonly #paths = new Map<number, string>();
  readonly #bytes = new Map<string, number>();
  readonly #names = new Set<string>();
  commits = 0;
  #off = false;

  open(path: string, how: 'new' | 'existing'): number {
    const fd = nodeFiles.open(path, how);
    this.#paths.set(fd, path);
    if (how === 'new') this.#bytes.set(path, 0);
    return fd;
  }

  write(fd: number, bytes: Uint8Array, offset: number, length: number): number {
    if (this.#off) throw new Error('EIO: there is no power');
    return nodeFiles.write(fd, bytes, offset, length);
  }

  datasync(fd: number): void {
    this.commits += 1;
    const path = this.#paths.get(fd)!;
    this.#bytes.set(path, statSync(path).size);
  }

  syncDirectory(path: string): void {
    for (const name of readdirSync(path)) this.#names.add(join(path, name));
  }

  powerLoss(): void {
    this.#off = true;
    for (const [path, bytes] of this.#bytes) {
      if (!existsSync(path)) continue;
      if (this.#names.has(path)) truncateSync(path, Math.min(bytes, statSync(path).size));
      else rmSync(path);
    }
    const open = join(root, 'open');
    for (const name of readdirSync(open)) if (!this.#names.has(join(open, name))) rmSync(join(open, name));
  }

  truncate = nodeFiles.truncate;
  sync = nodeFiles.sync;
  close = nodeFiles.close;
  read = nodeFiles.read;
  links = nodeFiles.links;
  space = nodeFiles.space;
}

describe('synced', () => {
  it.each([1, 2, 12])('survives a loss of power at any moment, with %d sessions at once', async (count) => {
    for (let rounds = 1; rounds <= 6; rounds++) {
      rmSync(root, { recursive: true, force: true });
      const files = new PowerFiles();
      const begin = recorderOn(directory({ files }));
      const sessions = Array.from({ length: count }, () => begin({ durability: 'synced' }));
      const forwarded = new Map<string, number>();
      for (let round = 0; round < rounds; round++) {
        // Not all of them each time, and some with lines that nobody waits for.
        const some = sessions.filter((_, i) => (i + round) % 3 !== 0 || count === 1);
        await Promise.all(
          some.map(async ({ session, recording, ask }, i) => {
            forwarded.set(session, await ask());
            if (i % 2 === 0) recording.note('nobody waits', { round });
          }),
        );
      }
      files.powerLoss();
      const after = directory();
      expect((await repaired(after)).filter(({ outcome }) => outcome !== 'sealed')).toEqual([]);
      for (const [session, last] of forwarded) {
        expect(await verify(readRecording(after, session), { session })).toMatchObject({ ok: true, sealed: true });
        expect((await intents(after, session)).length).toBeGreaterThanOrEqual(last);
      }
      expect(existsSync(join(root, 'open', 'journal'))).toBe(false);
    }
  });

  it('would not survive it buffered: the test can tell', async () => {
    const files = new PowerFiles();
    const begin = recorderOn(directory({ files }));
    const { session, ask } = begin();
    await ask();
    files.powerLoss();
    const after = directory();
    await repaired(after);
    await expect(verify(readRecording(after, session))).rejects.toMatchObject({ code: 'not_found' });
  });

  it('makes one commit for all sessions that wait', async () => {
    const files = new PowerFiles();
    const begin = recorderOn(directory({ files }));
    const sessions = Array.from({ length: 32 }, () => begin({ durability: 'synced' }));
    await Promise.all(sessions.map(({ ask }) => ask()));
    files.commits = 0;
    for (let round = 0; round < 5; round++) await Promise.all(sessions.map(({ ask }) => ask()));
    // The first of a round goes alone, the others together.
    expect(files.commits).toBeLessThanOrEqual(5 * 3);
  });

  it('works through the thread of the disk', async () => {
    const sink = directory();
    const begin = recorderOn(sink);
    const sessions = Array.from({ length: 5 }, () => begin({ durability: 'synced' }));
    for (let round = 0; round < 20; round++) await Promise.all(sessions.map(({ ask }) => ask()));
    for (const { session, recording } of sessions) {
      const seal = await recording.end({ code: 'client_closed', message: '' });
      expect(await verify(readRecording(sink, session))).toMatchObject({ ok: true, digest: seal?.digest });
      expect((await intents(sink, session)).length).toBe(20);
    }
    expect(await sink.unfinished()).toEqual([]);
  });
});

it('what could not be committed together is not in the journal', () => {
  mkdirSync(root, { recursive: true });
  const path = join(root, 'journal');
  let fails = false;
  const datasync = (fd: number) => {
    if (fails) throw Object.assign(new Error('EIO: no'), { code: 'EIO' });
    nodeFiles.datasync(fd);
  };
  const journal = new Journal({ ...nodeFiles, datasync }, path);
  const record = (file: string) => ({ file, at: 0, bytes: Buffer.from(`{"of":"${file}"}\n`) });
  const files = () => [...readJournal(path)].map(({ file }) => file);
  journal.commit([record('a')]);
  fails = true;
  expect(() => journal.commit([record('b')])).toThrow('EIO');
  expect(files()).toEqual(['a']);
  fails = false;
  journal.commit([record('c')]);
  expect([files(), journal.length]).toEqual([['a', 'c'], statSync(path).size]);
});

describe('a disk that gets full', () => {
  it('refuses new sessions at the low-water mark, and ends recorded ones at the critical one, sealed', async () => {
    const files = new FaultyFiles(nodeFiles);
    files.seen = { free: 2e9, total: 100e9 };
    const sink = directory({ files });
    const begin = recorderOn(sink);
    const before = begin();
    await before.ask();
    const look = () => new Promise<void>((resolve) => sink.onHealth(() => resolve()));
    let told = look();
    files.seen = { free: 1e9, total: 100e9 };
    await told;
    expect(sink.health).toMatchObject({ state: 'low', free: 1e9 });
    expect(() => begin()).toThrow(
      expect.objectContaining({ code: 'recording_failed', message: expect.stringContaining('low-water mark') }),
    );
    await before.ask();
    told = look();
    files.seen = { free: 1e8, total: 100e9 };
    await told;
    expect(before.failures).toEqual([expect.objectContaining({ message: expect.stringContaining('critical mark') })]);
    const seal = await before.recording.end({ code: 'recording_failed', message: '' });
    expect(seal).toMatchObject({ interrupted: expect.stringContaining('critical mark') });
    expect(await verify(readRecording(sink, before.session))).toMatchObject({ ok: true, digest: seal?.digest });
    told = look();
    files.seen = { free: 5e9, total: 100e9 };
    await told;
    await begin().ask();
  });

  it('has marks that suit a small file system', () => {
    const files = new FaultyFiles(nodeFiles);
    files.seen = { free: 20_000, total: 300_000 };
    expect(directory({ files }).health.state).toBe('ok');
    files.seen = { free: 14_000, total: 300_000 };
    expect(directory({ files }).health.state).toBe('low');
  });

  it('with refuse-new begins no session after a failure until it is known to work again', async () => {
    const files = new FaultyFiles(nodeFiles);
    const sink = directory({ files });
    const begin = recorderOn(sink);
    const { recording, failures } = begin();
    files.failing = { call: 'write', code: 'EIO' };
    recording.intent(1, statement('select 1'), { verdict: 'allow' });
    recording.recorded(() => {});
    expect(failures).toHaveLength(1);
    expect(() => begin({ onFailure: 'refuse-new' })).toThrow(/works again/);
    expect(() => begin({ onFailure: 'end-session' })).not.toThrow();
    files.failing = undefined;
    await expect.poll(() => sink.suspect).toBe(false);
    await begin({ onFailure: 'refuse-new' }).ask();
  });
});

describe('a directory that goes away', () => {
  it('ends the session at its next statement, with nothing of it lost, and the next one begins', async () => {
    const sink = directory();
    const begin = recorderOn(sink);
    const { session, recording, failures, ask } = begin();
    await ask();
    await ask();
    rmSync(root, { recursive: true });
    let forwarded = false;
    await new Promise((resolve) => setTimeout(resolve, 120));
    void ask().then(() => {
      forwarded = true;
    });
    await expect.poll(() => failures.length).toBe(1);
    const seal = await recording.end({ code: 'recording_failed', message: '' });
    expect(forwarded).toBe(false);
    // By the write, or on a busy machine by the look at the disk before it.
    expect(seal).toMatchObject({
      interrupted: expect.stringMatching(/was removed|directory of the recordings is gone/),
    });
    expect(await verify(readRecording(sink, session))).toMatchObject({ ok: true, digest: seal?.digest, lines: 4 });
    const next = begin();
    await next.ask();
    expect(await next.recording.end({ code: 'client_closed', message: '' })).toBeDefined();
  });

  it('is not taken for that of a session whose file has the number that a closed one had', async () => {
    const lost: string[] = [];
    let numbers: number[] = [];
    let looked = 0;
    // While the disk is looked at, one session ends and the next begins.
    const links = (fd: number) => {
      looked += 1;
      if (looked > 1) return nodeFiles.links(fd);
      first.abandon();
      const second = sink.create(newSessionId(T0));
      second.onLost = () => lost.push('the second');
      numbers = [fd, (second as DirectoryTarget).fd];
      return 0;
    };
    const sink = directory({ files: { ...nodeFiles, links } });
    const first = sink.create(newSessionId(T0));
    sink.onHealth(() => {});
    await expect.poll(() => looked).toBeGreaterThan(3);
    expect(numbers[0]).toBe(numbers[1]);
    expect(lost).toEqual([]);
  });

  it('ends a session that does nothing, too', async () => {
    const begin = recorderOn(directory());
    const { failures, ask } = begin();
    await ask();
    rmSync(root, { recursive: true });
    await expect.poll(() => failures.length).toBe(1);
  });
});

it('a long recording needs no more memory than a short one', () => {
  // Ten times what its heap may have: it would end for want of memory. scripts/torture.d/long.ts does 10 GiB.
  const program = fileURLToPath(new URL('../../../scripts/torture.d/long.ts', import.meta.url));
  const args = ['--max-old-space-size=24', '--max-semi-space-size=2', program, '0.2'];
  const said = execFileSync(process.execPath, args, { encoding: 'utf8' });
  expect(said).toMatch(/^1[234] segments, /m);
  expect(said).toMatch(/^verified: true, /m);
});

describe('compression', () => {
  const limit = (bound: Limit) =>
    bound.name === 'recording_pack_after_ms'
      ? { ...bound, value: 0 }
      : bound.name === 'recording_segment_bytes'
        ? { ...bound, value: 2000 }
        : bound;

  it('packs sealed recordings, segment by segment, to the same lines', async () => {
    const sink = directory({ limit, compress: () => true });
    const { session, recording, ask } = recorderOn(sink)();
    for (let i = 0; i < 30; i++) await ask();
    const seal = await recording.end({ code: 'client_closed', message: '' });
    const day = dirname(sink.path(session));
    await expect.poll(() => readdirSync(join(root, 'packing'))).toEqual([]);
    const names = readdirSync(day).sort();
    expect(names.length).toBe(seal?.segments);
    expect(names.every((name) => name.endsWith('.jsonl.zst'))).toBe(true);
    expect(await verify(readRecording(sink, session))).toMatchObject({ ok: true, digest: seal?.digest });
    // With nothing of ours, as FORMAT.md says.
    const shell = `cd '${day}' && zstd -dc ${session}.jsonl.zst ${session}.[0-9]*.jsonl.zst | wc -l`;
    expect(Number(execFileSync('sh', ['-c', shell], { encoding: 'utf8' }))).toBe(seal?.lines);
  });

  it('is taken up by the next start where a kill ended it', async () => {
    const first = directory({ compress: () => true });
    const { session, recording, ask } = recorderOn(first)();
    await ask();
    await recording.end({ code: 'client_closed', message: '' });
    await first.stop();
    expect(readdirSync(join(root, 'packing'))).toEqual([session]);
    const next = directory({ limit, compress: () => true });
    await next.unfinished();
    await expect.poll(() => existsSync(`${next.path(session)}.zst`)).toBe(true);
    await expect.poll(() => readdirSync(join(root, 'packing'))).toEqual([]);
    expect(existsSync(next.path(session))).toBe(false);
    expect(await verify(readRecording(next, session))).toMatchObject({ ok: true, sealed: true });
  });
});
