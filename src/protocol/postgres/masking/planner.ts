// The columns of a result with their origins: the server's RowDescription, the statement and the catalogue joined.
// Refuses to know: masks, sessions, values.
//
// Sound before precise: a column that is not followed has all columns of all relations of its statement as origins, and
// one of a statement with anything unknown in it has none proven.

import { peerError } from '../../../core/errors.ts';
import type { Covering, Facts, PredicateUse, ResultColumn } from '../../contract.ts';
import type { Analysis, ColumnPlanner, Field, Mark, PlanContext } from '../analysis.ts';
import type { Column, Snapshot } from '../catalogue/snapshot.ts';
import { type Sources, saidBy, tellsAll } from '../reach/reach.ts';
import type { SessionNames } from '../reach/relations.ts';
import type { Lineage } from '../sql/lineage.ts';
import type { AnalysedStatement } from '../sql/statement.ts';
import { foreignEncoding, unknownCopy } from './copy-refusals.ts';
import { Coverage } from './coverage.ts';
import { type Meaning, meaningOf, sameMeaning } from './meaning.ts';
import {
  type Names,
  NOWHERE,
  type OriginResolver,
  type Origins,
  type OutputOrigins,
  UNPROVEN,
  union,
} from './origins.ts';
import type { PlannedColumn } from './planned.ts';
import { predicateUses } from './predicates.ts';
import { redefinedOrigins } from './redefined.ts';
import type { Shared } from './shared.ts';

/** How deep views may lie upon views before nothing is proven. */
const VIEW_DEPTH = 32;

/** Plans kept of one statement: it is described alike nearly always. */
const PLANS = 16;

type Plan<Result> = (resolver: OriginResolver) => Result;

export class Planner implements ColumnPlanner {
  readonly #shared: Shared;
  readonly #coverage: Coverage;
  /** DDL that any session had sent when this one began. */
  readonly #born: number;
  /** The search path that the server's session began with, as far as that is known; `unknown`: it is not. */
  #path: string | undefined;
  #ddlPending = false;
  /** A table became a part of another: until that is in the catalogue, any table may show the rows of any. */
  #inherits = false;
  /** Tables that a reload has not brought: made by a transaction that is still open. */
  readonly #unseen = new Set<number>();

  constructor(shared: Shared) {
    this.#shared = shared;
    this.#coverage = new Coverage(shared.covered);
    this.#path = shared.catalogue.searchPath;
    this.#born = shared.catalogue.generation;
  }

