// Budgets end a result in the middle and refuse what comes after; rules and masks that come into force during a session hold.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bind, bindAs, execute, extended, type Frame, fields, parse, query, sync } from '../../../support/wire.ts';
import { errorIn } from '../attempts.ts';
import { type Guarded, openGuarded } from '../guarded.ts';

const cap = (budget: object, more: object = {}) => ({ name: 'cap', when: { budget, ...more }, then: 'deny' });
const SETUP = `create table secrets (id int, ssn text); insert into secrets values (1, '912-33-4455');
  create function f(n int) returns int language sql volatile as 'select (random() * 1000000)::int + n';
  create table many as select i from generate_series(1, 5000) i;`;

let guarded: Guarded;
let people = 0;
/** A person that has used nothing of a day yet. */
const somebody = () => guarded.connect([`person-${people++}`]);

beforeAll(async () => {
  guarded = await openGuarded({ setup: SETUP, policy: {} });
});
afterAll(() => guarded?.close());

const rows = (frames: readonly Frame[]) => frames.filter(({ type }) => type === 'D').length;
const status = (frames: readonly Frame[]) => frames.at(-1)?.body.toString();
const ENDLESS = 'select i from generate_series(1, 20000000) i';

describe('a budget of rows', () => {
  it.each([
    ['simple', [query(ENDLESS)]],
    ['extended', [...extended(ENDLESS), sync()]],
  ])('ends a result in the middle, and refuses what comes after: %s', async (_, request) => {
    await guarded.reload({ rules: [cap({ rows: 1000, per: 'session' })] });
    const client = await somebody();
    client.send(...request);
    const frames = await client.until('Z');
    expect(rows(frames)).toBeGreaterThan(0);
    expect(rows(frames)).toBeLessThanOrEqual(1000);
    const error = fields(frames.find(({ type }) => type === 'E')!.body);
    expect(error).toMatchObject({ C: '53400', M: expect.stringMatching(/1000 rows per session of rule "cap"/) });
    client.send(query('select 1'));
    const next = await client.until('Z');
    expect(fields(next.find(({ type }) => type === 'E')!.body)).toMatchObject({
      C: '42501',
      M: 'select is denied by rule "cap"',
      H: 'the budget of 1000 rows per session is used up',
    });
    client.close();
    const other = await somebody();
    other.send(query('select 1'));
    expect(rows(await other.until('Z'))).toBe(1);
    other.close();
  });

  it('gives exactly as many as it has', async () => {
    await guarded.reload({ rules: [cap({ rows: 5000, per: 'session' })] });
    const client = await somebody();
    client.send(query('select i from many'));
    expect([rows(await client.until('Z'))]).toEqual([5000]);
    client.send(query('select 1'));
    expect(errorIn(await client.until('Z'))).toBe('42501');
    client.close();
  });

  it('leaves a transaction failed, as the server has it', async () => {
    await guarded.reload({ rules: [cap({ rows: 10, per: 'session' }, { does: ['select'] })] });
    const client = await somebody();
    client.send(query('begin'));
    await client.until('Z');
    client.send(query(ENDLESS));
    const frames = await client.until('Z');
    expect([errorIn(frames), status(frames)]).toEqual(['53400', 'E']);
    client.send(query('rollback'));
    expect(status(await client.until('Z'))).toBe('I');
    client.close();
  });

  it('counts COPY', async () => {
    await guarded.reload({ rules: [cap({ rows: 100, per: 'session' })] });
    const client = await somebody();
    client.send(query(`copy (${ENDLESS}) to stdout`));
    const frames = await client.until('Z');
    expect(frames.filter(({ type }) => type === 'd').length).toBeLessThanOrEqual(100);
    expect(errorIn(frames)).toBe('53400');
    client.close();
  });
});

const EXTENDED = (text: string, ...run: Buffer[]) => [parse('', text), bind('', ''), ...run, sync()];

