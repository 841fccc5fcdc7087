// `policy check --live` against a real server: names that it does not have are warnings, a server that cannot be reached is
// a problem; words, JSON and exit codes.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { freePort, removeDirectory, temporaryDirectory } from '../support/process.ts';
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

it('tells credentials that are not there: a problem where the target would be looked at, else a warning', async () => {
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
    'warning: connections.web.target.jump[0].credentials.password is env:ALSO_NOT, which is not set here',
    'warning: connections.web.credentials.key is file:missing.key, which cannot be read (ENOENT) here',
    '',
  ]);
});
