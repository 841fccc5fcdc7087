// Recordings in object storage, by the built program: there after the end of the session, gone from the disk, and read as if
// they were not; gone on with after kills and cuts; and nothing but a remark while the storage is away.

import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newIdentity } from '../../src/session/recorder/age/keys.ts';
import { type Client, hoopctl } from '../support/gateway.ts';
import { logEntries } from '../support/log.ts';
import { describeWith } from '../support/needs.ts';
import { BUCKET, botocoreSignatures, ObjectServer } from '../support/object-server.ts';
import { copyUnder, eventually, filesUnder, temporaryDirectory } from '../support/process.ts';
import { type Line, readRecordings } from '../support/recordings.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';

let objects: ObjectServer;
let stage: Stage;
let auditor: Client;
let directory: string;
let config: (more?: object, store?: object) => Record<string, unknown>;

const key = newIdentity(new Date());
const SLOW = { timeout: 120_000 };
const SSE = { sse: 'aws:kms', kmsKey: 'arn:aws:kms:eu-central-1:1:key/7' };
const LIMITS = {
  ...{ recording_pack_after_ms: 0, recording_upload_poll_ms: 50, recording_upload_retry_ms: 50 },
  ...{ recording_upload_alert_ms: 300, recording_upload_part_bytes: 16 * 1024, export_poll_ms: 50 },
};

const gatewayEnvironment = () => ({ ...process.env, ...objects.env, TARGET_PASSWORD: 'x', NODE_NO_WARNINGS: '1' });
const verify = (args: readonly string[]) =>
  hoopctl(['audit', 'verify', stage.gateway.data, '--json', ...args], { env: gatewayEnvironment() });
const local = () => filesUnder(stage.gateway.recordings).filter((name) => /\.jsonl(\.zst)?$/.test(name));
const waiting = async () => (await auditor.run(['audit', 'exports', '--json'])).stdout;
const entries = async (kind: string) => (await logEntries(stage.gateway.data)).filter((one) => one.kind === kind);

async function session(sql: string, connection = 'app'): Promise<string> {
  const { code, stderr } = await stage.alice.exec(connection, ['psql', '-qAtc', sql]);
  if (code !== 0) throw new Error(stderr);
  const { sessions } = await auditor.json<{ sessions: { id: string }[] }>(['sessions', 'ls']);
  return sessions[0]!.id;
}

const uploaded = (id: string) =>
  eventually(
    `${id} is in object storage alone`,
    () => !local().some((name) => name.includes(id)) && keysOf(id).length > 0,
  );
const keysOf = (id: string) => objects.keys().filter((key) => key.includes(id));

