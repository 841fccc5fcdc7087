// Child processes and temporary directories that never outlive the test run.
// Refuses to know: what is started, or what a test wants of it.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ListenOptions, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's top directory. */
export const repository = fileURLToPath(new URL('../..', import.meta.url));

export interface RunOptions {
  /** Replaces the whole environment; default: this process's. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Written to stdin, which is then closed. Without it stdin is empty. */
  input?: string | Buffer;
  /** Milliseconds until SIGKILL; default 120,000. */
  timeout?: number;
  /** The user to run as (root only). */
  user?: { uid: number; gid: number };
}

export interface Finished {
  /** Exit code; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

const living = new Set<ChildProcess>();
const directories = new Set<string>();
let watching = false;

/** Kills every child that is left and removes every temporary directory. */
export function endEverything(): void {
  for (const child of living) killGroup(child, 'SIGKILL');
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  living.clear();
  directories.clear();
}

function cleanUpAtExit(): void {
  if (watching) return;
  watching = true;
  process.on('exit', endEverything);
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

/** util-linux's setpriv, which can tie a child's life to ours: this process may be killed without a last word. */
const setpriv = process.platform === 'linux' ? findProgram('/usr/bin/setpriv') : undefined;

function launch(command: string, args: readonly string[], options: RunOptions, stdin: 'pipe' | 'ignore'): ChildProcess {
  cleanUpAtExit();
  const tied = setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL', '--'];
  const [program = command, ...words] = [...tied, command, ...args];
  // A process group of its own, so that what it starts itself can be ended with it.
  const child = spawn(program, words, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: [stdin, 'pipe', 'pipe'],
    detached: true,
    ...options.user,
  });
  living.add(child);
  child.once('exit', () => living.delete(child));
  child.once('error', () => living.delete(child));
  return child;
}

/** Runs a command to its end. Rejects only when it cannot be started; a time-out kills it and shows as `signal`. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = launch(command, args, options, 'pipe');
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout!.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr!.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin!.on('error', () => {});
  child.stdin!.end(options.input ?? '');
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), options.timeout ?? 120_000);
  try {
    return await new Promise<Finished>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) =>
        resolve({
          code,
          signal,
          stdout: Buffer.concat(out).toString(),
          stderr: Buffer.concat(err).toString(),
        }),
      );
    });
  } finally {
    clearTimeout(timer);
  }
}

/** As `run`, but a failure is an error that shows what the command printed. */
export async function runOk(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const done = await run(command, args, options);
  if (done.code !== 0) {
    const how = done.code === null ? `signal ${done.signal}` : `exit code ${done.code}`;
    throw new Error(`${command} ${args.join(' ')}: ${how}\n${done.stdout.slice(-4000)}\n${done.stderr.slice(-4000)}`);
  }
  return done;
}

const KEPT_OUTPUT = 8 << 20;

/** The end of what a child printed: one that prints for minutes must not fill the memory of the tests. */
function kept(output: string): string {
  return output.length > 2 * KEPT_OUTPUT ? output.slice(-KEPT_OUTPUT) : output;
}

/** A long-running child. The last megabytes of its output are kept; `stop` ends it and everything in its process group. */
export class Running {
  readonly child: ChildProcess;
  readonly command: string;
  #stdout = '';
  #stderr = '';
  #waiting: (() => void)[] = [];
  readonly exited: Promise<{
    code: number | null;
    signal: NodeJS.Signals | null;
  }>;
  #done = false;

