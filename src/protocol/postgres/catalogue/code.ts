// What runs by itself in one database: functions, triggers, rules, foreign keys that cascade, expressions. As it was when
// its snapshot was; the bodies of functions are read when needed.
// Refuses to know: how it is read (catalogue.ts), what follows from it (reach/).

import type { AnalysedStatement } from '../sql/statement.ts';

/** As the queries of code-queries.ts return them. */
type Rows = readonly (readonly (string | null)[])[];

export interface Routine {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly language: string;
  readonly aggregate: boolean;
  readonly immutable: boolean;
  /** In C: the name that it has in its library, or in the server. */
  readonly symbol: string | undefined;
  readonly library: string | undefined;
}

/** A function by its number, which `routines` has unless it is the server's own. */
export interface Called {
  readonly oid: number;
  readonly name: string;
}

export type Event = 'insert' | 'update' | 'delete' | 'truncate';

export interface Trigger {
  readonly name: string;
  readonly function: Called;
  readonly events: ReadonlySet<Event>;
  /** Its definition, where it has a condition. */
  readonly definition: string | undefined;
}

export interface RewriteRule {
  readonly name: string;
  readonly event: Event;
  readonly definition: string;
}

/** a no action, r restrict, c cascade, n set null, d set default */
export type Action = 'a' | 'r' | 'c' | 'n' | 'd';

export interface ForeignKey {
  readonly name: string;
  /** The relation that references. */
  readonly from: number;
  readonly onUpdate: Action;
  readonly onDelete: Action;
  /** Columns that are referenced. */
  readonly columns: readonly string[];
}

export interface Expression {
  readonly kind: 'default' | 'generated' | 'virtual' | 'check' | 'index' | 'policy';
  readonly of: string;
  readonly text: string;
}

export interface Domain {
  readonly oid: number;
  readonly name: string;
  readonly base: number;
  readonly checks: string[];
}

export interface ForeignTable {
  readonly wrapper: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface RawCode {
  readonly routines: Rows;
  readonly aggregates: Rows;
  readonly triggers: Rows;
  readonly rules: Rows;
  readonly foreignKeys: Rows;
  readonly expressions: Rows;
  readonly domains: Rows;
  readonly casts: Rows;
  readonly support: Rows;
  readonly operators: Rows;
  readonly foreignTables: Rows;
  readonly eventTriggers: Rows;
  readonly indexes: Rows;
  readonly dependents: Rows;
}

/** `unread`: it could not be read, or does not parse. */
export type Body = AnalysedStatement | 'unread';

const BITS: readonly (readonly [number, Event])[] = [
  [4, 'insert'],
  [8, 'delete'],
  [16, 'update'],
  [32, 'truncate'],
];
const EVENTS: Readonly<Record<string, Event>> = { 2: 'update', 3: 'insert', 4: 'delete' };

export class Code {
  readonly routines = new Map<number, Routine>();
  /** By name, whatever the schema. */
  readonly named = new Map<string, Routine[]>();
  /** What an aggregate is made from. */
  readonly parts = new Map<number, Called[]>();
  readonly triggers = new Map<number, Trigger[]>();
  readonly rules = new Map<number, RewriteRule[]>();
  /** By the relation that is referenced. */
  readonly foreignKeys = new Map<number, ForeignKey[]>();
  readonly expressions = new Map<number, Expression[]>();
  /** By number, and by name. */
  readonly domains = new Map<number | string, Domain>();
  /** Functions behind casts that have to be written, by the name of the type that is cast to. */
  readonly casts = new Map<string, number[]>();
  /** Functions that the server may call at any expression. */
  readonly implicit: readonly number[];
  readonly operators = new Map<string, Called[]>();
  readonly foreignTables = new Map<number, ForeignTable>();
  readonly eventTriggers: readonly { readonly name: string; readonly function: number }[];
  /** Tables of indexes, by the index's name; its schema beside. */
  readonly indexes = new Map<string, { readonly schema: string; readonly table: number }[]>();
  /** Views that name a relation. */
  readonly dependents = new Map<number, number[]>();
  /** Relations whose triggers, rules and expressions are not known: somebody holds them for himself. */
  readonly held = new Set<number>();
  /** Read so far, by the function's number. */
  readonly bodies = new Map<number, Body>();

