// What a document can say of masked columns beside their names: classes, aggregates that are safe, noise. Through the wire.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { fields } from '../../../support/wire.ts';
import { attempt, type Mode } from '../attempts.ts';
import { type Guarded, openGuarded } from '../guarded.ts';

let guarded: Guarded;

const SETUP = `create table people (id int, name text, ssn text, mail text, pay numeric(10, 2), age int, born date, seen timestamptz);
insert into people values (1, 'a', '123-45-6789', 'a@example.com', 4200.50, 40, '1980-05-17', '2024-03-01 12:34:56+00'),
  (2, 'b', '987-65-4321', 'b@example.com', 4200.50, 41, '1990-12-31', '2024-03-02 00:00:00+00'), (3, 'c', null, null, null, null, null, null);`;

const POLICY = {
  classes: { identity: ['people.ssn', '*.mail'], money: ['people.pay'] },
  masks: [
    { name: 'identity', columns: ['class:identity'], as: 'full', safe: ['count'] },
    {
      name: 'money',
      columns: ['class:money', 'people.age', 'people.born', 'people.seen'],
      as: { noise: { percent: 20, days: 10 } },
    },
  ],
  rules: [{ name: 'no-pay-day', when: { does: ['update'], columns: ['class:money'] }, then: 'deny' }],
};

beforeAll(async () => {
  guarded = await openGuarded({ setup: SETUP, policy: POLICY });
});
afterAll(() => guarded?.close());

/** Values as text; of an error its code and text. */
async function rows(text: string, mode: Mode = 'simple'): Promise<(string | null)[][]> {
  const client = await guarded.connect();
  const [frames = []] = await attempt(client, mode, [text]);
  client.close();
  return frames.flatMap(({ type, body }) => {
    if (type === 'E') return [[`${fields(body).C} ${fields(body).M}`]];
    if (type !== 'D') return [];
    const values: (string | null)[] = [];
    for (let at = 2; at < body.length; ) {
      const length = body.readInt32BE(at);
      at += 4;
      values.push(length < 0 ? null : body.toString('utf8', at, at + length));
      at += Math.max(0, length);
    }
    return [values];
  });
}

it('a class stands for its columns, in masks and in rules', async () => {
  expect(await rows('select ssn, mail, name from people where id = 1')).toEqual([['***', '***', 'a']]);
  expect((await rows('update people set pay = 1 where id = 1'))[0]?.[0]).toMatch(/^42501 .*no-pay-day/);
});

it('an aggregate that is declared safe comes as it is, others do not', async () => {
  expect(await rows('select count(ssn), count(*) from people')).toEqual([['2', '3']]);
  expect(await rows('select count(mail) filter (where id > 1), max(ssn) from people')).toEqual([['1', '***']]);
  // Of a mask that does not say so.
  expect(await rows('select count(pay) from people')).toEqual([[null]]);
  // Counted is not what somebody computes before.
  expect((await rows("select count(nullif(left(ssn, 1), '9')) from people"))[0]?.[0]).toMatch(/^42501/);
  expect((await rows('select count(distinct ssn) from people'))[0]?.[0]).toMatch(/^42501/);
  expect(await rows('select count(ssn)::text || max(ssn) from people')).toEqual([['***']]);
});

it('noise moves numbers and dates within its bounds, the same each time, in text and in binary', async () => {
  const read = () => rows('select id, pay, age, born, seen from people order by id');
  const [first, second, third] = await read();
  expect(await read()).toEqual([first, second, third]);
  expect(first).not.toEqual(['1', '4200.50', '40', '1980-05-17', '2024-03-01 12:34:56+00']);
  expect(first?.[1]).toMatch(/^\d+\.\d\d$/);
  expect(Math.abs(Number(first?.[1]) / 4200.5 - 1)).toBeLessThanOrEqual(0.2);
  expect(second?.[1]).toBe(first?.[1]);
  expect(Math.abs(Number(first?.[2]) - 40)).toBeLessThanOrEqual(8);
  expect(Math.abs(Date.parse(first![3]!) - Date.parse('1980-05-17'))).toBeLessThanOrEqual(10 * 86_400_000);
  expect(first?.[4]).toMatch(/^2024-0[23]-\d\d 12:34:56\+00$/);
  expect(third).toEqual(['3', null, null, null, null]);
  // What is computed from it is masked in whole.
  expect(await rows('select sum(pay) from people where id = 1')).toEqual([[null]]);
  const client = await guarded.connect();
  const [frames = []] = await attempt(client, 'binary', ['select age from people where id = 1']);
  client.close();
  expect(frames.find(({ type }) => type === 'D')?.body.readInt32BE(6)).toBe(Number(first?.[2]));
});
