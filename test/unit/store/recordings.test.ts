import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newSessionId } from '../../../src/core/ids.ts';
import type { Limit } from '../../../src/core/limits.ts';
import { DEFAULT_ROW_LIMITS, Recording } from '../../../src/session/recorder/recording.ts';
import { salvage } from '../../../src/session/recorder/salvage.ts';
import { FlushScheduler } from '../../../src/session/recorder/scheduler.ts';
import { readRecording } from '../../../src/session/recorder/stored.ts';
import { verify } from '../../../src/session/recorder/verify.ts';
import { nodeFiles } from '../../../src/store/node-files.ts';
import { recordingStem } from '../../../src/store/recording-files.ts';
import { RecordingDirectory } from '../../../src/store/recordings.ts';
import { FaultyFiles, header, sampleRecording, statement, T0, turn } from '../session/recorder/fixtures.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'recordings-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const scheduler = new FlushScheduler();
const options = { now: () => T0 + 1000, reason: 'the gateway stopped without sealing it' };

function begin(sink: RecordingDirectory, id = newSessionId(T0)) {
  const failures: Error[] = [];
  const recording = new Recording({
    target: sink.create(id),
    session: id,
    durability: 'buffered',
    bestEffort: false,
    limit: (bound) => bound,
    scheduler,
    now: () => T0,
    ticks: () => 0,
    limits: DEFAULT_ROW_LIMITS,
    failed: (error) => failures.push(error),
    faulted: (error) => failures.push(error),
  });
  recording.begin({ ...header, session: id });
  return { id, recording, failures };
}

const salvaged = async (sink: RecordingDirectory) => salvage(sink, await sink.unfinished(), options);

const written = (recording: Recording) => new Promise<void>((resolve) => recording.recorded(resolve));

