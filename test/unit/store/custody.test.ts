// How long recordings stay, what holds them and how they go, on both stores: by label and age, with a clock that is set wrong,
// with what fails in the middle and is done again.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newSessionId } from '../../../src/core/ids.ts';
import { silentLog } from '../../../src/core/log.ts';
import { Custodian, type Places } from '../../../src/gateway/custody/custodian.ts';
import { type Content, Purger } from '../../../src/session/custody/purge.ts';
import { Retention, type RetentionRule } from '../../../src/session/custody/retention.ts';
import type { Hold } from '../../../src/session/custody/store.ts';
import type { SessionRecord } from '../../../src/session/records.ts';
import type { Store } from '../../../src/store/index.ts';
import { alice, bob } from '../session/world.ts';
import { EmbeddedStage, PostgresStage, type StoreStage } from './stages.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 29);

describe.each([
  ['embedded', () => new EmbeddedStage()],
  ['PostgreSQL', () => new PostgresStage()],
] as const)('%s', (_, makeStage) => {
  let stage: StoreStage;
  let store: Store;
  let now: number;
  let ticks: number;
  const clock = { now: () => now };
  const limits: Record<string, number> = {};
  const limit = <L extends { name: string; value: number }>(bound: L): L => ({
    ...bound,
    value: limits[bound.name] ?? bound.value,
  });
  let entries: { kind: string; fields: Readonly<Record<string, unknown>> }[];
  let alerts: string[];
  const audit = {
    append: (kind: string, fields: Readonly<Record<string, unknown>>) => void entries.push({ kind, fields }),
    get size() {
      return entries.length;
    },
    covered: () => meanwhile(),
  };
  /** What happens while a checkpoint is waited for. */
  let meanwhile: () => Promise<void>;

  beforeAll(async () => {
    stage = makeStage();
    await stage.start();
  });
  afterAll(() => stage?.stop());
  beforeEach(async () => {
    [now, ticks, entries, alerts] = [NOW, 0, [], []];
    meanwhile = async () => {};
    for (const name of Object.keys(limits)) delete limits[name];
    await stage.begin();
    store = await stage.open(clock);
  });
  afterEach(() => store.close());

  async function add(age: number, more: Partial<SessionRecord> = {}): Promise<string> {
    const id = newSessionId(now - age);
    await store.sessions.add({
      ...{ id, principal: alice, connection: 'app', protocol: 'sql', client: 'c', state: 'ended' },
      ...{ startedAt: now - age - 1000, endedAt: now - age, operations: 0, denied: 0, fromClient: 0, toClient: 0 },
      ...{ bytes: 1, lines: 2, digest: 'd', sealed: true, gateway: 'gw-a', labels: { env: 'prod' } },
      ...more,
    });
    return id;
  }
  const purgeOf = async (id: string) => (await store.sessions.get(id))?.purge?.state;

  class Recorded implements Content {
    readonly removed: string[] = [];
    readonly busy = new Set<string>();
    scrubs = 0;
    failing: Error | undefined;
    keys = new Set<string>();
    keysRemoved: string[] = [];
    until: number | undefined;
    /** What happens while it is forgotten elsewhere. */
    meanwhile: () => void = () => {};
    free = (session: string) => !this.busy.has(session);
    async forget() {
      this.meanwhile();
    }
    async remove(session: string) {
      if (this.failing !== undefined) throw this.failing;
      this.removed.push(session);
      return this.until !== undefined && this.until > now ? { why: 'locked', until: this.until } : undefined;
    }
    encrypted = async (session: string) => this.keys.has(session);
    async removeKey(session: string) {
      this.keysRemoved.push(session);
      return undefined;
    }
    async scrub() {
      this.scrubs += 1;
    }
  }

  const purgerOf = (content: Content) =>
    new Purger({ store: store.custody, content, audit, clock, log: silentLog, gateway: 'gw-a', limit });
  const session = async (id: string) => (await store.sessions.get(id))!;
  const order = { by: 'root', reason: 'r' };

  describe('retention', () => {
    let rules: RetentionRule[];
    const keys = new Set<string>();
    const retention = (purger = purgerOf(new Recorded()), encrypted = async (one: string) => keys.has(one)) =>
      new Retention({
        ...{ rules: () => rules, store: store.custody, keep: store.keyValues, gateway: 'gw-a', audit, clock, limit },
        ...{ log: silentLog, ticks: () => ticks, alerts: { raise: ({ type }: { type: string }) => alerts.push(type) } },
        labels: (connection): Record<string, string> => (connection === 'app' ? { env: 'prod' } : {}),
        order: (one, by) => purger.order(one, by),
        encrypted,
      });
    beforeEach(() => {
      rules = [
        { labels: { env: 'temp' }, keep: DAY, then: 'purge' },
        { labels: { env: 'prod' }, keep: 10 * DAY, then: 'purge' },
      ];
    });

    it('orders what is old enough by the labels that it had, and nothing else', async () => {
      const due = [await add(11 * DAY), await add(2 * DAY, { labels: { env: 'temp' } }), await add(10 * DAY)];
      const { labels: _labels, ...unlabelled } = await session(due[0]!);
      const old = newSessionId(now - 12 * DAY);
      await store.sessions.add({ ...unlabelled, id: old });
      const stay = [
        await add(9 * DAY),
        await add(99 * DAY, { labels: { env: 'test' } }),
        await add(99 * DAY, { gateway: 'gw-b' }),
        await add(99 * DAY, { state: 'open' }),
      ];
      expect(await retention().look()).toBe(4);
      for (const id of [...due, old]) {
        expect((await session(id)).purge).toMatchObject({ state: 'ordered', by: 'retention' });
      }
      expect((await session(due[1]!)).purge!.reason).toBe('older than 1d (recordings.retention[0])');
      for (const id of stay) expect(await purgeOf(id)).toBeUndefined();
      expect(await retention().look()).toBe(0);
    });

    it('erases the key of what has one, and purges what has none', async () => {
      rules = [{ labels: {}, keep: DAY, then: 'erase-key' }];
      const [one, plain] = [await add(DAY), await add(DAY)];
      keys.add(one);
      const content = new Recorded();
      content.keys.add(one);
      expect(await retention(purgerOf(content)).look()).toBe(2);
      expect((await session(one)).purge).toMatchObject({ only: 'key' });
      expect((await session(plain)).purge).not.toHaveProperty('only');
    });

    it('is kept from nothing by a recording that is damaged or not there, which is told once', async () => {
      rules = [{ labels: {}, keep: DAY, then: 'erase-key' }];
      limits.retention_batch = 2;
      const lost = [await add(9 * DAY), await add(8 * DAY), await add(7 * DAY)];
      const fine = [await add(3 * DAY), await add(2 * DAY)];
      let repaired = false;
      const encrypted = async (one: string) => {
        if (!repaired && lost.includes(one)) throw new Error(`there is no recording of ${one}`);
        return false;
      };
      const one = retention(purgerOf(new Recorded()), encrypted);
      let gone = 0;
      for (let look = 0; look < 4; look++) gone += await one.look();
      expect([gone, ...(await Promise.all(fine.map(purgeOf)))]).toEqual([2, 'ordered', 'ordered']);
      expect(await Promise.all(lost.map(purgeOf))).toEqual([undefined, undefined, undefined]);
      expect(entries.map(({ kind, fields }) => [kind, fields.session])).toEqual(lost.map((id) => ['failure', id]));
      repaired = true;
      expect(await one.look()).toBe(0);
      ticks += 3_600_001;
      for (let look = 0; look < 2; look++) await one.look();
      expect(await Promise.all(lost.map(purgeOf))).toEqual(['ordered', 'ordered', 'ordered']);
    });

    it('lets so many go at a time, the oldest first, and looks past what is held', async () => {
      limits.retention_batch = 2;
      const held = [await add(40 * DAY), await add(39 * DAY), await add(38 * DAY)];
      for (const id of held) await store.custody.addHold(hold('session', id));
      const ids = [await add(13 * DAY), await add(12 * DAY), await add(11 * DAY)];
      const one = retention();
      expect(await one.look()).toBe(2);
      expect(await Promise.all(ids.map(purgeOf))).toEqual(['ordered', 'ordered', undefined]);
      expect(await one.look()).toBe(1);
      expect(await Promise.all(held.map(purgeOf))).toEqual([undefined, undefined, undefined]);
    });

    it('does not believe a clock that has jumped ahead, until it has run so for long, over restarts too', async () => {
      const id = await add(DAY);
      expect(await retention().look()).toBe(0);
      now += 365 * DAY;
      expect(await retention().look()).toBe(0);
      const one = retention();
      await one.look();
      ticks += DAY - 1;
      expect(await one.look()).toBe(0);
      expect(alerts).toEqual(['retention.waits', 'retention.waits']);
      // Put right: believed at once, and nothing was lost.
      now -= 365 * DAY;
      expect(await one.look()).toBe(0);
      now += 365 * DAY;
      expect(await one.look()).toBe(0);
      ticks += DAY / 2;
      await one.look();
      const another = retention();
      expect(await another.look()).toBe(0);
      ticks += DAY / 2;
      expect(await another.look()).toBe(1);
      expect(await purgeOf(id)).toBe('ordered');
    });
  });

  const hold = (kind: Hold['kind'], value: string): Hold => ({
    ...{ id: `h-${kind}-${value.slice(-6)}`, kind, value, reason: 'case', by: 'root', at: now },
  });

  describe('a purge', () => {
    it('says that it begins, removes, overwrites once for all, and leaves tombstones', async () => {
      const content = new Recorded();
      const purger = purgerOf(content);
      const ids = [await add(2 * DAY), await add(DAY)];
      for (const id of ids) await purger.order(await session(id), order);
      await purger.run();
      expect(entries.map(({ kind, fields }) => [kind, fields.session])).toEqual([
        ['purging', ids[0]],
        ['purging', ids[1]],
        ['purge', ids[0]],
        ['purge', ids[1]],
      ]);
      expect(entries.at(-1)!.fields).toMatchObject({ digest: 'd', by: 'root', reason: 'r', connection: 'app' });
      expect([content.removed, content.scrubs]).toEqual([ids, 1]);
      expect(await purgeOf(ids[0]!)).toBe('purged');
      await expect(purger.order(await session(ids[0]!), order)).rejects.toMatchObject({ code: 'not_found' });
    });

    it('is refused for what is open or held', async () => {
      const purger = purgerOf(new Recorded());
      const open = await session(await add(0, { state: 'open' }));
      await expect(purger.order(open, order)).rejects.toMatchObject({ code: 'conflict' });
      const one = await session(await add(DAY, { principal: { ...bob, email: 'bob@x' } }));
      for (const held of [hold('session', one.id), hold('connection', 'app'), hold('principal', 'bob@x')]) {
        await store.custody.addHold(held);
        await expect(purger.order(one, order)).rejects.toThrow(`under legal hold ${held.id}`);
        await store.custody.releaseHold(held.id, 'root', now);
        expect(await store.custody.releaseHold(held.id, 'root', now)).toBeUndefined();
      }
      await store.custody.addHold(hold('principal', 'carol'));
      await purger.order(one, order);
      expect((await store.custody.holds(true)).map(({ releasedBy }) => releasedBy).sort()).toEqual(
        ['root', 'root', 'root', undefined].sort(),
      );
    });

    it('waits for who took the files after it looked: they would be put back', async () => {
      for (const only of [undefined, 'key'] as const) {
        const content = new Recorded();
        const id = await add(DAY);
        content.keys.add(id);
        content.meanwhile = () => content.busy.add(id);
        const purger = purgerOf(content);
        await purger.order(await session(id), { ...order, ...(only && { only }) });
        await purger.run();
        expect([await purgeOf(id), content.removed, content.keysRemoved]).toEqual(['begun', [], []]);
        content.busy.clear();
        content.meanwhile = () => {};
        await purger.run();
        expect([...content.removed, ...content.keysRemoved]).toEqual([id]);
      }
    });

    it('that a hold came before is taken back; one that has begun waits', async () => {
      const content = new Recorded();
      const purger = purgerOf(content);
      const [first, second] = [await add(DAY), await add(DAY)];
      await purger.order(await session(first), order);
      await store.custody.addHold(hold('session', first));
      await purger.run();
      expect([await purgeOf(first), content.removed]).toEqual([undefined, []]);
      await purger.order(await session(second), order);
      content.failing = new Error('the storage is away');
      await purger.run();
      await store.custody.addHold(hold('session', second));
      content.failing = undefined;
      now += 60_000;
      await purger.run();
      expect([await purgeOf(second), content.removed]).toEqual(['begun', []]);
      expect(purger.waits(second)).toMatch(/legal hold/);
    });

    it('stops for a hold that comes while its beginning is put under a checkpoint, whoever looks first', async () => {
      for (const take of [false, true]) {
        const content = new Recorded();
        const id = await add(DAY);
        meanwhile = async () => {
          await store.custody.addHold(hold('session', id));
          if (take) await store.custody.cancelPurge(id, undefined);
        };
        const purger = purgerOf(content);
        await purger.order(await session(id), order);
        await purger.run();
        expect([await purgeOf(id), content.removed]).toEqual([undefined, []]);
        expect(entries.splice(0).map(({ kind, fields }) => [kind, fields.what])).toEqual([
          ['purging', undefined],
          ['admin', 'purge cancelled'],
        ]);
      }
    });

    it('of which a hold that was put on it says no more than is true', async () => {
      const custodian = new Custodian({
        ...{ store: store.custody, places: {} as Places, keep: store.keyValues, rules: () => [], labels: () => ({}) },
        ...{ gateway: 'gw-a', audit, clock, log: silentLog, limit, alerts: { raise: () => {} } },
      });
      const put = (value: string) =>
        custodian.hold({ kind: 'session', value, by: 'root', reason: 'case' }).then(({ late }) => late);
      const content = new Recorded();
      const purger = purgerOf(content);
      // It comes in time, also for another gateway's.
      const [mine, theirs] = [await add(DAY), await add(DAY, { gateway: 'gw-b' })];
      await purger.order(await session(theirs), order);
      expect([await put(theirs), await purgeOf(theirs)]).toEqual([[], undefined]);
      let late: string[] | undefined;
      meanwhile = async () => {
        late = await put(mine);
      };
      await purger.order(await session(mine), order);
      await purger.run();
      expect([late, await purgeOf(mine), content.removed]).toEqual([[], undefined, []]);
      // It comes too late.
      meanwhile = async () => {};
      const gone = await add(DAY);
      content.failing = new Error('the storage is away');
      await purger.order(await session(gone), order);
      await purger.run();
      expect([await put(gone), await purgeOf(gone)]).toEqual([[gone], 'begun']);
    });

    it('of more than the key that is taken back leaves on record who had the key erased', async () => {
      const content = new Recorded();
      const one = await add(DAY);
      content.keys.add(one);
      const purger = purgerOf(content);
      await purger.order(await session(one), { ...order, only: 'key' });
      await purger.run();
      await purger.order(await session(one), { by: 'eve', reason: 'more' });
      expect((await session(one)).purge).toMatchObject({ state: 'ordered', by: 'eve', before: { by: 'root' } });
      await store.custody.addHold(hold('session', one));
      await purger.run();
      expect((await session(one)).purge).toEqual({ ...order, only: 'key', state: 'erased', at: now });
    });

    it('waits for what is in the way, tells it once, and goes on after a restart without beginning again', async () => {
      const content = new Recorded();
      const id = await add(DAY);
      content.busy.add(id);
      let purger = purgerOf(content);
      await purger.order(await session(id), order);
      await purger.run();
      expect(entries).toEqual([]);
      content.busy.clear();
      content.until = now + 10 * 60_000;
      await purger.run();
      await purger.run();
      now += 60_001;
      await purger.run();
      expect(entries.map(({ kind }) => kind)).toEqual(['purging', 'failure']);
      expect(entries[1]!.fields).toMatchObject({ what: 'purge waits', session: id, why: 'locked' });
      purger = purgerOf(content);
      now += 10 * 60_000;
      await purger.run();
      expect(entries.map(({ kind }) => kind)).toEqual(['purging', 'failure', 'purge']);
    });

    it('of a key alone leaves the rest, which may go later', async () => {
      const content = new Recorded();
      const [one, plain] = [await add(DAY), await add(DAY)];
      content.keys.add(one);
      const purger = purgerOf(content);
      const key = { ...order, only: 'key' } as const;
      await expect(purger.order(await session(plain), key)).rejects.toThrow(/is not encrypted/);
      await purger.order(await session(one), key);
      await purger.run();
      expect([content.removed, content.keysRemoved, await purgeOf(one)]).toEqual([[], [one], 'erased']);
      expect(entries.map(({ kind, fields }) => [kind, fields.what])).toEqual([
        ['purging', 'key'],
        ['purge', 'key'],
      ]);
      expect((await store.custody.unstored('gw-a', 10)).map(({ id }) => id).sort()).toEqual([one, plain].sort());
      await expect(purger.order(await session(one), key)).rejects.toThrow(/has no key any more/);
      await purger.order(await session(one), order);
      await purger.run();
      expect([content.removed, await purgeOf(one)]).toEqual([[one], 'purged']);
    });

    it('is no other gateway’s', async () => {
      const content = new Recorded();
      const id = await add(DAY, { gateway: 'gw-b' });
      const purger = purgerOf(content);
      await purger.order(await session(id), order);
      await purger.run();
      expect([await purgeOf(id), content.removed]).toEqual(['ordered', []]);
    });
  });

  it('what is to be uploaded, and to leave the disk, is known by where it is', async () => {
    const ids = [await add(3 * DAY), await add(2 * DAY)];
    await add(DAY, { sealed: false });
    await add(DAY, { gateway: 'gw-b' });
    const listed = async () => (await store.custody.unstored('gw-a', 10)).map(({ id }) => id);
    expect(await listed()).toEqual(ids);
    expect(await store.custody.waiting('gw-a')).toEqual({ count: 2, since: now - 3 * DAY });
    await store.custody.setStored(ids[0]!, 'both');
    expect(await listed()).toEqual([ids[1]]);
    expect(await store.custody.inBoth('gw-a', now - 3 * DAY - 1, 10)).toEqual([]);
    expect(await store.custody.inBoth('gw-a', now - 3 * DAY, 10)).toMatchObject([{ id: ids[0], stored: 'both' }]);
    const stay = (where?: 'both') => Promise.all(ids.map((id) => store.custody.stays('gw-a', id, where)));
    expect([await stay(), await stay('both')]).toEqual([
      [false, true],
      [true, false],
    ]);
    await store.custody.orderPurge(ids[1]!, { ...order, at: now });
    expect(await stay()).toEqual([false, false]);
    await store.custody.setStored(ids[0]!, undefined);
    expect(await listed()).toEqual([ids[0]]);
    await store.custody.setStored(ids[0]!, 'both');
    expect(await store.custody.waiting('gw-a')).toEqual({ count: 0, since: undefined });
  });
});
