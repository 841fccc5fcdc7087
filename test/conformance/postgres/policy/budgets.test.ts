// Budgets end a result in the middle and refuse what comes after; rules and masks that come into force during a session hold.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bind, describePortal, execute, type Frame, fields, parse, query, sync } from '../../../support/wire.ts';
import { errorIn } from '../attempts.ts';
import { type Guarded, openGuarded } from '../guarded.ts';

const cap = (budget: object, more: object = {}) => ({ name: 'cap', when: { budget, ...more }, then: 'deny' });
const SETUP = `create table secrets (id int, ssn text); insert into secrets values (1, '912-33-4455');
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
    ['extended', [parse('', ENDLESS), bind('', ''), describePortal(''), execute(''), sync()]],
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
  client.send(query('select pg_sleep(0.3)'));
  await client.until('Z');
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
