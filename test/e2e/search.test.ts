// Searching in what was recorded, through the command line: real statements of real clients, found by words and fields.

import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually } from '../support/process.ts';
import { endedSession } from '../support/sessions.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';

interface Found {
  operations: { text: string; principal: string; rows?: number; verdict: string; session: string; op: number }[];
  next?: string;
}

describeWith(['psql'], 'sessions search', () => {
  let stage: Stage;
  let bob: Client;
  let eve: Client;

  beforeAll(async () => {
    stage = await startStage(
      { databases: ['app'] },
      (server) => ({
        connections: { app: connectionTo(server, 'app') },
        rules: [{ name: 'no-truncate', when: { does: ['truncate'] }, then: 'deny' }],
        masks: [{ name: 'pii', columns: ['customers.ssn'], as: 'full' }],
      }),
      { setup: "create table customers (id int, ssn text); insert into customers values (1, '123-45-6789')" },
    );
    bob = await stage.gateway.user('bob', { groups: ['engineering'] });
    eve = await stage.gateway.user('eve', { groups: ['auditors'] });
    await stage.alice.run(['psql', 'app', '-c', 'select ssn, 4711 as number from customers']);
    await stage.alice.run(['psql', 'app', '-c', 'truncate customers']);
    await bob.run(['psql', 'app', '-c', 'select nosuchcolumn from customers']);
  });
  afterAll(() => stage?.stop());

  const search = (who: Client, args: string[]) => who.json<Found>(['sessions', 'search', ...args]);
  const texts = async (who: Client, args: string[]) => (await search(who, args)).operations.map((found) => found.text);

  it('finds what was asked, what came back after masking, and how it came out', async () => {
    await eventually('all three are indexed', async () => (await texts(eve, ['customers'])).length === 3);
    expect(await texts(eve, ['4711'])).toEqual(['select ssn, 4711 as number from customers']);
    expect(await texts(eve, ['6789'])).toEqual([]);
    expect(await texts(eve, ['--masked', 'ssn'])).toEqual(['select ssn, 4711 as number from customers']);
    expect(await texts(eve, ['--verdict', 'deny', '--rule', 'no-truncate'])).toEqual(['truncate customers']);
    expect(await texts(eve, ['--error', '42703', '--who', 'bob@example.com'])).toEqual([
      'select nosuchcolumn from customers',
    ]);
    expect(await texts(eve, ['--relation', 'customers', '--rows', '1'])).toHaveLength(1);
    expect(await texts(eve, ['--since', '1h', '--connection', 'app', '--limit', '2'])).toHaveLength(2);
  });

  it('takes no list of words from anybody', async () => {
    const many = Array.from({ length: 9 }, (_, i) => `${String.fromCharCode(97 + i)}*`);
    const { code, stderr } = await bob.run(['sessions', 'search', ...many]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('8 beginnings of words at most, these are 9')]);
    expect((await bob.run(['sessions', 'search', ...many.map(() => 'cust*')])).code).toBe(0);
  });

  it('shows everybody their own only', async () => {
    expect(await texts(bob, ['customers'])).toEqual(['select nosuchcolumn from customers']);
    expect(await texts(bob, ['--who', 'alice@example.com'])).toEqual([]);
  });

  it('is words for people', async () => {
    const shown = await eve.runOk(['sessions', 'search', 'truncate']);
    expect(shown.stdout).toMatch(/WHEN .* OPERATION .* CAME OUT/);
    expect(shown.stdout).toMatch(/#1 +alice@example.com +app +deny .*truncate customers/);
    expect((await eve.runOk(['sessions', 'search', 'nothing-like-it'])).stdout).toBe('nothing found\n');
    expect((await eve.run(['sessions', 'search', '--rows', 'many'])).stderr).toContain('expected such as >10');
    expect(await eve.run(['sessions', 'search', '--', '--', '= *'])).toMatchObject({
      ...{ code: 2, stdout: '', stderr: expect.stringContaining("'-- = *' has no word to search for") },
    });
  });

  it('says so where the index is behind the record, and finds everything as soon as it is not', {
    timeout: 180_000,
  }, async () => {
    const other = new DatabaseSync(join(stage.gateway.data, 'index.sqlite'));
    const behind = /the index is behind: what was recorded since .* may be missing/;
    try {
      // Whatever keeps the index from being written.
      other.exec('begin immediate');
      await stage.alice.run(['psql', 'app', '-c', "select 'meanwhile'"]);
      const shown = await eventually(
        'it is behind',
        async () => {
          const found = await eve.runOk(['sessions', 'search', 'meanwhile']);
          return behind.test(found.stderr) ? found : undefined;
        },
        60_000,
      );
      expect(shown.stdout).toBe('nothing found\n');
      expect(await eve.json(['sessions', 'search', 'meanwhile'])).toMatchObject({ indexed: expect.any(String) });
    } finally {
      other.close();
    }
    const found = await eventually(
      'it has caught up',
      async () => {
        const { stdout, stderr } = await eve.runOk(['sessions', 'search', 'meanwhile']);
        return !behind.test(stderr) && stdout;
      },
      60_000,
    );
    expect(found).toContain("select 'meanwhile'");
    expect((await stage.gateway.get('/metrics')).body).toMatch(/^hoopctl_search_behind_seconds [\d.e-]+$/m);
  });

  it('two sessions are compared, operation by operation', async () => {
    const run = async (...texts: string[]) => {
      await stage.alice.run(['psql', 'app', ...texts.flatMap((text) => ['-c', text])]);
      return endedSession(stage.alice);
    };
    const before = await run('select 1', 'select id from customers', 'select 3');
    const after = await run('select 1', 'select id from customers where id = 2', 'select 3', 'truncate customers');
    const differ = await stage.alice.run(['sessions', 'diff', before, after]);
    expect(differ.code).toBe(1);
    expect(differ.stdout).toContain('- #2 select id from customers\n');
    expect(differ.stdout).toContain('+ #2 select id from customers where id = 2\n');
    expect(differ.stdout).toContain('+ #4 truncate customers\n');
    expect(differ.stdout).toContain('2 operations the same, 0 different');
    const again = await run('select 1', 'select id from customers', 'select 3');
    expect((await stage.alice.run(['sessions', 'diff', before, again])).code).toBe(0);
  });

  describe('the index', () => {
    it('is made again from the record when pages of it are damaged', async () => {
      const { gateway } = stage;
      await gateway.stop();
      const path = join(gateway.data, 'index.sqlite');
      const index = new DatabaseSync(path);
      index.exec('pragma wal_checkpoint(truncate)');
      const names = "'operations', 'operations_by_session', 'bag_data'";
      const pages = index.prepare(`select rootpage from sqlite_schema where name in (${names})`).all();
      index.close();
      const file = openSync(path, 'r+');
      for (const { rootpage } of pages)
        writeSync(file, Buffer.alloc(4096, 0xff), 0, 4096, (Number(rootpage) - 1) * 4096);
      closeSync(file);
      await gateway.start();
      await eventually('everything is found', async () => {
        const { code, stdout } = await eve.run(['sessions', 'search', 'truncate', '--json']);
        return code === 0 && (JSON.parse(stdout) as Found).operations.length > 0;
      });
      expect(gateway.log).toContain('the search index is damaged');
    });

    it('is made again from the record when it is gone', async () => {
      await stage.gateway.stop();
      const { rmSync } = await import('node:fs');
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${stage.gateway.data}/index.sqlite${suffix}`, { force: true });
      await stage.gateway.start();
      await eventually('it is back', async () => (await texts(eve, ['4711'])).length === 1);
    });
  });
});
