// What somebody handed over to be checked, made to hang, blow up or steer the terminal of whoever checks it.

import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { recordingStem } from '../../../../src/store/recording-files.ts';
import { type Written, writeRecord } from '../../../support/record.ts';
import { hoopctl } from '../memory-io.ts';

let record: Written;
let data: string;
beforeEach(async () => {
  record = await writeRecord();
  await record.log.checkpoint();
  data = record.root;
});
afterEach(() => record.close());

const verify = () => hoopctl(['audit', 'verify', data]);

it('shows nothing of a log’s name that steers a terminal', async () => {
  const path = join(data, 'log', 'checkpoint');
  writeFileSync(path, readFileSync(path, 'utf8').replace('/log/', '/log\u009b31m\u202e/'));
  const { code, out, err } = await verify();
  expect([code, err]).toEqual([1, '']);
  expect(out).toContain('\\x9b31m\\u202e');
  expect(out).not.toMatch(/[\u009b\u202e]/);
});

it('prints a checkpoint of a log whose name steers a terminal as it is, but never to a terminal', async () => {
  const path = join(data, 'log', 'checkpoint');
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll('/log/', '/log\u009b31m\u202e/'));
  const piped = await hoopctl(['audit', 'checkpoint', data]);
  expect([piped.code, piped.out]).toEqual([0, readFileSync(path, 'utf8')]);
  const shown = await hoopctl(['audit', 'checkpoint', data], { terminal: true });
  expect([shown.code, shown.out]).toEqual([0, expect.stringContaining('/log\\x9b31m\\u202e/')]);
  expect(shown.out).not.toMatch(/[\u009b\u202e]/);
});

it('looks for no tiles of a size that is only said', async () => {
  const path = join(data, 'log', 'checkpoint');
  const lines = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, lines.with(1, String(Number.MAX_SAFE_INTEGER)).join('\n'));
  const { code, out } = await verify();
  expect(code).toBe(1);
  expect(out).toMatch(/checkpoint_(signature|unsigned)/);
});

it('waits for no pipe in the place of an old segment', async () => {
  execFileSync('mkfifo', [join(data, 'log', '0001.jsonl')]);
  expect(await verify()).toMatchObject({ err: '' });
});

it.each([
  [
    'a file where a folder is due',
    (at: string) => {
      rmSync(join(at, 'log', 'journal'), { recursive: true });
      writeFileSync(join(at, 'log', 'journal'), '');
    },
  ],
  ['a file that is larger than any', (at: string) => truncateSync(join(at, 'log', 'checkpoint'), 9e9)],
])('takes no blame for %s', async (_, make) => {
  make(data);
  const { code, err } = await verify();
  expect(code).toBe(1);
  expect(err).toContain('cannot be checked');
  expect(err).not.toContain('fault of hoopctl');
});

it('takes no recording for one that was sealed just now for a moment that is to come', async () => {
  const { id, recording } = record.session();
  await recording.end({ code: 'client_closed', message: 'bye' });
  const stem = join(data, 'recordings', recordingStem(id));
  const later = new Date(Date.now() + 1e9);
  utimesSync(`${stem}.jsonl`, later, later);
  mkdirSync(join(data, 'recordings', 'open'), { recursive: true });
  writeFileSync(join(data, 'recordings', 'open', id), '');
  const { code, out } = await verify();
  expect(code).toBe(1);
  expect(out).toContain(`recording_extra: the recording of ${id} is not in the log`);
});

it('reads a pipe that it is given', async () => {
  const pipe = join(data, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const read = hoopctl(['audit', 'verify', pipe]);
  execFile('sh', ['-c', `echo junk > ${pipe}`]);
  expect(await read).toMatchObject({ code: 1, out: expect.stringContaining('line 1 was changed') });
});
