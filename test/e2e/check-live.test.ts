// `policy check --live` against a real server: names that it does not have are warnings, a server that cannot be reached is
// a problem; words, JSON and exit codes.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/needs.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { eventually, freePort, removeDirectory, temporaryDirectory } from '../support/process.ts';
import { sshConnectionTo } from '../support/ssh.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { connectionTo } from '../support/stage.ts';
import { hoopctl } from '../unit/cli/memory-io.ts';

let server: Postgres;
let directory: string;
let file: string;

beforeAll(async () => {
  server = await startPostgres({ databases: ['app', 'more'] });
  directory = temporaryDirectory('check-live');
  file = join(directory, 'gateway.yaml');
  await server.query(
    `create schema billing; create table customers (id int, ssn text, "E-Mail" text);
     create view billing.people as select * from customers; create function total() returns int language sql as 'select 1'`,
    'app',
  );
  await server.query('create table elsewhere (token text)', 'more');
});
afterAll(async () => {
  await server?.stop();
  removeDirectory(directory);
});

const env = () => ({ TARGET_PASSWORD: server.password });

function document(more: Record<string, unknown>): void {
  const connections = {
    app: connectionTo(server, 'app', { labels: { env: 'prod' }, target: { databases: ['more'] } }),
  };
  const access = [{ who: { groups: ['dev'] }, to: { names: ['*'] } }];
  writeFileSync(file, JSON.stringify({ connections, access, ...more }, null, 1));
}

/** Lines, without file, line and column. */
const withoutPlaces = (out: string) => out.split('\n').map((line) => line.replace(/^\S+:\d+:\d+: /, ''));

it('warns of each name that no target has, at its place, and of nothing else', async () => {
  document({
    masks: [
      {
        name: 'pii',
        columns: [
          'customers.ssn',
          'customers.snn',
          '*."e-mail"',
          'billing.people.id',
          'elsewhere.token',
          'billing.customers.ssn',
        ],
      },
    ],
    rules: [
      { name: 'a', when: { relations: ['billing.*', 'invoices'] }, then: 'deny' },
      {
        name: 'b',
        when: { columns: ['people.ssn', '*.salary'], functions: ['total', 'pg_sleep', 'totals'] },
        then: 'deny',
      },
    ],
  });
  const { code, out } = await hoopctl(['policy', 'check', file, '--live'], { env: env() });
  expect(code).toBe(0);
  expect(withoutPlaces(out)).toEqual([
    'warning: masks[0].columns[1] is not there: no column "customers.snn" in app; "customers" has id, ssn, e-mail',
    'warning: masks[0].columns[5] is not there: no column "billing.customers.ssn" in app',
    'warning: rules[0].when.relations[1] is not there: no relation "invoices" in app',
    'warning: rules[1].when.columns[1] is not there: no column "*.salary" in app',
    'warning: rules[1].when.functions[2] is not there: no function "totals" in app',
    `${file} is good: 1 connection, 0 tests, 1 target looked at, 5 warnings`,
    '',
  ]);
  const json = await hoopctl(['policy', 'check', file, '--live', '--json'], { env: env() });
  expect(json.code).toBe(0);
  expect(JSON.parse(json.out)).toMatchObject({
    ...{ ok: true, problems: [], checked: ['app'], skipped: [] },
    warnings: [{ path: 'masks[0].columns[1]' }, {}, {}, {}, { path: 'rules[1].when.functions[2]', file }],
  });
});

it('says so when a target cannot be looked at, without its password', async () => {
  document({
    connections: {
      app: connectionTo(server, 'app', { credentials: { user: 'postgres', password: 'env:WRONG_PASSWORD' } }),
      away: connectionTo(server, 'app', { target: { port: await freePort() } }),
    },
    masks: [{ name: 'pii', columns: ['customers.snn'] }],
  });
  const { code, out } = await hoopctl(['policy', 'check', file, '--live'], {
    env: { ...env(), WRONG_PASSWORD: 'not-this-one' },
  });
  expect(code).toBe(1);
  const lines = out.trim().split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^\S+:\d+:\d+: connections\.app has a target that cannot be looked at: /);
  expect(out).not.toMatch(/not-this-one|is good/);
  const offline = await hoopctl(['policy', 'check', file]);
  expect(offline.out).toBe(`${file} is good: 2 connections, 0 tests\n`);
});

it('tells credentials that are not there', async () => {
  const host = { host: '127.0.0.1', port: 22, hostKeys: ['SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'] };
  document({
    connections: {
      app: connectionTo(server, 'app', { credentials: { user: 'postgres', password: 'env:NOT_SET' } }),
      web: {
        protocol: 'ssh',
        target: { ...host, jump: [{ ...host, credentials: { user: 'u', password: 'env:ALSO_NOT' } }] },
        credentials: { user: 'u', key: 'file:missing.key' },
      },
    },
  });
  const { code, out } = await hoopctl(['policy', 'check', file, '--live'], { env: env() });
  expect(code).toBe(1);
  expect(withoutPlaces(out)).toEqual([
    'connections.app.credentials.password is env:NOT_SET, which is not set here',
    'connections.web.target.jump[0].credentials.password is env:ALSO_NOT, which is not set here',
    'connections.web.credentials.key is file:missing.key, which cannot be read (ENOENT) here',
    '',
  ]);
});

