// The parts of a run, by the names that --only takes: each measures, and says what was found beside what is to be reached.

import { enforcement } from './enforcement.ts';
import { COLUMN_MASKS, maskingSpeed } from './masking.ts';
import {
  bareNode,
  help,
  idleSessions,
  millionRows,
  newConnection,
  selectCpu,
  selectOnly,
  settled,
} from './measures.ts';
import { interleave, median, pairedRatio, type Rounds, round } from './numbers.ts';
import { policySpeed } from './policy.ts';
import { recordCpu, recordRate } from './record.ts';
import { idleShells, keystrokes, newSession, type SshPath, sshStage, transfer } from './ssh.ts';
import { ROWS, type Stage, unrecorded } from './stage.ts';

export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
  readonly rowRounds: number;
  readonly connections: number;
  readonly connectionRounds: number;
  readonly idle: number;
  readonly starts: number;
  readonly ruleRounds: number;
  /** Statements a client and round. */
  readonly ruleStatements: number;
  readonly policyRounds: number;
  readonly policyStatements: number;
  readonly maskRounds: number;
  readonly maskSeconds: number;
  readonly sshMib: number;
  readonly sshKeys: number;
  readonly sshIdle: number;
}

export interface Goal {
  readonly value: number;
  readonly goal: string;
  readonly reached: boolean;
}

export interface Table {
  readonly title: string;
  readonly unit: string;
  readonly columns: Record<string, Rounds>;
  readonly digits: number;
}

export interface Section {
  readonly table: Table;
  /** Under stable names, for --json. */
  readonly figures: Record<string, unknown>;
  readonly goals: Record<string, Goal>;
}

export interface Bench {
  readonly effort: Effort;
  /** Started when it is first asked for. */
  readonly stage: () => Promise<Stage>;
  readonly say: (text: string) => void;
}

const CLIENTS = [1, 8, 64];

const atLeast = (value: number, bound: number): Goal => ({ value, goal: `≥ ${bound}`, reached: value >= bound });
const atMost = (value: number, bound: number): Goal => ({ value, goal: `≤ ${bound}`, reached: value <= bound });

export const SECTIONS: Record<string, (bench: Bench) => Promise<Section>> = {
  select,
  rows,
  connections,
  recording,
  enforcement: rules,
  policy,
  masking,
  ssh,
  idle,
  start,
};

async function select({ effort, stage, say }: Bench): Promise<Section> {
  const running = await stage();
  const found: Record<string, Rounds> = {};
  for (const clients of CLIENTS) {
    say(`pgbench -S, ${clients} client${clients === 1 ? '' : 's'}`);
    found[String(clients)] = await interleave(
      ['direct', 'pgbouncer', 'native', 'connect', 'pipe'],
      effort.rounds,
      (name) => selectOnly(running, running.paths[name as keyof Stage['paths']], clients, effort.seconds),
    );
  }
  const each = (above: string, below: string) =>
    Object.fromEntries(CLIENTS.map((clients) => [clients, pairedRatio(found[clients] as Rounds, above, below)]));
  const pooler = each('native', 'pgbouncer');
  const pipe = each('connect', 'pipe');
  return {
    table: { title: 'pgbench -S by clients', unit: 'transactions/s', columns: found, digits: 0 },
    figures: { native_vs_pgbouncer: pooler, connect_vs_pipe: pipe },
    goals: {
      'native_vs_pgbouncer, 8 clients': atLeast(pooler[8]!, 0.8),
      'native_vs_pgbouncer, 64 clients': atLeast(pooler[64]!, 0.8),
      ...Object.fromEntries(CLIENTS.map((c) => [`connect_vs_pipe, ${c} clients`, atLeast(pipe[c]!, 0.85)])),
    },
  };
}

/**
 * What recording costs: transactions a second with and without, all programs on one machine; its share of what a transaction
 * costs the gateway, both in CPU time; and the rate of both durabilities.
 */
async function recording({ effort, stage, say }: Bench): Promise<Section> {
  const running = await stage();
  say('recording');
  const STATEMENTS = 50_000;
  const cpu = await interleave(['transaction', 'recording'], effort.rounds, (name) =>
    name === 'recording' ? recordCpu(STATEMENTS) : selectCpu(running, running.paths.native, 8, effort.seconds),
  );
  const without = await unrecorded(running.server);
  const paths = {
    'recorded, native': running.paths.native,
    'not, native': without.paths.native,
    'recorded, connect': running.paths.connect,
    'not, connect': without.paths.connect,
  };
  const tps = await interleave(Object.keys(paths), 2 * effort.rounds, async (name) => {
    // What the one put off must not be counted against the other.
    await settled(running.gateway.process.pid);
    return selectOnly(running, paths[name as keyof typeof paths], 8, effort.seconds);
  });
  await without.stop();
  const rates: Record<string, Rounds> = {};
  for (const sessions of CLIENTS) {
    rates[String(sessions)] = await interleave(['buffered', 'synced'], effort.rounds, (name) =>
      recordRate(name as 'buffered' | 'synced', sessions, Math.min(effort.seconds, 2)),
    );
  }
  const share = pairedRatio(cpu, 'recording', 'transaction');
  const throughput = (way: string) => pairedRatio(tps, `recorded, ${way}`, `not, ${way}`);
  const each = (name: string) =>
    Object.fromEntries(CLIENTS.map((sessions) => [sessions, round(median(rates[sessions]?.[name] ?? []), 0)]));
  return {
    table: { title: 'recorded statements by sessions', unit: 'statements/s', columns: rates, digits: 0 },
    figures: {
      record_cpu_us: round(median(cpu.recording ?? [])),
      transaction_cpu_us: round(median(cpu.transaction ?? [])),
      record_share: share,
      recorded_vs_not: { native: throughput('native'), connect: throughput('connect') },
      record_buffered: each('buffered'),
      record_synced: each('synced'),
    },
    goals: {
      'recorded_vs_not, native listener': atLeast(throughput('native'), 0.9),
      'recorded_vs_not, connect': atLeast(throughput('connect'), 0.9),
    },
  };
}

