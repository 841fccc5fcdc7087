// The catalogue of one target database, read through a connection of the gateway's own and kept for a while.
// Refuses to know: SQL of the session, masks. When it cannot be read it throws; the caller then proves nothing.

import type { CatalogueSource, SideConnection } from '../analysis.ts';
import { analyseFresh } from '../sql/analyser.ts';
import type { AnalysedStatement } from '../sql/statement.ts';
import { type Body, Code } from './code.ts';
import * as codeQueries from './code-queries.ts';
import { FormerNames } from './former.ts';
import * as queries from './queries.ts';
import { type Definition, digestOf, type Rows, Snapshot } from './snapshot.ts';

export interface CatalogueTimes {
  /** ms after which a snapshot in use is compared with the server again, in the background. */
  readonly refreshAfter: number;
  /** ms after which it is not used before that has been done. */
  readonly staleAfter: number;
  /** ms that reading it may take, connecting included. */
  readonly timeout: number;
  readonly now: () => number;
}

export const CATALOGUE_TIMES: CatalogueTimes = {
  refreshAfter: 3_000,
  staleAfter: 10_000,
  timeout: 15_000,
  now: () => performance.now(),
};

/** What outlives a snapshot. */
export interface Past {
  /** Former names of relations and columns by their numbers: a rename does not take a mask off. */
  relation(oid: number): ReadonlySet<string> | undefined;
  column(oid: number, attnum: number): ReadonlySet<string> | undefined;
  /** Whether a definition that could not be read may be tried again. */
  mayRetry(oid: number): boolean;
}

export class Catalogue implements Past {
  #source: CatalogueSource;
  readonly #times: CatalogueTimes;
  #snapshot: Snapshot | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #loading: Promise<Snapshot> | undefined;
  #latest: Snapshot | undefined;
  #latestAt = Number.NEGATIVE_INFINITY;
  /** Counts what made the last snapshot worthless: a load that began before it does not bring it back. */
  #forgotten = 0;
  /** Counts invalidations: a load that began before one is not its answer. */
  #generation = 0;
  /** Somebody wants to know what runs by itself; from then on it is read with the rest. */
  #wantsCode = false;
  readonly #unreadAt = new Map<number, number>();
  readonly #former = new FormerNames();

  constructor(source: CatalogueSource, times: CatalogueTimes = CATALOGUE_TIMES) {
    this.#source = source;
    this.#times = times;
  }

  /** Another session of the same key came: its way to connect is as good, and newer. */
  reachThrough(source: CatalogueSource): void {
    this.#source = source;
  }

  /** The search path of a fresh session when it was last looked at; undefined before. */
  get searchPath(): string | undefined {
    return this.#snapshot?.path;
  }

  get now(): number {
    return this.#times.now();
  }

  /** Counts DDL that went by. */
  get generation(): number {
    return this.#generation;
  }