  constructor(raw: RawCode) {
    for (const [oid, schema, name, language, kind, volatility, symbol, library] of raw.routines) {
      const routine = {
        ...{ oid: Number(oid), schema: schema!, name: name!, language: language!, aggregate: kind === 'a' },
        ...{ immutable: volatility === 'i', symbol: symbol ?? undefined, library: library ?? undefined },
      };
      this.routines.set(routine.oid, routine);
      file(this.named, routine.name, routine);
    }
    for (const [oid, part, name] of raw.aggregates) file(this.parts, Number(oid), { oid: Number(part), name: name! });
    for (const [relation, name, oid, called, type, definition] of raw.triggers) {
      const events = new Set(BITS.filter(([bit]) => (Number(type) & bit) !== 0).map(([, event]) => event));
      const trigger = { name: name!, function: { oid: Number(oid), name: called! }, events };
      file(this.triggers, Number(relation), { ...trigger, definition: definition ?? undefined });
    }
    for (const [relation, name, event, definition] of raw.rules) {
      file(this.rules, Number(relation), { name: name!, event: EVENTS[event!] ?? 'update', definition: definition! });
    }
    for (const [relation, name, from, onUpdate, onDelete, columns] of raw.foreignKeys) {
      file(this.foreignKeys, Number(relation), {
        ...{ name: name!, from: Number(from), onUpdate: onUpdate as Action, onDelete: onDelete as Action },
        columns: JSON.parse(columns ?? '[]') as string[],
      });
    }
    for (const [relation, kind, of, text] of raw.expressions) {
      file(this.expressions, Number(relation), { kind: kind as Expression['kind'], of: of!, text: text! });
    }
    for (const [oid, name, base, check] of raw.domains) {
      const domain = this.domains.get(Number(oid)) ?? { oid: Number(oid), name: name!, base: Number(base), checks: [] };
      if (check !== null) domain.checks.push(check!);
      this.domains.set(domain.oid, domain);
      this.domains.set(domain.name, domain);
    }
    const implicit = raw.support.map(([oid]) => Number(oid));
    for (const [type, context, oid] of raw.casts) {
      if (context === 'e') file(this.casts, type!, Number(oid));
      else implicit.push(Number(oid));
    }
    this.implicit = implicit;
    for (const [name, oid, called] of raw.operators) {
      file(this.operators, name!, { oid: Number(oid), name: called! });
    }
    for (const [relation, wrapper, options] of raw.foreignTables) {
      const pairs = (JSON.parse(options!) as string[]).map((option) => [
        option.slice(0, option.indexOf('=')),
        option.slice(option.indexOf('=') + 1),
      ]);
      this.foreignTables.set(Number(relation), { wrapper: wrapper!, options: Object.fromEntries(pairs) });
    }
    this.eventTriggers = raw.eventTriggers.map(([name, oid]) => ({ name: name!, function: Number(oid) }));
    for (const [schema, name, table] of raw.indexes)
      file(this.indexes, name!, { schema: schema!, table: Number(table) });
    for (const [relation, view] of raw.dependents) file(this.dependents, Number(relation), Number(view));
  }

  /** What comes with these could not be read now: it is as it was before, where that is known. */
  hold(relations: readonly number[], before: Code | undefined, wasThere: (oid: number) => boolean): void {
    for (const oid of relations) {
      if (before === undefined || before.held.has(oid) || !wasThere(oid)) this.held.add(oid);
      for (const [own, old] of [
        [this.triggers, before?.triggers],
        [this.rules, before?.rules],
        [this.expressions, before?.expressions],
      ] as [Map<number, unknown>, Map<number, unknown> | undefined][]) {
        const known = old?.get(oid);
        if (known !== undefined) own.set(oid, known);
      }
    }
  }
}

function file<Key, Value>(into: Map<Key, Value[]>, key: Key, value: Value): void {
  const found = into.get(key);
  if (found === undefined) into.set(key, [value]);
  else found.push(value);
}
