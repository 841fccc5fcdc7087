// An auditor asks a gateway that he does not trust: what it answers is written where he said, and nowhere else.

import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { writeBundle } from '../../../../src/cli/audit/bundle.ts';
import type { Context } from '../../../../src/cli/context.ts';
import { Receipts } from '../../../../src/cli/receipts.ts';
import { LogKeyFile } from '../../../../src/gateway/log-keys.ts';
import { openTestLog } from '../../../support/log.ts';
import { temporaryDirectory } from '../../../support/process.ts';
import { hoopctl } from '../memory-io.ts';

const folder = temporaryDirectory('bundle');

it.each([
  '../evil',
  '/tmp/hoopctl-evil',
  'a/../../evil',
  '.bashrc',
  '..',
  '',
  'a\0b',
  'recordings/x',
  'log/checkpoint',
])('a file of a report called %j is refused before anything is written', async (name) => {
  const { log } = await openTestLog(temporaryDirectory('log'));
  const files = new Map([
    ['report.json', '{}'],
    [name, 'evil'],
  ]);
  const pieces = { files, sessions: [], log: log.files, recording: () => log.entries(0) as never };
  await expect(writeBundle(join(folder, 'q3'), pieces)).rejects.toMatchObject({ code: 'gateway_error', fault: 'peer' });
  expect([readdirSync(folder), existsSync(join(dirname(folder), 'evil'))]).toEqual([[], false]);
  await log.close();
});

it('a report as it is goes into its directory', async () => {
  const { log } = await openTestLog(temporaryDirectory('log'));
  await log.checkpoint();
  const files = new Map(
    ['report.html', 'report.json', 'README.txt', 'reader.py', 'bundle.json'].map((name) => [name, name]),
  );
  await writeBundle(join(folder, 'q4'), {
    files,
    sessions: [],
    log: log.files,
    recording: () => log.entries(0) as never,
  });
  expect(readFileSync(join(folder, 'q4', 'reader.py'), 'utf8')).toBe('reader.py');
  await log.close();
});

it('nothing that is beside it goes, whatever it is called', async () => {
  const { log } = await openTestLog(temporaryDirectory('log'));
  await log.checkpoint();
  mkdirSync(join(folder, 'q5.part'));
  writeFileSync(join(folder, 'q5.part', 'mine'), 'kept');
  const pieces = { sessions: [], log: log.files, recording: () => log.entries(0) as never };
  await writeBundle(join(folder, 'q5'), { ...pieces, files: new Map([['report.json', '{}']]) });
  expect(readFileSync(join(folder, 'q5.part', 'mine'), 'utf8')).toBe('kept');
  expect(readdirSync(folder).filter((name) => name.startsWith('q5'))).toEqual(['q5', 'q5.part']);
  await log.close();
});

it('a log cannot say by its name that it is a good one', async () => {
  const data = temporaryDirectory('named');
  mkdirSync(join(data, 'keys'));
  // CSI in one character: terminals take it.
  const keys = LogKeyFile.open(join(data, 'keys'), () => 'x\u009b2K\u009b1Gok\u202e');
  const { log } = await openTestLog(data, { keys });
  await log.checkpoint();
  await log.close();
  const { out } = await hoopctl(['audit', 'verify', data]);
  expect(out).toContain('log x\\x9b2K\\x9b1Gok\\u202e, 1 entry signed');
});

it('a receipt of a session that is called as a path stays in its folder', async () => {
  const receipts = temporaryDirectory('receipts');
  const inner = join(receipts, 'inner');
  const context = { api: async () => ({ call: async () => ({ receipt: 1 }) }), io: { say: () => {} } };
  const kept = new Receipts(context as unknown as Context, inner);
  kept.event({ type: 'session', session: '../../evil/x' } as never);
  await kept.settled();
  expect([readdirSync(receipts), readdirSync(inner)]).toEqual([['inner'], ['.._.._evil_x.receipt.json']]);
});

it('what is no file is missing from a bundle that somebody handed over, and nothing is waited for', async () => {
  const { log } = await openTestLog(temporaryDirectory('log'));
  log.append('login', {});
  await log.checkpoint();
  const at = join(folder, 'handed');
  const names = ['report.html', 'report.json', '..'];
  const files = Object.fromEntries(names.map((name) => [name, 'a'.repeat(64)]));
  const pieces = { sessions: [], log: log.files, recording: () => log.entries(0) as never };
  await writeBundle(at, { ...pieces, files: new Map([['bundle.json', JSON.stringify({ sessions: [], files })]]) });
  symlinkSync('/dev/zero', join(at, 'report.html'));
  mkdirSync(join(at, 'report.json'));
  const { code, out, err } = await hoopctl(['audit', 'verify', at, '--json']);
  const problems: { code: string; where: string }[] = JSON.parse(out).places[0].problems;
  expect([code, err]).toEqual([1, '']);
  expect(problems.filter((one) => one.code === 'bundle_missing')).toHaveLength(names.length);
  await log.close();
});
