// Several gateways on one PostgreSQL: at once, and while it does not answer.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bindingDigest, decideReview, takeReview } from '../../../src/session/approvals/rules.ts';
import type { Delivery } from '../../../src/session/deliveries.ts';
import type { Store } from '../../../src/store/index.ts';
import { startPostgres } from '../../support/postgres.ts';
import { effort } from '../../support/property.ts';
import { seeded } from '../../support/random.ts';
import { alice, person } from '../session/world.ts';
import { PostgresStage } from './stages.ts';

const clock = { now: () => 1000 };
const stage = new PostgresStage();
const open: Store[] = [];
beforeAll(() => stage.start());
afterAll(() => stage.stop());
beforeEach(() => stage.begin());
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

async function gateways(count: number, more: { timeoutMs?: number; port?: number } = {}): Promise<Store[]> {
  const stores = await Promise.all(Array.from({ length: count }, () => stage.open(clock, more)));
  open.push(...stores);
  return stores;
}

describe('gateways that start at the same moment', () => {
  it('make the tables once', async () => {
    await gateways(5);
    const steps = await stage.raw('select name from schema_migrations order by name');
    expect(steps.length).toBeGreaterThan(5);
    expect(new Set(steps.map(({ name }) => name)).size).toBe(steps.length);
  });
});

describe('a store that takes no changes for a while', () => {
  it('is told, and taken up again on new connections', async () => {
    const [one] = (await gateways(1)) as [Store];
    const cut = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hoopctl'";
    await one.ping();
    await stage.server.query('alter database state set default_transaction_read_only = on');
    try {
      await stage.server.query(cut);
      await expect.poll(() => one.ping().catch(String)).toMatch(/takes no changes \(read-only\)/);
      // What it has may be old: nobody is told of it, and least of all that nobody was revoked.
      await expect(one.revocations.list()).rejects.toMatchObject({ code: 'store_failed' });
      await expect(one.keyValues.set('key', 'value')).rejects.toMatchObject({ code: 'store_failed' });
    } finally {
      await stage.server.query('alter database state reset default_transaction_read_only');
    }
    // Each of its connections is of the time before.
    await expect.poll(() => one.ping().then(() => 'ready', String)).toBe('ready');
    await one.keyValues.set('key', 'value');
    expect(await one.keyValues.get('key')).toBe('value');
  });
});

it('a store that answers late says that much less of its clock', async () => {
  const took: number[] = [];
  const store = await stage.open({ now: () => Date.now() + (took.shift() ?? 0) });
  open.push(store);
  const self = { id: 'gw-1', instance: '1', host: 'h', version: '1', url: '' };
  took.push(0, 9000);
  expect(Math.abs((await store.gateways.begin(self)).skewMs)).toBeLessThan(1000);
  took.push(60_000, 69_000);
  expect((await store.gateways.beat(self)).skewMs).toBeLessThan(-59_000);
});

