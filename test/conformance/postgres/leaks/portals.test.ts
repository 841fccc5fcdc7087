// What a client binds and then begins by FETCH or MOVE in SQL, so that no Execute asks: it is held against masks all the same.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { bind, fields, parse, query, sync } from '../../../support/wire.ts';
import { errorIn } from '../attempts.ts';
import { type Guarded, openGuarded } from '../guarded.ts';

let guarded: Guarded;

beforeAll(async () => {
  guarded = await openGuarded({
    setup: `create table people (id int, ssn text); create table kept (v text); insert into people values (1, '536-22-8726')`,
    policy: { masks: [{ name: 'pii', columns: ['people.ssn'] }] },
  });
});
afterAll(() => guarded?.close());

it.each([
  "select id from people where ssn like '5%'",
  'insert into kept select ssn from people returning 1',
  'with k as (insert into kept select ssn from people returning 1) select * from k',
])('%s', async (text) => {
  for (const way of ['fetch all from p', 'move all in p', 'begin; fetch all from p']) {
    const client = await guarded.connect();
    client.send(query('begin'));
    await client.until('Z');
    client.send(parse('', text), bind('p', ''), sync());
    await client.until('Z');
    client.send(query(way));
    const frames = await client.until('Z');
    const error = frames.find(({ type }) => type === 'E');
    expect([way, errorIn(frames), frames.some(({ type }) => type === 'D')]).toEqual([way, '42501', false]);
    expect(fields(error!.body).M).toContain('"pii"');
    client.send(query('commit'));
    await client.until('Z');
    client.close();
    expect(await guarded.server.query('select v from kept', 'app')).toEqual([]);
  }
});