describeWith(['python3-botocore'], 'recordings in object storage', () => {
  beforeAll(async () => {
    directory = temporaryDirectory('objects');
    objects = await ObjectServer.start();
    stage = await startStage(
      { databases: ['app'] },
      (server) => {
        config = (more = {}, store = {}) => ({
          access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
          connections: {
            app: connectionTo(server, 'app', { labels: { env: 'prod' }, recording: { rows: 1000, bytes: '1MiB' } }),
            shut: connectionTo(server, 'app', { recording: { encrypt: { recipients: [key.recipient] } } }),
            read: connectionTo(server, 'app', {
              recording: { encrypt: { recipients: [key.recipient], gatewayReads: true } },
            }),
          },
          recordings: { store: objects.configuration({ prefix: 'hoop/one/', keepLocal: '0s', ...SSE, ...store }) },
          limits: LIMITS,
          ...more,
        });
        return config();
      },
      { database: 'app', env: objects.env },
    );
    auditor = await stage.gateway.user('iris', { groups: ['auditors'] });
  });
  afterAll(async () => {
    await stage?.stop();
    await objects?.stop();
  });

  let first = '';
  let encrypted: string[];

  it(
    'go there sealed and compressed, with what the configuration asks the storage for, and leave the disk',
    SLOW,
    async () => {
      first = await session("select 'a needle in the store'");
      await uploaded(first);
      const [key] = keysOf(first);
      expect(key).toMatch(new RegExp(`^hoop/one/\\d{4}/\\d\\d/\\d\\d/${first}\\.jsonl\\.zst$`));
      const stored = readFileSync(join(objects.directory, BUCKET, `${key}._S3rver_object`));
      const lines = zstdDecompressSync(stored)
        .toString()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Line);
      expect(lines.at(-1)!.kind).toBe('seal');
      expect(lines.some(({ text }) => text === "select 'a needle in the store'")).toBe(true);
      const put = objects.asked.find(({ method, url }) => method === 'PUT' && url.includes(first))!;
      expect(put.headers).toMatchObject({
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': SSE.kmsKey,
      });
      const entry = (await entries('recording')).find(({ fields }) => fields.what === 'stored')!;
      expect(entry.fields).toMatchObject({ session: first, bucket: BUCKET, objects: [{ key, bytes: stored.length }] });
    },
  );

  it('are read, searched and exported as if they were on the disk', SLOW, async () => {
    const { stdout } = await auditor.runOk(['sessions', 'export', first, '--output', '-']);
    expect(stdout).toContain("select 'a needle in the store'");
    expect((await auditor.runOk(['sessions', 'replay', first])).stdout).toContain('a needle in the store');
    encrypted = [await session("select 'a secret thimble'", 'shut'), await session("select 'an open thimble'", 'read')];
    for (const id of encrypted) await uploaded(id);
    // As in a data directory that was put back without the keys: they are there too.
    for (const name of filesUnder(stage.gateway.recordings).filter((one) => one.endsWith('.key.age'))) {
      rmSync(join(stage.gateway.recordings, name));
    }
    // A new index, and a new destination, have everything to read from there.
    await stage.gateway.stop();
    for (const end of ['', '-wal', '-shm']) writeFileSync(join(stage.gateway.data, `index.sqlite${end}`), '');
    const path = join(directory, 'events.jsonl');
    stage.gateway.writeConfig(config({ exports: [{ name: 'late', to: 'file', path }] }), 'postgres');
    await stage.gateway.start();
    await eventually('it is found', async () => {
      const { stdout: found } = await auditor.run(['sessions', 'search', 'needle', '--json']);
      return found.includes(first);
    });
    await eventually(
      'it is exported',
      () => existsSync(path) && readFileSync(path, 'utf8').includes('a needle in the store'),
    );
    await eventually('what the gateway may read is too', async () => {
      const { stdout: found } = await auditor.run(['sessions', 'search', 'thimble', '--json']);
      return found.includes(encrypted[1]!) && readFileSync(path, 'utf8').includes('an open thimble');
    });
    expect(readFileSync(path, 'utf8')).not.toContain('a secret thimble');
  });

  it('are read with their keys from there too by who has an identity', SLOW, async () => {
    const [shut] = encrypted;
    const identity = ['--identity', join(directory, 'auditor.key')];
    writeFileSync(identity[1]!, key.file);
    expect((await auditor.runOk(['sessions', 'replay', shut!, ...identity])).stdout).toContain('a secret thimble');
    const { data, configFile } = stage.gateway;
    const offline = (args: readonly string[]) => hoopctl([...args, '--data', data], { env: gatewayEnvironment() });
    const copy = ['audit', 'export', '--since', '1h', '--session', shut!, '--kind', 'session.intent'];
    const unread = await offline([...copy, ...identity]);
    expect([unread.code, unread.stderr]).toEqual([1, expect.stringMatching(/is in object storage, which is not read/)]);
    const taken = await offline([...copy, ...identity, '--config', configFile]);
    expect([taken.stderr, taken.stdout]).toEqual(['', expect.stringContaining("select 'a secret thimble'")]);
    const other = join(directory, 'new.yaml');
    const rules = [{ name: 'none', when: { does: ['select'] }, then: 'deny' }];
    writeFileSync(other, JSON.stringify(config({ rules })));
    const replayed = await offline(['policy', 'replay', other, ...identity, '--json']);
    const { differ, unjudged } = JSON.parse(replayed.stdout) as { differ: { text: string }[]; unjudged: object };
    const texts = ["select 'a needle in the store'", "select 'a secret thimble'", "select 'an open thimble'"];
    expect(differ.map(({ text }) => text).sort()).toEqual(texts);
    expect(unjudged).toMatchObject({ encrypted: 0, erased: 0, away: 0 });
    // Without that storage it says what it has not seen.
    writeFileSync(other, JSON.stringify({ ...config({ rules }), recordings: {} }));
    const blind = await offline(['policy', 'replay', other, ...identity]);
    expect(blind.stdout).toMatch(/not judged: 3 recordings in object storage that could not be read: s3:/);
    const checked = await verify(['--config', configFile, ...identity]);
    expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining('2 encrypted recordings were read')]);
  });

  it('are checked where they are, and never taken for good unread', SLOW, async () => {
    const unread = await verify([]);
    expect(unread.code).toBe(1);
    const { problems } = JSON.parse(unread.stdout).places[0] as { problems: { code: string; where: string }[] };
    expect(new Set(problems.map(({ code }) => code))).toEqual(new Set(['recording_elsewhere']));
    expect(problems.map(({ where }) => where).sort()).toEqual([first, ...encrypted].sort());
    const read = await verify(['--config', stage.gateway.configFile]);
    expect([read.stderr, read.code]).toEqual(['', 0]);
    // A copy of the bucket in its place does as well.
    const copy = temporaryDirectory('copy');
    copyUnder(stage.gateway.data, copy);
    for (const key of objects.keys()) {
      const file = join(copy, 'recordings', key.replace('hoop/one/', ''));
      cpSync(join(objects.directory, BUCKET, `${key}._S3rver_object`), file);
    }
    expect((await hoopctl(['audit', 'verify', copy], { env: gatewayEnvironment() })).code).toBe(0);
    // A changed object, and one that is gone.
    const [key] = keysOf(first);
    const object = join(objects.directory, BUCKET, `${key}._S3rver_object`);
    const good = readFileSync(object);
    const bad = Buffer.from(good);
    bad[bad.length >> 1]! ^= 1;
    writeFileSync(object, bad);
    const changed = await verify(['--config', stage.gateway.configFile]);
    writeFileSync(object, good);
    expect([changed.code, changed.stdout]).toEqual([1, expect.stringMatching(/recording_(unreadable|changed)/)]);
  });

  it('go on at the part where the gateway was killed', SLOW, async () => {
    stage.gateway.writeConfig(
      config({ recordings: { compress: false, store: objects.configuration({ keepLocal: '0s' }) } }),
      'postgres',
    );
    await stage.gateway.stop();
    await stage.gateway.start();
    objects.cutAt = ({ url }) => url.includes('partNumber=3');
    const id = await session('select repeat(md5(i::text), 8) from generate_series(1, 500) i');
    await eventually('it is cut at the third part', () =>
      objects.asked.some(({ url }) => url.includes('partNumber=3')),
    );
    await stage.gateway.stop('SIGKILL');
    objects.heal();
    objects.asked.length = 0;
    await stage.gateway.start();
    await uploaded(id);
    const parts = objects.asked.flatMap(({ url }) => /partNumber=(\d+)/.exec(url)?.[1] ?? []);
    expect(parts[0]).toBe('3');
    expect(objects.asked.some(({ url }) => url.includes('uploads='))).toBe(false);
    const { code, stdout, stderr } = await verify(['--config', stage.gateway.configFile]);
    expect([stdout, stderr, code]).toEqual([expect.stringContaining('"ok":true'), '', 0]);
  });

  it('wait on the disk while the storage is away, which is told, and nobody else waits', SLOW, async () => {
    objects.cut();
    const ids = [await session("select 'while it is away'"), await session('select 2')];
    await eventually('it is told', async () =>
      (await entries('failure')).some(({ fields }) => fields.what === 'object storage takes no recordings'),
    );
    expect(local().filter((name) => ids.some((id) => name.includes(id)))).toHaveLength(2);
    // The first that fails is told of; the second is tried a moment later.
    await eventually('both wait', async () =>
      (await stage.gateway.get('/metrics')).body.includes('hoopctl_recording_store_waiting 2'),
    );
    const status = await auditor.run(['audit', 'exports']);
    expect(status.code).toBe(1);
    expect(status.stdout).toMatch(
      /recordings to s3:\/\/recordings\/: failing, 2 on the disk alone .*cannot be reached/,
    );
    expect((await auditor.run(['doctor'])).stdout).toMatch(/recordings in object storage.*2 on the disk alone/);
    expect((await stage.gateway.get('/metrics')).body).toMatch(/hoopctl_recording_store_waiting 2/);
    // One that is there alone says so; one that is here is read.
    const gone = await auditor.run(['sessions', 'export', first, '--output', '-']);
    expect([gone.code === 0, gone.stderr]).toEqual([
      false,
      expect.stringMatching(/cannot read s3:.*cannot be reached/),
    ]);
    expect((await auditor.runOk(['sessions', 'export', ids[0]!, '--output', '-'])).stdout).toContain(
      'while it is away',
    );
    objects.heal();
    for (const id of ids) await uploaded(id);
    await eventually('all is well', async () => JSON.parse(await waiting()).recordings.state === 'idle');
    expect(
      (await entries('recording')).some(({ fields }) => fields.what === 'object storage takes recordings again'),
    ).toBe(true);
    expect(readRecordings(stage.gateway.recordings)).toEqual([]);
  });

  it('were asked for with good signatures, and no secret of it is anywhere', () => {
    const signatures = botocoreSignatures(objects);
    expect(signatures.length).toBeGreaterThan(10);
    expect(signatures.filter(([ours, botocores]) => ours !== botocores)).toEqual([]);
    expect(stage.gateway.log).not.toContain(objects.env.S3_SECRET);
  });
});
