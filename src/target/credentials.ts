// References to secrets → their values, at the last moment (promise 4). The only place that ever reads one.
// Values appear in no error and no log line; what went wrong is told by reference, to the gateway's log alone.

import { spawn } from 'node:child_process';
import { access, constants, readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Clock, systemClock } from '../core/clock.ts';
import { type HoopctlError, userError } from '../core/errors.ts';
import { fixedLimit, type Limit, limit } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import { parseSecretRef, type SecretRef } from '../core/secret.ts';

/** How long a credential command may run. */
export const credentialsExecLimit: Limit = limit('credentials_exec_ms', 'ms', 10_000, 1);
/** How much a credential command or file may hold. */
export const credentialsBytesLimit: Limit = fixedLimit('credentials_bytes', 'bytes', 64 * 1024);

export interface CredentialsOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What relative paths of files are relative to. */
  readonly directory?: string;
  readonly log: Log;
  readonly clock?: Clock;
  /** How long a command's stdout is kept, in ms. Default 60 s. */
  readonly execTtlMs?: number;
  /** As it is in force when a command begins. */
  readonly execTimeout?: () => Limit;
}

/** A reference that leads to nothing. */
export interface Missing {
  /** As a log line may show it. */
  readonly reference: string;
  /** `is not set`, … */
  readonly why: string;
  readonly fix: string;
}

/** Resolves references for the whole process; commands' results are shared between connections that name the same one. */
export class CredentialResolver {
  readonly #options: CredentialsOptions;
  readonly #clock: Clock;
  readonly #commands = new Map<string, { until: number; value: Promise<string> }>();
  readonly #warned = new Set<string>();

  constructor(options: CredentialsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Every value of a connection's `credentials`: literals as they are, references resolved.
   * Errors: credentials_unavailable, which names the connection and the field only.
   */
  async resolve(
    connection: string,
    fields: Readonly<Record<string, unknown>>,
  ): Promise<Readonly<Record<string, string>>> {
    const values: Record<string, string> = {};
    for (const [field, written] of Object.entries(fields)) {
      if (written === undefined || written === null) continue;
      const reference = referenceOf(written);
      if (reference === undefined) {
        values[field] = String(written);
        continue;
      }
      try {
        values[field] = await this.read(reference);
      } catch (error) {
        throw this.#unavailable(connection, field, reference, error);
      }
    }
    return values;
  }

  /**
   * Why what is written for a credential leads to nothing, as far as that shows without reading a secret: what a command
   * would do does not. Never rejects.
   */
  async missing(written: unknown): Promise<Missing | undefined> {
    const reference = referenceOf(written);
    if (reference?.from === 'env') {
      if (this.#variable(reference.name) !== undefined) return undefined;
      const fix = "set it in the gateway's environment and start it again";
      return { reference: nameOf(reference), why: 'is not set', fix };
    }
    if (reference?.from !== 'file') return undefined;
    return access(this.#path(reference.path), constants.R_OK).then(
      () => undefined,
      ({ code }: NodeJS.ErrnoException) => {
        const fix = 'put it there, so that the gateway may read it; a session reads it anew';
        return { reference: nameOf(reference), why: `cannot be read (${code})`, fix };
      },
    );
  }

  /** One reference; a trailing newline is cut. Throws a plain Error whose message holds no secret. */
  async read(reference: SecretRef): Promise<string> {
    if (reference.from === 'env') {
      const value = this.#variable(reference.name);
      if (value === undefined) throw new Error('environment variable is not set');
      return value;
    }
    return reference.from === 'file' ? this.#file(reference.path) : this.#command(reference.command);
  }

  /** An empty one is not set. */
  #variable(name: string): string | undefined {
    return this.#options.environment[name] || undefined;
  }

  #path(written: string): string {
    return resolve(this.#options.directory ?? '', written);
  }

  async #file(written: string): Promise<string> {
    const path = this.#path(written);
    const facts = await stat(path);
    if (facts.size > credentialsBytesLimit.value) throw new Error(`file is over ${credentialsBytesLimit.name}`);
    if ((facts.mode & 0o004) !== 0 && !this.#warned.has(path)) {
      this.#warned.add(path);
      this.#options.log.warn({ path, fix: `chmod 600 ${path}` }, 'credential file can be read by everybody');
    }
    return cutNewline(await readFile(path, 'utf8'));
  }

