// Where the store's tests run: the embedded database, and a real PostgreSQL. Each test begins with an empty store.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../../src/core/clock.ts';
import { silentLog } from '../../../src/core/log.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { type Postgres, startPostgres } from '../../support/postgres.ts';

export interface StoreStage {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Everything is empty from here on. */
  begin(): Promise<void>;
  /** Once more for each gateway. */
  open(clock: Clock): Promise<Store>;
  /** What the tables hold. */
  raw(sql: string): Promise<Record<string, unknown>[]>;
}

export class EmbeddedStage implements StoreStage {
  readonly #directory = mkdtempSync(join(tmpdir(), 'store-'));
  #count = 0;

  get #data(): string {
    return join(this.#directory, String(this.#count));
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async begin(): Promise<void> {
    this.#count += 1;
  }

  open(clock: Clock): Promise<Store> {
    return openStore({ directory: this.#data, clock });
  }

  async raw(sql: string): Promise<Record<string, unknown>[]> {
    using file = new DatabaseSync(join(this.#data, 'store.db'), { readOnly: true });
    return file.prepare(sql).all();
  }
}

export class PostgresStage implements StoreStage {
  readonly #directory = mkdtempSync(join(tmpdir(), 'store-'));
  #count = 0;
  #gateways = 0;
  server!: Postgres;

  get #schema(): string {
    return `test_${this.#count}`;
  }

  async start(): Promise<void> {
    this.server = await startPostgres();
    // Its language sorts "keys/a" and "keysx" other than their bytes do.
    const language = "template template0 locale_provider icu icu_locale 'en-US'";
    await this.server
      .query(`create database state ${language}`)
      .catch(() => this.server.query('create database state'));
  }

  async stop(): Promise<void> {
    await this.server?.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async begin(): Promise<void> {
    this.#count += 1;
    await this.server.query(`create schema ${this.#schema}`, 'state');
  }

  get url(): string {
    return `${this.server.url('state')}?sslmode=disable&options=${encodeURIComponent(`-c search_path=${this.#schema}`)}`;
  }

  /** `port`: of something between it and the server. `url`: of another server. */
  open(clock: Clock, { port, url, ...more }: { timeoutMs?: number; port?: number; url?: string } = {}): Promise<Store> {
    this.#gateways += 1;
    const gateway = `gw-${this.#gateways}`;
    const directory = join(this.#directory, gateway);
    const at = url ?? (port === undefined ? this.url : this.url.replace(`:${this.server.port}/`, `:${port}/`));
    const postgres = { url: async () => at, directory, log: silentLog, connections: 5, timeoutMs: 5000, ...more };
    return openStore({ directory, clock, gateway, postgres });
  }

  raw(sql: string): Promise<Record<string, unknown>[]> {
    return this.server.query(`set search_path = ${this.#schema}; ${sql}`, 'state');
  }
}
