// What comes with a relation when it is read or written: what is behind a view, what inherits, and what the server runs
// because of a change. Refuses to know: how names are written, what functions do (walk.ts).

import type { Facts } from '../../contract.ts';
import type { Past } from '../catalogue/catalogue.ts';
import type { Called, Code, Event, Expression } from '../catalogue/code.ts';
import { descendants, relatives } from '../catalogue/inheritance.ts';
import type { Relation, Snapshot } from '../catalogue/snapshot.ts';
import type { Names } from '../masking/origins.ts';
import { analyseFresh } from '../sql/analyser.ts';
import type { Name } from '../sql/collector.ts';
import type { Lineage } from '../sql/lineage.ts';
import type { AnalysedStatement } from '../sql/statement.ts';
import { among, type Columns, fieldsBehind } from './columns.ts';
import { nameOf, Part, stepOf, type Touch, type Way } from './part.ts';

/** Built-in relations that show values of others. */
const STATISTICS = new Set(['pg_statistic', 'pg_statistic_ext_data', 'pg_stats', 'pg_stats_ext', 'pg_stats_ext_exprs']);

const EVENTS: readonly Event[] = ['insert', 'update', 'delete', 'truncate'];

/** What makes a relation count as read when it is only named as what is changed. */
const LIKE_READING = ['alter', 'lock', 'refresh', 'create', 'cluster'];

/** What is written into a relation: expressions that are computed then. */
const WRITTEN: ReadonlySet<Expression['kind']> = new Set([
  'default',
  'generated',
  'virtual',
  'check',
  'index',
  'policy',
]);
const READ: ReadonlySet<Expression['kind']> = new Set(['virtual', 'policy']);

/** `temporary`: as pinned, but that the session has made temporary objects. */
export type SessionNames = Names | 'temporary';

export interface Context {
  readonly snapshot: Snapshot;
  readonly code: Code;
  readonly past: Past;
  /** Statements made from expressions of the catalogue, by their texts. */
  readonly texts: Map<string, AnalysedStatement | undefined>;
  /** How unqualified names of the session resolve. */
  readonly names: SessionNames;
  /** DDL of the session that the catalogue cannot show yet. */
  readonly pending: boolean;
}

export abstract class RelationWalk {
  /** Views and functions whose definitions are needed. */
  readonly views = new Set<number>();
  readonly bodies = new Set<number>();
  /** A name was met that the catalogue does not have. */
  unresolved = false;
  /** What runs because of the statement. */
  readonly more: Part[] = [];
  protected readonly context: Context;
  protected readonly snapshot: Snapshot;
  protected readonly code: Code;
  readonly #ran = new Set<string>();

  constructor(context: Context) {
    this.context = context;
    this.snapshot = context.snapshot;
    this.code = context.code;
  }

  /** Everything that a text names. */
  protected abstract lineage(
    part: Part,
    lineage: Lineage | undefined,
    facts: Facts | undefined,
    names: SessionNames,
    via: Way | undefined,
  ): void;
  protected abstract resolve(name: Name, names: SessionNames): readonly Relation[];
  protected abstract expressions(part: Part, lineage: Lineage, names: SessionNames, via: Way | undefined): void;
  protected abstract function(part: Part, name: Name, names: SessionNames, via: Way | undefined): void;
  protected abstract call(part: Part, called: Called, via: Way | undefined): void;
  protected abstract text(part: Part, text: string, via: Way, names?: SessionNames): void;
  protected abstract domain(part: Part, key: number | string, via: Way | undefined): void;

  protected touch(part: Part, relation: Relation, touch: Touch, only: boolean, assigned: Columns): void {
    const { columns, via } = touch;
    this.#add(part, relation, touch);
    if (this.code.held.has(relation.oid))
      part.opaque ??= `somebody is changing ${stepOf(relation)}: what comes with it cannot be read`;
    const alike = LIKE_READING.some((word) => part.does.has(word));
    if (touch.read || alike) this.#read(part, relation, columns, via, only);
    // A new column, index or constraint is computed over what is there.
    if (touch.written && alike) this.#computed(part, relation, WRITTEN, step(via, relation));
    if (!touch.written) return;
    for (const event of EVENTS) {
      if (!part.does.has(event)) continue;
      // INSERT … ON CONFLICT DO UPDATE names the columns of the insert only.
      this.#write(part, relation, event, part.does.has('insert') && event === 'update' ? undefined : assigned, via);
    }
    if (part.does.has('drop') || part.does.has('alter')) {
      for (const oid of this.code.dependents.get(relation.oid) ?? []) {
        const view = this.snapshot.relations.get(oid);
        if (view !== undefined && part.does.has('drop')) this.#add(part, view, { ...touch, via: step(via, relation) });
      }
      for (const child of only ? [] : relatives(relation))
        this.#add(part, child, { ...touch, via: step(via, relation) });
    }
  }

