// scripts/bench: medians of paired, interleaved runs, as a table for people and with --json FILE under stable names.
// Ratios are taken within one run only; absolute figures are printed for orientation.

import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { bareNode, help, idleSessions, millionRows, newConnection, selectOnly } from './measures.ts';
import { interleave, median, pairedRatio, type Rounds, round } from './numbers.ts';
import { buildStage, ROWS, type Stage } from './stage.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});

const EFFORT = values.quick
  ? { rounds: 3, seconds: 1, rowRounds: 3, connections: 20, connectionRounds: 3, idle: 300, starts: 7 }
  : { rounds: 5, seconds: 4, rowRounds: 5, connections: 30, connectionRounds: 5, idle: 1000, starts: 15 };

const CLIENTS = [1, 8, 64];

type Name = keyof Stage['paths'];

function say(text: string): void {
  process.stderr.write(`· ${text}\n`);
}

function table(title: string, unit: string, columns: Record<string, Rounds>, digits: number): void {
  const heads = Object.keys(columns);
  const names = Object.keys(Object.values(columns)[0] ?? {});
  console.log(`\n${title} (${unit}, median)`);
  console.log(`  ${''.padEnd(24)}${heads.map((head) => head.padStart(12)).join('')}`);
  for (const name of names) {
    const cells = heads.map((head) =>
      median(columns[head]?.[name] ?? [])
        .toFixed(digits)
        .padStart(12),
    );
    console.log(`  ${name.padEnd(24)}${cells.join('')}`);
  }
}

interface Goal {
  value: number;
  goal: string;
  reached: boolean;
}

function atLeast(value: number, bound: number): Goal {
  return { value, goal: `≥ ${bound}`, reached: value >= bound };
}

function atMost(value: number, bound: number): Goal {
  return { value, goal: `≤ ${bound}`, reached: value <= bound };
}

async function measure(stage: Stage) {
  const at = (name: string) => stage.paths[name as Name];
  const select: Record<string, Rounds> = {};
  for (const clients of CLIENTS) {
    say(`pgbench -S, ${clients} client${clients === 1 ? '' : 's'}`);
    select[String(clients)] = await interleave(
      ['direct', 'pgbouncer', 'native', 'connect', 'pipe'],
      EFFORT.rounds,
      (name) => selectOnly(stage, at(name), clients, EFFORT.seconds),
    );
  }
  say(`${ROWS.toLocaleString('en')} rows`);
  const rows = await interleave(
    ['direct', 'pgbouncer', 'native', 'connect', 'pipe', 'masked', 'masked-native'],
    EFFORT.rowRounds,
    (name) => millionRows(at(name), ROWS),
  );
  say('new connections');
  const connections = await interleave(
    ['direct', 'pgbouncer', 'native', 'connect', 'pipe'],
    EFFORT.connectionRounds,
    (name) => newConnection(at(name), EFFORT.connections),
  );
  return { select, rows, connections };
}

async function main(): Promise<void> {
  if (values.help) {
    console.log('usage: scripts/bench [--quick] [--json FILE]');
    return;
  }
  say('starting PostgreSQL, pgbouncer, the bare pipe, the gateway and connect');
  const stage = await buildStage();
  const { select, rows, connections } = await measure(stage).finally(() => stage.stop());
  say(`${EFFORT.idle} idle sessions`);
  const idle = await idleSessions(EFFORT.idle);
  say('hoopctl --help');
  const startUp = await interleave(['hoopctl --help', 'node -e 0'], 3, (name) =>
    name === 'node -e 0' ? bareNode(EFFORT.starts) : help(EFFORT.starts),
  );

  const each = (above: string, below: string) =>
    Object.fromEntries(CLIENTS.map((clients) => [clients, pairedRatio(select[clients] as Rounds, above, below)]));
  const extra = (connections.connect ?? []).map((value, i) => value - (connections.direct?.[i] ?? Number.NaN));
  const figures = {
    native_vs_pgbouncer: each('native', 'pgbouncer'),
    connect_vs_pipe: each('connect', 'pipe'),
    rows_vs_direct: pairedRatio(rows, 'connect', 'direct'),
    rows_native_vs_direct: pairedRatio(rows, 'native', 'direct'),
    rows_masked_vs_direct: pairedRatio(rows, 'masked', 'direct'),
    rows_masked_native_vs_direct: pairedRatio(rows, 'masked-native', 'direct'),
    connect_extra_ms: round(median(extra)),
    idle_session_kb: round(idle, 1),
    help_ms: round(median(startUp['hoopctl --help'] ?? []), 1),
  };

  table('pgbench -S by clients', 'transactions/s', select, 0);
  table(`${ROWS.toLocaleString('en')} rows`, 'seconds', { time: rows }, 3);
  table('new connection', 'ms', { time: connections }, 2);
  table('start', 'ms', { time: startUp }, 1);
  const goals: Record<string, Goal> = {
    'native_vs_pgbouncer, 8 clients': atLeast(figures.native_vs_pgbouncer[8] as number, 0.8),
    'native_vs_pgbouncer, 64 clients': atLeast(figures.native_vs_pgbouncer[64] as number, 0.8),
    ...Object.fromEntries(
      CLIENTS.map((c) => [`connect_vs_pipe, ${c} clients`, atLeast(figures.connect_vs_pipe[c] as number, 0.85)]),
    ),
    rows_vs_direct: atMost(figures.rows_vs_direct, 2),
    rows_native_vs_direct: atMost(figures.rows_native_vs_direct, 2),
    rows_masked_vs_direct: atMost(figures.rows_masked_vs_direct, 4),
    rows_masked_native_vs_direct: atMost(figures.rows_masked_native_vs_direct, 4),
    connect_extra_ms: atMost(figures.connect_extra_ms, 15),
    idle_session_kb: atMost(figures.idle_session_kb, 100),
    help_ms: atMost(figures.help_ms, 60),
  };
  console.log('\ngoals');
  for (const [name, { value, goal, reached }] of Object.entries(goals)) {
    console.log(
      `  ${name.padEnd(34)}${String(value).padStart(8)}   ${goal.padEnd(8)}${reached ? 'reached' : 'NOT REACHED'}`,
    );
  }
  if (values.json !== undefined) {
    const about = { node: process.version, cpus: cpus().length, quick: values.quick, effort: EFFORT };
    writeFileSync(
      values.json,
      `${JSON.stringify({ ...figures, about, raw: { select, rows, connections, startUp } }, null, 2)}\n`,
    );
  }
}

// What was started is ended and removed on the way out (test/support/process.ts); a signal has to take that way.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

await main();