  constructor(command: string, args: readonly string[], options: RunOptions = {}) {
    this.command = `${command} ${args.join(' ')}`;
    this.child = launch(command, args, options, 'pipe');
    this.child.stdin!.on('error', () => {});
    if (options.input !== undefined) this.child.stdin!.end(options.input);
    // A character of several bytes may come in two pieces.
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = kept(this.#stdout + text);
      this.#wake();
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = kept(this.#stderr + text);
      this.#wake();
    });
    this.exited = new Promise((resolve) => {
      const finish = (code: number | null, signal: NodeJS.Signals | null) => {
        this.#done = true;
        this.#wake();
        resolve({ code, signal });
      };
      this.child.once('close', finish);
      this.child.once('error', (error) => {
        this.#stderr += String(error);
        finish(127, null);
      });
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get output(): string {
    return this.#stdout + this.#stderr;
  }

  get running(): boolean {
    return !this.#done;
  }

  #wake(): void {
    for (const waiting of this.#waiting.splice(0)) waiting();
  }

  /** The first match of the pattern in stdout, stderr or both; an error with the output when it never comes. */
  async waitFor(
    pattern: RegExp,
    where: 'stdout' | 'stderr' | 'output' = 'output',
    timeout = 60_000,
  ): Promise<RegExpMatchArray> {
    const deadline = Date.now() + timeout;
    for (;;) {
      const match = this[where].match(pattern);
      if (match !== null) return match;
      const left = deadline - Date.now();
      if (this.#done || left <= 0) {
        const why = this.#done ? 'it has ended' : `not within ${timeout} ms`;
        throw new Error(`${this.command}: no ${pattern} in its ${where} (${why}):\n${this.output.slice(-6000)}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (!this.#done) this.child.kill(signal);
  }

  /** Ends it: the signal, then SIGKILL to the whole group after `grace` ms. */
  async stop(
    signal: NodeJS.Signals = 'SIGTERM',
    grace = 10_000,
  ): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.kill(signal);
    const timer = setTimeout(() => killGroup(this.child, 'SIGKILL'), grace);
    const how = await this.exited;
    clearTimeout(timer);
    killGroup(this.child, 'SIGKILL');
    return how;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

export function start(command: string, args: readonly string[], options: RunOptions = {}): Running {
  return new Running(command, args, options);
}

/** A new directory under the system's temporary one, removed when the process ends at the latest. */
export function temporaryDirectory(name: string): string {
  cleanUpAtExit();
  const base = tmpdir();
  mkdirSync(base, { recursive: true });
  const directory = mkdtempSync(join(base, `hoopctl-${name}-`));
  directories.add(directory);
  return directory;
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  directories.delete(directory);
}

const given = new Set<number>();

/** Undefined where somebody has it already. */
function listening(at: ListenOptions): Promise<Server | undefined> {
  const server = createServer().unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(at, () => resolve(server));
  });
}

/**
 * A TCP port on 127.0.0.1 that nobody listens on. Taken from below the range that the system gives to outgoing
 * connections (32768 upwards on Linux) and the one from which `connect` chooses, so that it is still free when it is used,
 * and again when what was there is started anew: no other test, of this run or another, gets it while this process lives.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 8_000);
    if (given.has(port)) continue;
    // A name without a file, which ends with the process however that ends.
    const named = process.platform !== 'linux' || (await listening({ path: `\0hoopctl-test-port-${port}` }));
    if (named === undefined) continue;
    const there = await listening({ port, host: '127.0.0.1' });
    if (there === undefined) continue;
    await new Promise((resolve) => there.close(resolve));
    given.add(port);
    return port;
  }
}

/** The first of these programs that exists, by absolute path or on PATH; undefined when there is none. */
export function findProgram(...names: string[]): string | undefined {
  const path = `${process.env.PATH ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`;
  for (const name of names) {
    if (name.includes('/')) {
      if (existsSync(name)) return name;
      continue;
    }
    for (const directory of path.split(delimiter)) {
      const file = join(directory, name);
      if (directory !== '' && existsSync(file)) return file;
    }
  }
  return undefined;
}

/** A number of this process or another from /proc/PID/status, in kB: VmRSS, VmHWM. Linux only. */
export function memoryKb(pid: number, field: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm'));
  if (line === null) throw new Error(`no ${field} of process ${pid}`);
  return Number(line[1]);
}

/** CPU time of a process and its threads so far, in ms; the clock tick of Linux is 10 of them. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number) as [number, number];
  return (user + system) * 10;
}

/** Once more, from the beginning, where something went away that was there a moment ago. */
function undisturbed<T>(read: () => T): T {
  for (let tries = 1; ; tries++) {
    try {
      return read();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === 100) throw error;
    }
  }
}

/** Every file under a directory, as paths relative to it, sorted; a folder in it may go meanwhile. */
export function filesUnder(directory: string): string[] {
  return undisturbed(() => {
    if (!existsSync(directory)) return [];
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
      .sort();
  });
}

/**
 * Every file under a directory that a gateway may be writing to, by its name relative to it. What is renamed or removed
 * between the listing and the reading (a checkpoint written aside, a recording being packed) has it all read again, so
 * that nothing is missed under its new name.
 */
export function contentsUnder(directory: string): Map<string, Buffer> {
  const read = (name: string) => [name, readFileSync(join(directory, name))] as const;
  return undisturbed(() => new Map(filesUnder(directory).map(read)));
}

/** Copies a directory that a gateway may be writing to, as `contentsUnder` reads it. */
export function copyUnder(directory: string, to: string): void {
  for (const [name, bytes] of contentsUnder(directory)) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    writeFileSync(join(to, name), bytes);
  }
}

/** `PATH` with the Node that runs this first, so that `#!/usr/bin/env node` finds it. */
export function pathWithNode(path = process.env.PATH ?? ''): string {
  return `${dirname(process.execPath)}${delimiter}${path}`;
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks until the answer is neither undefined nor false; an error with the last answer's name when it never is. */
export async function eventually<T>(
  what: string,
  ask: () => T | Promise<T>,
  timeout = 60_000,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeout;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== null && answer !== false) return answer as NonNullable<T>;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeout} ms (last: ${String(last)})`);
    await sleep(25);
  }
}
