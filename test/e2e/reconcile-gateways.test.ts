// Both sides held against each other where two gateways have one store in PostgreSQL and reach one server by one account: the
// records of both agree with a real server's log and counts, one that is left out is named, and so is what went around both.

import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBalancer } from '../support/balancer.ts';
import { makeCertificates } from '../support/certificates.ts';
import { type Client, Gateway, startGateway } from '../support/gateway.ts';
import { logEntries } from '../support/log.ts';
import { describeWith } from '../support/needs.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { copyUnder, eventually, temporaryDirectory } from '../support/process.ts';
import { allLogged, LOGGING, logOf, PREFIX, type Reconciled, runDirect } from '../support/reconcile.ts';
import { wireThrough } from '../support/reviews.ts';
import { allSealed } from '../support/sessions.ts';
import { connectionTo } from '../support/stage.ts';
import { query } from '../support/wire.ts';

const credentials = { user: 'gw', password: 'env:TARGET_PASSWORD' };

describeWith(['postgresql-15', 'psql'], 'the records of two gateways on one store against what one server says', () => {
  let server: Postgres;
  let state: Postgres;
  let gateways: Gateway[];
  /** Those behind one address. */
  const behind: Gateway[] = [];
  let stopBalancer: (() => void) | undefined;
  let ids: string[];
  let iris: Client[];
  let since: string;
  let log: string;
  let env: Record<string, string>;
  let config: Record<string, unknown>;

  beforeAll(async () => {
    [server, state] = await Promise.all([
      startPostgres({ version: 'debian15', databases: ['app'], config: LOGGING }),
      startPostgres({ databases: ['state'] }),
    ]);
    await server.query(
      `create extension pg_stat_statements; create role gw superuser login password '${server.password}'`,
      'app',
    );
    log = await logOf(server, '.log');
    env = { TARGET_PASSWORD: server.password, HOOPCTL_STORE_URL: `${state.url('state')}?sslmode=disable` };
    config = {
      connections: {
        app: connectionTo(server, 'app', { credentials }),
        same: connectionTo(server, 'app', { credentials }),
      },
      access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
      roles: { auditor: { groups: ['auditors'] } },
    };
    gateways = await Promise.all([1, 2].map(() => startGateway({ config, env })));
    const [a, b] = gateways as [Gateway, Gateway];
    const users = [
      await a.user('alice', { groups: ['engineering'] }),
      await a.user('iris', { groups: ['auditors'] }),
      await b.login('alice'),
      await b.login('iris'),
    ] as const;
    iris = [users[1], users[3]];
    const listed = await users[1].json<{ gateways: { id: string; url: string }[] }>(['admin', 'gateways', 'ls']);
    ids = gateways.map(({ url }) => listed.gateways.find((one) => one.url === url)!.id);
    since = new Date().toISOString();
    await users[0].exec('app', ['psql', '-c', 'select 1']);
    await users[2].exec('app', ['psql', '-c', 'select 2']);
    await users[2].exec('same', ['psql', '-c', 'select 3']);
    await sealed();
  });
  afterAll(async () => {
    stopBalancer?.();
    await Promise.all([...(gateways ?? []), ...behind].map((gateway) => gateway[Symbol.asyncDispose]()));
    await Promise.all([server?.stop(), state?.stop()]);
  });

  const sealed = () => Promise.all(gateways.map(allSealed));
  const copyOf = ({ data }: Gateway, copy: string, ...more: string[]) => {
    for (const part of ['log', 'recordings']) copyUnder(join(data, part), join(copy, part));
    for (const part of more) cpSync(join(data, part), join(copy, part));
  };
  const given = (...directories: string[]) => directories.flatMap((one) => ['--data', one]);
  const args = (more: readonly string[]) => [
    ...['audit', 'reconcile', 'app', '--from', since, '--log', log, '--log-prefix', PREFIX, ...more],
  ];
  async function reconcile(more: readonly string[], code: number, who = iris[0]!): Promise<Reconciled> {
    await allLogged(server, [log]);
    const done = await who.run(args([...more, '--json']), { env });
    expect(done.code, `${done.stdout}\n${done.stderr}`).toBe(code);
    return JSON.parse(done.stdout) as Reconciled;
  }
  const texts = ({ notRecorded }: Reconciled) => notRecorded.map(({ text }) => text).sort();
  /** Whose sessions are told as not taken in, and by which connections. */
  const lacks = ({ incomplete }: Reconciled) =>
    incomplete.map(({ gateway, connection, why, sessions }) => [gateway, connection, why, sessions.length]);

  it('agrees over both', async () => {
    const [a, b] = gateways as [Gateway, Gateway];
    const found = await reconcile(given(a.data, b.data), 0);
    expect(found).toMatchObject({ ok: true, matched: 3, notRecorded: [], notLogged: [], incomplete: [] });
    expect(found.gateways).toEqual([
      { gateway: ids[0], data: a.data },
      { gateway: ids[1], data: b.data },
    ]);
    const { stdout } = await iris[0]!.runOk(args(given(a.data, b.data)), { env });
    expect(stdout).toContain(`compared with the records of ${ids[0]} (${a.data}), ${ids[1]} (${b.data})\n`);
    // Each of them has it on record that it was read.
    for (const { data } of [a, b]) {
      await eventually('the reading is on record', async () =>
        (await logEntries(data)).some(({ kind, fields }) => kind === 'export' && fields.what === 'reconciled'),
      );
    }
  });

  it('accuses nobody of what came through the one that is left out, and names it', async () => {
    const [a, b] = gateways as [Gateway, Gateway];
    const left = [
      [ids[1], 'app', 'elsewhere', 1],
      [ids[1], 'same', 'elsewhere', 1],
    ];
    for (const more of [given(a.data), []]) {
      const found = await reconcile(more, 1);
      expect([texts(found), lacks(found)]).toEqual([['select 2', 'select 3'], left]);
    }
    // Asked for at the other one it is the other way round.
    const other = await reconcile([], 1, iris[1]);
    expect([texts(other), lacks(other)]).toEqual([['select 1'], [[ids[0], 'app', 'elsewhere', 1]]]);
    const { stdout } = await iris[0]!.run(args(given(b.data)), { env });
    expect(stdout).not.toContain('did not come through');
    expect(stdout).toContain('not found in what could be read of the record: 1\n');
    expect(stdout).toContain(
      `incomplete because of 'app': 1 recording is of ${ids[0]}, whose record is not taken in (--data DIR, once for each gateway)\n`,
    );
  });

  it('says what a copy is too old for, and when nobody can be asked which other gateways there are', async () => {
    const [a, b] = gateways as [Gateway, Gateway];
    const copy = join(iris[0]!.home, 'copy');
    const alice = await b.login('alice');
    // Of this one the copy has the beginning.
    const { client, stop } = await wireThrough(alice, 'same');
    client.send(query('select 4'));
    await client.until('Z');
    copyOf(b, copy, 'gateway.json');
    client.send(query('select 5'));
    await client.until('Z');
    await stop();
    await alice.exec('app', ['psql', '-c', 'select 6']);
    await sealed();
    const old = await reconcile(given(a.data, copy), 1);
    expect([texts(old), lacks(old)]).toEqual([
      ['select 5', 'select 6'],
      [
        [ids[1], 'app', 'missing', 1],
        [ids[1], 'same', 'missing', 1],
      ],
    ]);
    rmSync(join(copy, 'gateway.json'));
    const alone = await reconcile(given(copy), 1);
    expect([texts(alone), lacks(alone)]).toEqual([
      ['select 1', 'select 5', 'select 6'],
      [[ids[1], 'app', 'store not asked', 0]],
    ]);
  });

  it.each(['the directory', 'a copy', 'a copy of log and recordings'])(
    'refuses the same gateway twice: %s',
    async (what) => {
      const { data } = gateways[0]!;
      const copy = join(iris[0]!.home, what.replaceAll(' ', '-'));
      if (what !== 'the directory') copyOf(gateways[0]!, copy, ...(what === 'a copy' ? ['gateway.json'] : []));
      const twice = what === 'the directory' ? data : copy;
      const done = await iris[0]!.run(args(given(data, twice)), { env });
      expect([done.code, done.stderr]).toEqual([
        2,
        expect.stringContaining(`--data '${data}' and --data '${twice}' are both of gateway ${ids[0]}`),
      ]);
    },
  );

  it('finds what went around both, in the log and in the counts', async () => {
    const [a, b] = gateways as [Gateway, Gateway];
    const counts = (...directories: string[]) => [
      ...['audit', 'reconcile', 'app', '--counts', 'counts.json', '--config', a.configFile, ...given(...directories)],
    ];
    await iris[0]!.runOk(counts(), { env });
    const alice = await b.login('alice');
    await alice.exec('app', ['psql', '-c', 'select 5, 6']);
    await sealed();
    const agreed = await iris[0]!.run(counts(a.data, b.data), { env });
    expect([agreed.code, agreed.stdout]).toEqual([0, expect.stringContaining('both sides agree')]);
    const part = await iris[0]!.run(counts(a.data), { env });
    expect([part.code, part.stdout]).toEqual([
      1,
      expect.stringMatching(
        new RegExp(`target 1, record 0: .*\nincomplete because of 'app': 1 recording is of ${ids[1]},`),
      ),
    ]);
    await runDirect(server, "select 'around', 'both'");
    const around = await reconcile(given(a.data, b.data), 1);
    expect([texts(around), around.incomplete]).toEqual([["select 'around', 'both'"], []]);
    const { stdout } = await iris[0]!.run(args(given(a.data, b.data)), { env });
    expect(stdout).toContain('did not come through the gateway: 1\n');
    const counted = await iris[0]!.run(counts(a.data, b.data), { env });
    expect([counted.code, counted.stdout]).toEqual([1, expect.stringContaining('target 2, record 1: ')]);
    expect(counted.stdout).not.toContain('incomplete');
  });

  it('is refused where several answer at one address: which one would tell?', async () => {
    const balancer = await startBalancer();
    stopBalancer = balancer.stop;
    const { caFile, certFile: cert, keyFile: key } = await makeCertificates(temporaryDirectory('tls'));
    const shared = { ...config, publicUrl: `https://127.0.0.1:${balancer.port}`, tls: { cert, key } };
    const both = await Promise.all([1, 2].map(() => startGateway({ config: shared, env, caFile })));
    behind.push(...both);
    balancer.ports = both.map(({ port }) => port);
    const front = new Gateway({ ...both[0]!, port: balancer.port, nativePort: undefined, env });
    front.caFile = caFile;
    const auditor = await front.login('iris');
    const refused = await auditor.run(args([]));
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/2 gateways answer at \S+ \(gw-.*, gw-/)]);
    // By their directories it is plain.
    const told = await auditor.run(args([...given(...[...gateways, ...both].map(({ data }) => data)), '--json']), {
      env,
    });
    expect((JSON.parse(told.stdout) as Reconciled).gateways).toHaveLength(4);
    // Alone at that address, one is asked as any.
    await both[1]!.stop();
    balancer.ports = [both[0]!.port];
    const left = await auditor.run(args(['--json']));
    expect(lacks(JSON.parse(left.stdout) as Reconciled).map(([gateway]) => gateway)).toEqual(
      expect.arrayContaining(ids),
    );
  }, 60_000);
});
