// Types by their OIDs (pg_type.dat): what a masked text can be sent as.

import { TYPED } from './typed.ts';

/** text, varchar, char(n), name: any text is a value of them. */
const TEXTUAL = new Set([25, 1043, 1042, 19]);
const JSON_TYPES = new Set([114, 3802]);

/** How a value of a type is masked: as text, as a JSON string, as a value of the type where the mask gives one, by NULL. */
export type Shape = 'text' | 'json' | 'typed' | 'none';

/**
 * What is known of types that extensions made: `citext` and its like hold any text. One for the process: should an OID be
 * another type in another database, a client there gets a text that its type does not take, and still no value.
 */
export class TypeRegistry {
  readonly #textual = new Set<number>();

  /** Grows with what was learned. */
  get version(): number {
    return this.#textual.size;
  }

  learn(textTypes: Iterable<number>): void {
    for (const oid of textTypes) this.#textual.add(oid);
  }

  shape(typeOid: number): Shape {
    if (TEXTUAL.has(typeOid) || this.#textual.has(typeOid)) return 'text';
    if (JSON_TYPES.has(typeOid)) return 'json';
    return TYPED.has(typeOid) ? 'typed' : 'none';
  }
}

/** jsonb comes with a version byte in binary format. */
export const JSONB = 3802;
/** char(n) and varchar(n) have their length in the type's modifier, plus 4. */
export const BOUNDED = new Set([1042, 1043]);
