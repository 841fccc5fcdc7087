import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Openings } from '../../../../src/session/export/openings.ts';
import { selects } from '../../../../src/session/export/select.ts';
import { type CopyFormat, copyOf } from '../../../../src/session/export/stream.ts';
import { Follower } from '../../../../src/session/recorder/follow.ts';
import { RECORD_TIME, type Written, writeRecord } from '../../../support/record.ts';

let record: Written;
let now = RECORD_TIME;
const HOUR = 3_600_000;

beforeEach(async () => {
  now = RECORD_TIME;
  record = await writeRecord(() => now);
});
afterEach(() => record.close());

const product = { version: '1', gateway: undefined, datastore: () => true };

async function copy(from: number, to: number, format: CopyFormat = 'jsonl', more: object = {}): Promise<string> {
  const span = { since: RECORD_TIME + from * HOUR, until: RECORD_TIME + to * HOUR };
  const options = { span, selection: { kinds: [], labels: {}, ...more }, rows: false, format, product, hostname: 'gw' };
  let text = '';
  for await (const piece of copyOf({ source: record.source(), ...options })) text += piece;
  return text;
}

const kinds = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string; sequence: number; session?: { connection: string } })
    .map(({ kind }) => kind);

it('has what happened in the span, and nothing else: sessions that began before it and go on after it too', async () => {
  const old = record.session();
  old.say('select 1');
  await old.end();
  now += HOUR;
  const long = record.session();
  long.say('select 2');
  await long.written();
  now += HOUR;
  record.log.append('login', { ok: true });
  long.say('select 3');
  now += HOUR;
  long.say('select 4');
  await long.end();
  expect(kinds(await copy(2, 3))).toEqual(['log.login', 'session.intent']);
  expect(kinds(await copy(0, 1))).toEqual([
    ...['log.log', 'log.access', 'session.open', 'session.intent', 'session.end', 'session.seal', 'log.recording'],
  ]);
  expect(kinds(await copy(3, 4))).toEqual(['session.intent', 'session.end', 'session.seal', 'log.recording']);
  expect(await copy(4, 5)).toBe('');
  // Who and where are known though the first line is not in it.
  expect(JSON.parse((await copy(2, 3)).split('\n')[1]!).session).toMatchObject({ connection: 'prod-db' });
});

it('has each line once, also of a session that only a later start seals', async () => {
  const late = record.session();
  late.say('select 1');
  await late.written();
  record.log.append('start', { version: '1' });
  late.say('select 2');
  await late.end();
  const ids = (await copy(0, 1))
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { id: string }).id);
  expect(new Set(ids).size).toBe(ids.length);
  // Two entries of its own, the start and the log's first; open, two statements, end and seal.
  expect(ids).toHaveLength(9);
});

it('says that a recording is missing also to who wants sessions of some labels', async () => {
  const one = record.session();
  const other = record.session();
  for (const session of [one, other]) {
    session.say('select 1');
    await session.end();
  }
  for (const path of record.sink.localFiles(one.id)) rmSync(path);
  const openings = new Openings(record.source());
  const selected: string[] = [];
  for await (const followed of new Follower(record.source(), { index: 0, open: {} }).events()) {
    const event = await openings.event(followed, false);
    if (event?.from === 'session' && selects({ kinds: [], labels: { env: 'nobody has it' } }, event)) {
      selected.push(`${event.session} ${event.name}`);
    }
  }
  expect(selected).toEqual([`${one.id} session.missing`]);
});

