// Who is asking: the device flow against the embedded issuer and a second, separately run one; refresh, logout, expiry,
// revocation. All by the command line.

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { confirmDevice } from '../support/device-pages.ts';
import { type Client, startGateway } from '../support/gateway.ts';
import { type Issuer, startIssuer } from '../support/issuer.ts';
import { eventually } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { fields, query, WireClient } from '../support/wire.ts';

interface Me {
  principal: { subject: string; email: string; issuer: string; groups: string[]; kind: string; actor?: string };
}

let issuer: Issuer;
/** Whoever logs in there has little time. */
let brief: Issuer;
let stage: Stage;
let admin: Client;

beforeAll(async () => {
  issuer = await startIssuer({ groups: { eve: ['engineering'], dora: ['engineering'] } });
  brief = await startIssuer({ deviceCodeSeconds: 8 });
  stage = await startStage({ databases: ['app'] }, (server) => ({
    identity: {
      embedded: true,
      issuers: [
        { name: 'corp', issuer: issuer.issuer, clientId: 'hoopctl', groups: 'groups' },
        { name: 'brief', issuer: brief.issuer, clientId: 'hoopctl' },
      ],
    },
    connections: { app: connectionTo(server, 'app') },
  }));
  admin = await stage.gateway.user('root', { groups: ['admins'] });
});
afterAll(async () => {
  await stage?.stop();
  await Promise.all([issuer?.stop(), brief?.stop()]);
});

/** The files in which a client without a keychain keeps its login. */
function kept(client: Client): string[] {
  const folder = join(client.home, '.config/hoopctl/tokens');
  return readdirSync(folder).map((name) => join(folder, name));
}

/** Makes the kept token of the gateway look expired, so that the next command has to renew it. */
function age(client: Client): void {
  for (const file of kept(client)) {
    const login = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...login, gatewayTokenExpiresAt: 0 }));
  }
}

const whoami = async (client: Client) => (await client.json<Me>(['whoami'])).principal;

describe('login with the embedded issuer', () => {
  it('prints an address and a code that a person types in on any device', async () => {
    await stage.gateway.admin(
      ['users', 'add', 'paul', '--email', 'paul@example.com', '--password-stdin'],
      'secret-paul-1\n',
    );
    const paul = stage.gateway.client('paul');
    const login = paul.start(['login', stage.gateway.url, '--issuer', 'local']);
    const [, page = ''] = await login.waitFor(/^\s+(https:\/\/\S+)$/m);
    const [, code = ''] = await login.waitFor(/^\s+([A-Z0-9]{4}-[A-Z0-9]{4})$/m);
    await confirmDevice(paul.browser(), page, { name: 'paul', password: 'secret-paul-1' }, { code });
    expect((await login.exited).code).toBe(0);
    expect(login.stdout).toContain('logged in to');
    expect(login.stderr).toMatch(
      /warning: cannot write to the keychain: there is no session bus \(D-Bus\); the login is kept in a file/,
    );
    expect(await whoami(paul)).toMatchObject({ email: 'paul@example.com', issuer: 'local', kind: 'person' });
  });

  it('keeps the login in a file that only its owner can read, and does not say again why not in a keychain', async () => {
    const login = await stage.alice.login();
    // Once: whoever logs in again knows it.
    expect(login.stderr).not.toMatch(/keychain/i);
    for (const file of kept(stage.alice)) expect(statSync(file).mode & 0o777).toBe(0o600);
    const { gateways } = await stage.alice.json<{ gateways: { keptIn: string; login: string }[] }>(['status']);
    expect(gateways).toMatchObject([{ keptIn: 'file', login: 'ok' }]);
  });

  it('refuses a wrong password, and a refused confirmation ends the login with its reason', async () => {
    const client = stage.gateway.client('paul');
    const begin = async () => {
      const login = client.start(['login', stage.gateway.url, '--issuer', 'local', '--json']);
      const [line] = await login.waitFor(/^\{"verification".*\}$/m, 'stderr');
      return { login, url: (JSON.parse(line) as { verification: { completeUrl: string } }).verification.completeUrl };
    };
    const first = await begin();
    const page = await confirmDevice(client.browser(), first.url, { name: 'paul', password: 'wrong' });
    expect(page.body).toMatch(/password/i);
    await first.login.stop('SIGINT');
    const second = await begin();
    await confirmDevice(client.browser(), second.url, { name: 'paul', password: 'secret-paul-1' }, { answer: 'abort' });
    const ended = await second.login.exited;
    expect(ended.code).toBe(4);
    expect(second.login.stderr).toMatch(/denied/);
    expect(second.login.stderr).toContain("the login was refused in the browser, at issuer 'local'");
    expect(second.login.stderr).not.toContain('End-User');
  });

  it('shows the agent beside the person', async () => {
    const me = await stage.alice.json<Me>(['whoami', '--agent', 'claude']);
    expect(me.principal).toMatchObject({ email: 'alice@example.com', actor: 'claude', kind: 'agent' });
  });
});

