// The configuration in force: read at start, and again when told or when the file changed. A new version that has a problem,
// or fails its own tests, leaves the old one in force and says so.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { formatProblems, type Problem } from '../config/problem.ts';
import { type Watching, watchFile } from '../config/watch.ts';
import type { Clock } from '../core/clock.ts';
import { userError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Protocol } from '../protocol/contract.ts';
import type { KeyValue } from '../session/identity/stores.ts';
import type { AuditLog } from '../session/log/audit.ts';
import {
  type Configuration,
  configurationError,
  emptyFile,
  type ReadResult,
  readConfiguration,
} from './configuration.ts';

export interface ReloadOptions {
  /** Undefined: no file, everything at its default. */
  readonly file: string | undefined;
  readonly maskKey: Uint8Array;
  readonly protocols?: readonly Protocol[];
  readonly clock: Clock;
  readonly log: Log;
  readonly watch?: { readonly debounceMs?: number; readonly pollMs?: number };
}

/** How the last reload went. */
export interface ReloadState {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly loadedAt: number;
  /** Why the newest version of the file is not in force, one line each; empty when it is. */
  readonly problems: readonly string[];
  /** What was changed but counts only after a restart: `listen`, `tls`, … */
  readonly restartNeeded: readonly string[];
}

export class ConfigurationInForce {
  readonly #options: ReloadOptions;
  readonly #started: Configuration;
  #current: Configuration;
  #text: string;
  #state: ReloadState;
  #watching: Watching | undefined;
  #running: Promise<boolean> | undefined;

  private constructor(options: ReloadOptions, configuration: Configuration, text: string) {
    this.#options = options;
    this.#started = configuration;
    this.#current = configuration;
    this.#text = text;
    this.#state = { version: configuration.version, loadedAt: options.clock.now(), problems: [], restartNeeded: [] };
  }

  /** Errors: config_unreadable, config_invalid with every problem. A failing test of the policy is one. */
  static async load(options: ReloadOptions): Promise<ConfigurationInForce> {
    const text = readText(options.file);
    const result = await read(text, options);
    if (result.configuration === undefined) throw configurationError(result.problems, options.file ?? 'configuration');
    return new ConfigurationInForce(options, result.configuration, text);
  }

  get current(): Configuration {
    return this.#current;
  }

  /** The document as it was written: for the log. It holds references to secrets, no secrets. */
  get text(): string {
    return this.#text;
  }

  get state(): ReloadState {
    return this.#state;
  }

  /** Reads the file again when it changes. `changed` is told the new configuration and the one before. */
  watch(
    audit: AuditLog,
    changed: (now: Configuration, before: Configuration) => void,
    told: (ok: boolean) => void,
  ): void {
    const { file, watch } = this.#options;
    if (file === undefined) return;
    this.#watching = watchFile(file, () => void this.reload(audit, changed, told), watch);
  }