describe('a directory of recordings', () => {
  it('keeps one private file a session, under the day in its id', async () => {
    const sink = new RecordingDirectory(join(root, 'data', 'recordings'));
    const { id, recording } = begin(sink);
    await written(recording);
    const path = sink.path(id);
    expect(path.endsWith(`/data/recordings/2026/11/20/${id}.jsonl`)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    for (let at = dirname(path); at !== root; at = dirname(at)) expect(statSync(at).mode & 0o777).toBe(0o700);
    expect(await sink.unfinished()).toEqual([id]);
    await recording.end({ code: 'client_closed', message: '' });
    expect(await sink.unfinished()).toEqual([]);
    expect(await verify(readRecording(sink, id), { session: id })).toMatchObject({ ok: true });
  });

  it('never writes over a recording that exists', async () => {
    const sink = new RecordingDirectory(root);
    const { id, recording } = begin(sink);
    await recording.end({ code: 'client_closed', message: '' });
    const before = readFileSync(sink.path(id));
    expect(() => sink.create(id)).toThrow(expect.objectContaining({ code: 'recording_failed' }));
    expect(readFileSync(sink.path(id))).toEqual(before);
  });

  it.each(['../../etc/passwd', 's-../../../../../../x', '', 's-', `s-${'z'.repeat(19)}x`])(
    'refuses the id %j',
    (id) => {
      expect(() => recordingStem(id)).toThrow(expect.objectContaining({ code: 'not_found' }));
    },
  );

  it('says so when there is none', async () => {
    const sink = new RecordingDirectory(root);
    await expect(verify(readRecording(sink, newSessionId(T0)))).rejects.toMatchObject({ code: 'not_found' });
  });

  it('goes on after short writes', async () => {
    const files = new FaultyFiles(nodeFiles);
    files.most = 7;
    const sink = new RecordingDirectory(root, { files });
    const { id, recording } = begin(sink);
    await recording.end({ code: 'client_closed', message: '' });
    expect(await verify(readRecording(sink, id))).toMatchObject({ ok: true, sealed: true });
  });

  it('ends the recording at a full disk, with the torn line cut away, wherever the disk is full', async () => {
    for (let room = 0; room < 1400; room += 53) {
      const files = new FaultyFiles(nodeFiles);
      files.room = room;
      const sink = new RecordingDirectory(root, { files });
      const { id, recording, failures } = begin(sink);
      let forwarded = 0;
      for (let op = 1; op <= 3; op++) {
        recording.intent(op, statement(`select ${op}`), { verdict: 'allow' });
        recording.recorded(() => {
          forwarded = op;
        });
        await turn();
      }
      await recording.end({ code: 'client_closed', message: '' });
      const intents = readFileSync(sink.path(id), 'utf8').split('"kind":"intent"').length - 1;
      expect(intents).toBeGreaterThanOrEqual(forwarded);
      if (failures.length === 0) continue;
      expect(failures[0]).toMatchObject({ code: 'recording_failed' });
      files.room = undefined;
      const [one] = await salvaged(new RecordingDirectory(root));
      expect(one).toMatchObject({ session: id, outcome: 'sealed', cut: 0 });
      expect(await verify(readRecording(sink, id), { session: id })).toMatchObject({ ok: true });
    }
  });

  it('refuses to begin when the file cannot be made', () => {
    const files = new FaultyFiles(nodeFiles);
    files.failing = { call: 'open', code: 'EROFS' };
    expect(() => new RecordingDirectory(root, { files }).create(newSessionId(T0))).toThrow(
      expect.objectContaining({ code: 'recording_failed', message: expect.stringContaining('EROFS') }),
    );
  });

  it('leaves a recording whose seal could not be made durable to the next start', async () => {
    const files = new FaultyFiles(nodeFiles);
    files.failing = { call: 'datasync', code: 'EIO' };
    const sink = new RecordingDirectory(root, { files });
    const { id, recording, failures } = begin(sink);
    expect(await recording.end({ code: 'client_closed', message: '' })).toBeUndefined();
    expect(failures).toHaveLength(1);
    const results = await salvaged(new RecordingDirectory(root));
    expect(results).toEqual([expect.objectContaining({ session: id, outcome: 'complete' })]);
    expect(await sink.unfinished()).toEqual([]);
  });
});

describe('salvage', () => {
  it('seals what was left wherever it was cut, and loses no whole line', async () => {
    const bytes = await sampleRecording();
    const id = newSessionId(T0);
    // Without waiting for the disk: thousands of files are sealed here.
    const sink = new RecordingDirectory(root, { files: { ...nodeFiles, datasync() {}, syncDirectory() {} } });
    // Every byte around the ends of lines, every fourth elsewhere.
    const near = (length: number) => bytes.subarray(Math.max(0, length - 3), length + 3).includes(10);
    for (let length = 0; length <= bytes.length; length++) {
      if (length % 4 !== 0 && !near(length)) continue;
      rmSync(sink.path(id), { force: true });
      sink.create(id).abandon();
      writeFileSync(sink.path(id), bytes.subarray(0, length));
      const whole = bytes.subarray(0, length).toString('utf8').split('\n').length - 1;
      const [one, ...others] = await salvaged(sink);
      expect(others).toEqual([]);
      expect(one?.outcome).toBe(length === bytes.length ? 'complete' : 'sealed');
      const found = await verify(readRecording(sink, id));
      expect(found, `cut at ${length}`).toMatchObject({ ok: true, sealed: true, digest: one?.digest });
      expect(found.lines).toBe(length === bytes.length ? whole : whole + 1);
      expect(await sink.unfinished()).toEqual([]);
      expect(await salvaged(sink)).toEqual([]);
    }
  });

  it('says why it sealed, and what it cut', async () => {
    const sink = new RecordingDirectory(root);
    const { id, recording } = begin(sink);
    await written(recording);
    const size = statSync(sink.path(id)).size;
    writeFileSync(sink.path(id), '{"seq":1,"torn', { flag: 'a' });
    const [one] = await salvaged(new RecordingDirectory(root));
    expect(one).toMatchObject({ outcome: 'sealed', cut: 14, lines: 2, lastAt: new Date(T0).toISOString() });
    expect(one?.bytes).toBe(statSync(sink.path(id)).size);
    const found = await verify(readRecording(sink, id));
    expect(found.interrupted).toBe(options.reason);
    expect(found.bytes).toBeGreaterThan(size);
  });

  it('survives being killed between the cut and the seal', async () => {
    const sink = new RecordingDirectory(root);
    const { id, recording } = begin(sink);
    await written(recording);
    writeFileSync(sink.path(id), 'torn', { flag: 'a' });
    truncateSync(sink.path(id), statSync(sink.path(id)).size - 4);
    expect(await salvaged(sink)).toEqual([expect.objectContaining({ outcome: 'sealed', cut: 0 })]);
  });

  it('takes a damaged file out of the way, untouched, and seals the others', async () => {
    const sink = new RecordingDirectory(root);
    const all = [begin(sink), begin(sink), begin(sink)];
    for (const { recording } of all) {
      recording.intent(1, statement('select 1'), { verdict: 'allow' });
      await written(recording);
    }
    const bad = all[1]!.id;
    const bytes = readFileSync(sink.path(bad));
    bytes[20] = bytes[20]! ^ 1;
    writeFileSync(sink.path(bad), bytes);
    const results = await salvaged(new RecordingDirectory(root));
    expect(results.map((one) => one.outcome).sort()).toEqual(['quarantined', 'sealed', 'sealed']);
    const quarantined = results.find((one) => one.outcome === 'quarantined')!;
    expect(quarantined).toMatchObject({ session: bad, message: expect.stringMatching(/damaged: line 2 .*moved to/) });
    expect(readFileSync(quarantined.where!)).toEqual(bytes);
    expect(existsSync(sink.path(bad))).toBe(false);
    expect(await salvaged(sink)).toEqual([]);
  });

  it('goes on when one cannot be repaired', async () => {
    const good = new RecordingDirectory(root);
    const ids = [begin(good), begin(good)].map((one) => one.id).sort();
    await turn();
    const files = new FaultyFiles(nodeFiles);
    let opened = 0;
    files.open = (path, how) => {
      opened += 1;
      if (opened === 1) throw new Error('EACCES: injected');
      return nodeFiles.open(path, how);
    };
    const results = await salvaged(new RecordingDirectory(root, { files }));
    expect(results.map((one) => [one.session, one.outcome])).toEqual([
      [ids[0], 'failed'],
      [ids[1], 'sealed'],
    ]);
    expect((await salvaged(good)).map((one) => one.outcome)).toEqual(['sealed']);
  });
});

describe('the format', () => {
  it('can be checked by the reader printed in FORMAT.md, without our code', async () => {
    const document = readFileSync(new URL('../../../src/session/recorder/FORMAT.md', import.meta.url), 'utf8');
    const program = /```python\n(.*?)```/s.exec(document)?.[1];
    expect(program?.trimEnd().split('\n').length).toBeLessThanOrEqual(30);
    const small = (bound: Limit) => (bound.name === 'recording_segment_bytes' ? { ...bound, value: 300 } : bound);
    const sink = new RecordingDirectory(root, { limit: small });
    const { id, recording } = begin(sink);
    recording.intent(1, statement("select 'ü😀\u0000'", ['\ud800', null]), { verdict: 'allow' });
    recording.result(1, { part: 0, status: 'ok', rows: 0 });
    await recording.end({ code: 'client_closed', message: 'bye' });
    const run = (...paths: string[]) => {
      try {
        return execFileSync('python3', ['-c', program!, ...paths], { encoding: 'utf8', stdio: 'pipe' });
      } catch (thrown) {
        return (thrown as { stdout: string }).stdout;
      }
    };
    const { digest } = await verify(readRecording(sink, id));
    const paths = [...sink.files(id)].map(({ name }) => name);
    expect(paths.length).toBeGreaterThan(2);
    const lines = 5 + paths.length - 1;
    expect(run(...paths)).toBe(`ok: ${id}, ${lines} lines, digest ${digest}\n`);
    for (const missing of paths) expect(run(...paths.filter((path) => path !== missing))).toMatch(/^not ok: /);
    expect(run(...paths.toReversed())).toMatch(/^not ok: /);
    const bytes = Buffer.concat(paths.map((path) => readFileSync(path)));
    for (const at of [3, Math.floor(bytes.length / 2), bytes.length - 20]) {
      const changed = Buffer.from(bytes);
      changed[at] = changed[at]! ^ 1;
      const path = join(root, 'changed.jsonl');
      writeFileSync(path, changed);
      expect(run(path)).toMatch(/^not ok: /);
    }
    expect(readdirSync(root)).toContain('2026');
  });
});
