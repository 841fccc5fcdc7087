// An Io in memory, and a home of its own for each test: the program as a function.

import { PassThrough, Writable } from 'node:stream';
import type { Node } from '../../../src/cli/command.ts';
import type { Io } from '../../../src/cli/io.ts';
import { run } from '../../../src/cli/run.ts';
import { temporaryDirectory } from '../../support/process.ts';

export interface MemoryIo extends Io {
  readonly out: () => string;
  readonly err: () => string;
  readonly typed: PassThrough;
  signal(name: NodeJS.Signals): void;
}

export interface MemoryOptions {
  env?: Record<string, string | undefined>;
  cwd?: string;
  terminal?: boolean;
  columns?: number;
  platform?: NodeJS.Platform;
}

class Sink extends Writable {
  text = '';
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export function memoryIo(options: MemoryOptions = {}): MemoryIo {
  const stdout = new Sink();
  const stderr = new Sink();
  const typed = new PassThrough();
  const handlers = new Map<NodeJS.Signals, Set<(name: NodeJS.Signals) => void>>();
  const terminal = options.terminal ?? false;
  const home = options.env?.HOME ?? temporaryDirectory('home');
  return {
    stdin: typed,
    stdout,
    stderr,
    terminal: { stdin: terminal, stdout: terminal, stderr: terminal },
    env: { HOME: home, HOOPCTL_KEYCHAIN: 'file', ...options.env },
    cwd: options.cwd ?? home,
    platform: options.platform ?? 'linux',
    pid: process.pid,
    nodeVersion: process.versions.node,
    version: '0.0.0',
    user: 'tester',
    uid: process.getuid?.(),
    self: [process.execPath, '-e', '0'],
    columns: options.columns ?? 80,
    color: { stdout: false, stderr: false },
    interactive: terminal,
    write: async (text) => {
      stdout.write(text);
    },
    say: (text) => {
      stderr.write(`${text}\n`);
    },
    neverWait: () => {},
    onSignal: (names, handler) => {
      for (const name of names) handlers.set(name, (handlers.get(name) ?? new Set()).add(handler));
      return () => {
        for (const name of names) handlers.get(name)?.delete(handler);
      };
    },
    out: () => stdout.text,
    err: () => stderr.text,
    typed,
    signal: (name) => {
      for (const handler of handlers.get(name) ?? []) handler(name);
    },
  };
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** `hoopctl ARGV…` in memory. */
export async function hoopctl(
  argv: readonly string[],
  options: MemoryOptions = {},
  tree?: readonly Node[],
): Promise<Ran> {
  const io = memoryIo(options);
  const code = await run(io, argv, ...(tree === undefined ? [] : [tree]));
  return { code, out: io.out(), err: io.err() };
}