/** One use of ten rows or so, by every way that rows come; what is told must be the budget's error, whatever the way. */
const WAYS: [string, (rows: string) => Buffer[]][] = [
  ['a simple query', (text) => [query(text)]],
  ['the extended protocol', (text) => [...extended(text), sync()]],
  ['a portal in pieces', (text) => EXTENDED(text, execute('', 2), execute('', 2), execute('', 20))],
  [
    'a cursor',
    (text) => [query(`begin; declare c cursor for ${text}`), query('fetch 3 from c'), query('fetch all from c')],
  ],
  ['COPY', (text) => [query(`copy (${text}) to stdout`)]],
  ['COPY in binary', (text) => [query(`copy (${text}) to stdout (format binary)`)]],
  ['a pipeline', (text) => [...EXTENDED('select 1', execute('')).slice(0, 3), ...EXTENDED(text, execute(''))]],
];

describe.each([
  ['rows', { rows: 5 }],
  ['bytes', { bytes: 100 }],
  ['distinct values', { distinct: { column: 'many.i', max: 5 } }],
])('a budget of %s', (_, bound) => {
  it.each(WAYS)('ends %s in the middle; what comes after is refused, in the same session', async (_way, request) => {
    await guarded.reload({ rules: [cap({ ...bound, per: 'session' }, { relations: ['many'] })] });
    const client = await somebody();
    const messages = request('select i from many where i <= 20');
    client.send(...messages);
    const frames: Frame[] = [];
    for (const { 0: type } of messages) if (type === 0x51 || type === 0x53) frames.push(...(await client.until('Z')));
    expect(errorIn(frames)).toBe('53400');
    const sent = frames.filter(({ type }) => type === 'D' || type === 'd').length;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(20);
    client.send(query('rollback'));
    await client.until('Z');
    client.send(query('select i from many limit 1'));
    expect(errorIn(await client.until('Z'))).toBe('42501');
    client.send(query('select 1'));
    expect(errorIn(await client.until('Z'))).toBeUndefined();
    client.close();
  });
});

describe('a budget of distinct values', () => {
  const distinct = (max: number, more: object = {}) =>
    cap({ distinct: { column: 'many.i', max }, per: 'session' }, more);
  const values = (frames: readonly Frame[]) =>
    frames.filter(({ type }) => type === 'D').map(({ body }) => body.subarray(6).toString());

  it('counts exactly: what was seen before, in either format, and what comes from elsewhere does not count', async () => {
    await guarded.reload({ rules: [distinct(4)] });
    const client = await somebody();
    const run = async (...messages: Buffer[]) => {
      client.send(...messages);
      return client.until('Z');
    };
    expect(values(await run(query('select i from many where i in (1, 2, 3)')))).toHaveLength(3);
    expect(values(await run(query('select m.i from many m, generate_series(1, 3) where m.i < 4')))).toHaveLength(9);
    const binary = [parse('', 'select i from many where i < 4'), bindAs(1), execute(''), sync()];
    expect(values(await run(...binary))).toHaveLength(3);
    expect(values(await run(query('select generate_series(100, 120)')))).toHaveLength(21);
    expect(values(await run(query('select count(*) from many')))).toEqual(['5000']);
    const last = await run(query('select i from many where i in (3, 4, 5)'));
    expect([errorIn(last), values(last)]).toEqual(['53400', ['3', '4']]);
    client.close();
  });

  it('counts what is computed from the column, or not proven to come from elsewhere', async () => {
    for (const text of [
      "select 'n' || i from many limit 9",
      'select f(1) from generate_series(1, 9)',
      'select m from many m limit 9',
    ]) {
      await guarded.reload({ rules: [distinct(3)] });
      const client = await somebody();
      client.send(query(text));
      const frames = await client.until('Z');
      expect([text, errorIn(frames), values(frames).length]).toEqual([text, '53400', 3]);
      client.close();
    }
  });

  it('lets no value go to where none would be counted, and counts one that is masked', async () => {
    await guarded.reload({
      rules: [distinct(3)],
      masks: [{ name: 'hidden', columns: ['many.i'] }],
    });
    const client = await somebody();
    client.send(query('create table elsewhere as select i from many'));
    expect(errorIn(await client.until('Z'))).toBe('42501');
    client.send(query('select i from many limit 9'));
    const frames = await client.until('Z');
    expect([errorIn(frames), values(frames).length]).toEqual(['53400', 3]);
    client.close();
    await guarded.reload({ rules: [distinct(3)] });
    const other = await somebody();
    other.send(query('create table elsewhere as select i from many'));
    const refused = await other.until('Z');
    expect(fields(refused.find(({ type }) => type === 'E')!.body).M).toMatch(/rule "cap".*nothing counts them/);
    other.close();
  });
});

