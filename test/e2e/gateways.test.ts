// Two gateways on one store in PostgreSQL, through the wire: what is said at one counts at the other, races are settled by
// the store, what one leaves behind the other closes, and what happens while the store is away.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBalancer } from '../support/balancer.ts';
import { makeCertificates } from '../support/certificates.ts';
import { type Client, cleanEnvironment, Gateway, hoopctl, startGateway } from '../support/gateway.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { eventually, temporaryDirectory } from '../support/process.ts';
import { pendingReview, type Review, showReview, wireThrough } from '../support/reviews.ts';
import { connectionTo } from '../support/stage.ts';
import { openWay } from '../support/ways.ts';
import { fields, query, type WireClient } from '../support/wire.ts';

interface Session {
  id: string;
  state: string;
  connection: string;
  gateway: string;
  end?: { code: string; message: string };
}

let target: Postgres;
let state: Postgres;
let a: Gateway;
let b: Gateway;
let env: Record<string, string>;
/** alice asks, bob and carol decide; each at both gateways. */
const at = {} as { a: Record<'alice' | 'bob', Client>; b: Record<'alice' | 'bob' | 'carol', Client> };

function configuration(): Record<string, unknown> {
  const reviewers = { groups: ['dba'], count: 1 };
  return {
    store: { postgres: 'env:HOOPCTL_STORE_URL' },
    limits: { gateway_dead_ms: 4000, store_ms: 3000 },
    connections: {
      app: connectionTo(target, 'app', { labels: { env: 'prod' } }),
      vault: connectionTo(target, 'app', { labels: { env: 'vault' } }),
      counted: connectionTo(target, 'app'),
      people: connectionTo(target, 'app'),
    },
    access: [
      { who: { groups: ['engineering'] }, to: { names: ['app', 'counted', 'people'] } },
      { who: { groups: ['engineering'] }, to: { names: ['vault'] }, grant: { max: '1h', reviewers } },
    ],
    roles: { admin: { groups: ['dba'] } },
    masks: [{ name: 'pii', to: { names: ['people'] }, columns: ['person.ssn'], unmask: { max: '1h', reviewers } }],
    rules: [
      { name: 'writes', to: { names: ['app'] }, when: { does: ['insert'] }, then: 'review', reviewers, wait: '5m' },
      { name: 'few', to: { names: ['counted'] }, when: { budget: { statements: 3, per: 'day' } }, then: 'deny' },
      {
        name: 'two-people',
        to: { names: ['app'] },
        when: { does: ['delete'] },
        then: 'review',
        reviewers: { groups: ['dba'], count: 2 },
        wait: '5m',
      },
    ],
  };
}

beforeAll(async () => {
  [target, state] = await Promise.all([startPostgres({ databases: ['app'] }), startPostgres({ databases: ['state'] })]);
  await target.query("create table t (n int, v text); create table person as select '987' as ssn", 'app');
  env = { TARGET_PASSWORD: target.password, HOOPCTL_STORE_URL: `${state.url('state')}?sslmode=disable` };
  // Both at once: one of them makes the tables. One text, and so one version of the policy.
  const start = () => startGateway({ config: configuration(), env });
  [a, b] = await Promise.all([start(), start()]);
  const alice = a.user('alice', { groups: ['engineering'] });
  const bob = a.user('bob', { groups: ['dba'] });
  await a.user('carol', { groups: ['dba'], login: false });
  at.a = { alice: await alice, bob: await bob };
  const [alice2, bob2, carol2] = await Promise.all(['alice', 'bob', 'carol'].map((name) => b.login(name)));
  at.b = { alice: alice2!, bob: bob2!, carol: carol2! };
});
afterAll(async () => {
  await Promise.all([a?.[Symbol.asyncDispose](), b?.[Symbol.asyncDispose]()]);
  await Promise.all([target?.stop(), state?.stop()]);
});

const rows = async (value: string) => (await target.query(`select n from t where v = '${value}'`, 'app')).length;
const insert = (value: string) => `insert into t values (1, '${value}')`;

