// The catalogue of one target database, read through a connection of the gateway's own and kept for a while.
// Refuses to know: SQL of the session, masks. When it cannot be read it throws; the caller then proves nothing.

import type { CatalogueSource, SideConnection } from '../analysis.ts';
import { analyseFresh } from '../sql/analyser.ts';
import type { AnalysedStatement } from '../sql/statement.ts';
import * as queries from './queries.ts';
import { type Definition, digestOf, type Relation, type Rows, Snapshot } from './snapshot.ts';

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
  /** Counts invalidations: a load that began before one is not its answer. */
  #generation = 0;
  readonly #unreadAt = new Map<number, number>();
  readonly #formerRelations = new Map<number, Set<string>>();
  readonly #formerColumns = new Map<string, Set<string>>();

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
    return this.#snapshot === undefined ? undefined : JSON.stringify(this.#snapshot.searchPath);
  }

  /** Counts DDL that went by. */
  get generation(): number {
    return this.#generation;
  }

  /** The snapshot when it is fresh enough, else undefined: `load` then. */
  current(): Snapshot | undefined {
    const age = this.#times.now() - this.#checkedAt;
    if (this.#snapshot === undefined || age > this.#times.staleAfter) return undefined;
    if (age > this.#times.refreshAfter && this.#loading === undefined) this.load().catch(() => {});
    return this.#snapshot;
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
    return this.#formerRelations.get(oid);
  }

  column(oid: number, attnum: number): ReadonlySet<string> | undefined {
    return this.#formerColumns.get(`${oid}.${attnum}`);
  }

  async #load(): Promise<Snapshot> {
    const generation = this.#generation;
    const snapshot = await this.#connected((side) => this.#read(side));
    if (this.#snapshot !== undefined && this.#snapshot !== snapshot) this.#remember(this.#snapshot, snapshot);
    // DDL went by meanwhile: who asked before it gets what was read, nobody else does.
    if (generation === this.#generation) {
      this.#snapshot = snapshot;
      this.#checkedAt = this.#times.now();
    }
    return snapshot;
  }

  async #read(side: SideConnection): Promise<Snapshot> {
    const searchPath = await side.query(queries.SEARCH_PATH);
    await side.query(queries.PREPARE);
    const digest = [[...(await side.query(queries.DIGEST)), ...searchPath].flat()];
    const known = this.#snapshot;
    if (known !== undefined && known.digest === digestOf(digest)) return known;
    return new Snapshot({
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

  #remember(before: Snapshot, after: Snapshot): void {
    for (const [oid, relation] of before.relations) {
      const now = after.relations.get(oid);
      if (now === undefined || relation.builtin) continue;
      if (now.schema !== relation.schema || now.name !== relation.name) {
        add(this.#formerRelations, oid, `${relation.schema}\u0000${relation.name}`);
      }
      // A partition that was detached, a child that was disowned: what was seen through the parent is still in it.
      const kept = new Set([...ancestors(now)].map((ancestor) => ancestor.oid));
      for (const ancestor of ancestors(relation)) {
        if (!kept.has(ancestor.oid)) add(this.#formerRelations, oid, `${ancestor.schema}\u0000${ancestor.name}`);
      }
      const names = new Map(now.columns.map((column) => [column.attnum, column.name]));
      for (const { attnum, name } of relation.columns) {
        const renamed = names.get(attnum);
        if (renamed !== undefined && renamed !== name) add(this.#formerColumns, `${oid}.${attnum}`, name);
      }
    }
  }
}

function ancestors(relation: Relation, found = new Set<Relation>()): Set<Relation> {
  for (const parent of relation.parents) {
    if (!found.has(parent)) ancestors(parent, found.add(parent));
  }
  return found;
}

function add<Key>(map: Map<Key, Set<string>>, key: Key, value: string): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

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

function definitionOf(text: string): Definition {
  const { analysis } = analyseFresh(Buffer.from(text));
  const statement = analysis.statements[0];
  if (analysis.error !== undefined || analysis.statements.length !== 1 || statement === undefined) return 'unread';
  return (statement as AnalysedStatement).lineage;
}