  /** With every name that it had while this gateway looked. */
  #add(part: Part, relation: Relation, touch: Touch): void {
    const { past } = this.context;
    const columns = touch.columns?.flatMap((name) => {
      const attnum = relation.columns.find((column) => column.name === name)?.attnum;
      return [name, ...(attnum === undefined ? [] : (past.column(relation.oid, attnum) ?? []))];
    });
    part.relation(relation, { ...touch, columns });
    for (const former of past.relation(relation.oid) ?? []) {
      const [schema, name] = former.split('\u0000') as [string, string];
      part.use({ schema, name, kind: 'former name' }, { ...touch, columns, via: step(touch.via, relation) });
    }
  }

  #read(part: Part, relation: Relation, columns: Columns, via: Way | undefined, only: boolean): void {
    if (!part.first(`r${relation.oid} ${columns?.join() ?? '*'} ${only}`)) return;
    const way = step(via, relation);
    if (relation.builtin && STATISTICS.has(relation.name)) {
      part.opaque ??= `${relation.name} shows values of any relation`;
    }
    if (relation.kind === 'v' || relation.kind === 'm') this.#view(part, relation, columns, way);
    else if (relation.kind === 'f') this.#foreign(part, relation, { read: true, written: false, columns, via: way });
    else if (relation.kind === 't') {
      const owner = this.snapshot.toastOwner(relation.oid);
      if (owner !== undefined) this.#add(part, owner, { read: true, written: false, columns: undefined, via: way });
    }
    const children = descendants(relation);
    for (const relative of relatives(relation)) {
      const below = children.has(relative);
      if (only && below) continue;
      const touch = { read: true, written: false, columns, via: way };
      this.#add(part, relative, touch);
      if (below && relative.kind === 'f') this.#foreign(part, relative, { ...touch, via: step(way, relative) });
    }
    this.#computed(part, relation, READ, way);
  }

  #view(part: Part, view: Relation, columns: Columns, way: Way): void {
    const definition = this.snapshot.definitions.get(view.oid);
    if (definition === undefined) this.views.add(view.oid);
    else if (definition === 'unread') {
      if (this.context.past.mayRetry(view.oid)) this.views.add(view.oid);
      part.opaque ??= `what ${stepOf(view)} shows cannot be read`;
    } else {
      const fields = fieldsBehind(view, definition, columns);
      for (const use of definition.uses) {
        for (const relation of this.resolve(use, 'definition')) {
          const touch = { read: true, written: false, columns: among(relation, fields), via: way };
          this.#add(part, relation, touch);
          this.#read(part, relation, touch.columns, way, use.only);
        }
      }
      this.expressions(part, definition, 'definition', way);
    }
  }

  #foreign(part: Part, relation: Relation, touch: Touch): void {
    const { wrapper, options } = this.code.foreignTables.get(relation.oid) ?? { wrapper: '', options: {} };
    if (wrapper === 'file_fdw') return;
    const text = options.query ?? options.sql;
    const table = options.table_name ?? options.table ?? options.relation ?? options.object;
    if (text !== undefined) this.text(part, `* from (${text}) q`, touch.via!, 'any');
    else if (table === undefined && wrapper !== 'postgres_fdw') {
      part.opaque ??= `what foreign table ${nameOf(relation)} shows is not known`;
      return;
    }
    if (text !== undefined) return;
    // Of somewhere else, perhaps of this very database.
    const schema = options.schema_name ?? options.schema ?? relation.schema;
    const name = table ?? relation.name;
    part.use({ schema, name, kind: 'remote table' }, touch);
    for (const here of this.snapshot.resolve(schema, name, false)) {
      if (here.oid !== relation.oid) this.touch(part, here, { ...touch, columns: undefined }, false, undefined);
    }
  }

  /** Expressions of a relation that are computed when it is read or written. */
  #computed(part: Part, relation: Relation, kinds: ReadonlySet<Expression['kind']>, way: Way): void {
    for (const { kind, of, text } of this.code.expressions.get(relation.oid) ?? []) {
      if (kinds.has(kind) && part.first(`x${relation.oid} ${text}`))
        this.text(part, text, [...way.slice(0, -1), `${of} of ${nameOf(relation)}`]);
    }
  }

  #write(part: Part, relation: Relation, event: Event, assigned: Columns, via: Way | undefined): void {
    if (!part.first(`w${relation.oid} ${event} ${assigned?.join() ?? '*'}`)) return;
    const way = step(via, relation);
    const touch = { read: true, written: true, columns: undefined, via: way };
    if (relation.kind === 'v') {
      this.#view(part, relation, undefined, way);
      const definition = this.snapshot.definitions.get(relation.oid);
      for (const use of typeof definition === 'object' ? definition.uses : []) {
        for (const base of this.resolve(use, 'definition')) {
          this.#add(part, base, touch);
          this.#write(part, base, event, undefined, way);
        }
      }
    }
    if (relation.kind === 'f') this.#foreign(part, relation, touch);
    if (event === 'delete') this.#computed(part, relation, READ, way);
    else if (event !== 'truncate') {
      this.#computed(part, relation, WRITTEN, way);
      for (const { typeOid } of relation.columns) this.domain(part, typeOid, way);
    }
    const children = descendants(relation);
    for (const relative of relatives(relation)) {
      const below = children.has(relative);
      // Only a partitioned table hands rows on.
      if (event === 'insert' && relation.kind === 'r' && below) continue;
      this.#add(part, relative, touch);
      this.#runs(part, relative, event, assigned, way);
      if (below) this.#computed(part, relative, WRITTEN, way);
    }
    this.#runs(part, relation, event, assigned, via);
  }

  /** What the server runs because of a change: rules, triggers, foreign keys. */
  #runs(part: Part, relation: Relation, event: Event, assigned: Columns, via: Way | undefined): void {
    const on = nameOf(relation);
    for (const { name, event: of, definition } of this.code.rules.get(relation.oid) ?? []) {
      if (of !== event || !this.once(`rule ${relation.oid} ${name}`)) continue;
      const way = [...(via ?? []), `rule ${name} on ${on}`];
      const { analysis } = analyseFresh(Buffer.from(definition));
      const actions = (analysis.statements[0] as AnalysedStatement | undefined)?.actions;
      if (actions === undefined)
        this.part([], way, part.within).opaque = `what rule ${name} on ${on} does cannot be read`;
      for (const action of actions ?? []) {
        this.lineage(this.part(action.facts.does, way, part.within), action.lineage, action.facts, 'definition', way);
      }
    }
    for (const { name, function: called, events, definition } of this.code.triggers.get(relation.oid) ?? []) {
      if (!events.has(event)) continue;
      const way = [...(via ?? []), `trigger ${name} on ${on}`];
      this.call(new Part([], via, part.within), called, way);
      if (definition === undefined || !this.once(`when ${relation.oid} ${name}`)) continue;
      const { analysis } = analyseFresh(Buffer.from(definition));
      const { functions } = (analysis.statements[0] as AnalysedStatement | undefined)?.lineage ?? { functions: [] };
      for (const each of functions) this.function(part, each, 'definition', way);
    }
    for (const { name, from, onUpdate, onDelete, columns } of this.code.foreignKeys.get(relation.oid) ?? []) {
      const referencing = this.snapshot.relations.get(from);
      if (referencing === undefined) continue;
      const untouched = event === 'update' && assigned?.every((column) => !columns.includes(column));
      const action = event === 'delete' ? onDelete : event === 'update' && untouched !== true ? onUpdate : undefined;
      const does =
        event === 'truncate'
          ? 'truncate'
          : action === 'c'
            ? event
            : action === 'n' || action === 'd'
              ? 'update'
              : undefined;
      // Keys may go in a circle.
      if (does === undefined || does === 'insert' || !this.once(`key ${from} ${does}`)) continue;
      const way = [...(via ?? []), `foreign key ${name}`];
      const inner = this.part([does], way, part.within);
      this.touch(inner, referencing, { read: true, written: true, columns: undefined, via: way }, false, undefined);
    }
  }

  protected once(key: string): boolean {
    if (this.#ran.has(key)) return false;
    this.#ran.add(key);
    return true;
  }

  protected part(does: Iterable<string>, via: Way, within: readonly string[] | undefined): Part {
    const part = new Part(does, via, within);
    this.more.push(part);
    return part;
  }
}

const step = (via: Way | undefined, relation: Relation): Way => [...(via ?? []), stepOf(relation)];