/** What came back of a statement: its command tag, or the error's fields. */
async function outcome(client: WireClient): Promise<{ tag?: string; error?: Record<string, string> }> {
  const frames = await client.until('Z');
  const error = frames.find(({ type }) => type === 'E');
  if (error !== undefined) return { error: fields(error.body) as Record<string, string> };
  return {
    tag:
      frames
        .find(({ type }) => type === 'C')
        ?.body.toString()
        .replace('\0', '') ?? '',
  };
}

/** Whether it runs at once. What is held is denied. */
async function tried(client: WireClient, text: string): Promise<'held' | 'ran'> {
  client.send(query(text));
  const held = (await client.next()).type === 'N';
  if (held) await at.b.bob.runOk(['reviews', 'deny', (await pendingReview(at.b.bob, text)).id]);
  await outcome(client);
  return held ? 'held' : 'ran';
}

/** Until the connection ends: the last error that the client was sent. */
async function farewell(client: WireClient): Promise<string> {
  let said = '';
  for (
    let frame = await client.next().catch(() => undefined);
    frame;
    frame = await client.next().catch(() => undefined)
  )
    if (frame.type === 'E') said = fields(frame.body).M ?? '';
  return said;
}

describe('two gateways on one store', () => {
  it('make the tables once, and know of each other', async () => {
    const found = await state.query('select id, url, over_at from gateways order by id', 'state');
    expect(found.map((one) => one.url).sort()).toEqual([a.url, b.url].sort());
    expect(new Set(found.map((one) => one.id)).size).toBe(2);
    const { gateways } = await at.b.bob.json<{ gateways: { url: string; state: string }[] }>([
      'admin',
      'gateways',
      'ls',
    ]);
    const states = Object.fromEntries(gateways.map((one) => [one.url, one.state]));
    expect(states).toEqual({ [a.url]: 'alive', [b.url]: 'this' });
    for (const gateway of [a, b]) expect(gateway.log).not.toContain(state.password);
    const unset = await hoopctl(['admin', 'users', 'ls', '--data', a.data], { env: cleanEnvironment(a.directory) });
    expect(unset.code).toBe(1);
    expect(unset.stderr).toContain('cannot find the store: env:HOOPCTL_STORE_URL');
  });

  it('release at one what is approved at the other, and list each other’s sessions', async () => {
    const way = await openWay('connect', at.a.alice, 'app');
    const watch = at.b.bob.start(['reviews', 'watch', '--json']);
    const psql = way.start('psql', ['-X', '-c', insert('approved at b')]);
    const review = await pendingReview(at.b.bob, 'approved at b');
    expect(await rows('approved at b')).toBe(0);
    const { sessions } = await at.b.bob.json<{ sessions: Session[] }>(['sessions', 'ls']);
    expect(sessions[0]).toMatchObject({ connection: 'app', state: 'open' });
    await at.b.bob.runOk(['reviews', 'approve', review.id]);
    expect((await psql.exited).code).toBe(0);
    expect(await rows('approved at b')).toBe(1);
    expect((await showReview(at.b.bob, review.id)).state).toBe('used');
    await watch.waitFor(new RegExp(`"id":"${review.id}"[^\\n]*"state":"used"`));
    await watch.stop();
    await way.stop();
    // Its recording is where it lived, and that is said.
    const there = await at.b.bob.run(['sessions', 'export', sessions[0]!.id]);
    expect(there.code).not.toBe(0);
    expect(there.stderr).toContain(`${a.url}`);
  });

  it('count a person once, whichever gateway hears it, and two people over both', async () => {
    const { client, stop } = await wireThrough(at.a.alice, 'app');
    client.send(query("delete from t where v = 'two'"));
    const review = await pendingReview(at.b.bob, "v = 'two'");
    const approve = (who: Client) => who.run(['reviews', 'approve', review.id]);
    const codes = (await Promise.all([approve(at.a.bob), approve(at.b.bob)])).map(({ code }) => code);
    expect(codes.filter((code) => code === 0)).toHaveLength(1);
    expect((await showReview(at.a.bob, review.id)).state).toBe('pending');
    await at.b.carol.runOk(['reviews', 'approve', review.id]);
    expect(await outcome(client)).toEqual({ tag: 'DELETE 0' });
    client.send(query("delete from t where v = 'both'"));
    const both = await pendingReview(at.a.bob, "v = 'both'");
    await Promise.all([
      at.a.bob.runOk(['reviews', 'approve', both.id]),
      at.b.carol.runOk(['reviews', 'approve', both.id]),
    ]);
    expect(await outcome(client)).toEqual({ tag: 'DELETE 0' });
    await stop();
  });

  it('come to one outcome where one approves and the other denies at the same moment', async () => {
    const { client, stop } = await wireThrough(at.a.alice, 'app');
    for (const round of ['race 1', 'race 2', 'race 3']) {
      client.send(query(insert(round)));
      const { id } = await pendingReview(at.b.bob, round);
      await Promise.all([at.a.bob.run(['reviews', 'approve', id]), at.b.carol.run(['reviews', 'deny', id])]);
      const { tag, error } = await outcome(client);
      const { state: settled } = await showReview(at.b.bob, id);
      expect([settled, tag ?? error?.C]).toEqual(tag === undefined ? ['denied', '42501'] : ['used', 'INSERT 0 1']);
      expect(await rows(round)).toBe(tag === undefined ? 0 : 1);
    }
    await stop();
  });

  it('let an approval for a time stand at both, until one takes it back', async () => {
    const [here, there] = [await wireThrough(at.a.alice, 'app'), await wireThrough(at.b.alice, 'app')];
    const text = insert('standing');
    here.client.send(query(text));
    const { id } = await pendingReview(at.a.bob, 'standing');
    await at.a.bob.runOk(['reviews', 'approve', id, '--for', '10m']);
    expect(await outcome(here.client)).toEqual({ tag: 'INSERT 0 1' });
    // Known there within a second or so.
    await eventually('it stands at the other gateway', async () => (await tried(there.client, text)) === 'ran');
    expect(await tried(there.client, insert('standing, more or less'))).toBe('held');
    await at.b.bob.runOk(['reviews', 'deny', id]);
    expect(await tried(there.client, text)).toBe('held');
    await eventually('it stands nowhere', async () => (await tried(here.client, text)) === 'held');
    await here.stop();
    await there.stop();
  });

  it('give a grant asked for at one and approved at the other, and cut it at both', async () => {
    const asked = await at.a.alice.json<Review>(['request', 'vault', '--for', '10m', '--reason', 'look']);
    await at.b.bob.runOk(['reviews', 'approve', asked.id]);
    const [here, there] = [await wireThrough(at.a.alice, 'vault'), await wireThrough(at.b.alice, 'vault')];
    for (const { client } of [here, there]) {
      client.send(query('select 1'));
      expect(await outcome(client)).toEqual({ tag: 'SELECT 1' });
    }
    const { grants } = await at.b.bob.json<{ grants: { id: string }[] }>(['grants', 'ls']);
    await at.b.bob.runOk(['grants', 'revoke', grants[0]!.id]);
    expect(await farewell(here.client)).toContain('grant was revoked');
    expect(await farewell(there.client)).toContain('grant was revoked');
    await here.stop();
    await there.stop();
  });

  it('lift a mask at both that was asked for at one and approved at the other, and put it back at both', async () => {
    const both = [await wireThrough(at.a.alice, 'people'), await wireThrough(at.b.alice, 'people')];
    const see = async (value: string) => {
      for (const { client } of both) {
        await eventually(`the value is ${value}`, async () => {
          client.send(query('select ssn from person'));
          return (await client.until('Z')).some(
            ({ type, body }) => type === 'D' && body.subarray(6).toString() === value,
          );
        });
      }
    };
    await see('***');
    const { id } = await at.a.alice.json<Review>(['request', 'people', '--unmask', 'pii', '--reason', 'ticket']);
    await at.b.bob.runOk(['reviews', 'approve', id]);
    await see('987');
    const { grants } = await at.a.alice.json<{ grants: { id: string; review: string }[] }>(['grants', 'ls']);
    await at.b.bob.runOk(['grants', 'revoke', grants.find((one) => one.review === id)?.id ?? '']);
    await see('***');
    await Promise.all(both.map(({ stop }) => stop()));
  });

  it('cut at one a service account that is removed at the other', async () => {
    const added = await a.admin(['service-accounts', 'add', 'ci', '--group', 'engineering', '--json']);
    const { secret } = JSON.parse(added.stdout) as { secret: string };
    const ci = a.client('ci', { HOOPCTL_CLIENT_ID: 'ci', HOOPCTL_CLIENT_SECRET: secret });
    const { client, stop } = await wireThrough(ci, 'app');
    client.send(query('select 1'));
    expect(await outcome(client)).toEqual({ tag: 'SELECT 1' });
    await b.admin(['service-accounts', 'rm', 'ci']);
    expect(await farewell(client)).toContain('service account removed');
    await stop();
  });

  it('show at one what happens at the other, and end it from there', async () => {
    const { client, stop } = await wireThrough(at.a.alice, 'app');
    const { sessions } = await at.b.bob.json<{ sessions: Session[] }>(['sessions', 'ls', '--state', 'open']);
    const tail = at.b.bob.start(['sessions', 'tail', sessions[0]!.id, '--json']);
    await eventually('what happens there is seen here', async () => {
      client.send(query("select 'seen from b'"));
      await outcome(client);
      return /"type":"operation".*seen from b/.test(tail.output);
    });
    await at.b.bob.runOk(['sessions', 'kill', sessions[0]!.id, '--reason', 'enough']);
    expect(await farewell(client)).toContain('ended by bob@example.com: enough');
    expect((await tail.exited).code).toBe(0);
    expect(tail.output).toMatch(/"type":"end".*enough/);
    const over = await eventually('it is sealed', async () => {
      const shown = await at.b.bob.json<Session>(['sessions', 'show', sessions[0]!.id]);
      return shown.state === 'open' ? undefined : shown;
    });
    expect(over).toMatchObject({ state: 'ended', end: { code: 'session_killed' } });
    await stop();
  });
});

