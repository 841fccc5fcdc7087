// Both sides of the gateway held against each other: a real server's log in each of its forms, and its counts. What came
// through the gateway agrees; what did not, and what was taken out of the record, is named.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newIdentity } from '../../src/session/recorder/age/keys.ts';
import type { Client } from '../support/gateway.ts';
import { logEntries } from '../support/log.ts';
import { DEBIAN_POSTGRES, describeWith } from '../support/needs.ts';
import { copyUnder, sleep } from '../support/process.ts';
import { allLogged, LOGGING, logOf, PREFIX, type Reconciled, runDirect } from '../support/reconcile.ts';
import { pendingReview } from '../support/reviews.ts';
import { allSealed, purge } from '../support/sessions.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { bind, execute, parse, query, sync, WireClient } from '../support/wire.ts';

const key = newIdentity(new Date());
const credentials = { user: 'gw', password: 'env:TARGET_PASSWORD' };
let stage: Stage;
let auditor: Client;
let admin: Client;
let from: string;
let logs: Record<'plain' | 'csv' | 'json', string>;

describeWith(['postgresql-15', 'psql', 'pgbench'], 'the record against what the server says', () => {
  beforeAll(async () => {
    stage = await startStage(
      {
        version: 'debian15',
        databases: ['app', 'other'],
        config: {
          ...LOGGING,
          log_destination: "'stderr,csvlog,jsonlog'",
        },
      },
      (server) => ({
        connections: {
          app: connectionTo(server, 'app', { credentials }),
          other: connectionTo(server, 'other', { credentials }),
          shut: connectionTo(server, 'app', { credentials, recording: { encrypt: { recipients: [key.recipient] } } }),
          boss: connectionTo(server, 'app'),
        },
        access: [{ who: { groups: ['engineering', 'dba'] }, to: { names: ['*'] } }],
        rules: [
          { name: 'no-drop', when: { does: ['drop'] }, then: 'deny' },
          { name: 'no-secrets', when: { relations: ['secrets'] }, then: 'deny' },
          {
            name: 'writes',
            when: { relations: ['held'], does: ['insert'] },
            then: 'review',
            reviewers: { groups: ['dba'] },
          },
        ],
        masks: [{ name: 'pii', columns: ['customers.ssn'], as: 'partial' }],
        roles: { auditor: { groups: ['auditors'] }, admin: { groups: ['admins'] } },
        // A recording is changed by hand.
        recordings: { compress: false },
      }),
      {
        database: 'app',
        setup: `create extension pg_stat_statements; create role gw superuser login;
          create table customers (n int, ssn text); create table held (n int); create table secrets (n int);
          create view v as select * from customers; insert into customers values (1, '123-45-6789')`,
      },
    );
    const { server } = stage;
    await server.query(`alter role gw password '${server.password}'`);
    auditor = await stage.gateway.user('iris', { groups: ['auditors'] });
    admin = await stage.gateway.user('carol', { groups: ['admins'] });
    const [plainLog, csv, json] = await Promise.all(['.log', '.csv', '.json'].map((ending) => logOf(server, ending)));
    logs = { plain: plainLog!, csv: csv!, json: json! };
    from = new Date().toISOString();
    await work(await stage.gateway.user('bob', { groups: ['dba'] }));
  });
  afterAll(() => stage?.stop());

  async function work(bob: Client): Promise<void> {
    const { alice, gateway } = stage;
    await alice.exec('app', ['psql', '-c', 'select ssn from v', '-c', `select 'two\nlines\n\t"and" a tab; it''s'`]);
    await alice.exec('app', ['psql', '-c', 'select 1; select 2']);
    await alice.exec('other', ['psql', '-c', 'select 10']);
    await alice.exec('app', ['psql', '-c', 'drop table held']);
    await alice.exec('app', ['psql', '-c', 'select * from secrets']);
    await alice.exec('app', ['psql', '-c', 'selec 1']);
    await alice.exec('app', ['psql', '-c', 'select 1/0']);
    await alice.exec('app', ['psql', '-c', 'prepare p as select $1::int', '-c', 'execute p(7)']);
    await alice.exec('app', ['psql', '-c', 'copy (select 1) to stdout']);
    const held = alice.exec('app', ['psql', '-c', 'insert into held values (1)']);
    await bob.runOk(['reviews', 'approve', (await pendingReview(bob, 'into held')).id]);
    await held;
    await alice.exec('app', [`${DEBIAN_POSTGRES}/pgbench`, '-i', '-I', 'tgvp', '-q', '-s', '1']);
    for (const mode of ['simple', 'extended', 'prepared']) {
      await alice.exec('app', [`${DEBIAN_POSTGRES}/pgbench`, '-n', '-M', mode, '-c', '2', '-t', '20']);
    }
    const password = await alice.token('app');
    const ca = readFileSync(gateway.caFile, 'utf8');
    const client = await WireClient.connect({
      port: gateway.nativePort!,
      ca,
      user: 'alice',
      database: 'app',
      password,
    });
    client.send(Buffer.concat([parse('one', 'select $1::text'), bind('', 'one', ['x']), execute(''), sync()]));
    await client.until('Z');
    client.send(query('begin; select 3; commit'));
    await client.until('Z');
    client.destroy();
    await allSealed(gateway);
  }

  async function reconcile(more: readonly string[], code = 0): Promise<Reconciled> {
    await allLogged(stage.server, Object.values(logs));
    const done = await auditor.run(['audit', 'reconcile', 'app', '--from', from, '--json', ...more]);
    expect(done.code, `${done.stdout}\n${done.stderr}`).toBe(code);
    return JSON.parse(done.stdout) as Reconciled;
  }

  const plain = () => ['--log', logs.plain, '--log-prefix', PREFIX];

  it('agrees, in each form of the log, from the gateway and from its data directory', async () => {
    const found = await reconcile(plain());
    expect(found).toMatchObject({ ok: true, notRecorded: [], notLogged: [], incomplete: [] });
    expect(found.connections).toEqual(['app', 'other', 'shut']);
    expect(found.matched).toBeGreaterThan(120);
    expect(found.own).toBeGreaterThan(5);
    expect((await reconcile(['--log', logs.csv])).matched).toBe(found.matched);
    expect((await reconcile(['--log', logs.json, '--data', stage.gateway.data])).matched).toBe(found.matched);
    expect(
      (await logEntries(stage.gateway.data)).filter(({ kind }) => kind === 'export').length,
    ).toBeGreaterThanOrEqual(2);
  });

  it('finds what was asked for before the time that is looked at, and let through in it', async () => {
    const { alice, gateway } = stage;
    const bob = await gateway.user('robert', { groups: ['dba'] });
    const held = alice.exec('app', ['psql', '-c', 'insert into held values (77)']);
    const { id } = await pendingReview(bob, 'values (77)');
    // Further apart than the tolerance.
    await sleep(1000);
    const since = new Date().toISOString();
    await bob.runOk(['reviews', 'approve', id]);
    await held;
    await allSealed(gateway);
    await allLogged(stage.server, Object.values(logs));
    for (const more of [[], ['--data', gateway.data]]) {
      const args = ['--from', since, '--tolerance', '500ms', '--log', logs.csv, '--json', ...more];
      const done = await auditor.run(['audit', 'reconcile', 'app', ...args]);
      expect([done.code, JSON.parse(done.stdout)]).toMatchObject([0, { notRecorded: [], notLogged: [] }]);
      expect((JSON.parse(done.stdout) as Reconciled).matched).toBeGreaterThan(0);
    }
  });

  it('names what ran under the account beside the gateway, whatever it calls itself', async () => {
    const { server } = stage;
    // As the gateway would call itself, one of them a text that did come through it.
    await runDirect(server, 'select ssn from v', 'psql (alice@example.com via hoopctl)');
    await runDirect(server, 'select * from secrets', 'hoopctl catalogue');
    await runDirect(server, 'select 42', 'x other@app');
    await runDirect(server, 'select 43', 'x ERROR:  y');
    for (const args of [plain(), ['--log', logs.csv], ['--log', logs.json]]) {
      const { notRecorded, notLogged } = await reconcile(args, 1);
      expect(notRecorded.map(({ text }) => text).sort()).toEqual([
        'select * from secrets',
        'select 42',
        'select 43',
        'select ssn from v',
      ]);
      expect(notLogged).toEqual([]);
    }
    const told = await auditor.run(['audit', 'reconcile', 'app', '--from', from, ...plain()]);
    expect([told.code, told.stdout]).toEqual([
      1,
      expect.stringMatching(
        /^\d+ statements of gw in both, .*\ncompared with what came by app, other, shut\ndid not come through the gateway: 4\n {2}\S+ {2}line \d+ {2}gw@app, application "psql \(alice@example\.com via hoopctl\)": select ssn from v\n/,
      ),
    ]);
  });

  it('names what the record says was sent and the server does not know of', async () => {
    const copy = join(auditor.home, 'forged');
    copyUnder(stage.gateway.recordings, join(copy, 'recordings'));
    copyUnder(join(stage.gateway.data, 'log'), join(copy, 'log'));
    // One statement is taken out of the record, and another put in its place.
    const file = filesWith(copy, 'select 1; select 2');
    writeFileSync(file, readFileSync(file, 'utf8').replace('select 1; select 2', 'select 8; select 9'));
    const { notRecorded, notLogged } = await reconcile([...plain(), '--data', copy], 1);
    expect(notRecorded.map(({ text }) => text)).toContain('select 1; select 2');
    expect(notLogged.map(({ text }) => text)).toEqual(['select 8; select 9']);
  });

  function filesWith(directory: string, text: string): string {
    const all = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name));
    return all.find(
      (name) => name.endsWith('.jsonl') && name.includes('recordings') && readFileSync(name, 'utf8').includes(text),
    )!;
  }

  it('compares counts where there is no log', async () => {
    const { alice, gateway, server } = stage;
    const counts = ['audit', 'reconcile', 'app', '--counts', 'counts.json', '--config', gateway.configFile, '--json'];
    const env = { TARGET_PASSWORD: server.password };
    const without = await auditor.run(counts);
    expect([without.code, without.stderr]).toEqual([
      1,
      expect.stringContaining('connections.app.credentials.password is env:TARGET_PASSWORD, which is not set here'),
    ]);
    await auditor.runOk(counts, { env });
    expect(existsSync(join(auditor.home, 'counts.json'))).toBe(true);
    for (let i = 0; i < 3; i++)
      await alice.exec('app', ['psql', '-c', `select ssn, ${i} from customers where n = ${i}`]);
    await alice.exec('app', ['psql', '-c', 'select 5; select 6, 7']);
    // Of these the second fails, and the third is not reached.
    await alice.exec('app', ['psql', '-c', 'select 1, 2, 3, 4; select 1/0, 2, 3, 4, 5; select 1, 2, 3, 4, 5, 6']);
    await alice.exec('other', ['psql', '-c', 'select 8, 9, 10']);
    await allSealed(gateway);
    const agreed = await auditor.run(counts, { env });
    expect([agreed.code, agreed.stdout]).toEqual([0, expect.stringContaining('"differences":[]')]);
    await server.query('set role gw; select ssn from customers where n = 99', 'app');
    await sleep(10);
    await runDirect(server, 'select ssn from customers where n = 98');
    const differs = await auditor.run(counts, { env });
    expect(differs.code).toBe(1);
    const { differences } = JSON.parse(differs.stdout) as {
      differences: { text: string; target: number; record: number }[];
    };
    expect(differences).toContainEqual({
      text: expect.stringContaining('select ssn from customers where n ='),
      target: expect.any(Number),
      record: 0,
    });
  });

  it('accuses nobody of what it cannot read, and says because of which connection', async () => {
    const { alice, gateway } = stage;
    from = new Date().toISOString();
    await alice.exec('other', ['psql', '-c', 'select 100']);
    await alice.exec('shut', ['psql', '-c', 'select 200']);
    await allSealed(gateway);
    const { sessions } = await admin.json<{ sessions: { id: string }[] }>(['sessions', 'ls']);
    const [shut, other] = sessions.map(({ id }) => id);
    const texts = (found: Reconciled) => found.notRecorded.map(({ text }) => text);
    const found = await reconcile(plain(), 1);
    expect([texts(found), found.incomplete]).toEqual([
      ['select 200'],
      [{ gateway: found.gateways[0]!.gateway, connection: 'shut', why: 'encrypted', sessions: [shut] }],
    ]);
    const { stdout } = await auditor.run(['audit', 'reconcile', 'app', '--from', from, ...plain()]);
    expect(stdout).toContain(
      'compared with what came by app, other, shut\nnot found in what could be read of the record: 1\n',
    );
    expect(stdout).toContain("incomplete because of 'shut': 1 recording is encrypted");
    writeFileSync(join(auditor.home, 'auditor.key'), key.file);
    const opened = [...plain(), '--identity', 'auditor.key'];
    expect((await reconcile(opened)).incomplete).toEqual([]);
    // Asked for by its own name it is refused unread.
    const refused = await auditor.run(['audit', 'reconcile', 'shut', '--from', from, ...plain()]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining(`what session ${shut} sent is encrypted`),
    ]);
    await purge(admin, other!, 'asked for');
    const left = await reconcile(opened, 1);
    expect([texts(left), left.incomplete]).toEqual([
      ['select 100'],
      [{ gateway: left.gateways[0]!.gateway, connection: 'other', why: 'purged', sessions: [other] }],
    ]);
  });

  it('says of a copy that it ends before what the server logged', async () => {
    const { alice, gateway } = stage;
    from = new Date().toISOString();
    const copy = join(auditor.home, 'copy');
    for (const part of ['log', 'recordings']) copyUnder(join(gateway.data, part), join(copy, part));
    await sleep(1500);
    await alice.exec('other', ['psql', '-c', 'select 300']);
    await allSealed(gateway);
    await allLogged(stage.server, Object.values(logs));
    const args = ['audit', 'reconcile', 'app', '--from', from, ...plain(), '--tolerance', '500ms', '--data'];
    const old = await auditor.run([...args, copy]);
    expect([old.code, old.stdout]).toEqual([1, expect.stringContaining('select 300')]);
    expect(old.stderr).toMatch(
      new RegExp(`the record of \\S+ in '${copy}' ends at .*: of what ran later it cannot say`),
    );
    const whole = await auditor.run([...args, gateway.data]);
    expect([whole.code, whole.stderr]).toEqual([0, '']);
  });

  it.each([
    [[], 'neither --log nor --counts is given'],
    [['--log', 'nothing.log'], "there is no file 'nothing.log'"],
    [['--log', 'PLAIN'], 'its prefix has to be told'],
    [['--log', 'PLAIN', '--log-prefix', '%m [%p] '], "the prefix '%m [%p] ' tells no account or no time"],
    [['--log', 'ZONE', '--log-prefix', '%m %u '], "line 1 of the log has the time '2026-11-20 07:00:00.000 CET'"],
  ])('%j is refused with words', async (args, words) => {
    mkdirSync(auditor.home, { recursive: true });
    writeFileSync(join(auditor.home, 'zone.log'), '2026-11-20 07:00:00.000 CET gw LOG:  statement: select 1\n');
    const given = args.map((one) => (one === 'PLAIN' ? logs.plain : one === 'ZONE' ? 'zone.log' : one));
    const done = await auditor.run(['audit', 'reconcile', 'app', '--from', '1h', ...given]);
    expect([done.code, done.stderr]).toEqual([2, expect.stringContaining(words)]);
  });
});
