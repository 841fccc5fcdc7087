// The catalogue of one database as it was at one moment: immutable but for the definitions of views, read when needed.
// Refuses to know: how it is read (catalogue.ts), and what origins follow from it (masking/).

import type { Lineage } from '../sql/lineage.ts';
import type { Code } from './code.ts';

export interface Column {
  readonly attnum: number;
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
  readonly generated: boolean;
}

/** r table, p partitioned table, v view, m materialized view, f foreign table, S sequence, t TOAST table */
export type RelationKind = 'r' | 'p' | 'v' | 'm' | 'f' | 'S' | 't';

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: RelationKind;
  /** Made by initdb: its definition is the server's own. */
  readonly builtin: boolean;
  /** Has rules that rewrite INSERT, UPDATE or DELETE. */
  readonly rules: boolean;
  /** Another one after every change of its name, its columns or its definition. */
  readonly version: string;
  /** In the order of their numbers. */
  readonly columns: readonly Column[];
  /** Inheritance and partitions, direct. */
  readonly parents: readonly Relation[];
  readonly children: readonly Relation[];
}

export interface OwnerColumn {
  readonly relation: Relation;
  readonly attnum: number;
}

/** A view's definition as far as it can be followed; `unread`: it could not be read or parsed. */
export type Definition = Lineage | 'unread';

/**
 * How the functions of a name count for what can come out of them: all immutable; one written in a language of users;
 * one of an extension in C that is not immutable; built-in ones that are not.
 */
export type Purity = 'immutable' | 'custom' | 'extension' | 'other';

/** What is read, before it is joined; rows as the queries of queries.ts return them. */
export type Rows = readonly (readonly (string | null)[])[];

export interface RawCatalogue {
  readonly searchPath: Rows;
  readonly digest: Rows;
  readonly relations: Rows;
  readonly columns: Rows;
  readonly inheritance: Rows;
  readonly generated: Rows;
  readonly sequences: Rows;
  readonly functions: Rows;
  readonly rowFunctions: Rows;
  readonly operators: Rows;
  readonly casts: Rows;
  readonly textTypes: Rows;
}

interface OpenRelation extends Relation {
  columns: Column[];
  parents: Relation[];
  children: Relation[];
}

export class Snapshot {
  readonly digest: string;
  /** Schemas of a fresh session's search path in order, implicit ones included. */
  readonly searchPath: readonly string[];
  /** The same as one text, to compare. */
  readonly path: string;
  readonly relations: ReadonlyMap<number, Relation>;
  /** What runs by itself, where that was asked for. */
  code: Code | undefined;
  /** Definitions read so far, by the view's oid. */
  readonly definitions = new Map<number, Definition>();
  /** Operators, and whether there are casts, behind which is a function that somebody wrote. */
  readonly customOperators: ReadonlySet<string>;
  /** Operators that somebody made, of whatever function. */
  readonly madeOperators: ReadonlySet<string>;
  /** Functions that take a row as their only argument. */
  readonly rowFunctions: ReadonlySet<string>;
  readonly customCasts: boolean;
  readonly textTypes: ReadonlySet<number>;
  /** The versions of all views in one. */
  readonly views: string;
  readonly #byName = new Map<string, Relation[]>();
  readonly #functions = new Map<string, Purity>();
  readonly #generated = new Map<string, number[]>();
  readonly #sequences = new Map<number, OwnerColumn>();
  readonly #toastOwners = new Map<number, Relation>();