describe('a budget of a day', () => {
  it('is one for both', async () => {
    const [here, there] = [await wireThrough(at.a.alice, 'counted'), await wireThrough(at.b.alice, 'counted')];
    for (let i = 0; i < 3; i++) {
      here.client.send(query('select 1'));
      expect(await outcome(here.client)).toEqual({ tag: 'SELECT 1' });
    }
    await eventually('the other one knows', async () => {
      there.client.send(query('select 1'));
      return (await outcome(there.client)).error?.C === '42501';
    });
    here.client.send(query('select 1'));
    expect((await outcome(here.client)).error?.C).toBe('42501');
    await here.stop();
    await there.stop();
  });
});

describe('behind one address', () => {
  it('a login, a session and the next one go on at whichever gateway they come to', async () => {
    const balancer = await startBalancer();
    const { caFile, certFile: cert, keyFile: key } = await makeCertificates(temporaryDirectory('tls'));
    const config = { ...configuration(), publicUrl: `https://127.0.0.1:${balancer.port}`, tls: { cert, key } };
    const [c, d] = await Promise.all([1, 2].map(() => startGateway({ config, env, caFile })));
    balancer.ports = [c!.port, d!.port];
    const front = new Gateway({ ...c!, port: balancer.port, nativePort: undefined, env });
    front.caFile = caFile;
    const alice = await front.login('alice');
    const psql = () => alice.exec('app', ['psql', '-X', '-At', '-c', 'select 40 + 2']);
    const gateways = async () => {
      const { sessions } = await alice.json<{ sessions: Session[] }>(['sessions', 'ls']);
      return new Set(sessions.map(({ gateway }) => gateway));
    };
    const before = await gateways();
    await eventually('both had a session', async () => {
      expect((await psql()).stdout).toBe('42\n');
      return (await gateways()).size === before.size + 2;
    });
    await c!.stop('SIGKILL');
    for (let i = 0; i < 2; i++) expect((await psql()).stdout).toBe('42\n');
    await Promise.all([c![Symbol.asyncDispose](), d![Symbol.asyncDispose]()]);
    balancer.stop();
  }, 180_000);
});

