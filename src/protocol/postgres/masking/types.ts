// Types by their OIDs (pg_type.dat): what a masked text can be sent as.

/** text, varchar, char(n), name: any text is a value of them. */
const TEXTUAL = new Set([25, 1043, 1042, 19]);
const JSON_TYPES = new Set([114, 3802]);

/** How a value of a type is masked: as text, as a JSON string, or by NULL. */
export type Shape = 'text' | 'json' | 'none';

/**
 * What is known of types that extensions made: `citext` and its like hold any text. One for the process: should an OID be
 * another type in another database, a client there gets a text that its type does not take, and still no value.
 */
export class TypeRegistry {
  readonly #textual = new Set<number>();

  learn(textTypes: Iterable<number>): void {
    for (const oid of textTypes) this.#textual.add(oid);
  }

  shape(typeOid: number): Shape {
    if (TEXTUAL.has(typeOid) || this.#textual.has(typeOid)) return 'text';
    return JSON_TYPES.has(typeOid) ? 'json' : 'none';
  }
}

/** jsonb comes with a version byte in binary format. */
export const JSONB = 3802;
/** char(n) and varchar(n) have their length in the type's modifier, plus 4. */
export const BOUNDED = new Set([1042, 1043]);
