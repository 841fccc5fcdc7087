// What rules cost: the same statements through the native listener, on connections with no rules, ten, and a thousand.
// A figure is the gateway's CPU (user and system, all threads) a statement: what else runs on the machine does not touch it
// as it does the wall clock. Many short rounds, because it does touch it, through caches and shared cores.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startGateway } from '../../test/support/gateway.ts';
import type { Postgres } from '../../test/support/postgres.ts';
import { pathWithNode, runOk, temporaryDirectory } from '../../test/support/process.ts';
import { interleave, type Rounds } from './numbers.ts';
import { native, type Path } from './stage.ts';

const CLIENTS = 4;

const CONNECTIONS = { free: 0, ten: 10, thousand: 1000 };
type Connection = keyof typeof CONNECTIONS;

/** pgbench scripts and how they are sent. */
const LOADS = {
  /** One text, prepared once a client. */
  prepared: { script: 'select abalance from pgbench_accounts where aid = 42;', mode: 'prepared' },
  /** One text, sent as a Query each time. */
  repeated: { script: 'select abalance from pgbench_accounts where aid = 42;', mode: 'simple' },
  /** Each text new by its constants. */
  literals: {
    script:
      "\\set r random(1, 1000000)\n\\set s random(1, 1000000000)\nselect abalance, ':s' as s from pgbench_accounts where aid = :r and bid <> :s;",
    mode: 'simple',
  },
  /** Each text new by a name in it: nothing known of others helps. */
  texts: {
    script:
      '\\set r random(1, 1000000)\n\\set s random(1, 1000000000)\nselect abalance as a:s from pgbench_accounts where aid = :r;',
    mode: 'simple',
  },
} as const;
type Load = keyof typeof LOADS;

/** Rules of every kind, none of which stops what is measured: names written out, wildcards, texts, windows of time. */
export function rules(count: number, connection: string): object[] {
  const kinds: ((i: number) => object)[] = [
    () => ({ when: { does: ['drop', 'truncate'] }, then: 'deny' }),
    (i) => ({ when: { does: ['update', 'delete'], unbounded: true, relations: [`stock_${i}`] }, then: 'deny' }),
    (i) => ({ when: { relations: [`hr_${i}_*`] }, then: 'deny' }),
    (i) => ({ when: { columns: [`payroll_${i}.salary`] }, then: 'deny' }),
    (i) => ({
      when: { relations: [`ledger_${i}`], does: ['insert', 'update', 'delete'] },
      then: 'review',
      reviewers: { groups: ['dba'] },
    }),
    (i) => ({ when: { functions: [`billing.close_${i}`] }, then: 'deny' }),
    (i) => ({ when: { does: ['insert'], text: `(?i)campaign[-_ ]${i}` }, then: 'deny' }),
    () => ({ when: { objects: ['role', 'policy'] }, then: 'deny' }),
    (i) => ({ when: { relations: [`archive_${i}`], time: { days: ['sat', 'sun'], zone: 'UTC' } }, then: 'deny' }),
    (i) => ({
      who: { kinds: ['agent'] },
      when: { relations: [`orders_${i}`] },
      then: 'review',
      reviewers: { groups: ['dba'] },
    }),
  ];
  return Array.from({ length: count }, (_, i) => ({
    name: `${connection}-${i}`,
    to: { names: [connection] },
    ...kinds[i % kinds.length]!(i),
  }));
}

/** Nanoseconds of CPU that the threads of a process have used. */
function cpu(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const used = (thread: string) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  return threads.reduce((sum, thread) => sum + used(thread), 0);
}

async function transactions(path: Path, server: Postgres, script: string, mode: string, count: number): Promise<void> {
  const args = ['-n', '-M', mode, '-f', script, '-c', String(CLIENTS), '-t', String(count)];
  const env = { PATH: pathWithNode(), ...(await path.environment()) };
  await runOk(join(server.binaries, 'pgbench'), args, { env, timeout: 300_000 });
}

/** Microseconds of the gateway's CPU a statement, by `LOAD connection`. The server has pgbench's tables. */
export async function enforcement(server: Postgres, rounds: number, count: number): Promise<Rounds> {
  const target = { host: server.host, port: server.port, database: 'bench', tls: 'disable' };
  const names = Object.keys(CONNECTIONS) as Connection[];
  const gateway = await startGateway({
    config: {
      connections: Object.fromEntries(
        names.map((name) => [
          name,
          { protocol: 'postgres', target, credentials: { user: server.user, password: 'env:BENCH_PASSWORD' } },
        ]),
      ),
      access: [{ who: { groups: ['engineering'] }, to: { names } }],
      rules: names.flatMap((name) => rules(CONNECTIONS[name], name)),
    },
    native: 'postgres',
    env: { BENCH_PASSWORD: server.password },
  });
  try {
    const client = await gateway.user('alice', { groups: ['engineering'] });
    const directory = temporaryDirectory('loads');
    const loads = Object.keys(LOADS) as Load[];
    for (const load of loads) writeFileSync(join(directory, `${load}.sql`), LOADS[load].script);
    const measure = async (load: Load, name: Connection) => {
      const path = native(gateway, client, name);
      const before = cpu(gateway.process.pid);
      await transactions(path, server, join(directory, `${load}.sql`), LOADS[load].mode, count);
      return (cpu(gateway.process.pid) - before) / 1000 / (count * CLIENTS);
    };
    // Past the time in which the engine still compiles what runs often.
    for (let warm = 0; warm < 3; warm++) for (const load of loads) await measure(load, 'ten');
    const pairs = loads.flatMap((load) => names.map((name) => [load, name] as const));
    return await interleave(
      pairs.map((pair) => pair.join(' ')),
      rounds,
      (pair) => measure(...(pair.split(' ') as [Load, Connection])),
    );
  } finally {
    await gateway[Symbol.asyncDispose]();
  }
}
