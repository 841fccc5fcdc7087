// What may be asked of the record over HTTP, and by whom: what is mistyped is refused and not obeyed as something else, and
// an agent neither holds, purges nor decides, whoever it acts for.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { House, until } from '../../support/gateway-house.ts';
import { logEntries } from '../../support/log.ts';

let house: House;
let admin: string;
let alice: string;
let session: string;

beforeAll(async () => {
  house = await House.open({
    access: [{ who: { groups: ['dev'] }, to: { names: ['prod-db'] } }],
    roles: { admin: { groups: ['admins'] }, auditor: { groups: ['audit'] } },
  });
  admin = await house.person('root', ['admins', 'dba']);
  alice = await house.person('alice', ['dev', 'dba']);
  const client = await house.tunnel(alice, 'prod-db');
  client.say('say hello');
  await client.line();
  client.end();
  await until(async () => {
    const { sessions } = (await house.call(alice, 'GET', '/api/v1/sessions?state=ended')).body;
    session = sessions[0]?.id;
    return session !== undefined;
  });
});
afterAll(() => house.close());

const hold = (kind: string, value: string, reason = 'case 7') =>
  house.call(admin, 'POST', '/api/v1/admin/holds', { kind, value, reason });

it.each([
  ['a session that there is not', 'session', 's-01mistyped', 404],
  ['a connection that there never was', 'connection', 'prod-bd', 404],
  ['nothing', 'session', ' ', 400],
  ['what nobody can be called', 'principal', 'alice\0', 400],
])('a hold on %s is refused, and holds nothing', async (_, kind, value, status) => {
  const { body, status: got } = await hold(kind, value);
  expect([got, JSON.stringify(body)]).toEqual([status, expect.not.stringContaining('internal')]);
  expect((await house.call(admin, 'GET', '/api/v1/admin/holds')).body.holds).toEqual([]);
});

it('a hold on a person is one however their address is written', async () => {
  const { body } = await hold('principal', ' Alice@Example.COM ');
  expect(body.known).toBe(true);
  const refused = await house.call(admin, 'POST', `/api/v1/sessions/${session}/purge`, { reason: 'r' });
  expect([refused.status, JSON.stringify(refused.body)]).toEqual([409, expect.stringContaining(body.hold.id)]);
  expect((await house.call(admin, 'DELETE', `/api/v1/admin/holds/${body.hold.id}`)).status).toBe(200);
});

it('a hold on somebody of whom there is no session holds, and says so: it may be a name that is written wrong', async () => {
  const { body } = await hold('principal', 'alcie@example.com');
  expect(body).toMatchObject({ hold: { value: 'alcie@example.com' }, known: false });
  expect((await house.call(admin, 'DELETE', `/api/v1/admin/holds/${body.hold.id}`)).status).toBe(200);
});

it('an agent of an administrator neither holds, releases, purges, nor decides', async () => {
  const agent = await house.person('root', ['admins', 'dba'], 'claude');
  const held = (await hold('session', session)).body.hold.id;
  const asked: [string, string, unknown?][] = [
    ['POST', `/api/v1/sessions/${session}/purge`, { reason: 'r' }],
    ['POST', '/api/v1/admin/holds', { kind: 'session', value: session, reason: 'r' }],
    ['DELETE', `/api/v1/admin/holds/${held}`],
    ['GET', '/log/checkpoint'],
    ['GET', '/api/v1/audit/export?since=2026-01-01T00:00:00Z'],
  ];
  for (const [method, path, body] of asked) expect((await house.call(agent, method, path, body)).status).toBe(403);
  expect((await house.call(admin, 'GET', '/api/v1/admin/holds')).body.holds).toHaveLength(1);
  expect((await house.call(admin, 'DELETE', `/api/v1/admin/holds/${held}`)).status).toBe(200);
});

it('a review is decided by no agent, nor by the person behind one, and counts who is behind for the requester', async () => {
  const agents = {
    alice: await house.person('alice', ['dev', 'dba'], 'claude'),
    root: await house.person('root', ['dba'], 'x'),
  };
  // Another agent of the same person, and one that calls itself as its person.
  const other = await house.person('alice', ['dev', 'dba'], 'alice@example.com');
  const client = await house.tunnel(agents.alice, 'prod-db');
  client.say('say review this');
  let review: { id: string; requester: { subject: string; actor: string } } | undefined;
  await until(async () => {
    review = (await house.call(admin, 'GET', '/api/v1/reviews?state=pending')).body.reviews[0];
    return review !== undefined;
  });
  expect(review!.requester).toMatchObject({ subject: 'alice', actor: 'claude' });
  for (const token of [agents.alice, agents.root, other, alice]) {
    for (const verdict of ['approve', 'deny']) {
      const { status } = await house.call(token, 'POST', `/api/v1/reviews/${review!.id}/${verdict}`, {});
      expect(status).toBeOneOf([403, 404]);
    }
  }
  expect((await house.call(admin, 'POST', `/api/v1/reviews/${review!.id}/approve`, {})).status).toBe(200);
  expect(await client.line()).toMatch(/^HELD/);
  expect(await client.line()).toBe('say review this');
  client.end();
  const decided = (await logEntries(house.data)).filter(
    ({ kind, fields }) => kind === 'review' && fields.state === 'approved',
  );
  expect(JSON.stringify(decided.at(-1)!.fields)).toContain('root@example.com');
});

it('a span that ends before it begins is refused, and not answered with nothing', async () => {
  const span = 'since=2026-12-01T00:00:00Z&until=2026-11-01T00:00:00Z';
  for (const path of [`audit/export?${span}`, `sessions/search?${span}`, 'sessions/search?rows=10..5']) {
    expect((await house.call(admin, 'GET', `/api/v1/${path}`)).status).toBe(400);
  }
});

it('a reason with control characters is refused before anything is done', async () => {
  const before = (await logEntries(house.data)).length;
  for (const reason of ['nul%00', 'esc%1b%5b2J', '%c2%85']) {
    const { status } = await house.call(admin, 'GET', `/api/v1/sessions/${session}/recording`, undefined, {
      'hoopctl-reason': reason,
    });
    expect(status).toBe(400);
  }
  expect((await house.call(admin, 'POST', `/api/v1/sessions/${session}/purge`, { reason: 'x\0' })).status).toBe(400);
  const since = (await logEntries(house.data)).slice(before);
  expect(since.filter(({ kind }) => kind === 'playback' || kind === 'admin')).toEqual([]);
});