  columns(
    analysis: Analysis | undefined,
    part: number,
    fields: readonly Field[],
    context: PlanContext,
  ): readonly ResultColumn[] | Promise<readonly ResultColumn[]> {
    const lineage = lineageOf(analysis, part);
    if (lineage?.result === 'clean') return fields.map((field) => this.#column(field, NOWHERE));
    const pending = this.#pending(context) || changesBefore(analysis, part);
    const unknownTable = (snapshot: Snapshot) => this.#hasUnseen(snapshot, fields);
    const plan: Plan<readonly ResultColumn[]> = (resolver) => {
      const names = this.#names(context);
      const moved = !pending && !sameMeaning(context.since as Meaning | undefined, resolver, lineage, names);
      return this.#planned(resolver, lineage, fields, names, pending || moved);
    };
    if (!this.#shared.isUnsettled(this)) return this.#with(plan, unknownTable);
    // What the rows were made from may be newer than what was read.
    return this.#shared.catalogue.fresh().then((snapshot) => this.#complete(plan, snapshot));
  }

  mark(_analysis: Analysis, context: PlanContext): Mark | Promise<Mark> {
    // A transaction of its own is not to be seen; what it has made counts as unknown until it is over.
    if (this.#pending(context)) return meaningOf(undefined);
    return this.#with(({ snapshot }) => meaningOf(snapshot), never);
  }

  unsettle(): void {
    this.#shared.unsettle(this);
  }

  settle(lost: boolean): void {
    this.#coverage.settle();
    this.#shared.settle(this, lost);
  }

  copyColumns(
    analysis: Analysis,
    part: number,
    context: PlanContext,
  ): readonly ResultColumn[] | Promise<readonly ResultColumn[]> {
    const lineage = lineageOf(analysis, part);
    if (lineage === undefined) throw unknownCopy();
    const { copiesTable } = analysis.statements[part] as AnalysedStatement;
    if (this.#pending(context) || changesBefore(analysis, part)) throw unknownCopy();
    const encoding = analysis.statements[part]?.copy?.encoding;
    if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) throw foreignEncoding(encoding);
    const plan: Plan<readonly ResultColumn[]> =
      copiesTable === undefined
        ? (resolver) => this.#copyQuery(resolver, lineage, context)
        : (resolver) => this.#copyTable(resolver, copiesTable, context);
    return this.#with(plan, never);
  }

  moved(
    analysis: Analysis,
    part: number,
    context: PlanContext,
  ): readonly ResultColumn[] | Promise<readonly ResultColumn[]> {
    const lineage = lineageOf(analysis, part);
    // What cannot be read at all is opaque to policy, which refuses it where masks apply.
    if (lineage === undefined) return [];
    this.#inherits ||= lineage.inherits;
    if (lineage.moves === 'code') return [movedColumn(undefined, 'code')];
    if (lineage.result === 'unknown') return lineage.moves === 'reads' ? [movedColumn(undefined)] : [];
    const writes = lineage.written.length > 0 || lineage.moves === 'reads';
    const redefines = lineage.redefines.length > 0;
    if (!writes && !redefines && lineage.functions.length === 0 && lineage.operators.length === 0) {
      // A name that DDL changes is remembered only when it was seen before: ALTER SCHEMA … RENAME.
      return analysis.statements[part]?.ddl === true ? this.#with(() => [], never) : [];
    }
    const pending = this.#pending(context) || changesBefore(analysis, part);
    const names = this.#names(context);
    return this.#with((resolver) => {
      const { columns } = redefines ? redefinedOrigins(resolver, lineage, names) : NOWHERE;
      const redefined = columns?.length === 0 ? [] : [movedColumn(columns, 'names')];
      return [...redefined, ...this.#movedColumns(resolver, lineage, names, pending)];
    }, never);
  }

  predicates(
    analysis: Analysis,
    part: number,
    context: PlanContext,
  ): readonly PredicateUse[] | Promise<readonly PredicateUse[]> {
    const lineage = lineageOf(analysis, part);
    if (lineage === undefined || lineage.predicates.length === 0) return [];
    const pending = this.#pending(context) || changesBefore(analysis, part);
    return this.#with((resolver) => predicateUses(resolver, lineage, this.#names(context), pending), never);
  }

  reached(
    parts: readonly Facts[],
    analysis: Analysis,
    sources: Sources,
    context: PlanContext,
  ): readonly Facts[] | Promise<readonly Facts[]> {
    if (tellsAll(analysis)) return parts;
    const { reach } = this.#shared;
    const pending = this.#pending(context);
    const known =
      pending || sources !== undefined ? undefined : reach.remembered(parts, this.#sessionNames(context, pending));
    if (known !== undefined) return known;
    // What names mean depends on the catalogue, which may have to be read first.
    const said = () => saidBy(parts, analysis, sources, { names: this.#sessionNames(context, pending), pending });
    return reach.reached(parts, said, sources === undefined);
  }

  covered(covering: Covering | undefined, text: string, unseen: boolean): boolean | Promise<boolean> {
    return this.#coverage.ask(covering, text, unseen);
  }

  coveredNow(covering: Covering | undefined, text: string): boolean {
    return this.#coverage.now(covering, text);
  }

  defines(covering: Covering | undefined, text: string): void {
    this.#coverage.defines(covering, text);
  }

  invalidate(): void {
    this.#ddlPending = true;
    this.#unseen.clear();
    this.#shared.changed();
    if (this.#coverage.mayCover) this.#shared.forget();
  }

  /**
   * DDL of this session that the side connection cannot see yet. When the machine does not say whether the transaction
   * is over, it counts as open.
   */
  #pending(context: PlanContext): boolean {
    if (this.#ddlPending && context.ddlPending === false) {
      this.#ddlPending = false;
      this.#unseen.clear();
      this.#shared.changed();
    }
    return this.#ddlPending || context.ddlPending === true;
  }

  #hasUnseen(snapshot: Snapshot, fields: readonly Field[]): boolean {
    let reload = false;
    for (const { tableOid } of fields) {
      if (tableOid === 0 || snapshot.relations.has(tableOid) || this.#unseen.has(tableOid)) continue;
      this.#unseen.add(tableOid);
      reload = true;
    }
    return reload;
  }

  /** Runs a plan on a fresh snapshot, at once where that is possible; reads definitions of views as they turn out missing. */
  #with<Result>(plan: Plan<Result>, needsReload: (snapshot: Snapshot) => boolean): Result | Promise<Result> {
    const { catalogue } = this.#shared;
    const snapshot = catalogue.current();
    if (snapshot !== undefined && !needsReload(snapshot)) {
      const { resolver, result } = this.#attempt(plan, snapshot);
      if (resolver.missing.size === 0) return result;
      return this.#complete(plan, snapshot);
    }
    // A table that the snapshot does not have is newer than it.
    if (snapshot !== undefined) catalogue.invalidate();
    return catalogue.load().then((loaded) => {
      needsReload(loaded);
      return this.#complete(plan, loaded);
    });
  }

  #sessionNames({ namesPinned, pathPinned = namesPinned }: PlanContext, pending: boolean): SessionNames {
    if (pending || !pathPinned || !this.#asFresh) return 'any';
    return namesPinned ? 'pinned' : 'temporary';
  }

  #names({ namesPinned }: PlanContext): Names {
    return namesPinned && this.#asFresh ? 'pinned' : 'any';
  }

  /** Unqualified names are looked up as a fresh session would, while that is how this one began. */
  get #asFresh(): boolean {
    const { catalogue } = this.#shared;
    this.#path ??= catalogue.generation === this.#born ? catalogue.searchPath : 'unknown';
    return this.#path === catalogue.searchPath;
  }

  #attempt<Result>(plan: Plan<Result>, snapshot: Snapshot): { resolver: OriginResolver; result: Result } {
    const resolver = this.#shared.resolver(snapshot);
    resolver.begin();
    return { resolver, result: plan(resolver) };
  }

  async #complete<Result>(plan: Plan<Result>, snapshot: Snapshot): Promise<Result> {
    const { catalogue } = this.#shared;
    for (let depth = 0; depth < VIEW_DEPTH; depth++) {
      const { resolver, result } = this.#attempt(plan, snapshot);
      if (resolver.missing.size === 0) return result;
      await catalogue.loadDefinitions(snapshot, [...resolver.missing]);
    }
    throw peerError('target_error', `views lie more than ${VIEW_DEPTH} deep upon each other`);
  }

