// Identity without a login: service accounts, tokens of a CI by its claims, and what the environment may say.

import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../support/gateway.ts';
import { type Issuer, startIssuer } from '../support/issuer.ts';
import { contentsUnder, repository } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { fields, query, WireClient } from '../support/wire.ts';

const JOB = { sub: 'repo:acme/shop:ref:refs/heads/main', repository: 'acme/shop', ref: 'refs/heads/main' };

let issuer: Issuer;
let stage: Stage;
let admin: Client;

beforeAll(async () => {
  issuer = await startIssuer();
  stage = await startStage({ databases: ['app'] }, (server) => ({
    identity: {
      embedded: true,
      workloads: [
        {
          name: 'ci',
          issuer: issuer.issuer,
          audience: 'hoopctl-gateway',
          groups: ['deployers'],
          when: { repository: ['acme/*'], ref: ['refs/heads/main'] },
        },
      ],
    },
    connections: { app: connectionTo(server, 'app') },
    access: [{ who: { groups: ['engineering', 'deployers', 'robots'] }, to: { names: ['app'] } }],
  }));
  admin = await stage.gateway.user('root', { groups: ['admins'] });
});
afterAll(async () => {
  await stage?.stop();
  await issuer?.stop();
});

/** Runs whoami and a query as a job that knows only this environment. */
async function asJob(env: Record<string, string>) {
  const job = stage.gateway.client('job', env);
  const me = await job.run(['whoami', '--json']);
  const script = `
    import pg from 'pg';
    const client = new pg.Client();
    await client.connect();
    console.log((await client.query('select 40 + 2 as n')).rows[0].n);
    console.log(Object.keys(process.env).filter((name) => /^HOOPCTL_(TOKEN|CLIENT|ID_TOKEN)|ACTIONS_ID/.test(name)).join());
    await client.end();`;
  const done = await job.exec('app', [process.execPath, '--input-type=module', '-e', script], { cwd: repository });
  return { me, done };
}

describe('a service account', () => {
  it('has a secret that is shown once and stored hashed; `exec` needs no login', async () => {
    const added = await admin.runOk(['admin', 'service-accounts', 'add', 'nightly', '--group', 'robots']);
    const secret = added.stdout.trim();
    expect(secret.length).toBeGreaterThan(20);
    const file = join(admin.home, 'nightly.secret');
    writeFileSync(file, `${secret}\n`, { mode: 0o600 });
    const env = { HOOPCTL_CLIENT_ID: 'nightly', HOOPCTL_CLIENT_SECRET_FILE: file };
    const { me, done } = await asJob(env);
    expect(JSON.parse(me.stdout)).toMatchObject({ principal: { kind: 'workload', groups: ['robots'] } });
    // The job's child sees none of the variables that carry a secret.
    expect(done).toMatchObject({ code: 0, stdout: '42\n\n' });
    for (const [name, bytes] of contentsUnder(stage.gateway.data)) expect(bytes.includes(secret), name).toBe(false);
    expect(stage.gateway.log).not.toContain(secret);

    const rotated = (await admin.runOk(['admin', 'service-accounts', 'rotate', 'nightly'])).stdout.trim();
    expect(rotated).not.toBe(secret);
    expect((await stage.gateway.client('job', env).run(['whoami'])).code).toBe(4);
    writeFileSync(file, rotated);
    expect((await stage.gateway.client('job', env).run(['whoami'])).code).toBe(0);

    // Removing it cuts what it has open.
    const connected = await stage.gateway.client('job', env).connect('app');
    const client = await WireClient.connect({ port: connected.port, user: 'x', database: 'app' });
    client.send(query('select 1'));
    await client.until('Z');
    await admin.runOk(['admin', 'service-accounts', 'rm', 'nightly']);
    const frames = await client.until('E');
    expect(fields(frames.at(-1)?.body as Buffer).C).toBe('28000');
    await client.ended();
    await connected.stop();
    expect((await stage.gateway.client('job', env).run(['whoami'])).code).toBe(4);
  });
});

describe("a CI's token", () => {
  it('is taken from HOOPCTL_TOKEN, HOOPCTL_TOKEN_FILE and HOOPCTL_ID_TOKEN', async () => {
    const token = await issuer.mint({ ...JOB, aud: 'hoopctl-gateway' });
    const file = join(admin.home, 'ci.jwt');
    writeFileSync(file, `${token}\n`);
    const ways: Record<string, string>[] = [
      { HOOPCTL_TOKEN: token },
      { HOOPCTL_TOKEN_FILE: file },
      { HOOPCTL_ID_TOKEN: token },
    ];
    for (const env of ways) {
      const { me, done } = await asJob(env);
      expect(JSON.parse(me.stdout), me.stderr).toMatchObject({
        principal: { kind: 'workload', issuer: 'ci', groups: ['deployers'], subject: JOB.sub },
      });
      expect(done).toMatchObject({ code: 0, stdout: '42\n\n' });
    }
  });

  it("is fetched from the CI's own token endpoint", async () => {
    const asked: string[] = [];
    const endpoint = createServer((request, response) => {
      asked.push(
        `${request.headers.authorization} ${new URL(request.url ?? '', 'http://x').searchParams.get('audience')}`,
      );
      void issuer.mint({ ...JOB, aud: 'hoopctl-gateway' }).then((value) => response.end(JSON.stringify({ value })));
    });
    await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
    const { done } = await asJob({
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/token?x=1`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-runner',
      HOOPCTL_AUDIENCE: 'hoopctl-gateway',
    });
    endpoint.close();
    expect(done).toMatchObject({ code: 0, stdout: '42\n\n' });
    expect(asked[0]).toBe('Bearer of-the-runner hoopctl-gateway');
  });

  it.each([
    ['another repository', { repository: 'mallory/shop' }],
    ['another branch', { ref: 'refs/heads/evil' }],
    ['a repository that only begins alike', { repository: 'acmex/shop' }],
    ['another audience', { aud: 'somebody-else' }],
    ['a token that has expired', { seconds: -400 }],
    ['another issuer named in it', { iss: 'https://evil.example' }],
  ])('is refused with %s', async (_, claims) => {
    const token = await issuer.mint({ ...JOB, aud: 'hoopctl-gateway', ...claims });
    const done = await stage.gateway.client('job', { HOOPCTL_TOKEN: token }).run(['whoami']);
    expect(done.code).toBe(4);
    expect(done.stderr).not.toBe('');
  });

  it('opens the native listener too', async () => {
    const token = await issuer.mint({ ...JOB, aud: 'hoopctl-gateway' });
    const client = await WireClient.connect({
      port: stage.gateway.nativePort as number,
      user: 'ci',
      database: 'app',
      password: token,
      ca: readFileSync(stage.gateway.caFile, 'utf8'),
    });
    client.send(query('select 42'));
    expect((await client.until('Z')).map(({ type }) => type)).toEqual(['T', 'D', 'C', 'Z']);
    client.close();
  });
});
