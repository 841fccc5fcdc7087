// Recordings that go, and that must not: by age and label, by an admin's word, under a legal hold, under Object Lock, through
// kills. Gone is gone from every byte of the disk, the index, the store and object storage; the log still verifies.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, hoopctl } from '../support/gateway.ts';
import { logEntries } from '../support/log.ts';
import { describeWith } from '../support/needs.ts';
import { ObjectServer } from '../support/object-server.ts';
import { contentsUnder, eventually, filesUnder, sleep } from '../support/process.ts';
import { effort } from '../support/property.ts';
import { purge } from '../support/sessions.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';

const SLOW = { timeout: 400_000 };
const LIMITS = {
  ...{ recording_pack_after_ms: 0, recording_upload_poll_ms: 50, recording_upload_retry_ms: 50 },
  ...{ retention_poll_ms: 200, purge_retry_ms: 300 },
};

const { numRuns: KILLS } = effort({ seed: 1, numRuns: 3 });

const RECIPIENT = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';

let objects: ObjectServer;
let stage: Stage;
let admin: Client;
let auditor: Client;
let config: (store?: Record<string, unknown>, more?: Record<string, unknown>) => Record<string, unknown>;

interface Item {
  id: string;
  connection: string;
  recording: { where: string; digest: string; purge?: { state: string; by: string; reason: string } };
}

const entries = async (kind: string, session: string) =>
  (await logEntries(stage.gateway.data)).filter((one) => one.kind === kind && one.fields.session === session);
const show = (id: string) => admin.json<Item>(['sessions', 'show', id]);
const stateOf = async (id: string) => (await show(id)).recording.purge?.state;
const both = (id: string) =>
  eventually(`${id} is in both places`, async () => (await show(id)).recording.where === 'both');

/** Every file, of the data directory and of the object storage, in which a text stands. */
function filesWith(text: string): string[] {
  const folders = [stage.gateway.data, objects.directory];
  return folders.flatMap((folder) =>
    [...contentsUnder(folder)].filter(([, bytes]) => bytes.includes(text)).map(([name]) => join(folder, name)),
  );
}

/** A session in which a text of its own is asked for, comes back, and stands in a statement under review. */
async function session(connection = 'app'): Promise<{ id: string; canary: string }> {
  const canary = `canary${randomBytes(16).toString('hex')}`;
  const sql = ['-c', `select 'the ${canary}'`, '-c', `delete from t where t = '${canary}'`];
  await stage.alice.exec(connection, ['psql', '-qAt', ...sql]);
  const { sessions } = await admin.json<{ sessions: Item[] }>(['sessions', 'ls', '--connection', connection]);
  return { id: sessions[0]!.id, canary };
}

/** Not by its words: what somebody searched for is in the log. */
const indexed = (id: string, count: number) =>
  eventually(`${count} operations are found`, async () => {
    const { operations } = await admin.json<{ operations: unknown[] }>(['sessions', 'search', '--session', id]);
    return operations.length === count;
  });

async function verified(): Promise<string[]> {
  const env = { ...process.env, ...objects.env, NODE_NO_WARNINGS: '1' };
  const args = ['audit', 'verify', stage.gateway.data, '--config', stage.gateway.configFile, '--json'];
  const { code, stdout, stderr } = await hoopctl(args, { env });
  expect([stderr, code, code === 0 ? '' : stdout]).toEqual(['', 0, '']);
  return JSON.parse(stdout).places[0].notes;
}