describe('while the store is away', () => {
  it('what is plainly allowed goes on, all else is refused, and all is well by itself when it is back', async () => {
    const { client, stop } = await wireThrough(at.a.alice, 'app');
    client.send(query('select 1'));
    expect(await outcome(client)).toEqual({ tag: 'SELECT 1' });
    await state.down();
    await eventually('the gateway says so', async () => (await a.get('/readyz')).status === 503);
    client.send(query('select 2'));
    expect(await outcome(client)).toEqual({ tag: 'SELECT 1' });
    client.send(query(insert('without a store')));
    expect((await outcome(client)).error).toMatchObject({
      C: '57014',
      M: expect.stringContaining('could not be kept'),
    });
    const way = await openWay('connect', at.a.alice, 'app');
    const refused = await way.run('psql', ['-X', '-c', 'select 3']);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('the store does not answer');
    for (const secret of [state.password, String(state.port)]) expect(refused.stderr).not.toContain(secret);
    await state.up();
    await eventually('the gateway is ready again', async () => (await a.get('/readyz')).status === 200);
    client.send(query(insert('with it again')));
    const { id } = await pendingReview(at.b.bob, 'with it again');
    await at.b.bob.runOk(['reviews', 'approve', id]);
    expect(await outcome(client)).toEqual({ tag: 'INSERT 0 1' });
    expect((await way.run('psql', ['-X', '-c', 'select 3'])).code).toBe(0);
    expect(await rows('without a store')).toBe(0);
    await way.stop();
    await stop();
  });
});