describe('two gateways', () => {
  const delivery: Delivery = {
    ...{ id: 'msg_1', webhook: 'ops', event: 'e', body: '{}', state: 'pending', attempts: 0 },
    ...{ createdAt: 1, nextAt: 1 },
  };

  it('never send the same message both', async () => {
    const stores = await gateways(2);
    expect(await Promise.all(stores.map((one) => one.deliveries.add(delivery)))).toContain(false);
    const due = await stores[0]!.deliveries.due('ops', 10, 10);
    expect(due).toEqual([delivery]);
    const claims = await Promise.all([0, 1, 0, 1].map((i) => stores[i]!.deliveries.claim(delivery, 500)));
    expect(claims.filter(Boolean)).toHaveLength(1);
  });

  it('take over the entries for their own log, and none of the other’s', async () => {
    const [a, b] = (await gateways(2)) as [Store, Store];
    await a.outbox.push('admin', { of: 'a' });
    await b.outbox.push('admin', { of: 'b' });
    const taken: unknown[] = [];
    const log = { append: (_: unknown, fields: object) => void taken.push(fields) };
    expect(await b.outbox.drain(log as never)).toBe(1);
    expect(taken).toEqual([expect.objectContaining({ of: 'b' })]);
  });

  it('forget nothing that has expired by the clock of one of them alone', async () => {
    const opened = async (ahead: number) => {
      const one = await stage.open({ now: () => Date.now() + ahead });
      open.push(one);
      return one;
    };
    const [right, ahead] = [await opened(0), await opened(2 * 3_600_000)];
    await right.revocations.revokeToken('jti', Date.now() + 3_600_000);
    await right.keyValues.set('key', 'value', Date.now() + 3_600_000);
    await ahead.purge();
    expect(await right.revocations.revokedTokens(Date.now())).toEqual(['jti']);
    expect(await right.keyValues.get('key')).toBe('value');
  });

  it('tell each other at once that something has changed', async () => {
    const [a, b] = (await gateways(2)) as [Store, Store];
    const heard: string[] = [];
    b.listen((subject) => void heard.push(subject));
    const revocation = { issuer: 'corp', subject: 'a', by: 'x', at: 1 };
    await expect
      .poll(async () => {
        await a.revocations.add(revocation);
        return heard;
      })
      .toContain('revocations');
    // An administrator's stop, or a network that drops connections.
    await stage.server.query(`select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %'`);
    heard.length = 0;
    await expect
      .poll(async () => {
        await a.revocations.add(revocation);
        return heard;
      })
      .toContain('revocations');
  });
});

describe('any words of any people at any of three gateways at the same moment', () => {
  it('leave each review in one state that follows from them, and run it at most once', async () => {
    const stores = await gateways(3);
    const { seed, numRuns } = effort({ seed: 20261120, numRuns: 60 });
    const random = seeded(seed);
    const people = ['bob', 'carol', 'dave'].map((name) => person(name, 'dba'));
    let [ran, refused, once] = [0, 0, 0];
    for (let round = 0; round < numRuns; round++) {
      const id = `r-${round}`;
      const binding = {
        principal: alice,
        connection: 'c',
        session: 's',
        policy: 'v',
        text: `delete ${round}`,
        exact: '',
      };
      const count = 1 + random.below(2);
      await stores[0]!.reviews.add({
        ...{ id, kind: 'operation', state: 'pending', ...binding, digest: bindingDigest(binding) },
        ...{ reviewers: { groups: ['dba'], count }, createdAt: 0, expiresAt: 9000, decisions: [] },
      });
      const anywhere = () => random.pick(stores).reviews;
      const spoken = Array.from({ length: 2 + random.below(4) }, () => {
        const reviewer = random.pick(people);
        const verdict = random.below(4) === 0 ? 'deny' : 'approve';
        return anywhere().change(id, (review) => decideReview(review, { verdict, reviewer, now: 1 }));
      });
      const words = Promise.allSettled(spoken);
      // Whoever waits takes it as soon as it can; here two do, who are not supposed to. The last two when all have spoken.
      const takes = [0, 1, 2, 3].map(async (turn) => {
        await (turn < 2 ? new Promise((resolve) => setTimeout(resolve, turn * 3)) : words);
        return anywhere().change(id, (review) => takeReview(review, binding, 2));
      });
      const taken = (await Promise.allSettled(takes)).filter(({ status }) => status === 'fulfilled').length;
      await words;
      const { state, decisions } = (await stores[1]!.reviews.get(id))!;
      const said = decisions.map(({ person: who, verdict }) => `${verdict} ${who}`);
      expect(new Set(said).size, `${round}: ${said}`).toBe(said.length);
      const approvals = said.filter((one) => one.startsWith('approve')).length;
      const denied = said.some((one) => one.startsWith('deny'));
      expect(taken, `${round}: ${said}`).toBeLessThanOrEqual(1);
      if (taken === 1) expect([state, approvals, denied], `${round}`).toEqual(['used', count, false]);
      else if (denied) expect(state, `${round}: ${said}`).toBe('denied');
      else expect(state, `${round}: ${said}`).toBe(approvals >= count ? 'approved' : 'pending');
      ran += taken;
      refused += Number(state === 'denied');
      once += Number(count === 2 && taken === 1);
    }
    // All of it happened, so that it means something.
    for (const seen of [ran, refused, once]) expect(seen).toBeGreaterThan(2);
  });
});