describe('login with a second, separately run issuer', () => {
  it('works, with its groups', async () => {
    const eve = stage.gateway.client('eve');
    await eve.login(['--issuer', 'corp']);
    expect(await whoami(eve)).toMatchObject({
      subject: 'eve',
      email: 'eve@corp.example',
      issuer: 'corp',
      groups: ['engineering'],
    });
    const done = await eve.run(['ls', '--json']);
    expect(done.stdout).toContain('"app"');
  });

  it('renews, and many processes at once renew once', async () => {
    const dora = stage.gateway.client('dora');
    await dora.login(['--issuer', 'corp']);
    for (let round = 0; round < 3; round++) {
      age(dora);
      const all = await Promise.all(Array.from({ length: 5 }, () => dora.run(['whoami', '--json'])));
      expect(all.map(({ code, stderr }) => [code, stderr])).toEqual(all.map(() => [0, '']));
    }
  });

  it('ends with a word when nobody confirms in time', async () => {
    const client = stage.gateway.client('late');
    const login = client.start(['login', stage.gateway.url, '--issuer', 'brief', '--json']);
    await login.waitFor(/verification/);
    const { code } = await login.exited;
    expect(code).toBe(4);
    expect(login.stderr).toMatch(/expired|in time/);
  });
});

describe('logout', () => {
  it.each(['local', 'corp'])('revokes and forgets (issuer %s)', async (name) => {
    const client =
      name === 'local'
        ? await stage.gateway.user(`leaver-${name}`, { groups: ['engineering'] })
        : stage.gateway.client('eve');
    if (name === 'corp') await client.login(['--issuer', 'corp']);
    const files = kept(client).map((file) => [file, readFileSync(file)] as const);
    await client.runOk(['logout']);
    expect((await client.run(['whoami'])).code).toBe(4);
    expect(kept(client)).toEqual([]);
    // Whoever copied the files before has nothing: neither the token nor the means to renew it.
    const { gatewayToken, refreshToken } = JSON.parse(files[0]?.[1].toString() ?? '{}') as Record<string, string>;
    expect((await stage.gateway.call('GET', '/api/v1/me', { token: gatewayToken })).status).toBe(401);
    const base = name === 'local' ? `${stage.gateway.url}/oidc` : issuer.issuer;
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'hoopctl',
      refresh_token: refreshToken ?? '',
    });
    const url = new URL(`${base}/token`);
    const answer =
      name === 'local'
        ? await stage.gateway.call('POST', url.pathname, {
            body: body.toString(),
            type: 'application/x-www-form-urlencoded',
          })
        : await fetch(url, { method: 'POST', body });
    expect(answer.status).toBe(400);
  });
});

