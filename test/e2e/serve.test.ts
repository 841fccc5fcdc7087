// The gateway as its operator meets it: the first start, configuration and reload, and how it stops.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnvironment, type Gateway, hoopctl, PROGRAM, startGateway } from '../support/gateway.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { eventually, filesUnder, freePort, start, temporaryDirectory } from '../support/process.ts';
import { chainProblems, readRecordings } from '../support/recordings.ts';
import { connectionTo } from '../support/stage.ts';
import { fields, query, WireClient } from '../support/wire.ts';

let server: Postgres;

beforeAll(async () => {
  server = await startPostgres({ databases: ['app'] });
});
afterAll(() => server?.stop());

describe('the first start', () => {
  it('needs no configuration, makes its own CA and keys, and tells how to make the first administrator', async () => {
    const home = temporaryDirectory('first');
    const data = join(home, 'data');
    const port = await freePort();
    const args = [PROGRAM, 'serve', '--data', data, '--listen', `127.0.0.1:${port}`];
    const gateway = start(process.execPath, args, { env: cleanEnvironment(home), cwd: home });
    await gateway.waitFor(/hoopctl admin users add/);
    // One that is gone since was written aside and renamed: it is listed by its name, or will be like the others.
    for (const file of filesUnder(data)) {
      const mode = (statSync(join(data, file), { throwIfNoEntry: false })?.mode ?? 0o600) & 0o777;
      // Only certificates are for everybody.
      if (!file.endsWith('.pem') || /key/.test(file)) expect(`${file} ${mode.toString(8)}`).toBe(`${file} 600`);
    }
    expect(statSync(data).mode & 0o077).toBe(0);
    // No password works, because there is no user.
    expect(
      (await hoopctl(['admin', 'users', 'ls', '--data', data, '--json'], { env: cleanEnvironment(home) })).stdout,
    ).not.toContain('"name"');
    const how = await gateway.stop();
    expect(how.code).toBe(0);
  });
});

function config(rules: unknown[] = [], more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    connections: { app: connectionTo(server, 'app') },
    access: [{ who: { groups: ['engineering'] }, to: { names: ['app'] } }],
    rules,
    ...more,
  };
}

const NO_TWO = { name: 'no-two', when: { text: 'select 2' }, then: 'deny' };

describe('the configuration', () => {
  it('is checked offline: every problem at once, with its place', async () => {
    const home = temporaryDirectory('check');
    const file = join(home, 'gateway.yaml');
    writeFileSync(
      file,
      `connections:
  prod:
    protocol: postgres
    target: { host: 10.0.0.5, database: app, tls: sometimes }
    credentials: { user: app, password: hunter2 }
acess: []
rules:
  - { name: b, when: { does: [drop] }, then: maybe }
`,
    );
    const done = await hoopctl(['policy', 'check', file], { env: cleanEnvironment(home) });
    expect(done.code).toBe(1);
    const said = done.stdout + done.stderr;
    for (const place of ['4:', '5:', '6:', '8:']) expect(said).toMatch(new RegExp(`gateway\\.yaml:${place}\\d+: `));
    expect(said).not.toContain('hunter2');
    writeFileSync(
      file,
      `connections:
  db: { protocol: postgres, target: { host: h, database: d }, credentials: { user: u } }
rules:
  - { name: a, when: { does: [explode] }, then: deny }
`,
    );
    const unknown = await hoopctl(['policy', 'check', file], { env: cleanEnvironment(home) });
    expect(unknown.stdout + unknown.stderr).toMatch(/gateway\.yaml:4:\d+: .*explode/);
    writeFileSync(file, 'connections: {}\n');
    expect((await hoopctl(['policy', 'check', file], { env: cleanEnvironment(home) })).code).toBe(0);
    const schema = await hoopctl(['policy', 'schema'], { env: cleanEnvironment(home) });
    expect(JSON.parse(schema.stdout)).toHaveProperty('properties.connections');
  });

  it('is reloaded on SIGHUP and on change; a bad one leaves the old in force and says so', async () => {
    const gateway = await startGateway({ config: config(), env: { TARGET_PASSWORD: server.password } });
    const alice = await gateway.user('alice', { groups: ['engineering'] });
    const connected = await alice.connect('app');
    const client = await WireClient.connect({ port: connected.port, user: 'x', database: 'app' });
    const runs = async (text: string) => {
      client.send(query(text));
      return !(await client.until('Z')).some(({ type }) => type === 'E');
    };
    expect(await runs('select 2')).toBe(true);
    gateway.writeConfig(config([NO_TWO]), undefined);
    gateway.process.kill('SIGHUP');
    await eventually('the rule is in force in a session that was open before', async () => !(await runs('select 2')));
    writeFileSync(gateway.configFile, 'rules: [ {name: broken');
    gateway.process.kill('SIGHUP');
    await gateway.process.waitFor(/gateway\.yaml:1:\d+/);
    expect(await runs('select 2')).toBe(false);
    // Without a signal: the file alone.
    gateway.writeConfig(config(), undefined);
    await eventually('the change is noticed', () => runs('select 2'));
    client.close();
    await connected.stop();
    await gateway[Symbol.asyncDispose]();
  });

  it('whose own tests fail is not taken, and does not start a gateway', async () => {
    const bad = config([NO_TWO], {
      tests: [{ as: { groups: ['engineering'] }, to: 'app', run: 'select 2', expect: 'allow' }],
    });
    await expect(startGateway({ config: bad, env: { TARGET_PASSWORD: server.password } })).rejects.toThrow(
      /no-two|expect/,
    );
  });
});