  #command(command: string): Promise<string> {
    const now = this.#clock.now();
    const kept = this.#commands.get(command);
    if (kept !== undefined && kept.until > now) return kept.value;
    const value = runCommand(command, this.#options);
    this.#commands.set(command, {
      until: now + (this.#options.execTtlMs ?? 60_000),
      value,
    });
    // A failure is not kept: the next session tries again.
    value.catch(() => this.#commands.delete(command));
    return value;
  }

  #unavailable(connection: string, field: string, reference: SecretRef, error: unknown): HoopctlError {
    const reason = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : 'unknown';
    this.#options.log.error({ connection, field, reference: nameOf(reference), reason }, 'cannot resolve credential');
    return userError('credentials_unavailable', `the gateway cannot get credential "${field}" of "${connection}"`, {
      fix: "its administrator has to set it: the gateway's log names what it refers to, and why that fails",
    });
  }
}

function referenceOf(value: unknown): SecretRef | undefined {
  if (typeof value === 'string') return parseSecretRef(value);
  return typeof value === 'object' && value !== null && 'from' in value ? (value as SecretRef) : undefined;
}

/** A reference as a log line may show it: a command's arguments can hold secrets, so only its first word is. */
export function nameOf(reference: SecretRef): string {
  if (reference.from === 'env') return `env:${reference.name}`;
  if (reference.from === 'file') return `file:${reference.path}`;
  return `exec:${reference.command.trim().split(/\s/, 1)[0]} …`;
}

function cutNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** Whether a command needs a shell: quoting, expansion, pipes or a leading assignment. Otherwise its words are its argv. */
export function needsShell(command: string): boolean {
  return /[|&;<>()$`\\"'*?[\]#~{}!\n]/.test(command) || /^\s*[A-Za-z_][A-Za-z0-9_]*=/.test(command);
}

/** stdout of the command. Neither it nor stderr is ever part of an error. */
function runCommand(command: string, options: CredentialsOptions): Promise<string> {
  const bound = options.execTimeout?.() ?? credentialsExecLimit;
  const [file, ...args] = needsShell(command) ? ['/bin/sh', '-c', command] : command.trim().split(/\s+/);
  return new Promise((resolve, reject) => {
    const child = spawn(file!, args, {
      env: options.environment as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'ignore'],
      // Its own process group, so that a time-out ends what it started too.
      detached: true,
    });
    const chunks: Buffer[] = [];
    let size = 0;
    let over: string | undefined;
    const stop = (why: string) => {
      over ??= why;
      // The whole group: a pipeline's members outlive the shell that is killed alone.
      spawn('/bin/sh', ['-c', `kill -KILL -${child.pid}`], { stdio: 'ignore' }).on('error', () =>
        child.kill('SIGKILL'),
      );
    };
    const timer = setTimeout(() => stop(`command ran longer than ${bound.value} ms (${bound.name})`), bound.value);
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > credentialsBytesLimit.value) stop(`command printed more than ${credentialsBytesLimit.name} allows`);
      else chunks.push(chunk);
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(new Error(`command cannot be started (${error.code ?? 'unknown'})`));
    });
    child.on('close', (code, killed) => {
      clearTimeout(timer);
      if (over !== undefined) return reject(new Error(over));
      if (code !== 0) return reject(new Error(`command ended with ${code === null ? killed : `exit code ${code}`}`));
      resolve(cutNewline(Buffer.concat(chunks).toString('utf8')));
    });
  });
}