describe('a result that is cut when the server has sent all of it', () => {
  it('leaves the session and a failed transaction, and its cancel meets nothing else', async () => {
    await guarded.reload({ rules: [cap({ rows: 2, per: 'session' }, { relations: ['many'] })] });
    for (const request of [
      [query('select i from many limit 4')],
      EXTENDED('select i from many limit 4', execute('')),
      EXTENDED('select i from many limit 4', execute('', 3)),
    ]) {
      const client = await somebody();
      client.send(query('begin'));
      await client.until('Z');
      client.send(...request);
      const frames = await client.until('Z');
      expect([errorIn(frames), status(frames)]).toEqual(['53400', 'E']);
      client.send(query('rollback'));
      expect(status(await client.until('Z'))).toBe('I');
      client.send(query('select pg_sleep(0.2)'));
      expect(errorIn(await client.until('Z'))).toBeUndefined();
      client.close();
    }
  });

  it('keeps what a pipeline has behind it from running', async () => {
    await guarded.reload({ rules: [cap({ rows: 2, per: 'session' })] });
    const client = await somebody();
    const run = (text: string) => [parse('', text), bind('', ''), execute('')];
    client.send(...run('select i from many limit 4'), ...run('insert into many values (-1)'), sync());
    const frames = await client.until('Z');
    expect([errorIn(frames), status(frames)]).toEqual(['53400', 'I']);
    client.close();
    expect(await guarded.server.query('select i from many where i = -1', 'app')).toEqual([]);
  });
});

describe('a budget of time', () => {
  it('counts what the server works, not what a portal rests, nor what waits behind others', async () => {
    await guarded.reload({ rules: [cap({ time: '3s', per: 'session' })] });
    const client = await somebody();
    client.send(query('begin'));
    await client.until('Z');
    client.send(parse('', 'select i from many'), bind('', ''), execute('', 1), sync());
    await client.until('Z');
    await new Promise((resolve) => setTimeout(resolve, 3300));
    const nap = EXTENDED('select pg_sleep(0.3)', execute(''));
    client.send(...nap.slice(0, 3), ...nap.slice(0, 3), ...nap);
    expect(errorIn(await client.until('Z'))).toBeUndefined();
    client.send(query('select pg_sleep(60)'));
    expect(errorIn(await client.until('Z'))).toBe('53400');
    client.close();
  });

  it('of a day is one for all that runs at once', async () => {
    await guarded.reload({ rules: [cap({ time: '1s', per: 'day' })] });
    const both = [await guarded.connect(['at-once']), await guarded.connect(['at-once'])];
    for (const client of both) client.send(query('select pg_sleep(60)'));
    for (const client of both) {
      expect(errorIn(await client.until('Z'))).toBe('53400');
      client.close();
    }
  });
});

it('what review asks for is held once nothing is left, and told so where a result is cut', async () => {
  const rule = { ...cap({ rows: 2, per: 'session' }), then: 'review', reviewers: { groups: ['dba'] }, wait: '1s' };
  await guarded.reload({ rules: [rule] });
  const client = await somebody();
  client.send(query('select i from many limit 4'));
  const frames = await client.until('Z');
  expect(fields(frames.find(({ type }) => type === 'E')!.body)).toMatchObject({
    C: '53400',
    H: expect.stringContaining('held for review'),
  });
  client.send(query('select 1'));
  const held = await client.until('Z');
  expect(held.some(({ type, body }) => type === 'N' && fields(body).M?.includes('held for review'))).toBe(true);
  client.close();
});

