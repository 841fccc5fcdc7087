// From what a statement names to everything that running it reaches: through views, inheritance, rules, triggers, foreign
// keys, policies, defaults and functions. Refuses to know: rules of the policy, when the catalogue is read.
//
// An answer is a superset, or says of what it is not known (`opaque`). Where a definition is missing, it is noted in
// `views` or `bodies`: the caller reads it and walks again.

import type { Facts } from '../../contract.ts';
import type { Body, Called, Routine } from '../catalogue/code.ts';
import type { Relation } from '../catalogue/snapshot.ts';
import { analyseFresh } from '../sql/analyser.ts';
import type { Name } from '../sql/collector.ts';
import type { Lineage, NamedUse } from '../sql/lineage.ts';
import type { Body as Words } from '../sql/plpgsql.ts';
import type { AnalysedStatement } from '../sql/statement.ts';
import { among, fieldsOf } from './columns.ts';
import { nameOf, Part, type Touch, type Way } from './part.ts';
import { RelationWalk, type SessionNames } from './relations.ts';
import { whyUnknown } from './routines.ts';

/** Event triggers fire for these. */
const FIRES_EVENTS = ['create', 'alter', 'drop', 'grant', 'revoke', 'refresh', 'comment', 'security-label', 'reindex'];

export class Walk extends RelationWalk {
  readonly #called = new Set<number>();

  /** The statement itself. */
  statement(info: AnalysedStatement, facts: Facts): Part {
    const part = new Part(facts.does, undefined, facts.within, facts);
    const { names } = this.context;
    this.lineage(part, info.lineage, facts, names, undefined);
    this.#spaces(part, info.spaces ?? []);
    const { code, defines } = info;
    if (code !== undefined && defines !== undefined) {
      const inner = this.part(code.does, [`function ${defines.name}`], [defines.name]);
      for (const statement of code.statements as AnalysedStatement[]) {
        this.lineage(inner, statement.lineage, statement.facts, 'any', inner.via);
      }
      if (code.words !== undefined) this.#words(inner, code.words, inner.via!);
    }
    if (FIRES_EVENTS.some((word) => part.does.has(word))) {
      for (const { name, function: oid } of this.code.eventTriggers) {
        this.call(new Part([]), { oid, name: '' }, [`event trigger ${name}`]);
      }
    }
    return part;
  }

  // -------------------------------------------------------------------------------------------------------------------
  // SessionNames.

  protected resolve({ schema, name }: Name, names: SessionNames): readonly Relation[] {
    const place = schema ?? (names === 'definition' ? 'pg_catalog' : undefined);
    const found = this.snapshot.resolve(place, name, names === 'pinned' || names === 'temporary');
    if (place !== undefined || names !== 'temporary') return found;
    return [...new Set([...found, ...this.snapshot.resolve('pg_temp', name, false)])];
  }

