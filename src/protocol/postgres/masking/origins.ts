// Names in a statement and numbers in a RowDescription → the columns that values can have come from.
// Refuses to know: which of them are masked.
//
// An answer is a superset, or says that nothing is proven. Where a view's definition is missing, `missing` collects the
// view: the caller reads it and asks again.

import type { Origin } from '../../contract.ts';
import type { Past } from '../catalogue/catalogue.ts';
import { relatives } from '../catalogue/inheritance.ts';
import type { Column, Definition, Relation, Snapshot } from '../catalogue/snapshot.ts';
import type { Name } from '../sql/collector.ts';
import type { Lineage, Output, Reference, Simple, Source } from '../sql/lineage.ts';
import { classify, mayBeFunction } from './functions.ts';
import { isTainted, qualifies, type Resolved, SYSTEM_COLUMNS, starColumns } from './sources.ts';

export interface Origins {
  /** Undefined: nothing is proven. */
  readonly columns: readonly Origin[] | undefined;
  /** The value is that of one column, unchanged. */
  readonly direct: boolean;
}

/** An output column: with the column that it is where it is one as it stands. */
export interface OutputOrigins extends Origins {
  readonly column?: Column;
  readonly aggregate?: string;
}

export const UNPROVEN: Origins = { columns: undefined, direct: false };
export const NOWHERE: Origins = { columns: [], direct: false };

/** How names in a text resolve: unqualified ones in a session, or in a definition that the server wrote. */
export type Names = 'pinned' | 'any' | 'definition';

/**
 * Answers for good, and those that wait for a definition: these hold until the next attempt. Without them a view over views is
 * followed as often as there are ways through the columns of all of them.
 */
class Memo<Key, Value> {
  readonly #known = new Map<Key, Value>();
  readonly #waiting = new Map<Key, Value>();

  get(key: Key): Value | undefined {
    return this.#known.get(key) ?? this.#waiting.get(key);
  }

  set(key: Key, value: Value, known: boolean): void {
    (known ? this.#known : this.#waiting).set(key, value);
  }

  begin(): void {
    this.#waiting.clear();
  }
}

export class OriginResolver {
  /** Views whose definitions are needed and not read yet. */
  readonly missing = new Set<number>();
  /** A definition was missing or could not be read since `begin`: what was found is not the last word. */
  incomplete = false;
  readonly #snapshot: Snapshot;
  readonly #past: Past;
  readonly #columns = new Memo<string, Origins>();
  readonly #relations = new Memo<number, Origins>();
  readonly #views = new Memo<number, readonly Origins[]>();
  /** Views being followed: a definition that reaches itself proves nothing. */
  readonly #open = new Set<number>();

  constructor(snapshot: Snapshot, past: Past) {
    this.#snapshot = snapshot;
    this.#past = past;
  }

  /** One column by its numbers; number 0 is the whole row, negative ones are the system's. */
  column(tableOid: number, attnum: number): Origins {
    const relation = this.#snapshot.relations.get(tableOid);
    if (relation === undefined) return UNPROVEN;
    if (attnum === 0) return this.relation(relation);
    if (attnum < 0) return NOWHERE;
    const column = relation.columns.find((candidate) => candidate.attnum === attnum);
    return column === undefined ? UNPROVEN : this.columnOf(relation, column);
  }

  columnOf(relation: Relation, column: Column): Origins {
    const key = `${relation.oid}.${column.attnum}`;
    const known = this.#columns.get(key);
    if (known !== undefined) return known;
    const found = this.#follow(relation, column);
    this.#columns.set(key, found, !this.incomplete);
    return found;
  }

  /** Every column of a relation: a whole row, or what an expression over it may use. */
  relation(relation: Relation): Origins {
    const known = this.#relations.get(relation.oid);
    if (known !== undefined) return known;
    const found = union(relation.columns.map((column) => this.columnOf(relation, column)));
    this.#relations.set(relation.oid, found, !this.incomplete);
    return found;
  }