it.each([
  ['rows', { rows: 5 }, 'select i from many limit 5'],
  ['bytes', { bytes: 60 }, 'select i from many limit 5'],
  ['statements', { statements: 1 }, 'select 1'],
  ['distinct values', { distinct: { column: 'many.i', max: 5 } }, 'select i from many limit 5'],
  ['time', { time: '100ms' }, 'select pg_sleep(60)'],
])('a budget of %s of a day outlives the gateway that counted, and tells no value', async (what, bound, text) => {
  await guarded.reload({ rules: [cap({ ...bound, per: 'day' })] });
  const who = [`restarted-${what.split(' ')[0]}`];
  const first = await guarded.connect(who);
  first.send(query(text));
  await first.until('Z');
  first.close();
  await guarded.house.gateway.close({ graceMs: 0 });
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(join(guarded.house.data, 'store.db'));
  const hashes = database.prepare('select hash from budget_values').all() as { hash: string }[];
  database.close();
  for (const { hash } of hashes) expect(hash).toMatch(/^[\w-]{22}$/);
  await guarded.restart();
  const second = await guarded.connect(who);
  second.send(query(text));
  expect(errorIn(await second.until('Z'))).toBe('42501');
  second.close();
});

it('a budget of a day is one for all sessions of a principal, and of nobody else', async () => {
  await guarded.reload({ rules: [cap({ rows: 100, per: 'day' })] });
  const first = await guarded.connect(['the-same']);
  first.send(query('select i from many limit 60'));
  expect(rows(await first.until('Z'))).toBe(60);
  first.close();
  const second = await guarded.connect(['the-same']);
  second.send(query('select i from many limit 60'));
  const frames = await second.until('Z');
  expect(rows(frames)).toBe(40);
  expect(errorIn(frames)).toBe('53400');
  second.close();
  const other = await somebody();
  other.send(query('select i from many limit 60'));
  expect(rows(await other.until('Z'))).toBe(60);
  other.close();
});

it('counts only what the other conditions hold for', async () => {
  await guarded.reload({ rules: [cap({ statements: 2, per: 'session' }, { relations: ['many'] })] });
  const client = await somebody();
  const codes: (string | undefined)[] = [];
  for (const text of ['select 1', 'select i from many limit 1', 'select 2', 'table many', 'table many', 'select 3']) {
    client.send(query(text));
    codes.push(errorIn(await client.until('Z')));
  }
  expect(codes).toEqual([undefined, undefined, undefined, undefined, '42501', undefined]);
  client.close();
});

it('a budget of bytes and of time', async () => {
  await guarded.reload({ rules: [cap({ bytes: 2000, per: 'session' })] });
  let client = await somebody();
  client.send(query("select repeat('x', 900) from many"));
  const frames = await client.until('Z');
  expect([rows(frames), errorIn(frames)]).toEqual([2, '53400']);
  client.close();
  await guarded.reload({ rules: [cap({ time: '200ms', per: 'session' })] });
  client = await somebody();
  client.send(query('select pg_sleep(60)'));
  const stopped = await client.until('Z');
  expect(fields(stopped.find(({ type }) => type === 'E')!.body)).toMatchObject({
    C: '53400',
    M: expect.stringMatching(/200ms of time per session of rule "cap"/),
  });
  client.send(query('select 1'));
  expect(errorIn(await client.until('Z'))).toBe('42501');
  client.close();
});

it('masks that come into force during a session hold in it', async () => {
  await guarded.reload({ rules: [] });
  const client = await somebody();
  client.keep = true;
  client.send(query('select 1'));
  await client.until('Z');
  await guarded.reload({ masks: [{ name: 'pii', columns: ['secrets.ssn'] }] });
  client.send(query('select * from secrets'));
  const frames = await client.until('Z');
  expect(Buffer.concat(client.received).toString()).not.toContain('4455');
  expect(errorIn(frames)).toBe('42501');
  client.close();
  const again = await somebody();
  again.send(query('select * from secrets'));
  expect(rows(await again.until('Z'))).toBe(1);
  again.close();
});