/** Between gateway and server; holds everything back while `open` is false. */
class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(to: number) {
    this.#server = createServer((client) => {
      const server = connect(to, '127.0.0.1');
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => other.destroy());
        one.pipe(other);
      }
      if (!this.open) this.hold(true);
    });
  }

  open = true;

  async listen(host = '127.0.0.1'): Promise<number> {
    this.#server.listen(0, host);
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  hold(held: boolean): void {
    this.open = !held;
    for (const socket of this.#sockets) held ? socket.pause() : socket.resume();
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

describe('a database that does not answer', () => {
  it('fails each query in its time, tells nothing of where it is, and is used again when it answers', async () => {
    const wire = new Wire(stage.server.port);
    const port = await wire.listen();
    const [store] = (await gateways(1, { timeoutMs: 2000, port })) as [Store];
    await store.keyValues.set('k', 'v');
    wire.hold(true);
    const failed = await store.keyValues.get('k').catch((error: Error) => error);
    expect(failed).toMatchObject({ code: 'store_failed', message: 'cannot read "k": the store does not answer' });
    await expect(store.ping()).rejects.toMatchObject({ code: 'store_failed' });
    wire.hold(false);
    await expect.poll(() => store.keyValues.get('k').catch(() => undefined)).toBe('v');
    wire.stop();
    const gone = await store.keyValues.get('k').catch((error: Error) => error);
    expect(gone).toMatchObject({ message: expect.stringMatching(/the store does not answer( \(\w+\))?$/) });
    expect(String(gone)).not.toContain(String(port));
  });

  it('holds up no end of a gateway', async () => {
    const wire = new Wire(stage.server.port);
    const [store] = (await gateways(1, { timeoutMs: 2000, port: await wire.listen() })) as [Store];
    open.pop();
    store.listen(() => {});
    await store.keyValues.set('k', 'v');
    wire.hold(true);
    const waiting = store.keyValues.get('k').catch(() => {});
    await store.close();
    await waiting;
    wire.stop();
  });

  it('stops a start, and says where it was looked for, without the login', async () => {
    const refused = gateways(1, { port: 1 });
    await expect(refused).rejects.toThrow(/cannot open the store \(PostgreSQL at 127\.0\.0\.1:1, database "state"\)/);
    await expect(refused).rejects.not.toThrow(stage.server.password);
  });
});

describe('TLS to the database', () => {
  it('is asked for, and where there is none the next step is told, not a fault of ours', async () => {
    await using server = await startPostgres({ databases: ['state'] });
    await expect(stage.open(clock, { url: server.url('state') })).rejects.toMatchObject({
      fault: 'peer',
      message: expect.stringMatching(/cannot open the store \(.+\): it offers no TLS$/),
      fix: expect.stringContaining('sslmode=disable'),
    });
  });

  it('is checked against the authority and the host as it is written', async () => {
    await using server = await startPostgres({ tls: 'required', databases: ['state'] });
    const at = (parameters: string, host = '127.0.0.1', port = server.port) =>
      `${server.url('state').replace(`127.0.0.1:${server.port}`, `${host}:${port}`)}?${parameters}`;
    const opening = async (url: string) => {
      const store = await stage.open(clock, { url });
      await store.close();
    };
    const ca = `sslrootcert=${server.caFile}`;
    await opening(at(ca));
    await opening(at('sslmode=require'));
    await opening(at(`sslmode=verify-ca&${ca}`, 'localhost'));
    await expect(opening(at('sslmode=disable'))).rejects.toThrow(/cannot open the store/);
    await expect(opening(at('sslmode=verify-full'))).rejects.toMatchObject({
      fault: 'peer',
      message: expect.stringContaining('its certificate does not pass'),
      fix: expect.stringContaining('sslrootcert'),
    });
    const wire = new Wire(server.port);
    const port = await wire.listen('127.0.0.2');
    await opening(at(`sslmode=verify-ca&${ca}`, '127.0.0.2', port));
    await expect(opening(at(`sslmode=verify-full&${ca}`, '127.0.0.2', port))).rejects.toThrow(/cannot open the store/);
    wire.stop();
  });
});
