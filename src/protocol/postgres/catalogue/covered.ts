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
  /pg_stat_activity|pg_stat_get_activity|pg_stat_statements|dblink|pg_read_file|pg_read_binary_file|pg_logical/i;

/** What makes it possible to look at other databases: the catalogue says so, once it is done. */
const MAKES = /\b(?:create|import)\b/i;
const FOREIGN = /\bforeign\b(?!\s+key\b)|\bextension\b/i;
const CHANGES = /\b(?:create|alter)\b/i;
const WRAPS = /\b(?:extension|handler)\b/i;
const SERVES = /\bserver\b/i;

/** In the bodies of functions, and in the names of those in C. */
const LOOKING =
  'pg_stat_activity|pg_stat_get_activity|pg_stat_statements|dblink|_fdw|pg_read_file|pg_read_binary_file|pg_logical';

/**
 * `t`: a view or function that does so without a statement's naming it, or a server that foreign tables can be read from;
 * `w`: a wrapper that such a server can be made of.
 */
export const LOOK_ELSEWHERE = `with seen as (
    select (select pg_catalog.string_agg(c.oid::text, '|') from pg_catalog.pg_class c
        where c.relname in ('pg_stat_activity', 'pg_stat_statements')) as relations,
      (select pg_catalog.string_agg(p.oid::text, '|') from pg_catalog.pg_proc p
        where p.proname ~ '${LOOKING}') as functions
  ), trees as (
    select pg_catalog.to_jsonb(p) ->> 'prosqlbody' as tree from pg_catalog.pg_proc p where p.oid >= 16384
    union all select r.ev_action::text from pg_catalog.pg_rewrite r where r.ev_class >= 16384
  )
  select case when exists (select 1 from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
      where p.oid >= 16384 and p.prosrc ~* '${LOOKING}'
        and (l.lanname not in ('c', 'internal') or p.prosrc ~* 'dblink|_fdw')
        and p.prorettype <> 'pg_catalog.fdw_handler'::pg_catalog.regtype)
    or exists (select 1 from trees, seen where tree ~ (':relid (' || relations || ') ')
      or tree ~ (':funcid (' || functions || ') '))
    or exists (select 1 from pg_catalog.pg_foreign_server s
      join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw where w.fdwhandler <> 0)
      then 't'
    when exists (select 1 from pg_catalog.pg_foreign_data_wrapper w where w.fdwhandler <> 0) then 'w' else 'f' end`;

/** How often a catalogue that changes under the reader is read again. */
const TRIES = 3;

interface Answer {
  readonly covered: boolean;
  /** A server can make more of it covered. */
  readonly wraps: boolean;
  /** When what it was found in began to be read. */
  readonly at: number;
  /** How often what was read had been forgotten: it is of no use behind the next time. */
  readonly forgotten: number;
}

interface Look {
  readonly forgotten: number;
  readonly covered: Promise<boolean>;
}

export class Covered {
  readonly #catalogue: Catalogue;
  /** By what is covered. */
  readonly #answers = new Map<string, Answer>();
  /** Sessions that wait at once share one look. */
  readonly #looks = new Map<string, Look>();

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
  }

  /** False: nothing is covered, and the text looks nowhere else. True also where it is not known at the moment. */
  now(covering: Covering | undefined, text: string): boolean {
    if (covering === undefined || this.touches(covering, text)) return true;
    return this.#known(covering) ?? true;
  }

  /** As `now`, and finds out what is not known. Never rejects. */
  ask(covering: Covering | undefined, text: string): boolean | Promise<boolean> {
    if (covering === undefined || this.touches(covering, text)) return true;
    return this.#known(covering) ?? this.#look(covering);
  }

  /** Looked at again in the background in good time. */
  #known(covering: Covering): boolean | undefined {
    const answer = this.#answer(covering);
    if (answer === undefined) return undefined;
    const age = this.#catalogue.age(answer.at);
    if (age === 'stale') return undefined;
    if (age === 'old') void this.#look(covering);
    return answer.covered;
  }

  #answer({ key }: Covering): Answer | undefined {
    const answer = this.#answers.get(key);
    return answer?.forgotten === this.#catalogue.forgotten ? answer : undefined;
  }

  #look(covering: Covering): Promise<boolean> {
    const { key } = covering;
    const { forgotten } = this.#catalogue;
    const under = this.#looks.get(key);
    if (under?.forgotten === forgotten) return under.covered;
    const look = { forgotten, covered: this.#find(covering, forgotten) };
    this.#looks.set(key, look);
    void look.covered.then(() => {
      if (this.#looks.get(key) === look) this.#looks.delete(key);
    });
    return look.covered;
  }

  async #find(covering: Covering, forgotten: number): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        const { snapshot, at } = await this.#catalogue.recent();
        const elsewhere = await this.#catalogue.ask(LOOK_ELSEWHERE);
        const covered = this.#covers(snapshot, covering) || (elsewhere !== 'f' && elsewhere !== 'w');
        this.#answers.set(covering.key, { covered, wraps: elsewhere !== 'f', at, forgotten });
        return covered;
      } catch {
        // An object that was dropped while it was read.
      }
    }
    return true;
  }

  /** Whether the text names what is covered or would be, or what is elsewhere. */
  touches(covering: Covering, text: string): boolean {
    if (covering.named(text) || ELSEWHERE.test(text)) return true;
    // What is made and looked through in one text is not in the catalogue before.
    if (!FOREIGN.test(text)) return false;
    const pieces = text.trimEnd().replace(/;$/, '').split(';');
    return pieces.some((piece, at) => at + 1 < pieces.length && FOREIGN.test(piece) && MAKES.test(piece));
  }

  /** Whether something may be covered that was not before, once DDL with this text is done. */
  leads(covering: Covering | undefined, text: string): boolean {
    if (!CHANGES.test(text)) return false;
    return WRAPS.test(text) || (SERVES.test(text) && (covering && this.#answer(covering))?.wraps !== false);
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
