// Reading the record is access: who reads what of others, with which reason, and that every reading is on record.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { House, until } from '../../support/gateway-house.ts';
import { logEntries } from '../../support/log.ts';

let house: House;
let alice: string;
const session: Record<string, string> = {};

beforeAll(async () => {
  house = await House.open({
    access: [{ who: { groups: ['dev'] }, to: { names: ['prod-db', 'guarded-db'] } }],
    roles: {
      auditor: [
        { who: { groups: ['audit'] } },
        { who: { groups: ['support'] }, to: { names: ['guarded-db'] }, reason: 'required' },
      ],
    },
  });
  alice = await house.person('alice', ['dev', 'dba']);
  for (const name of ['prod-db', 'guarded-db']) {
    const client = await house.tunnel(alice, name);
    client.say('say hello');
    await client.line();
    client.end();
    await until(async () => {
      const { sessions } = (await house.call(alice, 'GET', `/api/v1/sessions?connection=${name}&state=ended`)).body;
      session[name] = sessions[0]?.id;
      return session[name] !== undefined;
    });
  }
});
afterAll(() => house.close());

const because = { 'hoopctl-reason': 'ticket-7' };
const recording = (name: string) => `/api/v1/sessions/${session[name]}/recording`;
const readings = async () =>
  (await logEntries(join(house.data)))
    .filter(({ kind }) => kind === 'playback')
    .map(({ fields }) => [fields.what, fields.by, fields.session, fields.own, fields.reason]);

it('an auditor of one connection reads what was done there, with a reason, and nothing else', async () => {
  const sam = await house.person('sam', ['support']);
  const before = (await readings()).length;
  const refused = await house.call(sam, 'GET', recording('guarded-db'));
  expect([refused.status, refused.body.error.message]).toEqual([403, expect.stringContaining('needs a reason')]);
  expect((await readings()).length).toBe(before);
  expect((await house.call(sam, 'GET', recording('guarded-db'), undefined, because)).status).toBe(200);
  expect((await readings()).at(-1)).toEqual([
    'recording',
    'sam@example.com',
    session['guarded-db'],
    undefined,
    'ticket-7',
  ]);
  // Somebody else's session elsewhere is not even told apart from none.
  expect((await house.call(sam, 'GET', recording('prod-db'), undefined, because)).status).toBe(404);
  const list = async (query: string) => (await house.call(sam, 'GET', `/api/v1/sessions${query}`)).body.sessions.length;
  expect([await list(''), await list('?connection=guarded-db'), await list('?connection=prod-db')]).toEqual([0, 1, 0]);
  for (const path of ['/log/checkpoint', '/api/v1/audit/export?since=2026-01-01T00:00:00Z', '/api/v1/sessions/tail']) {
    expect((await house.call(sam, 'GET', path, undefined, because)).status, path).toBe(403);
  }
  const search = (query: string, headers = {}) =>
    house.call(sam, 'GET', `/api/v1/sessions/search${query}`, undefined, headers);
  expect((await search('?connection=guarded-db')).status).toBe(403);
  await until(async () => (await search('?connection=guarded-db', because)).body.operations.length === 1);
  expect((await search('?connection=prod-db', because)).body.operations).toEqual([]);
  expect((await search('', because)).body.operations).toEqual([]);
});

it('an auditor without bounds reads all; one’s own needs no reason; each of it is on record', async () => {
  const iris = await house.person('iris', ['audit']);
  expect((await house.call(iris, 'GET', recording('prod-db'))).status).toBe(200);
  expect((await house.call(iris, 'GET', '/log/checkpoint')).status).toBe(200);
  expect((await house.call(alice, 'GET', recording('guarded-db'))).status).toBe(200);
  expect((await house.call(alice, 'GET', '/api/v1/sessions/search?words=hello')).status).toBe(200);
  expect((await readings()).slice(-3)).toEqual([
    ['recording', 'iris@example.com', session['prod-db'], undefined, undefined],
    ['recording', 'alice@example.com', session['guarded-db'], true, undefined],
    ['search', 'alice@example.com', undefined, true, undefined],
  ]);
});
