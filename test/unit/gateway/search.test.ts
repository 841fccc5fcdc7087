// The search index's thread with the index in a store that several gateways share: what it does when that lets nobody in.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Search } from '../../../src/gateway/search/search.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';

const directory = mkdtempSync(join(tmpdir(), 'search-thread-'));
let server: Postgres;
beforeAll(async () => {
  server = await startPostgres({ databases: ['state'] });
});
afterAll(async () => {
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
});

it('goes on with the password as it is by then, and shows nobody the login', { timeout: 120_000 }, async () => {
  await server.query("create role finder login superuser password 'first'", 'state');
  mkdirSync(join(directory, 'log'));
  let password = 'first';
  const silent = () => {};
  const search = new Search({
    ...{ data: directory, gateway: 'gw-1', limit: (bound) => bound },
    objects: { read: () => Promise.reject(new Error('none')) as never },
    log: { debug: silent, info: silent, warn: silent, error: silent } as never,
    shared: async () => {
      const url = `postgres://finder:${password}@127.0.0.1:${server.port}/state?sslmode=disable`;
      return { url, directory };
    },
  });
  search.start();
  const told: string[] = [];
  const answers = () =>
    search.search({ words: ['x'], limit: 1 }, 'somebody').then(
      () => 'found',
      (error: Error) => told.push(error.message),
    );
  await expect.poll(answers, { timeout: 30_000 }).toBe('found');
  told.length = 0;
  password = 'second';
  await server.query(
    "alter role finder password 'second'; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'finder'",
  );
  await answers();
  await expect.poll(answers, { timeout: 30_000 }).toBe('found');
  expect(told.join('\n')).toContain('the store does not answer');
  expect(told.join('\n')).not.toContain('finder');
  await search.stop();
});
