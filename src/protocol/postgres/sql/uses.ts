// What was found of how a statement uses columns, kind by kind. Refuses to know: how it is found.

import type { PredicateKind } from '../../contract.ts';
import type { Name } from './collector.ts';
import { spend } from './effort.ts';
import type { MadeNames } from './made.ts';

export interface Predicate {
  readonly kind: PredicateKind;
  /** Last parts of the references in it, and of those behind names that the statement made; undefined: any column. */
  readonly fields: readonly string[] | undefined;
  /** Those of them that the statement gave to something itself. */
  readonly made: readonly string[];
  readonly functions: readonly Name[];
  /** Those of them that are a relation's row's: a column, or else a function of it. */
  readonly qualified: readonly { readonly field: string; readonly of: readonly Name[] }[];
  /** They may be columns of relations that the statement does not name. */
  readonly anywhere: boolean;
  /** Of equality: the operators, which somebody may have made to be another relation. */
  readonly operators: readonly string[];
}

export interface Found {
  fields: Set<string>;
  functions: Map<string, Name>;
  operators: Set<string>;
  all: boolean;
  anywhere: boolean;
}

/** Where parameters are of types that somebody made: what is equal to them is as their collation has it. */
export function withMadeTypes(predicates: readonly Predicate[]): readonly Predicate[] {
  return predicates.map((each) => (each.kind === 'equality' ? { ...each, kind: 'computed' } : each));
}

const NONE: readonly Predicate[] = [];
/** So many names are followed one by one to what is behind them. */
const FOLLOWED = 500;

export class Uses {
  readonly #found = new Map<PredicateKind, Found>();
  /** Fields that are those of a relation's row in one place at least, and of which. */
  readonly #qualified = new Map<string, Set<Name>>();

  of(kind: PredicateKind): Found {
    let found = this.#found.get(kind);
    if (found === undefined) {
      found = { fields: new Set(), functions: new Map(), operators: new Set(), all: false, anywhere: false };
      this.#found.set(kind, found);
    }
    return found;
  }

  qualify(field: string, relations: readonly Name[]): void {
    const known = this.#qualified.get(field) ?? new Set<Name>();
    spend(relations.length);
    for (const relation of relations) known.add(relation);
    this.#qualified.set(field, known);
  }

  /** Everything that was found of one kind is of another. */
  merge(from: PredicateKind, into: PredicateKind): void {
    const found = this.#found.get(from);
    if (found === undefined) return;
    this.#found.delete(from);
    const other = this.of(into);
    for (const field of found.fields) other.fields.add(field);
    for (const [key, name] of found.functions) other.functions.set(key, name);
    for (const operator of found.operators) other.operators.add(operator);
    other.all ||= found.all;
    other.anywhere ||= found.anywhere;
  }

  /** Equality with, and groups of, what was computed inside are uses of what it was computed from. */
  unfold(made: MadeNames): void {
    for (const kind of ['equality', 'group'] as const) {
      const found = this.#found.get(kind);
      const fields = [...(found?.fields ?? [])];
      for (const field of fields) {
        if (fields.length <= FOLLOWED && !made.isComputed(field)) continue;
        found!.fields.delete(field);
        this.of('computed').fields.add(field);
      }
    }
  }

  list(made: MadeNames): readonly Predicate[] {
    if (this.#found.size === 0) return NONE;
    return [...this.#found].map(([kind, { fields, functions, operators, all, anywhere }]) => {
      const behind = all ? undefined : made.behind(fields);
      return {
        kind,
        fields: behind,
        made: behind?.filter((field) => made.has(field) && !this.#qualified.has(field)) ?? [],
        qualified: (behind ?? []).flatMap((field) => {
          const of = this.#qualified.get(field);
          return of === undefined ? [] : [{ field, of: [...of] }];
        }),
        anywhere,
        functions: [...functions.values()],
        operators: [...operators],
      };
    });
  }
}