describe('a live session', () => {
  async function asleep(client: Client, seconds: number): Promise<{ client: WireClient; stop(): Promise<void> }> {
    const connected = await client.connect('app');
    const wire = await WireClient.connect({ port: connected.port, user: 'any', database: 'app' });
    wire.send(query(`select pg_sleep(${seconds}), 'slept'`));
    await eventually('the server sleeps', async () => {
      const rows = await stage.server.query(
        `select 1 from pg_stat_activity where query like '%pg_sleep(${seconds})%' and pid <> pg_backend_pid()`,
      );
      return rows.length > 0;
    });
    return {
      client: wire,
      stop: async () => {
        wire.destroy();
        await connected.stop();
      },
    };
  }

  it('is not cut when its token expires in the middle of a query; a new one with that token is refused', async () => {
    const token = await stage.alice.token('app', ['--ttl', '6s']);
    const ca = readFileSync(stage.gateway.caFile, 'utf8');
    const options = { port: stage.gateway.nativePort as number, user: 'alice', database: 'app', password: token, ca };
    const client = await WireClient.connect(options);
    client.send(query("select pg_sleep(8), 'slept'"));
    const frames = await client.until('Z');
    expect(frames.some(({ type, body }) => type === 'D' && body.toString().includes('slept'))).toBe(true);
    const late = await WireClient.connect(options).then(
      () => 'let in',
      (error: Error) => error.message,
    );
    expect(late).toMatch(/expired/);
    client.send(query('select 1'));
    expect((await client.until('Z')).at(-1)?.type).toBe('Z');
    client.close();
  });

  it('is not cut when the login behind `connect` has to be renewed; new ones get the renewed one', async () => {
    const gateway = await startGateway({
      config: {
        connections: { app: connectionTo(stage.server, 'app') },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['app'] } }],
        rules: [{ name: 'ask', when: { does: ['lock'] }, then: 'review', reviewers: { groups: ['dba'] } }],
        limits: { access_token_ms: 6000 },
      },
      env: { TARGET_PASSWORD: stage.server.password },
    });
    const grace = await gateway.user('grace', { groups: ['engineering'] });
    const hugo = await gateway.user('hugo', { groups: ['dba'] });
    const watching = hugo.start(['reviews', 'watch', '--json']);
    const connected = await grace.connect('app');
    const options = { port: connected.port, user: 'any', database: 'app' };
    const client = await WireClient.connect(options);
    client.send(query("select pg_sleep(8), 'slept'"));
    const frames = await client.until('Z');
    expect(frames.some(({ type, body }) => type === 'D' && body.toString().includes('slept'))).toBe(true);
    const next = await WireClient.connect(options);
    for (const one of [client, next]) {
      one.send(query('select 1'));
      expect((await one.until('Z')).map(({ type }) => type)).toEqual(['T', 'D', 'C', 'Z']);
      one.close();
    }
    // The same for who watches: the stream ended with the first token, and was asked for again.
    const held = await WireClient.connect(options);
    held.send(query('lock table t'));
    await watching.waitFor(/"state":"pending"/);
    expect(watching.running).toBe(true);
    held.close();
    await watching.stop();
    await connected.stop();
    await gateway[Symbol.asyncDispose]();
  });

  it('is cut at once when its principal is revoked, with the reason; there is no way back in until that ends', async () => {
    const frank = await stage.gateway.user('frank', { groups: ['engineering'] });
    const { subject } = await whoami(frank);
    const { client, stop } = await asleep(frank, 61);
    await admin.runOk(['admin', 'revocations', 'add', 'local', subject, '--reason', 'laptop lost']);
    const frames = await client.until('E');
    expect(fields(frames.at(-1)?.body as Buffer)).toMatchObject({
      C: '28000',
      M: expect.stringContaining('laptop lost'),
    });
    await client.ended();
    await stop();
    const refused = await frank.run(['whoami']);
    expect(refused.code).toBe(4);
    age(frank);
    expect((await frank.run(['whoami'])).code).toBe(4);
    await admin.runOk(['admin', 'revocations', 'rm', 'local', subject]);
    await frank.login();
    expect((await whoami(frank)).email).toBe('frank@example.com');
  });

  it('ends at its own maximum age, with the reason', async () => {
    const config = {
      identity: {
        embedded: true,
        issuers: [{ name: 'corp', issuer: issuer.issuer, clientId: 'hoopctl', groups: 'groups' }],
      },
      connections: {
        app: connectionTo(stage.server, 'app'),
        brief: connectionTo(stage.server, 'app', { session: { maxAge: '4s' } }),
      },
      access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
    };
    stage.gateway.writeConfig(config, 'postgres');
    stage.gateway.process.kill('SIGHUP');
    const connected = await eventually('the new connection', () => stage.alice.connect('brief'));
    const client = await WireClient.connect({ port: connected.port, user: 'any', database: 'app' });
    const frames = await client.until('E');
    expect(fields(frames.at(-1)?.body as Buffer).M).toMatch(/age|4s/);
    await client.ended();
    await connected.stop();
  });
});
