// What a statement, or something that runs because of it, does: gathered bit by bit, and then said as Facts.
// Refuses to know: how it was found.

import type { Facts, RelationUse } from '../../contract.ts';
import type { Relation, RelationKind } from '../catalogue/snapshot.ts';

const WORDS: Readonly<Record<RelationKind, string>> = {
  r: 'table',
  p: 'table',
  v: 'view',
  m: 'materialized view',
  f: 'foreign table',
  S: 'sequence',
  t: 'TOAST table',
};

export const wordOf = ({ kind }: Relation): string => WORDS[kind];
export const nameOf = ({ schema, name }: { schema: string; name: string }): string => `${schema}.${name}`;
/** `view public.v`: one step of a way. */
export const stepOf = (relation: Relation): string => `${wordOf(relation)} ${nameOf(relation)}`;

export type Way = readonly string[];

export interface Touch {
  readonly read: boolean;
  readonly written: boolean;
  /** Undefined: any of them. */
  readonly columns: readonly string[] | undefined;
  /** Undefined: the text names it. */
  readonly via: Way | undefined;
}

type Use = { -readonly [Key in keyof RelationUse]: RelationUse[Key] };

export class Part {
  /** What it does by itself; undefined words are those of what it is a part of. */
  readonly does: ReadonlySet<string>;
  readonly via: Way | undefined;
  readonly within: readonly string[] | undefined;
  readonly functions = new Set<string>();
  opaque: string | undefined;
  /** What was followed already. */
  readonly #seen = new Set<string>();
  readonly #relations = new Map<string, Use>();
  readonly #base: Facts | undefined;

  /** @param base what the text says, for the statement itself. */
  constructor(does: Iterable<string>, via?: Way, within?: readonly string[], base?: Facts) {
    this.does = new Set(does);
    this.via = via;
    this.within = within;
    this.#base = base;
    this.opaque = base?.opaque;
    for (const name of base?.functions ?? within ?? []) this.functions.add(name);
  }

  /** True the first time. */
  first(key: string): boolean {
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }

  relation(relation: Relation, touch: Touch): void {
    this.use({ schema: relation.schema, name: relation.name, kind: wordOf(relation) }, touch);
  }

  use(named: Pick<RelationUse, 'schema' | 'name' | 'kind'>, { read, written, columns, via }: Touch): void {
    const key = `${named.schema ?? ''}\u0000${named.name}`;
    const known = this.#relations.get(key);
    if (known === undefined) {
      const use: Use = { ...named, read, written };
      if (columns !== undefined) use.columns = columns;
      if (via !== undefined) use.via = via;
      this.#relations.set(key, use);
      return;
    }
    known.read ||= read;
    known.written ||= written;
    if (columns === undefined) delete known.columns;
    else if (known.columns !== undefined) known.columns = [...new Set([...known.columns, ...columns])];
    if (via === undefined) delete known.via;
  }

  /** Whether it says nothing that what it belongs to does not say. */
  get empty(): boolean {
    return this.#relations.size === 0 && this.opaque === undefined && this.functions.size <= (this.within?.length ?? 0);
  }

  facts(): Facts {
    const { via, within, opaque } = this;
    return {
      ...this.#base,
      does: [...this.does],
      relations: [...this.#relations.values()],
      functions: [...this.functions],
      unbounded: this.#base?.unbounded ?? false,
      ...(opaque === undefined ? {} : { opaque }),
      ...(via === undefined ? {} : { via }),
      ...(within === undefined ? {} : { within: within }),
    };
  }
}