  /** Counts how often what was read lately became worthless. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** The snapshot when it is fresh enough, else undefined: `load` then. */
  current(): Snapshot | undefined {
    const age = this.#times.now() - this.#checkedAt;
    if (this.#snapshot === undefined || age > this.#times.staleAfter) return undefined;
    if (age > this.#times.refreshAfter && this.#loading === undefined) this.load().catch(() => {});
    return this.#snapshot;
  }

  /** The last snapshot, DDL since then or not, while that is so fresh, else a new one; and when reading it began. */
  async recent(): Promise<{ readonly snapshot: Snapshot; readonly at: number }> {
    const now = this.#times.now();
    if (this.#latest !== undefined && now - this.#latestAt <= this.#times.refreshAfter) {
      return { snapshot: this.#latest, at: this.#latestAt };
    }
    const snapshot = await this.load();
    return { snapshot, at: snapshot === this.#latest ? this.#latestAt : now };
  }

  /** ms since something was read: whether that is to be looked at again, or of no use any more. */
  age(at: number): 'fresh' | 'old' | 'stale' {
    const age = this.#times.now() - at;
    return age > this.#times.staleAfter ? 'stale' : age > this.#times.refreshAfter ? 'old' : 'fresh';
  }

  /** What was read lately is not so any more. */
  forget(): void {
    this.#latest = undefined;
    this.#forgotten++;
  }

  /** One value of the gateway's own asking. Rejects as `load`. */
  async ask(sql: string): Promise<string | null | undefined> {
    return this.#connected(async (side) => {
      await side.query(queries.PREPARE);
      return (await side.query(sql))[0]?.[0];
    });
  }

  /** A fresh snapshot; sessions that wait at once share one load. Rejects when the catalogue cannot be read. */
  load(): Promise<Snapshot> {
    if (this.#loading !== undefined) return this.#loading;
    const loading = this.#load().finally(() => {
      if (this.#loading === loading) this.#loading = undefined;
    });
    this.#loading = loading;
    return loading;
  }

  /** DDL went by: what was read before this moment is not used any more. */
  invalidate(): void {
    this.#generation++;
    this.#checkedAt = Number.NEGATIVE_INFINITY;
    this.#loading = undefined;
    this.#unreadAt.clear();
  }

  /** As `load`, of what the server says from now on. */
  async fresh(): Promise<Snapshot> {
    await this.#loading?.catch(() => {});
    return this.load();
  }

  /** Snapshots are to have `code` from now on. */
  wantCode(): void {
    if (this.#wantsCode) return;
    this.#wantsCode = true;
    this.#checkedAt = Number.NEGATIVE_INFINITY;
    this.#loading = undefined;
  }

  /** Reads definitions of functions into the snapshot. */
  async loadBodies(code: Code, oids: readonly number[]): Promise<void> {
    await this.#connected(async (side) => {
      await side.query(queries.PREPARE);
      for (const oid of oids) code.bodies.set(oid, 'unread');
      for (const [oid, text] of await side.query(codeQueries.functionDefinitions(oids))) {
        if (text !== null) code.bodies.set(Number(oid), bodyOf(text!));
      }
    });
  }

  /** Reads definitions of views into the snapshot; what cannot be read is `unread` there, for some seconds. */
  async loadDefinitions(snapshot: Snapshot, oids: readonly number[]): Promise<void> {
    await this.#connected(async (side) => {
      await side.query(queries.PREPARE);
      for (const [oid, definition] of await readDefinitions(side, oids)) {
        snapshot.definitions.set(oid, definition);
        if (definition === 'unread') this.#unreadAt.set(oid, this.#times.now());
      }
    });
  }

  mayRetry(oid: number): boolean {
    return this.#times.now() - (this.#unreadAt.get(oid) ?? Number.NEGATIVE_INFINITY) > this.#times.refreshAfter;
  }

  relation(oid: number): ReadonlySet<string> | undefined {
    return this.#former.relations.get(oid);
  }

  column(oid: number, attnum: number): ReadonlySet<string> | undefined {
    return this.#former.columns.get(`${oid}.${attnum}`);
  }

  async #load(): Promise<Snapshot> {
    const generation = this.#generation;
    const forgotten = this.#forgotten;
    const began = this.#times.now();
    const snapshot = await this.#connected((side) => this.#read(side));
    if (this.#snapshot !== snapshot) this.#remember(snapshot);
    if (forgotten === this.#forgotten) {
      this.#latest = snapshot;
      this.#latestAt = began;
    }
    // DDL went by meanwhile: who asked before it gets what was read, nobody else does.
    if (generation === this.#generation) {
      this.#snapshot = snapshot;
      this.#checkedAt = this.#times.now();
    }
    return snapshot;
  }

  #remember(snapshot: Snapshot): void {
    this.#former.learn(snapshot);
    const { memory, place } = this.#source;
    // What cannot be kept now is kept with the next change.
    if (memory !== undefined) this.#former.save(memory, memoryKey(place)).catch(() => {});
  }

  async #recall(side: SideConnection): Promise<void> {
    const { memory, place } = this.#source;
    const [database] = await side.query(queries.DATABASE);
    // Not everybody may ask.
    const [server] = await side.query(queries.SYSTEM).catch(() => [['']]);
    // Another server at the same address numbers other things.
    this.#former.belongTo(`${database?.[0]} ${server?.[0]}`);
    if (memory !== undefined) await this.#former.recall(memory, memoryKey(place));
  }

  async #read(side: SideConnection): Promise<Snapshot> {
    const searchPath = await side.query(queries.SEARCH_PATH);
    await side.query(queries.PREPARE);
    await this.#recall(side);
    // One moment for all of it.
    await side.query('begin isolation level repeatable read');
    const code = this.#wantsCode;
    const rows = [...(await side.query(queries.DIGEST)), ...(code ? await side.query(codeQueries.CODE_DIGEST) : [])];
    const digest = [[...rows, ...searchPath].flat()];
    const known = this.#snapshot;
    const whole = (known?.code?.held.size ?? 0) === 0;
    if (known !== undefined && whole && known.digest === digestOf(digest)) return known;
    const snapshot = new Snapshot({
      searchPath,
      digest,
      relations: await side.query(queries.RELATIONS),
      columns: await side.query(queries.COLUMNS),
      inheritance: await side.query(queries.INHERITANCE),
      generated: await side.query(queries.GENERATED),
      sequences: await side.query(queries.SEQUENCES),
      functions: await side.query(queries.FUNCTIONS),
      rowFunctions: await side.query(queries.ROW_FUNCTIONS),
      operators: await side.query(queries.OPERATORS),
      casts: await side.query(queries.CASTS),
      textTypes: await side.query(queries.TEXT_TYPES),
    });
    if (code) snapshot.code = await readCode(side, known);
    // Those of the server itself stay.
    for (const [oid, definition] of known?.definitions ?? []) {
      if (snapshot.relations.get(oid)?.builtin === true) snapshot.definitions.set(oid, definition);
    }
    return snapshot;
  }

  async #connected<Result>(use: (side: SideConnection) => Promise<Result>): Promise<Result> {
    const signal = AbortSignal.timeout(this.#times.timeout);
    const side = await this.#source.connect(signal);
    const expired = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    expired.catch(() => {});
    try {
      return await Promise.race([use(side), expired]);
    } finally {
      side.close();
    }
  }
}