async function rows({ effort, stage, say }: Bench): Promise<Section> {
  const { paths } = await stage();
  say(`${ROWS.toLocaleString('en')} rows`);
  const names = ['direct', 'pgbouncer', 'native', 'connect', 'pipe', 'masked', 'masked-native'] as const;
  const found = await interleave(names, effort.rowRounds, (name) =>
    millionRows(paths[name as (typeof names)[number]], ROWS),
  );
  const figures = {
    rows_vs_direct: pairedRatio(found, 'connect', 'direct'),
    rows_native_vs_direct: pairedRatio(found, 'native', 'direct'),
    rows_masked_vs_direct: pairedRatio(found, 'masked', 'direct'),
    rows_masked_native_vs_direct: pairedRatio(found, 'masked-native', 'direct'),
  };
  return {
    table: { title: `${ROWS.toLocaleString('en')} rows`, unit: 'seconds', columns: { time: found }, digits: 3 },
    figures,
    goals: {
      rows_vs_direct: atMost(figures.rows_vs_direct, 2),
      rows_native_vs_direct: atMost(figures.rows_native_vs_direct, 2),
      rows_masked_vs_direct: atMost(figures.rows_masked_vs_direct, 4),
      rows_masked_native_vs_direct: atMost(figures.rows_masked_native_vs_direct, 4),
    },
  };
}

async function connections({ effort, stage, say }: Bench): Promise<Section> {
  const { paths } = await stage();
  say('new connections');
  const names = ['direct', 'pgbouncer', 'native', 'connect', 'pipe'] as const;
  const found = await interleave(names, effort.connectionRounds, (name) =>
    newConnection(paths[name as (typeof names)[number]], effort.connections),
  );
  const extra = round(median((found.connect ?? []).map((value, i) => value - (found.direct?.[i] ?? Number.NaN))));
  return {
    table: { title: 'new connection', unit: 'ms', columns: { time: found }, digits: 2 },
    figures: { connect_extra_ms: extra },
    goals: { connect_extra_ms: atMost(extra, 15) },
  };
}

/** Ratios of the gateway's CPU: what goes through it in the same CPU time, were it all that it takes. */
async function rules({ effort, stage, say }: Bench): Promise<Section> {
  const { server } = await stage();
  say('statements with no rules, 10 and 1,000');
  const found = await enforcement(server, effort.ruleRounds, effort.ruleStatements);
  const figures = {
    rules_repeated_vs_none: pairedRatio(found, 'repeated free', 'repeated ten'),
    rules_prepared_vs_none: pairedRatio(found, 'prepared free', 'prepared ten'),
    rules_literals_vs_none: pairedRatio(found, 'literals free', 'literals ten'),
    rules_literals_vs_repeated_none: pairedRatio(found, 'repeated free', 'literals ten'),
    rules_texts_vs_none: pairedRatio(found, 'texts free', 'texts ten'),
    rules_texts_vs_repeated_none: pairedRatio(found, 'repeated free', 'texts ten'),
    rules_1000_vs_10: pairedRatio(found, 'repeated thousand', 'repeated ten'),
    rules_1000_vs_10_texts: pairedRatio(found, 'texts thousand', 'texts ten'),
  };
  return {
    table: { title: "the gateway's CPU a statement", unit: 'µs', columns: { time: found }, digits: 1 },
    figures,
    goals: {
      rules_repeated_vs_none: atLeast(figures.rules_repeated_vs_none, 0.9),
      rules_prepared_vs_none: atLeast(figures.rules_prepared_vs_none, 0.9),
      rules_literals_vs_none: atLeast(figures.rules_literals_vs_none, 0.6),
      rules_literals_vs_repeated_none: atLeast(figures.rules_literals_vs_repeated_none, 0.6),
      rules_texts_vs_none: atLeast(figures.rules_texts_vs_none, 0.6),
      rules_1000_vs_10: atMost(figures.rules_1000_vs_10, 1.1),
      rules_1000_vs_10_texts: atMost(figures.rules_1000_vs_10_texts, 1.1),
    },
  };
}