  constructor(raw: RawCatalogue) {
    this.digest = digestOf(raw.digest);
    this.path = raw.searchPath[0]![0]!;
    this.searchPath = JSON.parse(this.path) as string[];
    this.relations = this.#readRelations(raw);
    for (const [relation, attnum, source] of raw.generated) {
      const key = `${relation}.${attnum}`;
      const sources = this.#generated.get(key);
      if (sources === undefined) this.#generated.set(key, [Number(source)]);
      else sources.push(Number(source));
    }
    for (const [sequence, owner, attnum] of raw.sequences) {
      const relation = this.relations.get(Number(owner));
      if (relation !== undefined) this.#sequences.set(Number(sequence), { relation, attnum: Number(attnum) });
    }
    for (const [name, ...said] of raw.functions) this.#functions.set(name!, purityOf(said));
    this.rowFunctions = new Set(raw.rowFunctions.map(([name]) => name!));
    this.customOperators = new Set(raw.operators.filter(([, custom]) => custom === 't').map(([name]) => name!));
    this.madeOperators = new Set(raw.operators.filter(([, , made]) => made === 't').map(([name]) => name!));
    this.customCasts = raw.casts[0]?.[0] !== 'f';
    const views = [...this.relations.values()].filter(
      ({ kind, builtin }) => !builtin && (kind === 'v' || kind === 'm'),
    );
    this.views = views.map(({ oid, version }) => `${oid} ${version}`).join();
    this.textTypes = new Set(raw.textTypes.map(([oid]) => Number(oid)));
  }

  #readRelations(raw: RawCatalogue): Map<number, OpenRelation> {
    const relations = new Map<number, OpenRelation>();
    const toast: [number, number][] = [];
    for (const [oidText, schema, name, kind, rules, toastOid, version] of raw.relations) {
      const oid = Number(oidText);
      const builtin = oid < 16384;
      const open: OpenRelation = {
        ...{ oid, schema: schema!, name: name!, kind: kind as RelationKind, builtin, rules: rules === 't' },
        ...{ version: version ?? '', columns: [], parents: [], children: [] },
      };
      relations.set(oid, open);
      const same = this.#byName.get(open.name);
      if (same === undefined) this.#byName.set(open.name, [open]);
      else same.push(open);
      if (toastOid !== '0') toast.push([Number(toastOid), oid]);
    }
    for (const [relation, attnum, name, typeOid, typmod, generated] of raw.columns) {
      relations.get(Number(relation))?.columns.push({
        ...{ attnum: Number(attnum), name: name!, typeOid: Number(typeOid), typmod: Number(typmod) },
        generated: generated === 't',
      });
    }
    for (const [childOid, parentOid] of raw.inheritance) {
      const child = relations.get(Number(childOid));
      const parent = relations.get(Number(parentOid));
      if (child === undefined || parent === undefined) continue;
      child.parents.push(parent);
      parent.children.push(child);
    }
    for (const [oid, owner] of toast) this.#toastOwners.set(oid, relations.get(owner)!);
    return relations;
  }

  /**
   * Every relation that a name can mean. With `pinned` an unqualified name is looked up in the search path of a fresh
   * session and is one relation; otherwise all relations of that name count, in whatever schema.
   */
  resolve(schema: string | undefined, name: string, pinned: boolean): readonly Relation[] {
    const candidates = this.#byName.get(name) ?? [];
    if (schema === 'pg_temp') return candidates.filter((relation) => relation.schema.startsWith('pg_temp_'));
    if (schema !== undefined) return candidates.filter((relation) => relation.schema === schema);
    if (!pinned || candidates.length < 2) return candidates;
    for (const place of this.searchPath) {
      const found = candidates.filter((relation) => relation.schema === place);
      if (found.length > 0) return found;
    }
    return candidates;
  }

  function(name: string): Purity | undefined {
    return this.#functions.get(name);
  }

  /** Numbers of the columns that a generated column is computed from. */
  generatedFrom(relation: Relation, attnum: number): readonly number[] {
    return this.#generated.get(`${relation.oid}.${attnum}`) ?? [];
  }

  sequenceOwner(oid: number): OwnerColumn | undefined {
    return this.#sequences.get(oid);
  }

  /** All columns that own a sequence. */
  sequenceOwners(): Iterable<OwnerColumn> {
    return this.#sequences.values();
  }

  toastOwner(oid: number): Relation | undefined {
    return this.#toastOwners.get(oid);
  }
}

function purityOf([builtinImmutable, othersImmutable, othersInC]: readonly (string | null)[]): Purity {
  if (othersInC !== 't') return 'custom';
  if (othersImmutable !== 't') return 'extension';
  return builtinImmutable === 't' ? 'immutable' : 'other';
}

export function digestOf(rows: Rows): string {
  return (rows[0] ?? []).join(' ');
}