it('warns of secrets of what the gateway sends that are not there, and of issuers that do not answer', async () => {
  const [corp, ci] = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`);
  document({
    identity: {
      issuers: [{ name: 'corp', issuer: corp, clientId: 'hoopctl' }],
      workloads: [{ name: 'ci', issuer: ci, audience: 'hoopctl', when: { repository: ['acme/app'] } }],
    },
    webhooks: [{ name: 'ops', url: 'https://127.0.0.1:1', secret: 'env:NO_HOOK', events: ['*'] }],
    exports: [{ name: 'siem', to: 'otlp', url: 'https://127.0.0.1:1', headers: { authorization: 'file:nothing' } }],
  });
  const { code, out } = await hoopctl(['policy', 'check', file, '--live'], { env: env() });
  expect(code).toBe(0);
  const unanswered = (list: string, name: string, url: string | undefined) =>
    `warning: identity.${list}[0].issuer fails here: cannot check a token of issuer "${name}": ${url}/.well-known/openid-configuration: ECONNREFUSED`;
  expect(withoutPlaces(out)).toEqual([
    unanswered('issuers', 'corp', corp),
    unanswered('workloads', 'ci', ci),
    'warning: webhooks[0].secret is env:NO_HOOK, which is not set here; webhook "ops" is sent nothing',
    'warning: exports[0].headers.authorization is file:nothing, which cannot be read (ENOENT) here; export "siem" is sent nothing',
    `${file} is good: 1 connection, 0 tests, 1 target looked at, 4 warnings`,
    '',
  ]);
});

describeWith(['sshd'], 'an SSH host', () => {
  let host: Sshd;
  let other: Sshd;
  beforeAll(async () => {
    [host, other] = await Promise.all([startSshd(), startSshd()]);
  });
  afterAll(async () => {
    await Promise.all([host?.stop(), other?.stop()]);
  });

  async function check(connections: Record<string, Record<string, unknown>>) {
    document({ connections });
    const { code, out } = await hoopctl(['policy', 'check', file, '--live'], { env: env() });
    return { code, lines: withoutPlaces(out.trim()) };
  }

  const through = (jump: Sshd, more: Record<string, unknown> = {}) => {
    const credentials = { user: jump.user, key: `file:${jump.keyFile}`, ...more };
    const way = [{ host: jump.host, port: jump.port, hostKeys: [jump.hostKey], credentials }];
    return sshConnectionTo(host, { target: { ...(sshConnectionTo(host).target as object), jump: way } });
  };

  it('is logged in to, and so are those on the way', async () => {
    const before = host.log().length;
    expect(await check({ web: sshConnectionTo(host), far: through(other) })).toEqual({
      code: 0,
      lines: [`${file} is good: 2 connections, 0 tests, 2 targets looked at`],
    });
    // The host lets in before it writes that down.
    const accepted = () =>
      host
        .log()
        .slice(before)
        .match(/Accepted publickey/g);
    await eventually('both logins are in its log', () => accepted()?.length === 2);
  });

  it('is a problem where it shows another key, does not let us in, or is not there', async () => {
    const target = { host: host.host, port: host.port };
    const { code, lines } = await check({
      changed: sshConnectionTo(host, { target: { ...target, hostKeys: [other.hostKey] } }),
      stranger: sshConnectionTo(host, { credentials: { user: host.user, key: `file:${other.keyFile}` } }),
      away: sshConnectionTo(host, { target: { ...target, port: await freePort(), hostKeys: [host.hostKey] } }),
      behind: through(other, { key: `file:${host.keyFile}` }),
    });
    expect(code).toBe(1);
    const cannot = 'has a target that cannot be looked at: ';
    expect(lines).toEqual([
      expect.stringContaining(
        `connections.changed ${cannot}the host key of "changed" is not the one that is configured`,
      ),
      expect.stringContaining(
        `connections.stranger ${cannot}the host of "stranger" did not take the gateway's credentials`,
      ),
      expect.stringContaining(`connections.away ${cannot}`),
      expect.stringContaining(`connections.behind ${cannot}jump host 1 of "behind" did not take`),
    ]);
  });

  it('has its key verified where only a session can log in, and that is told', async () => {
    const session = { credentials: { user: host.user, certificate: 'session' } };
    const own = { credentials: { user: { email: 'example.com' }, key: `file:${host.keyFile}` } };
    const wrong = { target: { host: host.host, port: host.port, hostKeys: [other.hostKey] } };
    const but = 'has a target that was reached, but for the login to';
    expect(await check({ web: sshConnectionTo(host, session), mine: sshConnectionTo(host, own) })).toEqual({
      code: 0,
      lines: [
        `not tried: connections.web ${but} the host of "web": its certificate is made by the gateway for a session`,
        `not tried: connections.mine ${but} the host of "mine": its account is that of whoever comes`,
        `${file} is good: 2 connections, 0 tests, 2 targets looked at`,
      ],
    });
    expect(await check({ web: sshConnectionTo(host, { ...session, ...wrong }) })).toMatchObject({
      code: 1,
      lines: [expect.stringContaining('the host key of "web" is not the one that is configured')],
    });
  });
});