async function policy({ effort, say }: Bench): Promise<Section> {
  say('reading and deciding, in process');
  const found = await policySpeed(effort.policyRounds, effort.policyStatements);
  const ratio = pairedRatio(found, 'texts 1000', 'texts 10');
  return {
    table: { title: 'a text read and decided, by rules', unit: 'µs of CPU', columns: { time: found }, digits: 2 },
    figures: {
      policy_us: Object.fromEntries(Object.entries(found).map(([name, values]) => [name, round(median(values))])),
      policy_1000_vs_10: ratio,
    },
    goals: { policy_1000_vs_10: atMost(ratio, 1.1) },
  };
}

async function masking({ effort, say }: Bench): Promise<Section> {
  say('masking wide rows');
  const found = await maskingSpeed(effort.maskRounds, effort.maskSeconds);
  const speed = Object.fromEntries(Object.entries(found).map(([name, values]) => [name, round(median(values), 0)]));
  const goals = Object.fromEntries(COLUMN_MASKS.map((name) => [`masking_mb_s, ${name}`, atLeast(speed[name]!, 100)]));
  return {
    table: { title: 'masking wide rows, one core', unit: 'MB/s of text', columns: { speed: found }, digits: 0 },
    figures: { masking_mb_s: speed },
    goals: { ...goals, 'masking_mb_s, detectors': atLeast(speed.detectors!, 40) },
  };
}

async function ssh({ effort, say }: Bench): Promise<Section> {
  say('ssh: directly, through ProxyJump, through the gateway');
  const stage = await sshStage();
  try {
    const every = ['direct', 'jump', 'native', 'connect'] as const;
    const rounds = Math.min(effort.rounds, 3);
    const up = await interleave(every, rounds, (path) => transfer(stage, path as SshPath, 'up', effort.sshMib));
    const down = await interleave(every, rounds, (path) => transfer(stage, path as SshPath, 'down', effort.sshMib));
    say('ssh: keystrokes');
    const p50: Rounds = {};
    const p99: Rounds = {};
    for (const path of every) {
      const keys = await keystrokes(stage, path, effort.sshKeys);
      p50[path] = [median(keys)];
      p99[path] = [keys[Math.floor(keys.length * 0.99)] as number];
    }
    say('ssh: new sessions, idle shells');
    const begin = await interleave(every, rounds, (path) => newSession(stage, path as SshPath, 5));
    const kb = round(await idleShells(stage, effort.sshIdle), 1);
    const above = (found: Rounds, path: string) => round(median(found[path] ?? []) - median(found.direct ?? []), 2);
    const figures = {
      ssh_up_vs_jump: { native: pairedRatio(up, 'native', 'jump'), connect: pairedRatio(up, 'connect', 'jump') },
      ssh_down_vs_jump: { native: pairedRatio(down, 'native', 'jump'), connect: pairedRatio(down, 'connect', 'jump') },
      ssh_key_p50_extra_ms: { native: above(p50, 'native'), connect: above(p50, 'connect') },
      ssh_key_p99_extra_ms: { native: above(p99, 'native'), connect: above(p99, 'connect') },
      ssh_session_extra_ms: { native: above(begin, 'native'), connect: above(begin, 'connect') },
      ssh_idle_shell_kb: kb,
    };
    const columns = { 'up MB/s': up, 'down MB/s': down, 'key p50': p50, 'key p99': p99, 'session ms': begin };
    return {
      table: { title: `ssh, ${effort.sshMib} MiB`, unit: 'MB/s, ms', columns, digits: 1 },
      figures,
      goals: {
        ssh_up_vs_jump: atLeast(figures.ssh_up_vs_jump.native, 0.7),
        ssh_down_vs_jump: atLeast(figures.ssh_down_vs_jump.native, 0.7),
        ssh_key_p50_extra_ms: atMost(figures.ssh_key_p50_extra_ms.native, 2),
        ssh_key_p99_extra_ms: atMost(figures.ssh_key_p99_extra_ms.native, 10),
        ssh_session_extra_ms: atMost(figures.ssh_session_extra_ms.native, 60),
      },
    };
  } finally {
    await stage.stop();
  }
}

async function idle({ effort, say }: Bench): Promise<Section> {
  say(`${effort.idle} idle sessions`);
  const kb = round(await idleSessions(effort.idle), 1);
  return {
    table: { title: 'idle session', unit: 'kB', columns: { memory: { session: [kb] } }, digits: 1 },
    figures: { idle_session_kb: kb },
    goals: { idle_session_kb: atMost(kb, 100) },
  };
}

async function start({ effort, say }: Bench): Promise<Section> {
  say('hoopctl --help');
  const found = await interleave(['hoopctl --help', 'node -e 0'], 3, (name) =>
    name === 'node -e 0' ? bareNode(effort.starts) : help(effort.starts),
  );
  const ms = round(median(found['hoopctl --help'] ?? []), 1);
  return {
    table: { title: 'start', unit: 'ms', columns: { time: found }, digits: 1 },
    figures: { help_ms: ms },
    goals: { help_ms: atMost(ms, 60) },
  };
}