const DAMAGE: readonly [string, (text: string) => string | undefined, object][] = [
  ['is not there', () => undefined, { kind: 'session.missing', data: { lines: 5, have: 0 } }],
  [
    'has lost its end',
    (text) => text.split('\n').slice(0, 2).join('\n'),
    { kind: 'session.missing', data: { lines: 5, have: 1 } },
  ],
  [
    'has lost a line',
    (text) => text.split('\n').toSpliced(2, 1).join('\n'),
    { kind: 'session.missing', data: { lines: 3, have: 2 } },
  ],
  ['has a line that is none', (text) => text.replace('{"seq":1', '{"seq";1'), { kind: 'session.missing' }],
  ['says something else', (text) => text.replace('select 1', 'select 9'), { kind: 'session.changed' }],
  ['was made anew', (text) => text.replace(/"digest":"..../, '"digest":"0000'), { kind: 'session.changed' }],
];

it.each(DAMAGE)('says of a recording that it %s, whoever asks for how much of the time', async (_, damaged, due) => {
  const other = record.session();
  const one = record.session();
  one.say('select 1');
  one.say('select 2');
  await one.end();
  const [path] = record.sink.localFiles(one.id);
  const made = damaged(readFileSync(path!, 'utf8'));
  if (made === undefined) rmSync(path!);
  else writeFileSync(path!, made);
  now += HOUR;
  await other.end();
  const found = async (more: object) =>
    (await copy(0, 1, 'jsonl', more))
      .split('\n')
      .filter((line) => /"kind":"session.(missing|changed)"/.test(line))
      .map((line) => JSON.parse(line));
  for (const more of [{}, { session: one.id }, { connections: ['prod-db'] }, { principal: 'alice' }]) {
    expect(await found(more)).toMatchObject([due]);
  }
  expect(await found({ connections: ['other'] })).toEqual([]);
  expect(await copy(0, 1, 'cef')).toMatch(/session\.(missing|changed)\|.*\|9\|/);
});

it('says of a recording that went by order who ordered it', async () => {
  const one = record.session();
  one.say('select 1');
  await one.end();
  const order = { session: one.id, reason: 'retention', by: 'root' };
  record.log.append('purging', order);
  for (const path of record.sink.localFiles(one.id)) rmSync(path);
  record.log.append('purge', order);
  const events = (await copy(0, 1)).trimEnd().split('\n');
  const missing = events.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'session.missing');
  expect(missing).toMatchObject([{ data: { reason: 'retention', by: 'root', purged: expect.any(String) } }]);
  expect(await copy(0, 1, 'cef')).toMatch(/session\.missing\|.*\|1\|/);
});

it('says nothing of a session that goes on, and of one that a later start sealed', async () => {
  const on = record.session();
  on.say('select 1');
  await on.written();
  const late = record.session();
  late.say('select 1');
  await late.end();
  // Its entry came behind the start, its seal before it.
  record.log.append('start', { version: '1' });
  now += 2 * HOUR;
  on.say('select 2');
  await on.written();
  expect(await copy(0, 1)).not.toMatch(/session\.(missing|changed)/);
  expect(await copy(0, 3)).not.toMatch(/session\.(missing|changed)/);
});

it('takes only what names a connection, a session, somebody', async () => {
  const one = record.session();
  one.say('select 1');
  await one.written();
  record.log.append('admin', { what: 'user added', by: 'root@example.com' });
  expect(kinds(await copy(0, 1, 'jsonl', { principal: 'root@example.com' }))).toEqual(['log.admin']);
  expect(kinds(await copy(0, 1, 'jsonl', { principal: 'alice' }))).toEqual([
    'log.access',
    'session.open',
    'session.intent',
  ]);
  expect(kinds(await copy(0, 1, 'jsonl', { session: one.id }))).toHaveLength(3);
  expect(await copy(0, 1, 'jsonl', { connections: ['other'] })).toBe('');
  expect(kinds(await copy(0, 1, 'jsonl', { connections: ['other', 'prod-db'] }))).toHaveLength(3);
});

it('writes every format in lines, OTLP one request a line', async () => {
  const one = record.session();
  for (let i = 0; i < 600; i++) one.say('a\nb');
  await one.written();
  const lines = async (format: CopyFormat) => (await copy(0, 1, format)).trimEnd().split('\n');
  for (const format of ['jsonl', 'ocsf', 'cef', 'syslog'] as const) expect(await lines(format)).toHaveLength(603);
  expect((await lines('syslog'))[0]).toMatch(/^<\d+>1 2026-/);
  const requests = (await lines('otlp')).map((line) => JSON.parse(line));
  expect(requests.map(({ resourceLogs }) => resourceLogs[0].scopeLogs[0].logRecords.length)).toEqual([500, 103]);
  expect(await copy(0, 1, 'csv')).toMatch(/^"sequence","id",.*\r\n1,"log:0",/);
});
