// `policy explain`, `test` and `replay` say offline what the gateway says: of statements, of masks, and of a host's shells,
// files and forwardings, against real servers.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { run } from '../support/process.ts';
import { allSealed } from '../support/sessions.ts';
import { plainSsh, sshConnectionTo } from '../support/ssh.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { connectionTo } from '../support/stage.ts';
import { fields, query, WireClient } from '../support/wire.ts';

interface Replay {
  readonly operations: number;
  readonly differ: readonly { was: string; now: string; rule?: string; text: string }[];
}

describeWith(['sshd'], 'a policy offline', () => {
  let server: Postgres;
  let sshd: Sshd;
  let gateway: Gateway;
  let alice: Client;

  const config = (rules: readonly object[] = []) => ({
    connections: {
      'prod-db': connectionTo(server, 'app', { labels: { env: 'prod' } }),
      host: sshConnectionTo(sshd, { labels: { env: 'prod' } }),
      guarded: sshConnectionTo(sshd),
    },
    access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
    rules: [
      { name: 'no-drop', to: { labels: { env: 'prod' } }, when: { does: ['drop'] }, then: 'deny' },
      { name: 'no-shadow', to: { names: ['guarded'] }, when: { places: ['/etc/shadow'] }, then: 'deny' },
      ...rules,
    ],
    masks: [{ name: 'pii', to: { names: ['prod-db'] }, columns: ['customers.ssn'], as: 'partial' }],
  });

  beforeAll(async () => {
    server = await startPostgres({ databases: ['app'] });
    sshd = await startSshd();
    await server.query(
      "create table customers (id int, ssn text, city text); insert into customers values (1, '123', 'Bonn');",
      'app',
    );
    gateway = await startGateway({ config: config(), env: { TARGET_PASSWORD: server.password } });
    alice = await gateway.user('alice', { groups: ['engineering'] });
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await sshd?.stop();
    await server?.stop();
  });

  /** What is said offline with this configuration of what is on record. */
  async function replay(rules: readonly object[] = []): Promise<Replay> {
    const file = join(gateway.directory, 'new.yaml');
    writeFileSync(file, JSON.stringify(config(rules)));
    await allSealed(gateway);
    return alice.json<Replay>(['policy', 'replay', file, '--data', gateway.data]);
  }

  async function explained(to: string, ...asked: string[]): Promise<{ verdict: string; rule?: string }> {
    const words = ['policy', 'explain', gateway.configFile, '--as', 'group=engineering', '--to', to, ...asked];
    return (await alice.json<{ verdict: { verdict: string; rule?: string } }>(words)).verdict;
  }

  it('statements, and what masks refuse of them', async () => {
    const connected = await alice.connect('prod-db');
    const client = await WireClient.connect({ port: connected.port, user: 'alice', database: 'app' });
    const texts = [
      "select * from customers where ssn like '1%'",
      'select city from customers order by ssn',
      'select distinct * from customers',
      'update customers set city = ssn',
      'create table copy as select * from customers',
      "create function f() returns int language sql as 'select 1'",
      "select * from customers where ssn = '123'",
      "select * from customers where city like 'B%' order by city",
      'create table cities as select city from customers',
      "insert into customers (ssn) values ('1')",
      'begin; delete from customers; drop table customers;',
    ];
    const told: string[] = [];
    for (const text of texts) {
      client.send(query(text));
      const frames = await client.until('Z');
      const error = frames.find(({ type }) => type === 'E');
      const said = error === undefined ? '' : fields(error.body).M!;
      const rule = /(?:rule|mask) "(.*?)"/.exec(said)?.[1];
      const got = await explained('prod-db', text);
      const offline = got.verdict === 'deny' ? `deny ${got.rule}` : got.verdict;
      expect([text, offline]).toEqual([text, error === undefined ? 'allow' : `deny ${rule}`]);
      told.push(said);
    }
    // What was denied is named first.
    expect(told.at(-1)).toMatch(/^drop, transaction, begin and 1 more on customers is denied by rule "no-drop"/);
    client.close();
    await connected.stop();
    expect(await replay()).toMatchObject({ operations: texts.length, differ: [] });
    const { differ } = await replay([
      { name: 'quiet', to: { names: ['prod-db'] }, when: { does: ['insert'] }, then: 'deny' },
    ]);
    expect(differ).toMatchObject([{ was: 'allow', now: 'deny', rule: 'quiet', text: texts[9] }]);
  });

  it('shells, files and forwardings of a host', async () => {
    const connected = await alice.connect(['host', 'guarded']);
    const options = async (name: string) => await plainSsh(alice, connected.ports[name]!, name);
    const ssh = async (name: string, input: string) =>
      run('ssh', ['-T', ...(await options(name))], { env: alice.env, input });
    // A rule of PostgreSQL's words shuts no shell.
    expect(await ssh('host', 'echo hello\n')).toMatchObject({ code: 0, stdout: 'hello\n' });
    const shut = await ssh('guarded', 'echo hello\n');
    expect(shut.stderr).toMatch(
      /shell is denied by rule "opaque"\s+next: have a rule allow it: \{ when: \{ does: \[shell\] \}, then: allow \}; what/,
    );
    const sftp = async (batch: string) => {
      const args = (await options('guarded')).map((word, i, all) =>
        all[i - 1] === undefined || word !== '-p' ? word : '-P',
      );
      return run('sftp', [...args.slice(0, -1), '-b', '-', args.at(-1)!], { env: alice.env, input: batch });
    };
    expect((await sftp('get /etc/shadow /dev/null\n')).stderr).toMatch(/no-shadow/);
    expect((await sftp('get /etc/hostname /dev/null\n')).code).toBe(0);
    const forwarded = await run('ssh', ['-W', '127.0.0.1:9', ...(await options('guarded'))], { env: alice.env });
    expect(forwarded.code).not.toBe(0);
    await connected.stop();
    // Told before somebody tries.
    const described = async (name: string) => (await alice.json<{ shut: string[] }>(['describe', name])).shut;
    expect(await described('host')).toEqual([]);
    expect(await described('guarded')).toContain('shell');
    expect((await alice.runOk(['describe', 'guarded'])).stdout).toMatch(
      /^refused +shell, .*does: \[shell\] \}, then: allow/m,
    );

    const said = async (...words: string[]) => (await explained('guarded', ...words)).rule ?? 'allow';
    expect(await said('--does', 'shell')).toBe('opaque');
    expect(await said('--does', 'sftp-read', '/etc/shadow')).toBe('no-shadow');
    expect(await said('--does', 'sftp-read', 'read /etc/hostname')).toBe('allow');
    expect(await said('--does', 'forward', '127.0.0.1:9')).toBe('opaque');
    expect((await explained('host', '--does', 'shell')).verdict).toBe('allow');

    expect((await replay()).differ).toEqual([]);
    const { differ } = await replay([
      { name: 'no-shell', to: { names: ['host'] }, when: { does: ['shell'] }, then: 'deny' },
      { name: 'shells', to: { names: ['guarded'] }, when: { does: ['shell', 'forward'] }, then: 'allow' },
    ]);
    expect(differ.map(({ was, now, rule, text }) => `${was} → ${now} ${rule} ${text}`).sort()).toEqual([
      'allow → deny no-shell shell',
      'deny → allow shells 127.0.0.1:9',
      'deny → allow shells shell',
    ]);
  });
});