  begin(): void {
    this.missing.clear();
    this.incomplete = false;
    for (const memo of [this.#columns, this.#relations, this.#views]) memo.begin();
  }

  isView(oid: number): boolean {
    const kind = this.#snapshot.relations.get(oid)?.kind;
    return kind === 'v' || kind === 'm';
  }

  resolve({ schema, name }: Name, names: Names): readonly Relation[] {
    const place = schema ?? (names === 'definition' ? 'pg_catalog' : undefined);
    return this.#snapshot.resolve(place, name, names === 'pinned');
  }

  /** What any value of a statement can have come from. */
  all(lineage: Lineage, names: Names): Origins {
    if (!this.expressionsAreKnown(lineage)) return UNPROVEN;
    return union([...this.#used(lineage, lineage.relations, names), this.#sequences(lineage)]);
  }

  /** What the relations that a statement reads can give to it. */
  read(lineage: Lineage, names: Names): Origins {
    return union(this.#used(lineage, lineage.read, names));
  }

  /** Of each relation the columns that the statement names; all of them where it may use a whole row. */
  #used(lineage: Lineage, relations: readonly Name[], names: Names): Origins[] {
    const named = lineage.named && this.#allFound(lineage, names);
    return relations.map((name) => {
      const candidates = this.resolve(name, names);
      if (candidates.length === 0) return UNPROVEN;
      return union(candidates.map((each) => (named ? this.#namedColumns(each, lineage.fields) : this.relation(each))));
    });
  }

  /** Whether every name is known for a column, and none can be a function that takes the row. */
  #allFound(lineage: Lineage, names: Names): boolean {
    const relations = lineage.relations.flatMap((name) => this.resolve(name, names));
    return lineage.fields.every((field) => {
      if (this.#snapshot.rowFunctions.has(field)) return false;
      if (lineage.labels.includes(field) || SYSTEM_COLUMNS.has(field)) return true;
      return relations.some((relation) => relation.columns.some((column) => column.name === field));
    });
  }

  #namedColumns(relation: Relation, fields: readonly string[]): Origins {
    const used = relation.columns.filter((column) => fields.includes(column.name));
    return union(used.map((column) => this.columnOf(relation, column)));
  }

  /** Whether functions, and names that may be functions of a row, are known not to read anything else. */
  functionsAreKnown(functions: readonly Name[], fields: readonly string[]): boolean {
    const snapshot = this.#snapshot;
    if (functions.some((name) => classify(snapshot, name) === 'unknown')) return false;
    return !fields.some((field) => mayBeFunction(snapshot, field));
  }

  /** Whether every function, operator and cast that a statement can call is known not to read anything else. */
  expressionsAreKnown(lineage: Lineage): boolean {
    const snapshot = this.#snapshot;
    if (snapshot.customCasts) return false;
    if (!this.functionsAreKnown(lineage.functions, lineage.fields)) return false;
    return !lineage.operators.some((operator) => snapshot.customOperators.has(operator));
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** Whether somebody made an operator of that name, other than with an extension. */
  isMade(operator: string): boolean {
    return this.#snapshot.madeOperators.has(operator);
  }

  /** Whether a statement calls a built-in function that keeps its arguments where they can be read: set_config, … */
  keepsArguments(lineage: Lineage): boolean {
    return lineage.functions.some((name) => classify(this.#snapshot, name) === 'effect');
  }

  #sequences(lineage: Lineage): Origins {
    const snapshot = this.#snapshot;
    if (!lineage.functions.some((name) => classify(snapshot, name) === 'sequence')) return NOWHERE;
    return union([...snapshot.sequenceOwners()].map(({ relation, attnum }) => this.column(relation.oid, attnum)));
  }

  /**
   * The origins of each of `count` output columns; undefined for one that is not followed. Columns of a `*` are followed
   * where the catalogue says how many there are.
   */
  outputs(lineage: Lineage, count: number, names: Names): readonly (OutputOrigins | undefined)[] {
    const found: (OutputOrigins | undefined)[] = [];
    const { simple } = lineage;
    const nothing = () => new Array<undefined>(count).fill(undefined);
    if (simple === undefined || !this.expressionsAreKnown(lineage)) return nothing();
    const stars = simple.outputs.filter((output) => output.kind === 'star').length;
    const named = simple.outputs.length - stars;
    if (stars > 1 || named > count || (stars === 0 && named !== count)) return nothing();
    const sources = simple.sources.map((source) => ({ source, relations: this.resolve(source, names) }));
    const sequences = this.#sequences(lineage);
    for (const output of simple.outputs) {
      if (output.kind === 'star') found.push(...this.#star(output.of, simple, sources, count - named));
      else found.push(this.#output(output, sources, sequences));
    }
    return found;
  }

  /** How many columns a statement returns, where that can be known before it runs. */
  width(lineage: Lineage, names: Names): number | undefined {
    if (lineage.width !== undefined) return lineage.width;
    const { simple } = lineage;
    if (simple === undefined) return undefined;
    const sources = simple.sources.map((source) => ({ source, relations: this.resolve(source, names) }));
    let width = 0;
    for (const output of simple.outputs) {
      const columns = output.kind === 'star' ? starColumns(output.of, simple, sources) : [undefined];
      if (columns === undefined) return undefined;
      width += columns.length;
    }
    return width;
  }

  #star(
    of: Reference | undefined,
    simple: Simple,
    sources: readonly Resolved[],
    count: number,
  ): readonly (OutputOrigins | undefined)[] {
    const columns = starColumns(of, simple, sources);
    if (columns === undefined || columns.length !== count) return new Array<undefined>(count).fill(undefined);
    return columns.map(([relation, column]) => ({ ...this.columnOf(relation, column), column }));
  }

  #output(output: Output, sources: readonly Resolved[], sequences: Origins): OutputOrigins | undefined {
    if (output.kind !== 'expression') return undefined;
    const parts: OutputOrigins[] = [];
    for (const reference of output.references) {
      const found = this.reference(reference, sources);
      if (found === undefined) return undefined;
      parts.push(found);
    }
    // A plain reference is the column itself: nothing of the statement's functions is in it.
    const [only] = parts;
    if (output.plain && only !== undefined) return only;
    return { ...union([...parts, sequences]), ...(output.counts === true ? { aggregate: 'count' } : {}) };
  }

  /** A reference by name; undefined when it is none of a column, a row of `sources`, or not certainly so. */
  reference({ path, whole }: Reference, sources: readonly Resolved[]): OutputOrigins | undefined {
    const column = whole ? undefined : path.at(-1);
    const qualifier = whole ? path : path.slice(0, -1);
    const meant = sources.filter(({ source }) => qualifies(source, qualifier));
    if (meant.length === 0 || meant.some(({ relations }) => relations.length === 0)) return undefined;
    const relations = meant.flatMap((entry) => entry.relations);
    const rows = () => union(relations.map((relation) => this.relation(relation)));
    if (column === undefined) return rows();
    if (SYSTEM_COLUMNS.has(column)) return NOWHERE;
    const found = relations.flatMap((relation) => {
      const own = relation.columns.find((candidate) => candidate.name === column);
      return own === undefined ? [] : [{ ...this.columnOf(relation, own), column: own }];
    });
    // One source that has the column, whichever relation its name means: then it is a column, and one of those found.
    const certain = meant.some((entry) =>
      entry.relations.every((relation) => relation.columns.some((candidate) => candidate.name === column)),
    );
    if (certain) return found.length === 1 ? found[0] : union(found);
    // Otherwise it may also be a whole row (`select t from t`) or a function of one (`t.f`).
    const named = path.length > 1 || sources.some(({ source }) => source.alias === column) || found.length > 0;
    return named ? rows() : undefined;
  }

  /** References of one statement to columns of one relation. */
  references(references: readonly Reference[], relation: Name, names: Names): Origins {
    const source: Source = { ...relation, alias: relation.name, aliased: false };
    const sources = [{ source, relations: this.resolve(relation, names) }];
    return union(
      references.map((reference) => {
        const bare = reference.whole ? reference : { path: reference.path.slice(-1), whole: false };
        return this.reference(bare, sources) ?? UNPROVEN;
      }),
    );
  }

  #follow(relation: Relation, column: Column): Origins {
    if (relation.builtin && relation.kind !== 't') {
      return isTainted(relation, column.name) ? UNPROVEN : this.#own(relation, column);
    }
    switch (relation.kind) {
      case 'v':
      case 'm':
        return this.#viewColumn(relation, column);
      case 'f':
        // Rows of somewhere else, perhaps of this very database.
        return UNPROVEN;
      case 'S': {
        const owner = this.#snapshot.sequenceOwner(relation.oid);
        const own = this.#own(relation, column);
        return owner === undefined ? own : union([own, this.column(owner.relation.oid, owner.attnum)]);
      }
      case 't': {
        const owner = this.#snapshot.toastOwner(relation.oid);
        return owner === undefined ? UNPROVEN : { ...this.relation(owner), direct: false };
      }
      default:
        return this.#tableColumn(relation, column);
    }
  }

  /** A table's column: with its relatives by inheritance and the columns that it is generated from. */
  #tableColumn(relation: Relation, column: Column): Origins {
    const parts = [this.#own(relation, column)];
    for (const relative of relatives(relation)) {
      const same = relative.columns.find((candidate) => candidate.name === column.name);
      if (same === undefined) continue;
      parts.push(relative.kind === 'f' ? UNPROVEN : this.#own(relative, same));
    }
    if (!column.generated) return { columns: merged(parts), direct: true };
    for (const attnum of this.#snapshot.generatedFrom(relation, column.attnum))
      parts.push(this.column(relation.oid, attnum));
    return { columns: merged(parts), direct: false };
  }

  #viewColumn(relation: Relation, column: Column): Origins {
    const own = this.#own(relation, column);
    const index = relation.columns.indexOf(column);
    const found = this.#viewOutputs(relation)?.[index];
    return found === undefined ? UNPROVEN : { columns: merged([own, found]), direct: found.direct };
  }

  /** The origins of a view's columns in its definition, its own names left out. */
  #viewOutputs(relation: Relation): readonly Origins[] | undefined {
    const known = this.#views.get(relation.oid);
    if (known !== undefined) return known;
    const definition = this.#definition(relation);
    if (definition === undefined) return undefined;
    if (this.#open.has(relation.oid)) {
      this.incomplete = true;
      return undefined;
    }
    this.#open.add(relation.oid);
    let all: Origins | undefined;
    const outputs = this.outputs(definition, relation.columns.length, 'definition').map((output) => {
      all ??= output === undefined ? this.all(definition, 'definition') : undefined;
      return output ?? all ?? UNPROVEN;
    });
    this.#open.delete(relation.oid);
    this.#views.set(relation.oid, outputs, !this.incomplete);
    return outputs;
  }

  #definition(relation: Relation): Lineage | undefined {
    const definition: Definition | undefined = this.#snapshot.definitions.get(relation.oid);
    if (definition !== undefined && definition !== 'unread') return definition;
    this.incomplete = true;
    if (definition === undefined || this.#past.mayRetry(relation.oid)) this.missing.add(relation.oid);
    return undefined;
  }

  /** The column by its name, and by every name that it or its relation had while this gateway looked. */
  #own(relation: Relation, column: Column): Origins {
    const columns: Origin[] = [];
    const places = [`${relation.schema}\u0000${relation.name}`, ...(this.#past.relation(relation.oid) ?? [])];
    const names = [column.name, ...(this.#past.column(relation.oid, column.attnum) ?? [])];
    for (const place of places) {
      const [schema, name] = place.split('\u0000') as [string, string];
      for (const columnName of names) columns.push({ schema, relation: name, column: columnName });
    }
    return { columns, direct: true };
  }
}

function merged(parts: readonly Origins[]): readonly Origin[] | undefined {
  if (parts.length === 1) return parts[0]!.columns;
  const found = new Map<string, Origin>();
  for (const part of parts) {
    if (part.columns === undefined) return undefined;
    for (const origin of part.columns) {
      found.set(`${origin.schema}\u0000${origin.relation}\u0000${origin.column}`, origin);
    }
  }
  return [...found.values()];
}

export function union(parts: readonly Origins[]): Origins {
  return { columns: merged(parts), direct: false };
}