describe('a gateway that stands still', () => {
  it('has its reviews closed by the other, runs nothing of them when it goes on, and goes on', async () => {
    const { client, stop } = await wireThrough(at.a.alice, 'app');
    client.send(query(insert('while it stands still')));
    const { id, session } = (await pendingReview(at.b.bob, 'stands still')) as Review & { session: string };
    a.process.kill('SIGSTOP');
    await eventually('its review is closed', async () => (await showReview(at.b.bob, id)).state === 'cancelled');
    const of = async () => (await at.b.bob.json<Session>(['sessions', 'show', session])).state;
    // Reviews are closed first.
    await eventually('its session is closed', async () => (await of()) === 'interrupted');
    expect((await at.b.bob.run(['reviews', 'approve', id])).code).not.toBe(0);
    a.process.kill('SIGCONT');
    expect((await outcome(client)).error?.C).toMatch(/^(42501|57014)$/);
    expect(await rows('while it stands still')).toBe(0);
    client.send(query('select 1'));
    expect(await outcome(client)).toEqual({ tag: 'SELECT 1' });
    await eventually('its session is open again', async () => (await of()) === 'open');
    await stop();
  });
});

describe('a gateway that is killed', () => {
  it('has its reviews and sessions closed by the other, and seals its recordings when it starts again', async () => {
    const { client, stop } = await wireThrough(at.a.alice, 'app');
    client.send(query(insert('of the dead')));
    const review = await pendingReview(at.b.bob, 'of the dead');
    const there = await wireThrough(at.b.alice, 'app');
    there.client.send(query(insert('of the living')));
    const living = await pendingReview(at.b.bob, 'of the living');
    await a.stop('SIGKILL');
    await eventually('its review is closed', async () => (await showReview(at.b.bob, review.id)).state === 'cancelled');
    expect((await showReview(at.b.bob, review.id)).outcome).toMatch(/^gateway "gw-.*" went away while it was held$/);
    const of = (id: string) => at.b.bob.json<Session>(['sessions', 'show', id]);
    const { session } = (await showReview(at.b.bob, review.id)) as Review & { session: string };
    await eventually('its session is closed', async () => (await of(session)).state === 'interrupted');
    // The living one's is left alone.
    await at.b.bob.runOk(['reviews', 'approve', living.id]);
    expect(await outcome(there.client)).toEqual({ tag: 'INSERT 0 1' });
    await there.stop();
    await stop();
    await a.start();
    const back = (await of(session)) as Session & { recording: { sealed: boolean } };
    expect(back).toMatchObject({ state: 'interrupted', recording: { sealed: true } });
    expect(await rows('of the dead')).toBe(0);
  });
});