const memoryKey = (place: string | undefined): string => `former names ${place ?? ''}`;

async function readDefinitions(side: SideConnection, oids: readonly number[]): Promise<Map<number, Definition>> {
  const found = new Map<number, Definition>(oids.map((oid) => [oid, 'unread']));
  const take = (rows: Rows) => {
    for (const [oid, text] of rows) found.set(Number(oid), text === null ? 'unread' : definitionOf(text!));
  };
  try {
    take(await side.query(queries.definitions(oids)));
  } catch {
    // One view whose relations are locked fails the query for all.
    for (const oid of oids) {
      try {
        take(await side.query(queries.definitions([oid])));
      } catch {}
    }
  }
  return found;
}

async function readCode(side: SideConnection, before: Snapshot | undefined): Promise<Code> {
  const held = (await side.query(codeQueries.HELD)).map(([oid]) => Number(oid));
  const code = new Code({
    routines: await side.query(codeQueries.ROUTINES),
    aggregates: await side.query(codeQueries.AGGREGATES),
    triggers: await side.query(codeQueries.triggers(held)),
    rules: await side.query(codeQueries.rules(held)),
    foreignKeys: await side.query(codeQueries.FOREIGN_KEYS),
    expressions: await side.query(codeQueries.expressions(held)),
    domains: await side.query(codeQueries.DOMAINS),
    casts: await side.query(codeQueries.CAST_FUNCTIONS),
    support: await side.query(codeQueries.SUPPORT),
    operators: await side.query(codeQueries.OPERATOR_FUNCTIONS),
    foreignTables: await side.query(codeQueries.FOREIGN_TABLES),
    eventTriggers: await side.query(codeQueries.EVENT_TRIGGERS),
    indexes: await side.query(codeQueries.INDEXES),
    dependents: await side.query(codeQueries.DEPENDENTS),
  });
  code.hold(held, before?.code, (oid) => before?.relations.has(oid) === true);
  return code;
}

function bodyOf(text: string): Body {
  const { analysis } = analyseFresh(Buffer.from(text));
  const [statement] = analysis.statements;
  return analysis.error === undefined && statement !== undefined ? (statement as AnalysedStatement) : 'unread';
}

function definitionOf(text: string): Definition {
  const { analysis } = analyseFresh(Buffer.from(text));
  const statement = analysis.statements[0];
  if (analysis.error !== undefined || analysis.statements.length !== 1 || statement === undefined) return 'unread';
  return (statement as AnalysedStatement).lineage;
}
