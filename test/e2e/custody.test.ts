// What becomes of recordings at the seams: what was sent to object storage and never heard of again goes with its recording too,
// a copy is proven again before the last other one goes, and one that is damaged holds up no other.

import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newIdentity } from '../../src/session/recorder/age/keys.ts';
import { type Client, hoopctl } from '../support/gateway.ts';
import { logEntries } from '../support/log.ts';
import { BUCKET, ObjectServer } from '../support/object-server.ts';
import { contentsUnder, copyUnder, eventually, filesUnder, temporaryDirectory } from '../support/process.ts';
import { purge } from '../support/sessions.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';

const SLOW = { timeout: 120_000 };
const LIMITS = {
  ...{ recording_pack_after_ms: 0, recording_upload_poll_ms: 50, recording_upload_retry_ms: 50, purge_retry_ms: 300 },
};

let objects: ObjectServer;
let stage: Stage;
let admin: Client;
let config: (store?: Record<string, unknown>) => Record<string, unknown>;
const { recipient } = newIdentity(new Date());

interface Item {
  id: string;
  recording: { where: string; purge?: { state: string } };
}

const whereIs = async (id: string) => (await admin.json<Item>(['sessions', 'show', id])).recording.where;
const both = (id: string) => eventually(`${id} is in both places`, async () => (await whereIs(id)) === 'both');
const keysOf = (id: string) => objects.keys().filter((key) => key.includes(id));
const localOf = (id: string) => filesUnder(stage.gateway.recordings).filter((name) => name.includes(id));
const failures = async (id: string) =>
  (await logEntries(stage.gateway.data)).filter(({ kind, fields }) => kind === 'failure' && fields.session === id);

/** Every file, of the data directory and of the object storage, in which a text stands. */
function filesWith(text: string): string[] {
  return [stage.gateway.data, objects.directory].flatMap((folder) =>
    [...contentsUnder(folder)].filter(([, bytes]) => bytes.includes(text)).map(([name]) => join(folder, name)),
  );
}

async function session(connection = 'app'): Promise<{ id: string; canary: string }> {
  const canary = `canary${randomBytes(16).toString('hex')}`;
  const { code, stderr } = await stage.alice.exec(connection, ['psql', '-qAtc', `select 'the ${canary}'`]);
  if (code !== 0) throw new Error(stderr);
  const { sessions } = await admin.json<{ sessions: Item[] }>(['sessions', 'ls', '--connection', connection]);
  return { id: sessions[0]!.id, canary };
}

async function restart(store: Record<string, unknown> = {}): Promise<void> {
  await stage.gateway.stop();
  stage.gateway.writeConfig(config(store), 'postgres');
  await stage.gateway.start();
}

/** As a credential does that may write and not read: what is put is there, and what is asked of it is not answered. */
const unheard = () => {
  objects.cutAt = ({ method, url }) =>
    method === 'HEAD' && objects.asked.some((one) => one.method === 'PUT' && one.url === url);
};

