import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newSessionId } from '../../../src/core/ids.ts';
import { silentLog } from '../../../src/core/log.ts';
import type { Review } from '../../../src/session/approvals/types.ts';
import { Budgets } from '../../../src/session/budgets.ts';
import type { AuditLog } from '../../../src/session/log/audit.ts';
import { Meter } from '../../../src/session/meter.ts';
import type { SessionRecord } from '../../../src/session/records.ts';
import type { Store } from '../../../src/store/index.ts';
import { hashSecret, passwordMatches, secretMatches } from '../../../src/store/secrets.ts';
import { alice, bob } from '../session/world.ts';
import { EmbeddedStage, PostgresStage, type StoreStage } from './stages.ts';

describe.each([
  ['embedded', () => new EmbeddedStage()],
  ['PostgreSQL', () => new PostgresStage()],
] as const)('%s', (_, makeStage) => {
  let stage: StoreStage;
  let store: Store;
  let now = 1_000_000;
  const clock = { now: () => now };
  beforeAll(async () => {
    stage = makeStage();
    await stage.start();
  });
  afterAll(() => stage?.stop());
  beforeEach(async () => {
    now = 1_000_000;
    await stage.begin();
    store = await stage.open(clock);
  });
  afterEach(() => store.close());

  const reopen = () => stage.open(clock);

  describe('users', () => {
    it('are kept with groups, and found again by another process', async () => {
      await store.users.create({ name: 'alice', email: 'a@x', groups: ['eng', 'ü'], password: 'long enough' });
      const other = await reopen();
      expect(await other.users.get('alice')).toEqual({
        name: 'alice',
        email: 'a@x',
        groups: ['eng', 'ü'],
        createdAt: 1_000_000,
      });
      await other.users.setGroups('alice', []);
      await other.close();
      expect((await store.users.list())[0]?.groups).toEqual([]);
      expect(await store.users.get('bob')).toBeUndefined();
    });

    it('have a password that only they can tell', async () => {
      await store.users.create({ name: 'alice', groups: [], password: 'Pässword' });
      expect(await store.users.verifyPassword('alice', 'Pa\u0308ssword')).toMatchObject({ name: 'alice' });
      for (const [name, password] of [
        ['alice', 'pässword'],
        ['alice', ''],
        ['bob', 'Pässword'],
        ['bob', ''],
      ] as const) {
        expect(await store.users.verifyPassword(name, password)).toBeUndefined();
      }
      await store.users.setPassword('alice', 'new and long');
      expect(await store.users.verifyPassword('alice', 'Pässword')).toBeUndefined();
      expect(await store.users.verifyPassword('alice', 'new and long')).toBeDefined();
      const { password } = (await stage.raw('select password from users'))[0] as { password: string };
      expect(password).toMatch(/^scrypt\$32768\$8\$1\$[\w-]{22}\$[\w-]{43}$/);
      expect(await passwordMatches('new and long', password)).toBe(true);
      expect(await passwordMatches('new and long', 'plain')).toBe(false);
    });

    it('choose a password of 8 characters at least, as people count them', async () => {
      const short = { code: 'usage', fix: expect.stringContaining('8 characters') };
      // Of 8 in 10 code points, and of 7 in 9 of them.
      const [long, seven] = ['Pa\u0308sswo\u0308rd', 'Pa\u0308sswo\u0308r'];
      await expect(store.users.create({ name: 'alice', groups: [], password: seven })).rejects.toMatchObject(short);
      expect(await store.users.get('alice')).toBeUndefined();
      await store.users.create({ name: 'alice', groups: [], password: long });
      await expect(store.users.setPassword('alice', 'hunter2')).rejects.toMatchObject(short);
      expect(await store.users.verifyPassword('alice', long)).toBeDefined();
    });

    it('conflict by name, and cannot be changed when they are not there', async () => {
      await store.users.create({ name: 'alice', groups: [], password: 'long enough' });
      await expect(
        store.users.create({ name: 'alice', groups: [], password: 'long enough too' }),
      ).rejects.toMatchObject({
        code: 'conflict',
      });
      await expect(store.users.setGroups('bob', [])).rejects.toMatchObject({ code: 'not_found' });
      await expect(store.users.setPassword('bob', 'long enough')).rejects.toMatchObject({ code: 'not_found' });
      expect(await store.users.remove('alice')).toBe(true);
      expect(await store.users.remove('alice')).toBe(false);
    });
  });

  describe('service accounts', () => {
    it('show their secret once, keep its hash, and lose it by rotation', async () => {
      const { account, secret } = await store.serviceAccounts.add({
        name: 'ci',
        groups: ['deploy'],
        description: 'CI',
      });
      expect(account).toMatchObject({ name: 'ci', groups: ['deploy'], description: 'CI' });
      expect(secret).toMatch(/^hoopctl_sa_[\w-]{43}$/);
      expect(await store.serviceAccounts.verifySecret('ci', secret)).toEqual(account);
      expect(await store.serviceAccounts.verifySecret('ci', `${secret}x`)).toBeUndefined();
      expect(await store.serviceAccounts.verifySecret('no', secret)).toBeUndefined();
      now += 5;
      const rotated = await store.serviceAccounts.rotate('ci');
      expect(rotated.account).toMatchObject({ createdAt: 1_000_000, rotatedAt: 1_000_005 });
      expect(await store.serviceAccounts.verifySecret('ci', secret)).toBeUndefined();
      expect(await store.serviceAccounts.verifySecret('ci', rotated.secret)).toBeDefined();
      await expect(store.serviceAccounts.add({ name: 'ci', groups: [] })).rejects.toMatchObject({ code: 'conflict' });
      await expect(store.serviceAccounts.rotate('no')).rejects.toMatchObject({ code: 'not_found' });
      expect(JSON.stringify(await store.serviceAccounts.list())).not.toContain(hashSecret(rotated.secret).slice(10));
      expect(await store.serviceAccounts.remove('ci')).toBe(true);
      expect(await store.serviceAccounts.get('ci')).toBeUndefined();
      expect(secretMatches('a', 'not a hash')).toBe(false);
    });
  });

  describe('revocations', () => {
    it('replace one another, and can be taken back', async () => {
      const { revocations } = store;
      await revocations.add({ issuer: 'corp', subject: 'a', by: 'x', at: 1 });
      await revocations.add({ issuer: 'corp', subject: 'a', reason: 'left', by: 'y', at: 2 });
      expect(await revocations.list()).toEqual([{ issuer: 'corp', subject: 'a', reason: 'left', by: 'y', at: 2 }]);
      expect(await revocations.remove('corp', 'a')).toBe(2);
      expect(await revocations.remove('corp', 'a')).toBeUndefined();
      // What was issued before them goes on not to count; that is no token.
      expect(await revocations.lifted(now)).toEqual([{ issuer: 'corp', subject: 'a', at: 2 }]);
      expect(await revocations.revokedTokens(now)).toEqual([]);
    });

    it('of tokens are forgotten when the token has expired', async () => {
      await store.revocations.revokeToken('j', now + 10);
      await store.revocations.revokeToken('j', now + 10);
      expect(await store.revocations.revokedTokens(now)).toEqual(['j']);
      expect(await store.revocations.revokedTokens(now + 10)).toEqual([]);
      now += 10;
      await store.purge();
      expect(await store.revocations.revokedTokens(0)).toEqual([]);
    });
  });

  describe("the embedded issuer's entries", () => {
    const payload = { accountId: 'alice', grantId: 'g1', userCode: 'ABCD', uid: 'u1', kind: 'X', exp: 1 };

    it('are found by id, user code and uid until they expire', async () => {
      const { oidc } = store;
      await oidc.upsert('DeviceCode', 'd1', payload, 60);
      expect(await oidc.find('DeviceCode', 'd1')).toEqual(payload);
      expect(await oidc.findByUserCode('DeviceCode', 'ABCD')).toEqual(payload);
      expect(await oidc.findByUid('DeviceCode', 'u1')).toEqual(payload);
      expect(await oidc.find('AccessToken', 'd1')).toBeUndefined();
      now += 59_999;
      expect(await oidc.find('DeviceCode', 'd1')).toBeDefined();
      now += 1;
      expect(await oidc.find('DeviceCode', 'd1')).toBeUndefined();
      expect(await oidc.purge(clock.now())).toBe(1);
      await oidc.upsert('Client', 'c', { client_id: 'c' }, undefined);
      now += 1e12;
      expect(await oidc.find('Client', 'c')).toEqual({ client_id: 'c' });
    });

    it('are consumed by one caller only, and stay so when they are written again', async () => {
      const { oidc } = store;
      await oidc.upsert('RefreshToken', 'r1', payload, 60);
      const consumed = await Promise.all([1, 2, 3].map(() => oidc.consume('RefreshToken', 'r1')));
      expect(consumed.filter(Boolean)).toHaveLength(1);
      expect(await oidc.find('RefreshToken', 'r1')).toEqual({ ...payload, consumed: 1000 });
      await oidc.upsert('RefreshToken', 'r1', { ...payload, kind: 'Y' }, 60);
      expect(await oidc.find('RefreshToken', 'r1')).toMatchObject({ kind: 'Y', consumed: 1000 });
      expect(await oidc.consume('RefreshToken', 'none')).toBe(false);
    });

    it('go with their grant, their account, or one by one', async () => {
      const { oidc } = store;
      await oidc.upsert('AccessToken', '1', payload, 60);
      await oidc.upsert('RefreshToken', '2', payload, 60);
      await oidc.upsert('AccessToken', '3', { ...payload, grantId: 'g2' }, 60);
      await oidc.upsert('AccessToken', '4', { ...payload, grantId: 'g3', accountId: 'bob' }, 60);
      await oidc.revokeByGrantId('g1');
      const left = async () => {
        const found = await Promise.all(['1', '3', '4'].map((id) => oidc.find('AccessToken', id)));
        return found.map((one) => one !== undefined);
      };
      expect(await left()).toEqual([false, true, true]);
      expect(await oidc.find('RefreshToken', '2')).toBeUndefined();
      await oidc.revokeByAccountId('alice');
      expect(await left()).toEqual([false, false, true]);
      await oidc.destroy('AccessToken', '4');
      expect(await left()).toEqual([false, false, false]);
    });
  });

  describe('key and value', () => {
    it('are written, listed by prefix, expire, and are agreed on by two', async () => {
      const { keyValues } = store;
      await keyValues.set('keys/b', '2');
      await keyValues.set('keys/a', '1');
      await keyValues.set('keysx', '3');
      await keyValues.set('keys/c', '4', now + 5);
      expect(await keyValues.list('keys/')).toEqual([
        { key: 'keys/a', value: '1' },
        { key: 'keys/b', value: '2' },
        { key: 'keys/c', value: '4' },
      ]);
      now += 5;
      expect(await keyValues.get('keys/c')).toBeUndefined();
      expect(await keyValues.list('keys/')).toHaveLength(2);
      expect(await keyValues.setIfAbsent('keys/a', 'other')).toBe('1');
      expect(await keyValues.setIfAbsent('keys/c', 'new')).toBe('new');
      expect(await keyValues.delete('keys/a')).toBe(true);
      expect(await keyValues.delete('keys/a')).toBe(false);
    });
  });

  describe('sessions', () => {
    const record = (changes: Partial<SessionRecord> = {}): SessionRecord => ({
      id: newSessionId(now),
      principal: alice,
      connection: 'prod-db',
      protocol: 'sql',
      client: '127.0.0.1:1',
      startedAt: now,
      state: 'open',
      operations: 0,
      denied: 0,
      fromClient: 0,
      toClient: 0,
      bytes: 0,
      sealed: false,
      ...changes,
    });

    it('are kept whole, and changed in part', async () => {
      const full = record({ via: 'tunnel', reason: 'why', grant: 'g-1', endedAt: 5, endCode: 'x', endMessage: 'y' });
      await store.sessions.add(full);
      expect(await store.sessions.get(full.id)).toEqual(full);
      await store.sessions.update(full.id, { operations: 3, toClient: 2 ** 40, sealed: true, digest: 'd', lines: 9 });
      await store.sessions.update(full.id, {});
      const changed = { ...full, operations: 3, toClient: 2 ** 40, sealed: true, digest: 'd', lines: 9 };
      expect(await store.sessions.get(full.id)).toEqual(changed);
      await store.sessions.update('s-none', { operations: 1 });
      expect(await store.sessions.get('s-none')).toBeUndefined();
    });

    it('are listed newest first, by what is asked for', async () => {
      for (let i = 0; i < 5; i++) {
        const principal = i % 2 === 0 ? alice : bob;
        await store.sessions.add(
          record({ startedAt: i, principal, state: i < 3 ? 'ended' : 'open', connection: i === 0 ? 'a' : 'b' }),
        );
      }
      const starts = async (filter: Parameters<typeof store.sessions.list>[0]) =>
        (await store.sessions.list(filter)).map((one) => one.startedAt);
      expect(await starts({})).toEqual([4, 3, 2, 1, 0]);
      expect(await starts({ state: 'open' })).toEqual([4, 3]);
      expect(await starts({ connection: 'a' })).toEqual([0]);
      expect(await starts({ who: 'alice@example.com' })).toEqual([4, 2, 0]);
      expect(await starts({ who: 'bob' })).toEqual([3, 1]);
      expect(await starts({ owner: { issuer: 'corp', subject: 'bob' } })).toEqual([3, 1]);
      expect(await starts({ owner: { issuer: 'local', subject: 'bob' } })).toEqual([]);
      expect(await starts({ before: 3, limit: 2 })).toEqual([2, 1]);
      const [, , third, second] = await store.sessions.list();
      await store.sessions.update(second!.id, { endedAt: 10 });
      await store.sessions.update(third!.id, { endedAt: 20 });
      expect(await starts({ since: 11 })).toEqual([4, 3, 2, 0]);
      expect(await starts({ since: 20, before: 3 })).toEqual([2, 0]);
    });

    it('are listed page by page, also where many begin in one moment', async () => {
      for (let i = 0; i < 7; i++) await store.sessions.add(record({ startedAt: 5 + Math.floor(i / 5) }));
      const all = (await store.sessions.list()).map(({ id }) => id);
      const paged: string[] = [];
      for (let page = await store.sessions.list({ limit: 2 }); page.length > 0; ) {
        paged.push(...page.map(({ id }) => id));
        page = await store.sessions.list({ limit: 2, behind: page.at(-1)! });
      }
      expect(paged).toEqual(all);
      expect(new Set(paged).size).toBe(7);
    });
  });

  describe('reviews', () => {
    const review: Review = {
      id: 'r-1',
      kind: 'operation',
      state: 'pending',
      principal: alice,
      connection: 'prod-db',
      session: 's-1',
      operation: 2,
      rule: 'look',
      message: 'careful',
      text: 'a\u0000\ud800"',
      params: ['1', null],
      digest: 'd',
      policy: 'v1',
      reviewers: { groups: ['dba'], count: 2 },
      reason: 'why',
      createdAt: 1,
      expiresAt: 2,
      decisions: [],
    };

    it('are kept whole, text and parameters to the last code unit', async () => {
      await store.reviews.add(review);
      expect(await store.reviews.get('r-1')).toEqual(review);
      await expect(store.reviews.add(review)).rejects.toMatchObject({ code: 'conflict' });
      const decision = {
        verdict: 'approve' as const,
        person: 'corp|bob',
        email: 'b@x',
        by: 'bob',
        reason: 'ok',
        at: 3,
      };
      const changed = await store.reviews.change('r-1', () => ({ state: 'approved', decidedAt: 3, decision }));
      expect(changed).toEqual({ ...review, state: 'approved', decidedAt: 3, decisions: [decision] });
      expect(await store.reviews.list({ state: 'approved' })).toEqual([changed]);
    });

    it('are not changed at all when the change is refused', async () => {
      await store.reviews.add(review);
      const refuse = () => {
        throw new Error('no');
      };
      await expect(store.reviews.change('r-1', refuse)).rejects.toThrow('no');
      expect(await store.reviews.change('r-1', () => undefined)).toEqual(review);
      await expect(store.reviews.change('r-none', refuse)).rejects.toMatchObject({ code: 'not_found' });
      const grant = { id: 'g', issuer: 'i', subject: 's', principal: 'p', connection: 'c', review: 'r-1' };
      const bad = { ...grant, startsAt: 1, endsAt: null as never };
      await expect(store.reviews.change('r-1', () => ({ state: 'used', grant: bad }))).rejects.toMatchObject({
        code: 'store_failed',
      });
      expect(await store.reviews.get('r-1')).toEqual(review);
    });

    it('are listed by requester, session and when they changed', async () => {
      await store.reviews.add(review);
      now += 100;
      await store.reviews.add({ ...review, id: 'r-2', principal: bob, session: 's-2', createdAt: 5 });
      const ids = async (filter: Parameters<typeof store.reviews.list>[0]) =>
        (await store.reviews.list(filter)).map((one) => one.id);
      expect(await ids({})).toEqual(['r-2', 'r-1']);
      expect(await ids({ requester: 'corp|alice' })).toEqual(['r-1']);
      expect(await ids({ session: 's-2' })).toEqual(['r-2']);
      expect(await ids({ changedAfter: 1_000_000 })).toEqual(['r-2']);
      expect(await ids({ limit: 1 })).toEqual(['r-2']);
    });
  });

  describe('the outbox of the log', () => {
    it('hands over each entry once, in order, and keeps what the log could not take', async () => {
      const entries: unknown[] = [];
      let full = false;
      const log: AuditLog = {
        append: (kind, fields) => {
          if (full) throw new Error('full');
          entries.push([kind, fields.n]);
        },
      };
      for (let n = 0; n < 3; n++) {
        now += 1;
        await store.outbox.push('admin', { n });
      }
      full = true;
      await expect(store.outbox.drain(log)).rejects.toThrow('full');
      full = false;
      expect(await store.outbox.drain(log)).toBe(3);
      expect(await store.outbox.drain(log)).toBe(0);
      expect(entries).toEqual([
        ['admin', 0],
        ['admin', 1],
        ['admin', 2],
      ]);
    });
  });

  describe('budgets of a day', () => {
    const column = { name: 'c', origins: undefined, textual: true };
    const charge = {
      rule: 'cap',
      then: 'deny' as const,
      budget: { rows: 100, distinct: { column: 't.c', max: 4, covers: () => true }, per: 'day' as const },
    };
    const gateway = async (from: Store) => {
      const budgets = new Budgets({
        clock,
        log: silentLog,
        store: from.budgets,
        shared: true,
        key: Buffer.alloc(32, 7),
      });
      await budgets.restore();
      const meter = new Meter(budgets, 'corp|alice', clock, () => {});
      let next = 0;
      const use = (rows: number, values: readonly string[] = []) => {
        meter.begin(++next, [charge]);
        const [count] = meter.counting(next, [column])!;
        for (const value of values) count!(value);
        const passed = meter.spend(next, rows, 0);
        meter.end(next);
        return passed?.bound;
      };
      return { budgets, meter, use };
    };

    it('are one for all gateways, and for those that come after', async () => {
      const other = await reopen();
      const [first, second] = [await gateway(store), await gateway(other)];
      first.use(60, ['a', 'b']);
      second.use(30, ['b', 'c']);
      expect([first.meter.exhausted(charge), second.meter.exhausted(charge)]).toEqual([false, false]);
      for (const { budgets } of [first, second, first]) await budgets.sync();
      // 90 rows and three values: each knows what the other has seen.
      expect(first.use(0, ['c', 'a'])).toBeUndefined();
      expect(second.use(11)).toBe('100 rows');
      for (const { budgets } of [second, first]) await budgets.sync();
      expect(first.meter.exhausted(charge)).toBe(true);
      const third = await gateway(store);
      expect(third.meter.exhausted(charge)).toBe(true);
      now += 86_400_000;
      expect([first.meter.exhausted(charge), third.meter.exhausted(charge)]).toEqual([false, false]);
      expect(first.use(1, ['a', 'b', 'c', 'd', 'e'])).toBe('4 distinct values of t.c');
      await first.budgets.sync();
      const rows = await stage.raw('select * from budget_values');
      expect(rows).toHaveLength(3 + 5);
      expect(JSON.stringify(rows)).not.toMatch(/"hash":"[a-e]"/);
      await (await gateway(store)).budgets.stop();
      expect(await stage.raw('select * from budgets')).toHaveLength(1);
      await other.close();
    });

    it('lose nothing while the store is away', async () => {
      let away = true;
      const { budgets } = store;
      const flaky: Store = {
        ...store,
        budgets: {
          sync: (...all: Parameters<Store['budgets']['sync']>) =>
            away ? Promise.reject(new Error('away')) : budgets.sync(...all),
          values: (...all: Parameters<Store['budgets']['values']>) => budgets.values(...all),
          purge: async () => {},
        } as unknown as Store['budgets'],
      };
      away = false;
      const one = await gateway(flaky);
      away = true;
      one.use(70);
      await one.budgets.sync();
      one.use(20, ['a']);
      expect(one.use(20)).toBe('100 rows');
      away = false;
      await one.budgets.stop();
      const [row] = await stage.raw('select rows, statements from budgets');
      expect([Number(row?.rows), Number(row?.statements)]).toEqual([110, 3]);
    });
  });
});