describe('credentials of targets', () => {
  it.each(['env', 'file', 'exec'])('are taken from %s: and shown nowhere', async (from) => {
    const home = temporaryDirectory('credentials');
    const file = join(home, 'password');
    writeFileSync(file, `${server.password}\n`, { mode: 0o600 });
    const reference = { env: 'env:TARGET_PASSWORD', file: `file:${file}`, exec: `exec:cat ${file}` }[from];
    const document = config([], {
      connections: { app: connectionTo(server, 'app', { credentials: { user: 'postgres', password: reference } }) },
    });
    const env: Record<string, string> = { HOOPCTL_LOG: 'debug', HOOPCTL_LOG_LEVEL: 'debug' };
    if (from === 'env') env.TARGET_PASSWORD = server.password;
    const gateway = await startGateway({ config: document, env });
    const alice = await gateway.user('alice', { groups: ['engineering'] });
    const connected = await alice.connect('app');
    const client = await WireClient.connect({ port: connected.port, user: 'x', database: 'app' });
    client.send(query('select 1'));
    await client.until('Z');
    client.close();
    const described = await alice.run(['describe', 'app', '--json']);
    const shown = described.stdout + connected.process.output + gateway.log + (await gateway.get('/metrics')).body;
    await connected.stop();
    await gateway.stop();
    expect(shown).not.toContain(server.password);
    for (const name of filesUnder(gateway.data)) {
      expect(readFileSync(join(gateway.data, name)).includes(server.password), name).toBe(false);
    }
    await gateway[Symbol.asyncDispose]();
  });
});

describe('SIGTERM', () => {
  async function withSession(
    grace: string,
  ): Promise<{ gateway: Gateway; client: WireClient; stop(): Promise<void>; port: number }> {
    const gateway = await startGateway({
      config: config([], { stop: { grace } }),
      env: { TARGET_PASSWORD: server.password },
    });
    const alice = await gateway.user('alice', { groups: ['engineering'] });
    const connected = await alice.connect('app');
    const client = await WireClient.connect({ port: connected.port, user: 'x', database: 'app' });
    return { gateway, client, stop: connected.stop, port: connected.port };
  }

  it('stops accepting and lets sessions end in the time that is named', async () => {
    const { gateway, client, stop } = await withSession('20s');
    client.send(query("select pg_sleep(2), 'slept'"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    gateway.process.kill('SIGTERM');
    await eventually('no new work is taken', async () => {
      const ready = await gateway.get('/readyz').catch(() => undefined);
      return ready === undefined || ready.status === 503;
    });
    const frames = await client.until('Z');
    expect(frames.some(({ type, body }) => type === 'D' && body.toString().includes('slept'))).toBe(true);
    client.close();
    expect((await gateway.process.exited).code).toBe(0);
    await stop();
    for (const recording of readRecordings(gateway.recordings)) expect(chainProblems(recording)).toEqual([]);
    await gateway[Symbol.asyncDispose]();
  });

  it('ends what is left then with a reason, and seals its recording', async () => {
    const { gateway, client, stop } = await withSession('500ms');
    client.send(query('select pg_sleep(60)'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    gateway.process.kill('SIGTERM');
    const frames = await client.until('E');
    expect(fields(frames.at(-1)?.body as Buffer)).toMatchObject({ C: '57P01' });
    await client.ended();
    expect((await gateway.process.exited).code).toBe(0);
    await stop();
    const recordings = readRecordings(gateway.recordings);
    expect(recordings.length).toBeGreaterThan(0);
    for (const recording of recordings) expect(chainProblems(recording)).toEqual([]);
    const ends = recordings.flatMap(({ lines }) => lines.filter(({ kind }) => kind === 'end'));
    expect(ends.at(-1)).toMatchObject({ code: 'gateway_stopping' });
    await gateway[Symbol.asyncDispose]();
  });
});