  /** False when the old version stays in force. Never rejects; two at once are one. */
  reload(
    audit: AuditLog,
    changed: (now: Configuration, before: Configuration) => void,
    told: (ok: boolean) => void,
  ): Promise<boolean> {
    this.#running ??= this.#reload(audit, changed)
      .then((ok) => {
        if (ok !== undefined) told(ok);
        return ok !== false;
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  stop(): void {
    this.#watching?.stop();
  }

  /** Undefined: nothing changed. */
  async #reload(
    audit: AuditLog,
    changed: (now: Configuration, before: Configuration) => void,
  ): Promise<boolean | undefined> {
    const { file, clock, log } = this.#options;
    let text: string;
    let problems: readonly string[];
    try {
      text = readText(file);
      if (text === this.#text && this.#state.problems.length === 0) return undefined;
      const cut = hasEndMark(this.#text) && !hasEndMark(text);
      const result = cut ? { problems: [noEndMark(file ?? 'configuration', text)] } : await read(text, this.#options);
      if (result.configuration !== undefined) {
        const before = this.#current;
        // On record before it counts.
        const { version: now } = result.configuration;
        audit.append('policy', { what: 'loaded', version: now, before: before.version, document: text });
        this.#current = result.configuration;
        this.#text = text;
        const restartNeeded = restartOnly(result.configuration, this.#started);
        const { version } = result.configuration;
        this.#state = { version, loadedAt: clock.now(), problems: [], restartNeeded };
        log.info({ file, version, restartNeeded }, 'configuration loaded');
        changed(result.configuration, before);
        return true;
      }
      problems = lines(result.problems);
    } catch (error) {
      problems = [error instanceof Error ? error.message : String(error)];
    }
    this.#state = { ...this.#state, problems };
    log.error({ file, problems }, 'new configuration refused: the old one stays in force');
    try {
      audit.append('policy', { what: 'refused', problems, inForce: this.#current.version });
    } catch {
      // The log has told of its own failure.
    }
    return false;
  }
}

/**
 * Says so when the document that a start has read lacks the mark that the one in force before had. Called at each
 * change too, to keep what is in force. Errors: store_failed.
 */
export async function tellCut(
  store: Pick<KeyValue, 'get' | 'set'>,
  gateway: string,
  { text }: Pick<ConfigurationInForce, 'text'>,
  log: Log,
): Promise<void> {
  const key = `configuration-ended/${gateway}`;
  const ended = hasEndMark(text);
  if (!ended && (await store.get(key)) === 'true') {
    log.error(
      {},
      'the configuration does not end with a line "..." as the one before this start did: unless somebody took that away, the file was cut, and rules at its end are missing',
    );
  }
  await store.set(key, String(ended));
}

/** YAML's own mark of a document's end as the last line: what a full disk cuts has lost it. */
function hasEndMark(text: string): boolean {
  return (
    text
      .split('\n')
      .findLast((line) => line.trim() !== '' && !line.startsWith('#'))
      ?.trimEnd() === '...'
  );
}

function noEndMark(file: string, text: string): Problem {
  const message =
    'the file does not end with a line "..." as the version in force does, expected it: without, the file was cut (to do without it, start the gateway again)';
  return { file, line: text.split('\n').length, column: 1, path: '', message };
}

function lines(problems: readonly Problem[]): readonly string[] {
  return formatProblems(problems).split('\n');
}

async function read(text: string, options: ReloadOptions): Promise<ReadResult> {
  const { file, clock, maskKey, protocols } = options;
  const nothing = file === undefined ? undefined : emptyFile(text, file);
  if (nothing !== undefined) return nothing;
  const result = await readConfiguration(text, {
    file: file ?? 'configuration',
    directory: file === undefined ? '.' : dirname(resolve(file)),
    now: clock.now(),
    maskKey,
    ...(protocols === undefined ? {} : { protocols }),
  });
  const { configuration } = result;
  if (configuration !== undefined && configuration.failures.length > 0) return { problems: configuration.failures };
  return result;
}

function readText(file: string | undefined): string {
  if (file === undefined) return '';
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw userError('config_unreadable', `cannot read the configuration "${file}": ${code ?? String(error)}`, {
      fix: 'check the path given with --config, and that the file may be read',
      cause: error,
    });
  }
}

/** Sections that are read at start only. */
function restartOnly(now: Configuration, started: Configuration): string[] {
  const parts: Record<string, (configuration: Configuration) => unknown> = {
    listen: ({ listen }) => [listen.gateway, [...listen.native]],
    publicUrl: ({ publicUrl }) => publicUrl,
    tls: ({ tls }) => tls,
    store: ({ store }) => store,
    'identity.embedded': ({ identity }) => identity.embedded,
  };
  return Object.keys(parts).filter((name) => {
    const part = parts[name]!;
    return JSON.stringify(part(now)) !== JSON.stringify(part(started));
  });
}
