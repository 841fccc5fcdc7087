// What leaks without being selected: statements that let masked values be guessed are refused by the mask's name, and those
// that look a row up by a value that is known are not; both as the mask says.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../../support/process.ts';
import { bind, execute, fields, int16, int32, message, query, sync } from '../../../support/wire.ts';
import { attempt, errorIn, type Mode, readAttempts } from '../attempts.ts';
import { type Guarded, openGuarded } from '../guarded.ts';
import { MASKS, SETUP } from './schema.ts';

const GUESSES = readAttempts(new URL('./guesses.txt', import.meta.url));
const MODES: readonly Mode[] = ['simple', 'extended'];

let guarded: Guarded;

beforeAll(async () => {
  const prefixes = 'create view prefixes as select id, left(ssn, 1) as s, left(api_key, 4) as k from customers;';
  const rows =
    'create domain decoy_row as customers; create domain decoy_text as text; create table decoys (row_to_json int, decoy_row int);';
  guarded = await openGuarded({ setup: SETUP + prefixes + rows, policy: { masks: MASKS } });
});
afterAll(() => guarded?.close());

it.each(MODES)('a guess is refused by the name of the mask: %s', { timeout: 200_000 }, async (mode) => {
  const allowed: string[] = [];
  const client = await guarded.connect();
  for (const { name, statements } of GUESSES) {
    const [frames = []] = await attempt(client, mode, statements);
    const error = frames.find(({ type }) => type === 'E');
    const said = error === undefined ? undefined : fields(error.body);
    if (said?.C !== '42501' || !/^refused by mask/.test(said.M ?? '')) allowed.push(`${name}: ${said?.C} ${said?.M}`);
  }
  client.close();
  expect(allowed).toEqual([]);
});

const LOOK_UPS = [
  "select name from customers where ssn = '123'",
  "select name from customers where '123' = ssn",
  "select name from customers where ssn = '123'::text and city = 'town 1'",
  "select name from customers where ssn in ('1', '2', '3')",
  "select left(ssn, 3) as ssn, city as c from customers where ssn = '123' and api_key = 'x'",
  "select who from people where number = '123'",
  "with c as (select id, ssn as s from customers) select id from c where s = '123'",
  "update customers set ssn = '123' where ssn = '124'",
  "select city, count(*) from customers where ssn = '1' group by city",
  "select name from customers where ssn is not null and api_key <> 'x'",
  'select count(*) from customers where ssn is null',
  "update customers set city = 'x' where api_key = 'none'",
  'select count(*) from customers group by api_key',
];

it('equality with a parameter of a type that somebody made is none', async () => {
  const [row] = await guarded.server.query("select 'decoy_text'::regtype::oid::int as oid", 'app');
  const client = await guarded.connect();
  const text = 'select name from customers where ssn = $1';
  for (const [oid, code] of [
    [25, undefined],
    [Number(row?.oid), '42501'],
  ] as const) {
    client.send(message('P', '', text, int16(1), int32(oid)), bind('', '', ['9']), execute(''), sync());
    expect([oid, errorIn(await client.until('Z'))]).toEqual([oid, code]);
  }
  client.close();
});

it('a look-up by a value that is known is answered, unless the mask says otherwise', async () => {
  let client = await guarded.connect();
  for (const text of LOOK_UPS) {
    const [frames = []] = await attempt(client, 'simple', [text]);
    expect([text, errorIn(frames)]).toEqual([text, undefined]);
  }
  const [upserted = []] = await attempt(client, 'simple', [
    "insert into customers (id, name, api_key) values (1, 'x', 'y') on conflict (id) do update set api_key = excluded.api_key",
  ]);
  expect(errorIn(upserted)).toBeUndefined();
  client.close();
  await guarded.reload({ masks: MASKS.map((mask) => ({ ...mask, predicates: { equality: 'deny', group: 'deny' } })) });
  client = await guarded.connect();
  for (const text of LOOK_UPS) {
    const [frames = []] = await attempt(client, 'simple', [text]);
    expect([text, errorIn(frames)]).toEqual([text, '42501']);
  }
  client.send(query('select name from customers where id = 1'));
  expect((await client.until('Z')).some(({ type }) => type === 'D')).toBe(true);
  client.close();
});

it('an operator that somebody made is no equality, whatever its name', async () => {
  const made = "select name from customers where api_key operator(public.=) 'key'";
  const shadows = "select name from customers where ssn::bpchar = '9%'::text";
  await guarded.server.query(
    `create operator public.= (function = starts_with, leftarg = text, rightarg = text);
    create operator public.= (function = bpcharlike, leftarg = bpchar, rightarg = text)`,
    'app',
  );
  expect((await guarded.server.query(shadows, 'app')).length).toBe(10);
  const other = await guarded.connect();
  for (const text of [made, shadows]) {
    // A change of the server's own is seen within seconds.
    await expect
      .poll(async () => errorIn((await attempt(other, 'simple', [text]))[0]!), { timeout: 60_000 })
      .toBe('42501');
  }
  other.close();
  await guarded.server.query('drop operator public.= (text, text); drop operator public.= (bpchar, text)', 'app');
});

it('a mask may allow them, or have them reviewed', async () => {
  const [ssn, ...others] = MASKS;
  const reviewed = { ...others[1], predicates: 'review', reviewers: { groups: ['dba'] } };
  await guarded.reload({ masks: [{ ...ssn, predicates: 'allow' }, others[0], reviewed, others[2]] });
  const client = await guarded.connect();
  client.send(query("select name from customers where ssn like '9%' order by ssn"));
  expect(errorIn(await client.until('Z'))).toBeUndefined();
  client.send(query('select name from customers order by api_key'));
  const notice = await client.next();
  expect([notice.type, fields(notice.body).M]).toEqual(['N', expect.stringMatching(/held for review/)]);
  const dba = await guarded.house.person('dora', ['dba']);
  // The client is told before the store has it.
  const review = await eventually('the review', async () => {
    const { body } = await guarded.house.call(dba, 'GET', '/api/v1/reviews?state=pending');
    return body.reviews[0];
  });
  await guarded.house.call(dba, 'POST', `/api/v1/reviews/${review.id}/approve`, { reason: 'why not' });
  const frames = await client.until('Z');
  expect(frames.filter(({ type }) => type === 'D').length).toBe(10);
  client.close();
});