  #planned(
    resolver: OriginResolver,
    lineage: Lineage | undefined,
    fields: readonly Field[],
    names: Names,
    pending: boolean,
  ): readonly ResultColumn[] {
    if (lineage === undefined) return fields.map((field) => this.#column(field, UNPROVEN));
    const memo = pending ? undefined : this.#shared.memo(lineage);
    const key = memo === undefined ? '' : signature(fields, names);
    const known = memo?.get(key);
    if (known !== undefined) return known;
    // What was stored just now may be what another column held.
    const stored = this.#stored(resolver, lineage, names);
    const followed = lineage.result === 'rows' && !pending ? resolver.outputs(lineage, fields.length, names) : [];
    let all: Origins | undefined;
    const whole = () => {
      all ??= lineage.result === 'unknown' || pending ? UNPROVEN : resolver.all(lineage, names);
      return all;
    };
    const columns = fields.map((field, index) => {
      let origins: OutputOrigins =
        field.tableOid === 0 ? (followed[index] ?? whole()) : resolver.column(field.tableOid, field.attnum);
      // A view may have been replaced in a transaction that nobody else can see into.
      if (pending && (this.#inherits || resolver.isView(field.tableOid))) origins = UNPROVEN;
      return this.#column(field, stored === undefined ? origins : union([origins, stored]));
    });
    if (!resolver.incomplete && memo !== undefined) {
      if (memo.size >= PLANS) memo.clear();
      memo.set(key, columns);
    }
    return columns;
  }

  /** Origins of what a statement with RETURNING or a writing CTE stores from elsewhere; undefined: nothing. */
  #stored(resolver: OriginResolver, lineage: Lineage, names: Names): Origins | undefined {
    const { moves } = lineage;
    const stores = lineage.written.length > 0 || moves === 'reads';
    if (stores && !resolver.expressionsAreKnown(lineage)) return UNPROVEN;
    if (moves === 'code') return UNPROVEN;
    if (moves === 'reads') return resolver.read(lineage, names);
    const [target] = lineage.written;
    return moves.length === 0 || target === undefined ? undefined : resolver.references(moves, target, names);
  }

  #movedColumns(resolver: OriginResolver, lineage: Lineage, names: Names, pending: boolean): readonly ResultColumn[] {
    const parts: Origins[] = [];
    const stored = this.#stored(resolver, lineage, names);
    if (stored !== undefined) parts.push(stored);
    const known = resolver.expressionsAreKnown(lineage);
    const keeps = resolver.keepsArguments(lineage);
    // A function that is not known may keep what it is given.
    if (keeps || !known) parts.push(resolver.read(lineage, names));
    const relations = lineage.written.flatMap((name) => resolver.resolve(name, names));
    // It may also return anything, which is then stored; a rule on what is written may do anything as well.
    if ((keeps && !known) || relations.some((relation) => relation.rules)) parts.push(UNPROVEN);
    if (parts.length === 0) return [];
    // By a transaction that nobody else can see into a name may have come to be that of another relation.
    if (pending && lineage.read.length > 0) parts.push(UNPROVEN);
    const { columns } = union(parts);
    return columns !== undefined && columns.length === 0 ? [] : [movedColumn(columns)];
  }

  #copyTable(
    resolver: OriginResolver,
    { schema, name, columns: listed }: NonNullable<AnalysedStatement['copiesTable']>,
    context: PlanContext,
  ): readonly ResultColumn[] {
    const candidates = resolver.resolve({ schema, name }, this.#names(context));
    const [relation] = candidates;
    if (relation === undefined || candidates.length > 1) throw unknownCopy();
    // Without a list COPY leaves generated columns out.
    const columns =
      listed === undefined
        ? relation.columns.filter((column) => !column.generated)
        : listed.map((wanted) => relation.columns.find((column) => column.name === wanted));
    return columns.map((column) => {
      if (column === undefined) throw unknownCopy();
      return this.#copied(column.name, resolver.columnOf(relation, column), column);
    });
  }

  #copyQuery(resolver: OriginResolver, lineage: Lineage, context: PlanContext): readonly ResultColumn[] {
    const names = this.#names(context);
    const width = resolver.width(lineage, names);
    if (width === undefined) throw unknownCopy();
    const stored = this.#stored(resolver, lineage, names);
    let all: Origins | undefined;
    // Among several relations one may lose a column and another gain one before it runs: what is between them shifts.
    const shifts = (lineage.simple?.sources.length ?? 0) > 2 && hasBareStar(lineage);
    const followed = shifts ? new Array<undefined>(width).fill(undefined) : resolver.outputs(lineage, width, names);
    return followed.map((output: OutputOrigins | undefined, index) => {
      all ??= output === undefined ? resolver.all(lineage, names) : undefined;
      const origins = output ?? all ?? UNPROVEN;
      const name = output?.column?.name ?? `column${index + 1}`;
      return this.#copied(name, stored === undefined ? origins : union([origins, stored]), output?.column);
    });
  }

  /** A column of COPY: its type is known when it is a column of a relation as it stands. */
  #copied(name: string, { columns, direct }: Origins, column: Column | undefined): PlannedColumn {
    const textual = column !== undefined && this.#isText(column.typeOid);
    const type = column === undefined ? {} : { typeOid: column.typeOid, typmod: column.typmod };
    return { name, origins: columns, direct, textual, ...type };
  }

  #column(field: Field, { columns, direct, aggregate }: OutputOrigins): ResultColumn {
    const counted = aggregate === undefined ? {} : { aggregate };
    return { name: field.name, origins: columns, direct, ...counted, textual: this.#isText(field.typeOid) };
  }

  #isText(typeOid: number): boolean {
    const shape = this.#shared.types.shape(typeOid);
    return shape === 'text' || shape === 'json';
  }
}

function lineageOf(analysis: Analysis | undefined, part: number): Lineage | undefined {
  return (analysis?.statements[part] as Partial<AnalysedStatement> | undefined)?.lineage;
}

function hasBareStar({ simple }: Lineage): boolean {
  return simple?.outputs.some((output) => output.kind === 'star' && output.of?.path.length === 0) ?? false;
}

function movedColumn(origins: ResultColumn['origins'], name = 'moved'): ResultColumn {
  return { name, origins, textual: false };
}

function signature(fields: readonly Field[], names: Names): string {
  let key: string = names;
  for (const { name, tableOid, attnum, typeOid } of fields) key += `\u0000${tableOid}.${attnum}.${typeOid}.${name}`;
  return key;
}

/** DDL earlier in the same text: its transaction is not over when the later parts are planned. */
function changesBefore(analysis: Analysis | undefined, part: number): boolean {
  return analysis?.statements.slice(0, part).some((info) => info.ddl) ?? false;
}

const never = (): boolean => false;