  /**
   * Where a relation is that the catalogue does not have: one that is being made, or that the session has made in its
   * open transaction, which was decided on then. Undefined: anywhere.
   */
  #placeOf({ schema, temporary }: NamedUse, names: SessionNames): string | undefined {
    if (schema !== undefined) return schema;
    if (temporary) return 'pg_temp';
    const { pending } = this.context;
    return names !== 'any' || pending ? this.snapshot.searchPath.find((place) => !place.startsWith('pg_')) : undefined;
  }

  /** @param facts what the text says of its relations; undefined: a definition, of which its own names are a way. */
  protected lineage(
    part: Part,
    lineage: Lineage | undefined,
    facts: Facts | undefined,
    names: SessionNames,
    via: Way | undefined,
  ) {
    if (lineage === undefined) {
      part.opaque ??= 'what it does cannot be read';
      return;
    }
    const meant = lineage.uses.map((use) => ({ use, relations: use.temporary ? [] : this.resolve(use, names) }));
    const fields = readsOnly(part)
      ? fieldsOf(
          this.snapshot,
          lineage,
          meant.flatMap((each) => each.relations),
        )
      : undefined;
    for (const { use, relations } of meant) {
      const written = facts?.relations.find((each) => each.name === use.name && each.schema === use.schema);
      const refined = readsOnly(part) && !use.written;
      const columns = (relation: Relation) => (refined ? among(relation, fields) : undefined) ?? written?.columns;
      if (relations.length === 0) this.#unknown(part, use, { ...use, columns: written?.columns, via }, names);
      for (const relation of relations) {
        this.touch(part, relation, { ...use, columns: columns(relation), via }, use.only, use.assigned);
      }
    }
    this.expressions(part, lineage, names, via);
  }

  /** No relation: an index perhaps, which stands for its table. */
  #unknown(part: Part, use: NamedUse, touch: Touch, names: SessionNames): void {
    const { schema, name, written } = use;
    const { via } = touch;
    const place = this.#placeOf(use, names);
    part.use({ ...(place === undefined ? {} : { schema: place }), name }, touch);
    const indexes = this.code.indexes.get(name)?.filter((index) => schema === undefined || index.schema === schema);
    for (const { table } of indexes ?? []) {
      const relation = this.snapshot.relations.get(table);
      if (relation === undefined) continue;
      const way = [...(via ?? []), `index ${name}`];
      this.touch(part, relation, { read: true, written, columns: undefined, via: way }, false, undefined);
    }
    // What is being made is not there yet.
    const made = use.temporary || (written && part.does.has('create'));
    if (indexes === undefined && via === undefined && !made) this.unresolved = true;
  }

  /** Functions, operators, casts and domains that a text uses. */
  protected expressions(part: Part, lineage: Lineage, names: SessionNames, via: Way | undefined): void {
    const { functions, operators, types, fields } = lineage;
    for (const { schema, name } of functions) this.function(part, { schema, name }, names, via);
    for (const field of fields) {
      if (this.snapshot.rowFunctions.has(field)) this.function(part, { schema: undefined, name: field }, 'any', via);
    }
    for (const operator of operators) {
      for (const called of this.code.operators.get(operator) ?? []) {
        this.call(part, called, [...(via ?? []), `operator ${operator}`]);
      }
    }
    for (const type of types) this.#type(part, type, via);
    for (const { name } of functions) this.#type(part, name, via);
    if (lineage.uses.length + functions.length + operators.length === 0) return;
    for (const oid of this.code.implicit) this.call(part, { oid, name: '' }, [...(via ?? []), 'what a type needs']);
  }

  protected function(part: Part, { schema, name }: Name, names: SessionNames, via: Way | undefined): void {
    if (via !== undefined) part.functions.add(schema === undefined ? name : `${schema}.${name}`);
    if (via !== undefined && name === 'set_config') part.opaque ??= `it sets parameters (through ${via.join(', ')})`;
    if (names === 'definition' && schema === undefined) return;
    const routines = this.code.named.get(name)?.filter((routine) => isIn(routine.schema, schema));
    for (const routine of routines ?? []) {
      part.functions.add(nameOf(routine));
      this.call(part, routine, via);
    }
    const own = routines !== undefined || (this.snapshot.function(name) === undefined && !SYNTAX.has(name));
    if (own && (routines ?? []).length === 0 && via === undefined) this.unresolved = true;
    if (own && this.context.pending && names !== 'definition')
      this.#pending(schema === undefined ? name : `${schema}.${name}`);
  }

  #pending(name: string): void {
    const part = this.part([], [`function ${name}`], [name]);
    part.opaque = `what function ${name} is cannot be told before the transaction that changed the catalogue is over`;
  }

  #type(part: Part, type: string, via: Way | undefined): void {
    for (const oid of this.code.casts.get(type) ?? []) {
      this.call(part, { oid, name: '' }, [...(via ?? []), `a cast to ${type}`]);
    }
    this.domain(part, type, via);
    // The type of an array, and those of rows.
    if (type.startsWith('_')) this.#type(part, type.slice(1), via);
    for (const { columns } of this.snapshot.resolve(undefined, type, false)) {
      for (const { typeOid } of columns) this.domain(part, typeOid, via);
    }
  }

  protected domain(part: Part, key: number | string, via: Way | undefined): void {
    for (let domain = this.code.domains.get(key); domain !== undefined; domain = this.code.domains.get(domain.base)) {
      if (!part.first(`d${domain.oid}`)) return;
      for (const text of domain.checks) this.text(part, text, [...(via ?? []), `domain ${domain.name}`]);
    }
  }

  /** An expression as the catalogue has it. */
  protected text(part: Part, text: string, via: Way, names: SessionNames = 'definition'): void {
    const { texts } = this.context;
    if (!texts.has(text)) {
      const { analysis } = analyseFresh(Buffer.from(`select ${text}`));
      texts.set(text, analysis.error === undefined ? (analysis.statements[0] as AnalysedStatement) : undefined);
    }
    this.lineage(part, texts.get(text)?.lineage, undefined, names, via);
  }

  #spaces(part: Part, spaces: readonly string[]): void {
    for (const space of spaces) {
      for (const relation of this.snapshot.relations.values()) {
        if (relation.builtin || relation.kind === 't' || (space !== '*' && relation.schema !== space)) continue;
        const via = [space === '*' ? 'everything' : `schema ${space}`];
        this.touch(part, relation, { read: true, written: true, columns: undefined, via }, false, undefined);
      }
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Functions.

  /** @param part what calls it: what that does with it counts as well. */
  protected call(part: Part, called: Called, via: Way | undefined): void {
    const routine = this.code.routines.get(called.oid);
    if (routine === undefined) {
      if (called.name !== '') part.functions.add(called.name);
      return;
    }
    if (this.#called.has(routine.oid)) return;
    this.#called.add(routine.oid);
    const unknown = whyUnknown(routine);
    if (routine.language === 'c' && unknown === undefined) return;
    const name = nameOf(routine);
    const way = [...(via ?? []), `function ${name}`];
    const within = [...(part.within ?? []), name];
    const body = routine.symbol === undefined && !routine.aggregate ? this.#bodyOf(routine) : undefined;
    const inner = this.part([...part.does, ...(typeof body === 'object' ? doneBy(body) : [])], way, within);
    const why = unknown ?? (body === 'unread' ? 'its definition cannot be read' : undefined);
    if (why !== undefined) inner.opaque = notKnown(name, why, via);
    if (routine.symbol !== undefined) inner.functions.add(routine.symbol);
    for (const each of this.code.parts.get(routine.oid) ?? []) this.call(inner, each, way);
    if (typeof body === 'object') this.#follow(inner, body, way, via);
  }

  #bodyOf({ oid }: Routine): Body | undefined {
    const body = this.code.bodies.get(oid);
    if (body === undefined) this.bodies.add(oid);
    return body;
  }

  #follow(inner: Part, { code, lineage, defines }: AnalysedStatement, way: Way, via: Way | undefined): void {
    // BEGIN ATOMIC, and the defaults of arguments.
    this.lineage(inner, lineage, undefined, 'definition', way);
    if (code?.opaque !== undefined) inner.opaque = notKnown(defines?.name ?? '', code.opaque, via);
    for (const statement of (code?.statements ?? []) as AnalysedStatement[]) {
      this.lineage(inner, statement.lineage, statement.facts, 'any', way);
    }
    if (code?.words !== undefined) this.#words(inner, code.words, way);
  }

  /** SessionNames in a body in PL/pgSQL: whatever they may be. */
  #words(part: Part, words: Words, via: Way): void {
    const written = part.does.size > (part.does.has('select') ? 1 : 0);
    for (const name of words.names) {
      for (const relation of this.snapshot.resolve(undefined, name, false)) {
        this.touch(part, relation, { read: true, written, columns: undefined, via }, false, undefined);
      }
      if (this.snapshot.rowFunctions.has(name)) this.function(part, { schema: undefined, name }, 'any', via);
      this.#type(part, name, via);
    }
    for (const call of words.calls) this.function(part, { schema: call.at(-2), name: call.at(-1)! }, 'any', via);
    for (const operator of words.operators) {
      for (const called of this.code.operators.get(operator) ?? [])
        this.call(part, called, [...via, `operator ${operator}`]);
    }
    for (const oid of this.code.implicit) this.call(part, { oid, name: '' }, [...via, 'what a type needs']);
  }
}

/** Whether a schema is the one named; undefined: any is. */
const isIn = (schema: string, named: string | undefined): boolean =>
  named === undefined || schema === named || (named === 'pg_temp' && schema.startsWith('pg_temp_'));

/** Called like functions, and none. */
const SYNTAX = new Set(
  `json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table
  json_value merge_action`.split(/\s+/),
);

/** What a statement does that uses no other columns than it names. */
const READING = new Set(['select', 'cursor', 'prepare', 'execute']);

function readsOnly(part: Part): boolean {
  for (const word of part.does) if (!READING.has(word)) return false;
  return true;
}

/** What the body of a function does, beside being made. */
const doneBy = ({ facts }: AnalysedStatement): string[] =>
  facts.does.filter((word) => word !== 'create' && word !== 'create-definer');

function notKnown(name: string, why: string, via: Way | undefined): string {
  const way = via === undefined ? '' : `, called through ${via.join(', ')}`;
  return `function ${name}${way}: ${why}; a rule may allow it by name`;
}