describe('recordings', () => {
  beforeAll(async () => {
    objects = await ObjectServer.start();
    stage = await startStage(
      { databases: ['app'] },
      (server) => {
        config = (store = {}) => ({
          access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
          connections: {
            app: connectionTo(server, 'app', { recording: { rows: 100 } }),
            synced: connectionTo(server, 'app', { recording: { rows: 100, durability: 'synced' } }),
            shut: connectionTo(server, 'app', { recording: { encrypt: { recipients: [recipient] } } }),
          },
          recordings: { compress: false, store: objects.configuration(store) },
          limits: LIMITS,
        });
        return config();
      },
      { database: 'app', env: objects.env },
    );
    admin = await stage.gateway.user('root', { groups: ['admins', 'auditors'] });
  });
  afterAll(async () => {
    await stage?.stop();
    await objects?.stop();
  });

  it.for(['app', 'shut'])(
    'of which an upload was not heard of again go from there too (%s)',
    SLOW,
    async (connection) => {
      unheard();
      const one = await session(connection);
      await eventually('it is there', () => keysOf(one.id).length > 0);
      await eventually('nobody knows', async () => (await admin.run(['audit', 'exports'])).stdout.includes('failing'));
      objects.cutAt = ({ method }) => method === 'HEAD';
      const purged = await admin.run(['admin', 'purge', one.id, '--reason', 'r']);
      objects.heal();
      await eventually(
        'it is gone',
        async () => (await admin.json<Item>(['sessions', 'show', one.id])).recording.purge?.state === 'purged',
      );
      expect([purged.code, keysOf(one.id), filesWith(one.canary)]).toEqual([expect.any(Number), [], []]);
    },
  );

  it('of which an upload had begun to another place go from there as well', SLOW, async () => {
    unheard();
    const one = await session();
    await eventually('it is there', () => keysOf(one.id).length > 0);
    await stage.gateway.stop('SIGKILL');
    objects.heal();
    stage.gateway.writeConfig(config({ prefix: 'other/' }), 'postgres');
    await stage.gateway.start();
    await both(one.id);
    expect(keysOf(one.id)).toHaveLength(2);
    await purge(admin, one.id, 'r');
    expect([keysOf(one.id), filesWith(one.canary)]).toEqual([[], []]);
  });

  it('leave the disk only when what is elsewhere is still there, and go there again', SLOW, async () => {
    await restart({ keepLocal: '9d' });
    const [one, two] = [await session(), await session()];
    for (const { id } of [one, two]) await both(id);
    const [key] = keysOf(one.id);
    for (const end of ['object', 'metadata.json']) {
      rmSync(join(objects.directory, BUCKET, `${key}._S3rver_${end}`), { force: true });
    }
    await restart({ keepLocal: '0s' });
    await eventually('both are there alone', async () => {
      for (const { id } of [one, two]) if ((await whereIs(id)) !== 'object') return false;
      return true;
    });
    expect([keysOf(one.id), localOf(one.id)]).toEqual([[key], [expect.stringMatching(/\.objects\.json$/)]]);
    expect((await failures(one.id)).map(({ fields }) => fields.what)).toEqual([
      'recording is gone from object storage',
    ]);
    expect((await admin.runOk(['sessions', 'export', one.id, '--output', '-'])).stdout).toContain(one.canary);
  });

  it('that are damaged hold up no other', SLOW, async () => {
    await restart({ keepLocal: '9d' });
    const [list, edited, bytes] = [await session(), await session(), await session()];
    for (const { id } of [list, edited, bytes]) await both(id);
    const listOf = ({ id }: { id: string }) =>
      join(stage.gateway.recordings, localOf(id).find((name) => name.endsWith('.objects.json'))!);
    writeFileSync(listOf(list), 'x');
    writeFileSync(listOf(edited), JSON.stringify({ session: edited.id, files: [null] }));
    writeFileSync(join(stage.gateway.recordings, localOf(bytes.id).find((name) => name.endsWith('.jsonl'))!), 'x');
    await restart({ keepLocal: '0s' });
    const after = await session();
    await eventually('the next has left the disk', async () => (await whereIs(after.id)) === 'object');
    for (const { id } of [list, edited, bytes]) {
      expect([id, (await failures(id)).map(({ fields }) => fields.what)]).toEqual([
        id,
        ['recording cannot leave the disk'],
      ]);
      expect(await whereIs(id)).toBe('both');
    }
  });

  it('that are removed before they are sealed, or could not be begun, are missed by who checks', SLOW, async () => {
    await restart();
    await using connected = await stage.alice.connect('app');
    const client = new pg.Client({ host: '127.0.0.1', port: connected.port, user: 'any', database: 'app' });
    client.on('error', () => {});
    await client.connect();
    await client.query('select 1');
    const { sessions } = await admin.json<{ sessions: (Item & { state: string })[] }>(['sessions', 'ls']);
    const { id } = sessions.find(({ state }) => state === 'open')!;
    await stage.gateway.stop('SIGKILL');
    const copy = temporaryDirectory('killed');
    copyUnder(stage.gateway.data, copy);
    for (const name of localOf(id)) rmSync(join(copy, 'recordings', name), { force: true });
    const { stdout } = await hoopctl(['audit', 'verify', copy]);
    expect(stdout).toMatch(
      new RegExp(`session ${id} was let in \\(entry \\d+\\) and has neither a seal nor a recording`),
    );

    await stage.gateway.start();
    const year = join(stage.gateway.recordings, String(new Date().getUTCFullYear()));
    renameSync(year, `${year}.away`);
    writeFileSync(year, '');
    expect((await stage.alice.exec('app', ['psql', '-c', 'select 1'])).code).not.toBe(0);
    rmSync(year);
    renameSync(`${year}.away`, year);
    await eventually('it is on record', async () =>
      (await logEntries(stage.gateway.data)).some(({ fields }) => fields.what === 'recording not begun'),
    );
  });

  it('go from what sessions committed together, while another of them goes on', SLOW, async () => {
    await using connected = await stage.alice.connect('synced');
    const open = async () => {
      const client = new pg.Client({ host: '127.0.0.1', port: connected.port, user: 'any', database: 'app' });
      await client.connect();
      return client;
    };
    const canary = `canary${randomBytes(16).toString('hex')}`;
    const clients = await Promise.all(Array.from({ length: 8 }, open));
    const ask = (client: pg.Client, text: string) => client.query(`select '${text}'`);
    const many = async (client: pg.Client, text: string) => {
      for (let i = 0; i < 200; i++) await ask(client, text);
    };
    await Promise.all(clients.map((client, at) => many(client, at === 0 ? canary : 'another')));
    const [first, ...others] = clients;
    await first!.end();
    const journal = () => filesWith(canary).some((path) => path.endsWith(join('open', 'journal')));
    expect(journal()).toBe(true);
    const one = await eventually('it has ended', async () => {
      const { sessions } = await admin.json<{ sessions: (Item & { state: string })[] }>([
        'sessions',
        'ls',
        '--connection',
        'synced',
      ]);
      return sessions.find(({ state }) => state === 'ended');
    });
    await purge(admin, one.id, 'r');
    expect(filesWith(canary)).toEqual([]);
    for (const client of others) await ask(client, 'another');
    for (const client of others) await client.end();
  });
});
