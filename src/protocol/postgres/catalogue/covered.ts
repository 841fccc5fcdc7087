// Whether a database has anything at all that column masks are about. Where it has not, nothing in it is masked by column:
// its errors, definitions and values are its own.
// Refuses to know: masks beyond the columns that they are about, how statements are read.
//
// A snapshot of some seconds ago will do, unlike for what a statement means: a column that is covered since then is new,
// and what this session itself stores in it, it knew.

import type { Covering } from '../../contract.ts';
import type { Catalogue } from './catalogue.ts';
import type { Snapshot } from './snapshot.ts';

/** By these a statement looks at other databases, or at the statements of others: their values are not of this one. */
const ELSEWHERE =
  /pg_stat_activity|pg_stat_get_activity|pg_stat_statements|dblink|_fdw|pg_read_file|pg_read_binary_file|pg_logical/i;

/** A view or function that does so without a statement's naming it, or a server that foreign tables can be read from. */
export const LOOK_ELSEWHERE = `with seen as (
    select (select pg_catalog.string_agg(c.oid::text, '|') from pg_catalog.pg_class c
        where c.relname in ('pg_stat_activity', 'pg_stat_statements')) as relations,
      (select pg_catalog.string_agg(p.oid::text, '|') from pg_catalog.pg_proc p
        where p.proname ~ '${ELSEWHERE.source}') as functions
  ), trees as (
    select pg_catalog.to_jsonb(p) ->> 'prosqlbody' as tree from pg_catalog.pg_proc p where p.oid >= 16384
    union all select r.ev_action::text from pg_catalog.pg_rewrite r where r.ev_class >= 16384
  )
  select exists (select 1 from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
      where p.oid >= 16384 and p.prosrc ~* '${ELSEWHERE.source}'
        and (l.lanname not in ('c', 'internal') or p.prosrc ~* 'dblink|_fdw'))
    or exists (select 1 from trees, seen where tree ~ (':relid (' || relations || ') ')
      or tree ~ (':funcid (' || functions || ') '))
    or exists (select 1 from pg_catalog.pg_foreign_server s
      join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw where w.fdwhandler <> 0)`;

/** How often a catalogue that changes under the reader is read again. */
const TRIES = 3;

export class Covered {
  readonly #catalogue: Catalogue;
  #snapshot: Snapshot | undefined;
  #answers = new Map<string, boolean>();

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
  }

  /** False: nothing is covered, and the text looks nowhere else. True also where it is not known at the moment. */
  now(covering: Covering | undefined, text: string): boolean {
    if (covering === undefined || this.touches(covering, text)) return true;
    const snapshot = this.#catalogue.lately();
    return snapshot === undefined || snapshot !== this.#snapshot || (this.#answers.get(covering.key) ?? true);
  }

  /** As `now`, and finds out what is not known. Never rejects. */
  ask(covering: Covering | undefined, text: string): boolean | Promise<boolean> {
    if (covering === undefined || this.touches(covering, text)) return true;
    const snapshot = this.#catalogue.lately();
    const known = snapshot !== undefined && snapshot === this.#snapshot ? this.#answers.get(covering.key) : undefined;
    return known ?? this.#find(covering);
  }

  /** Whether the text names what is covered or would be, or what is elsewhere. */
  touches({ words }: Covering, text: string): boolean {
    const folded = text.toLowerCase();
    return words.some((word) => folded.includes(word)) || ELSEWHERE.test(folded);
  }

  async #find(covering: Covering): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        const snapshot = this.#catalogue.lately() ?? (await this.#catalogue.load());
        const found = this.#covers(snapshot, covering) || (await this.#catalogue.ask(LOOK_ELSEWHERE)) !== 'f';
        if (this.#snapshot !== snapshot) {
          this.#snapshot = snapshot;
          this.#answers = new Map();
        }
        this.#answers.set(covering.key, found);
        return found;
      } catch {
        // An object that was dropped while it was read.
      }
    }
    return true;
  }

  #covers(snapshot: Snapshot, covering: Covering): boolean {
    for (const { oid, schema, name, columns } of snapshot.relations.values()) {
      const names = [{ schema, name }, ...[...(this.#catalogue.relation(oid) ?? [])].map(former)];
      for (const column of columns) {
        const called = [column.name, ...(this.#catalogue.column(oid, column.attnum) ?? [])];
        for (const each of names) {
          if (called.some((one) => covering.covers({ schema: each.schema, relation: each.name, column: one })))
            return true;
        }
      }
    }
    return false;
  }
}

function former(text: string): { schema: string; name: string } {
  const [schema = '', name = ''] = text.split('\u0000');
  return { schema, name };
}