/** Nothing of it is anywhere but in the log, which says so. */
async function expectGone({ id, canary }: { id: string; canary: string }): Promise<void> {
  expect(filesWith(canary)).toEqual([]);
  // Words stand in the index without what they share with their neighbours.
  expect(filesWith(canary.slice(-20))).toEqual([]);
  expect(objects.keys().filter((key) => key.includes(id))).toEqual([]);
  expect(filesUnder(stage.gateway.recordings).filter((name) => name.includes(id))).toEqual([]);
  const tombstones = await entries('purge', id);
  expect(new Set(tombstones.map(({ fields }) => fields.digest)).size).toBe(1);
  expect((await show(id)).recording).toMatchObject({ where: 'nowhere', digest: tombstones[0]!.fields.digest });
  const { code, stderr } = await admin.run(['sessions', 'export', id, '--output', '-']);
  expect([code === 0, stderr]).toEqual([false, expect.stringMatching(/was purged, ordered at .* by /)]);
  expect(await verified()).toContainEqual(expect.stringMatching(new RegExp(`recording of ${id} was purged`)));
}

describeWith(['psql'], 'recordings that go', () => {
  beforeAll(async () => {
    objects = await ObjectServer.start();
    objects.versioned = true;
    stage = await startStage(
      { databases: ['app'] },
      (server) => {
        config = (store = {}, more = {}) => ({
          access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
          connections: {
            app: connectionTo(server, 'app', { labels: { env: 'prod' }, recording: { rows: 100 } }),
            secret: connectionTo(server, 'app', {
              labels: { env: 'secret' },
              recording: { rows: 100, encrypt: { recipients: [RECIPIENT] } },
            }),
            temp: connectionTo(server, 'app', { labels: { env: 'temp' }, recording: { rows: 100 } }),
          },
          rules: [
            {
              ...{ name: 'held', when: { does: ['delete'] }, then: 'review', wait: '1s' },
              reviewers: { groups: ['dba'], count: 1 },
            },
          ],
          recordings: { compress: false, store: objects.configuration(store) },
          limits: LIMITS,
          ...more,
        });
        return config();
      },
      { setup: 'create table t (t text)', database: 'app', env: objects.env },
    );
    admin = await stage.gateway.user('root', { groups: ['admins'] });
    auditor = await stage.gateway.user('iris', { groups: ['auditors'] });
  });
  afterAll(async () => {
    await stage?.stop();
    await objects?.stop();
  });

  async function restart(
    store: Record<string, unknown> = {},
    more: Record<string, unknown> = {},
    signal: NodeJS.Signals = 'SIGTERM',
  ): Promise<void> {
    await stage.gateway.stop(signal);
    stage.gateway.writeConfig(config(store, more), 'postgres');
    await stage.gateway.start();
  }

  it("go from every byte, at an admin's word and with a reason, and leave a tombstone", SLOW, async () => {
    const one = await session();
    await both(one.id);
    await indexed(one.id, 2);
    const places = filesWith(one.canary).map((path) => path.slice(stage.gateway.data.length + 1).split(/[./]/)[0]!);
    // Where state is in PostgreSQL, there is neither of the two files.
    const kept = process.env.HOOPCTL_TEST_STORE_URL === undefined ? ['index', 'recordings', 'store'] : ['recordings'];
    expect([...new Set(places)].sort()).toEqual(expect.arrayContaining(kept));
    expect(objects.keys().filter((key) => key.includes(one.id))).toHaveLength(1);

    const purge = ['admin', 'purge', one.id];
    expect((await admin.run(purge)).code).toBe(2);
    expect(await auditor.run([...purge, '--reason', 'x'])).toMatchObject({ code: expect.not.toBeOneOf([0]) });
    expect(await stateOf(one.id)).toBeUndefined();
    expect((await admin.runOk([...purge, '--reason', 'asked by who is in it'])).stdout).toContain('is gone');
    await expectGone(one);
    await indexed(one.id, 0);
    const [tombstone] = await entries('purge', one.id);
    expect(tombstone!.fields).toMatchObject({ reason: 'asked by who is in it', by: 'root@example.com' });
    expect((await admin.run([...purge, '--reason', 'again'])).stderr).toMatch(/was purged/);
  });

  it('stay under a legal hold, also over a kill, until it is released', SLOW, async () => {
    const one = await session();
    await both(one.id);
    const hold = async (...of: string[]) =>
      (await admin.json<{ hold: { id: string } }>(['admin', 'holds', 'add', ...of, '--reason', 'case 7'])).hold.id;
    const holds = [
      await hold('--connection', 'app'),
      await hold('--principal', 'alice@example.com'),
      await hold('--session', one.id),
    ];
    await restart(
      {},
      { recordings: { retention: [{ labels: {}, keep: '1s' }], store: objects.configuration() } },
      'SIGKILL',
    );
    for (const held of holds) {
      const refused = await admin.run(['admin', 'purge', one.id, '--reason', 'r']);
      expect([refused.code === 0, refused.stderr]).toEqual([
        false,
        expect.stringMatching(/under legal hold h-\w+ \(.*case 7/),
      ]);
      await sleep(700);
      expect(await stateOf(one.id)).toBeUndefined();
      expect(filesWith(one.canary).length).toBeGreaterThan(1);
      await admin.runOk(['admin', 'holds', 'release', held]);
    }
    // Nothing holds it any more, and it is old.
    await eventually('it is gone', async () => (await stateOf(one.id)) === 'purged');
    await expectGone(one);
    const { holds: all } = await auditor.json<{ holds: { releasedBy: string }[] }>(['admin', 'holds', 'ls', '--all']);
    expect(all.map(({ releasedBy }) => releasedBy)).toEqual(Array(3).fill('root@example.com'));
    expect((await auditor.run(['admin', 'holds', 'add', '--session', one.id, '--reason', 'r'])).code).not.toBe(0);
  });

  it('go by age and label, and only those', SLOW, async () => {
    const retention = [
      { labels: { env: 'temp' }, keep: '1s' },
      { labels: { env: 'prod' }, keep: '9d' },
    ];
    await restart({}, { recordings: { compress: false, retention, store: objects.configuration() } });
    const [kept, temporary] = [await session('app'), await session('temp')];
    await eventually('the one is gone', async () => (await stateOf(temporary.id)) === 'purged');
    await expectGone(temporary);
    expect((await entries('purge', temporary.id))[0]!.fields).toMatchObject({
      ...{ by: 'retention', reason: 'older than 1s (recordings.retention[0])' },
    });
    expect(await stateOf(kept.id)).toBeUndefined();
    expect(filesWith(kept.canary).length).toBeGreaterThan(0);
  });

  it('wait for Object Lock, which is told, with all else gone', SLOW, async () => {
    await restart({ objectLock: { mode: 'compliance', keep: '40s' } });
    const one = await session();
    await both(one.id);
    const put = objects.asked.findLast(({ method, url }) => method === 'PUT' && url.includes(one.id))!;
    expect(put.headers).toMatchObject({ 'x-amz-object-lock-mode': 'COMPLIANCE' });
    const waits = await admin.run(['admin', 'purge', one.id, '--reason', 'r']);
    expect([waits.code, waits.stdout]).toEqual([1, expect.stringMatching(/Object Lock keeps .* until 20/)]);
    expect(filesWith(one.canary).every((path) => path.startsWith(objects.directory))).toBe(true);
    expect((await entries('failure', one.id)).map(({ fields }) => fields.what)).toContain('purge waits');
    expect(await entries('purge', one.id)).toEqual([]);
    expect(await verified()).toContainEqual(
      expect.stringMatching(new RegExp(`recording of ${one.id} is being purged`)),
    );
    await eventually('it is gone', async () => (await stateOf(one.id)) === 'purged', 120_000);
    expect(Date.now()).toBeGreaterThan(Date.parse(put.headers['x-amz-object-lock-retain-until-date']!));
    await expectGone(one);
  });

  it('that are encrypted go with their key, however long they are locked themselves', SLOW, async () => {
    await restart({ objectLock: { mode: 'compliance', keep: '9d' } });
    const [one, plain] = [await session('secret'), await session('app')];
    for (const { id } of [one, plain]) await both(id);
    const keysOf = () => objects.keys().filter((key) => key.includes(one.id) && key.endsWith('.key.age'));
    expect(keysOf()).toHaveLength(1);
    const refused = await admin.run(['admin', 'purge', plain.id, '--key-only', '--reason', 'r']);
    expect([refused.code === 0, refused.stderr]).toEqual([false, expect.stringMatching(/is not encrypted/)]);
    await purge(admin, one.id, 'asked by who is in it', '--key-only');
    expect(keysOf()).toEqual([]);
    expect(filesUnder(stage.gateway.recordings).filter((name) => name.endsWith('.key.age'))).toEqual([]);
    expect(filesWith(one.canary)).toEqual([]);
    // What proves it is all there, and good.
    expect((await show(one.id)).recording).toMatchObject({ where: 'both', purge: { state: 'erased' } });
    expect(await verified()).toContainEqual(expect.stringMatching(new RegExp(`the key of ${one.id} was erased`)));
    expect((await entries('purge', one.id)).map(({ fields }) => fields.what)).toEqual(['key']);
    // Whoever asks for what was said is told when and why it went, with an identity or without.
    await auditor.runOk(['admin', 'recording-key', '-o', 'any.key']);
    const told = /the key of the recording of (\S+) was erased, ordered at \d{4}-\S+Z by \S+: asked by who is in it$/m;
    for (const verb of [
      ['replay', one.id],
      ['replay', one.id, '--identity', 'any.key'],
      ['export', one.id],
    ]) {
      const { code, stderr } = await auditor.run(['sessions', ...verb]);
      expect([code, told.exec(stderr)?.[1]], stderr).toEqual([verb[0] === 'export' ? 0 : 1, one.id]);
    }
    expect((await admin.runOk(['sessions', 'show', one.id])).stdout).toMatch(
      /its key was erased, ordered .* by root@example.com \(asked by who is in it\)/,
    );
    // By age: the key of what has one, all of what has none.
    const retention = [{ labels: {}, keep: '1s', then: 'erase-key' }];
    await restart({}, { recordings: { compress: false, retention, store: objects.configuration() } });
    const [second, third] = [await session('secret'), await session('temp')];
    await eventually(
      'they are gone',
      async () => (await stateOf(second.id)) === 'erased' && (await stateOf(third.id)) === 'purged',
    );
    for (const { canary } of [second, third]) expect(filesWith(canary)).toEqual([]);
    await verified();
  });

  it('go on after a kill at any moment', SLOW, async () => {
    await restart();
    // In the middle for certain: the storage takes the connection away.
    const one = await session();
    await both(one.id);
    objects.cutAt = ({ method }) => method === 'DELETE';
    expect((await admin.run(['admin', 'purge', one.id, '--reason', 'r'])).code).toBe(1);
    await stage.gateway.stop('SIGKILL');
    expect(await verified().catch(() => 'unreachable')).toContainEqual(expect.stringMatching(/is being purged/));
    objects.heal();
    await stage.gateway.start();
    await eventually('it is gone', async () => (await stateOf(one.id)) === 'purged');
    await expectGone(one);
    // And anywhere.
    for (let i = 0; i < KILLS; i++) {
      const other = await session();
      await both(other.id);
      const asked = admin.run(['admin', 'purge', other.id, '--reason', 'r']);
      await eventually('it is on record', async () =>
        (await logEntries(stage.gateway.data)).some(
          (e) => e.fields.what === 'purge ordered' && e.fields.session === other.id,
        ),
      );
      await sleep((i % 6) * 25);
      await stage.gateway.stop('SIGKILL');
      await verified();
      await stage.gateway.start();
      await asked;
      const there = filesWith(other.canary).some((path) => path.startsWith(stage.gateway.recordings));
      if (there && (await stateOf(other.id)) === undefined) expect(await entries('purge', other.id)).toEqual([]);
      else {
        await eventually('it is gone', async () => (await stateOf(other.id)) === 'purged');
        await expectGone(other);
      }
    }
  });
});
