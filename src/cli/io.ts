// The process as a value: the only file besides main.ts that touches it. Tests make another one.

import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { Readable, Writable } from 'node:stream';

export interface Io {
  readonly stdin: Readable & { setRawMode?(on: boolean): unknown };
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly terminal: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly platform: NodeJS.Platform;
  readonly pid: number;
  readonly nodeVersion: string;
  /** hoopctl's own. */
  readonly version: string;
  /** The operating system's name of who runs this. */
  readonly user: string;
  /** Undefined where users have no number. */
  readonly uid: number | undefined;
  /** Program and arguments that start another hoopctl. */
  readonly self: readonly string[];
  /** Width of the terminal, 80 where there is none. */
  readonly columns: number;
  /** Whether stdout / stderr get colour: a terminal, no `NO_COLOR`, `TERM` not `dumb`, no `CI`; `FORCE_COLOR` wins. */
  readonly color: { readonly stdout: boolean; readonly stderr: boolean };
  /** Whether a question can be asked: stdin and stderr are terminals and this is no CI job. */
  readonly interactive: boolean;
  /** Data on stdout; resolves when the stream took it. */
  write(text: string | Uint8Array): Promise<void>;
  /** Talk on stderr, one line; the newline is added. */
  say(text: string): void;
  /** What is written and said from here on is kept where nobody reads it: whoever serves others must not wait for that. */
  neverWait(): void;
  /** Calls `handler` for each of these signals until the returned function is called. */
  onSignal(names: readonly NodeJS.Signals[], handler: (name: NodeJS.Signals) => void): () => void;
}

function wantsColor(env: Io['env'], terminal: boolean): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false';
  return terminal && env.TERM !== 'dumb' && !isCi(env);
}

function isCi(env: Io['env']): boolean {
  return env.CI !== undefined && env.CI !== '' && env.CI !== '0' && env.CI !== 'false';
}

function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function userName(env: Io['env']): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry, as in some containers.
    return env.USER ?? 'somebody';
  }
}

/**
 * Node has every pipe that it opens not block any more, and so for all who have it: others that write there (jobs of one CI
 * log, what started us) take a full one for an error then, and what they had to say is lost. So they block, unless they are
 * used for more than a few lines of ours.
 */
function block(stream: object, on: boolean): void {
  if ((stream as { isTTY?: boolean }).isTTY === true) return;
  (stream as { _handle?: { setBlocking?(on: boolean): unknown } })._handle?.setBlocking?.(on);
}

/** The Io of this process. */
export function processIo(process: NodeJS.Process): Io {
  const { stdin, stdout, stderr, env } = process;
  const terminal = { stdin: stdin.isTTY === true, stdout: stdout.isTTY === true, stderr: stderr.isTTY === true };
  for (const stream of [stdin, stdout, stderr]) block(stream, true);
  const unblocked = <Stream extends object>(stream: Stream): Stream => {
    block(stream, false);
    return stream;
  };
  return {
    get stdin() {
      return unblocked(stdin);
    },
    get stdout() {
      return unblocked(stdout);
    },
    get stderr() {
      return unblocked(stderr);
    },
    terminal,
    env,
    cwd: process.cwd(),
    platform: process.platform,
    pid: process.pid,
    nodeVersion: process.versions.node,
    get version() {
      return packageVersion();
    },
    get user() {
      return userName(env);
    },
    uid: process.getuid?.(),
    self: [process.execPath, process.argv[1] ?? ''],
    get columns() {
      // A terminal that was never given a size says 0.
      return stdout.columns || stderr.columns || 80;
    },
    color: { stdout: wantsColor(env, terminal.stdout), stderr: wantsColor(env, terminal.stderr) },
    interactive: terminal.stdin && terminal.stderr && !isCi(env),
    write: (text) =>
      new Promise((resolve, reject) => {
        stdout.write(text, (error) => (error ? reject(error) : resolve()));
      }),
    say: (text) => {
      stderr.write(`${text}\n`);
    },
    neverWait: () => {
      unblocked(stdout);
      unblocked(stderr);
    },
    onSignal: (names, handler) => {
      for (const name of names) process.on(name, handler);
      return () => {
        for (const name of names) process.off(name, handler);
      };
    },
  };
}
