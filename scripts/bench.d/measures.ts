// What is measured, one function each; all take the stage and say nothing.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { cleanEnvironment, PROGRAM, startGateway } from '../../test/support/gateway.ts';
import { cpuMs, memoryKb, pathWithNode, runOk, sleep } from '../../test/support/process.ts';
import { WireClient } from '../../test/support/wire.ts';
import { median } from './numbers.ts';
import { startSilentServer } from './silent-server.ts';
import type { Path, Stage } from './stage.ts';

/** `pgbench -S`: transactions a second, connections made before. */
export async function selectOnly(stage: Stage, path: Path, clients: number, seconds: number): Promise<number> {
  const args = ['-S', '-n', '-c', String(clients), '-j', String(Math.min(clients, 2)), '-T', String(seconds)];
  const env = { PATH: pathWithNode(), ...(await path.environment()) };
  const { stdout } = await runOk(join(stage.server.binaries, 'pgbench'), args, { env, timeout: 120_000 });
  const tps = stdout.match(/tps = ([\d.]+) \(without initial connection time\)/);
  if (tps === null) throw new Error(`pgbench printed no tps:\n${stdout}`);
  return Number(tps[1]);
}

/** Resolves when the gateway has done what it put off: the search index catches up when there is room. */
export async function settled(pid: number): Promise<void> {
  for (let before = cpuMs(pid); ; before = cpuMs(pid)) {
    await sleep(1000);
    if (cpuMs(pid) - before <= 50) return;
  }
}

/** CPU time of the gateway for one transaction of `pgbench -S`, in microseconds. */
export async function selectCpu(stage: Stage, path: Path, clients: number, seconds: number): Promise<number> {
  const { pid } = stage.gateway.process;
  const before = cpuMs(pid);
  const tps = await selectOnly(stage, path, clients, seconds);
  return ((cpuMs(pid) - before) * 1000) / (tps * seconds);
}

/** Seconds of a million-row SELECT up to its ReadyForQuery, by a client that only counts. */
export async function millionRows(path: Path, rows: number): Promise<number> {
  const client = await WireClient.connect(await path.wire());
  try {
    const from = process.hrtime.bigint();
    const got = await client.counting('select id, name, email, note from people');
    const seconds = Number(process.hrtime.bigint() - from) / 1e9;
    if (got.rows !== rows) throw new Error(`${got.rows} rows instead of ${rows}`);
    return seconds;
  } finally {
    client.destroy();
  }
}

/** Milliseconds from the first packet to the first ReadyForQuery: the median of a few, one after the other. */
export async function newConnection(path: Path, times: number): Promise<number> {
  const options = await path.wire();
  const found: number[] = [];
  for (let i = 0; i < times; i++) {
    const from = process.hrtime.bigint();
    const client = await WireClient.connect(options);
    found.push(Number(process.hrtime.bigint() - from) / 1e6);
    client.close();
  }
  return median(found);
}

/** Idle means for a while: by then V8 has taken back, by itself, what opening the sessions left behind. */
const SETTLE_MS = 15_000;

/** kB of the gateway's resident memory for each of many idle sessions through `connect`. */
export async function idleSessions(count: number): Promise<number> {
  const target = await startSilentServer();
  const gateway = await startGateway({
    config: {
      connections: {
        idle: {
          protocol: 'postgres',
          target: { host: '127.0.0.1', port: target.port, database: 'idle', tls: 'disable' },
          credentials: { user: 'idle', password: 'env:IDLE_PASSWORD' },
        },
      },
      access: [{ who: { groups: ['engineering'] }, to: { names: ['idle'] } }],
      rules: [{ name: 'no-drop', when: { does: ['drop', 'truncate'] }, then: 'deny' }],
    },
    env: { IDLE_PASSWORD: 'idle' },
  });
  try {
    const client = await gateway.user('alice', { groups: ['engineering'] });
    const connect = await client.connect('idle', [], { quiet: true });
    const open = async (many: number) => {
      const opened: WireClient[] = [];
      while (opened.length < many) {
        const next = Array.from({ length: Math.min(20, many - opened.length) }, () =>
          WireClient.connect({ port: connect.port, user: 'idle', database: 'idle' }),
        );
        opened.push(...(await Promise.all(next)));
      }
      return opened;
    };
    // The slope between few and many sessions, all of them open: what code, caches and a heap's first growth take is in
    // both figures, and nothing freed is counted for anything.
    const sessions = await open(Math.max(300, Math.round(count / 2)));
    await sleep(SETTLE_MS);
    const before = memoryKb(gateway.process.pid);
    sessions.push(...(await open(count)));
    await sleep(SETTLE_MS);
    const after = memoryKb(gateway.process.pid);
    for (const one of sessions) one.destroy();
    await connect.stop();
    return (after - before) / count;
  } finally {
    await gateway[Symbol.asyncDispose]();
    target.close();
  }
}

/** Runs Node with nothing in between. */
function timed(args: string[], env: NodeJS.ProcessEnv): void {
  const { status, stderr } = spawnSync(process.execPath, args, { env });
  if (status !== 0) throw new Error(`node ${args.join(' ')}: ${String(stderr)}`);
}

/** Milliseconds of `hoopctl --help`, process start to end. */
export async function help(times: number): Promise<number> {
  const env = cleanEnvironment('/nonexistent');
  const found: number[] = [];
  for (let i = 0; i < times; i++) {
    const from = process.hrtime.bigint();
    timed([PROGRAM, '--help'], env);
    found.push(Number(process.hrtime.bigint() - from) / 1e6);
  }
  return median(found);
}

/** Milliseconds of a Node that does nothing: what no program on it can be below. */
export async function bareNode(times: number): Promise<number> {
  const found: number[] = [];
  for (let i = 0; i < times; i++) {
    const from = process.hrtime.bigint();
    timed(['-e', '0'], { PATH: pathWithNode() });
    found.push(Number(process.hrtime.bigint() - from) / 1e6);
  }
  return median(found);
}
