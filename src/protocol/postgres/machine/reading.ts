// What the conversation needs to know of an analysis beyond its facts, worked out once per analysis: does it name or
// define prepared statements or cursors, does it change how SQL is read. Refuses to know: how SQL is parsed.

import type { Facts } from '../../contract.ts';
import type { Analysis, Mark, StatementInfo } from '../analysis.ts';
import type { Source } from './expected.ts';

export interface Reading {
  /** Any of the below: false lets the hot path skip all of it. */
  readonly special: boolean;
  /** EXECUTE or FETCH: the facts or the rows are those of something named before. */
  readonly refers: boolean;
  readonly definesStatements: boolean;
  readonly definesPortals: boolean;
  /** COPY FROM STDIN: what follows from the client may be data. */
  readonly copyIn: boolean;
  readonly ddl: boolean;
  readonly names: boolean;
  readonly path: boolean;
  /** It sets a parameter on which the reading of SQL depends to a value under which we would misread it. */
  readonly misreads: string | undefined;
}

const readings = new WeakMap<Analysis, Reading>();

export function readingOf(analysis: Analysis): Reading {
  let reading = readings.get(analysis);
  if (reading === undefined) {
    reading = read(analysis.statements);
    readings.set(analysis, reading);
  }
  return reading;
}

function read(statements: readonly StatementInfo[]): Reading {
  const some = (test: (info: StatementInfo) => unknown): boolean => statements.some((info) => Boolean(test(info)));
  const reading = {
    refers: some((info) => info.execute ?? info.fetch ?? info.moves),
    definesStatements: some((info) => info.prepare ?? info.deallocate),
    definesPortals: some((info) => (info.declare ?? info.close) !== undefined || info.endsCursors),
    copyIn: some((info) => info.copy?.direction === 'in'),
    ddl: some((info) => info.ddl),
    names: some((info) => info.names),
    path: some((info) => info.path ?? info.names),
    misreads: statements.map((info) => misread(info.set)).find((name) => name !== undefined),
  };
  const special = Object.values(reading).some((value) => value !== false && value !== undefined);
  return { ...reading, special };
}

/** The spellings of UTF-8 that PostgreSQL accepts for client_encoding (pg_char_to_encoding ignores all but letters and digits). */
export function isUtf8(encoding: string): boolean {
  const bare = encoding.toLowerCase().replace(/[^a-z0-9]/g, '');
  return bare === 'utf8' || bare === 'unicode';
}

/** The parameters on which the reading of SQL depends; the name back when `value` would make us misread it. */
export function misread(
  set: { readonly name: string; readonly value: string | undefined } | undefined,
): string | undefined {
  if (set?.value === undefined) return undefined;
  if (set.name === 'client_encoding' || set.name === 'names') return isUtf8(set.value) ? undefined : 'client_encoding';
  // A prefix of a boolean's word is the word to PostgreSQL: `tru`, `ye`.
  if (set.name === 'standard_conforming_strings') {
    return /^(on|1|t(r(u(e)?)?)?|y(e(s)?)?)$/i.test(set.value) ? undefined : set.name;
  }
  return undefined;
}

/** The names that a text refers to, as the session knows them when the text runs. */
export interface Scope {
  statement(name: string): Analysis | undefined;
  cursor(name: string): Cursor | undefined;
}

export interface Cursor {
  /** It was bound, and nobody has decided what it does. */
  readonly undecided?: boolean;
  readonly analysis: Analysis | undefined;
  readonly since?: Mark | undefined;
}

export interface Resolved {
  readonly parts: readonly Facts[];
  readonly sources: readonly Source[] | undefined;
}

/** Facts with EXECUTE replaced by what it executes, and where each part's rows come from. */
export function resolve(analysis: Analysis, scope: Scope): Resolved {
  const statements = new Map<string, Analysis | undefined>();
  const cursors = new Map<string, Cursor>();
  const find = <Found>(own: Map<string, Found>, name: string, outer: (name: string) => Found | undefined) =>
    own.has(name) ? own.get(name) : outer(name);
  const parts: Facts[] = [];
  const sources: Source[] = [];
  for (const [part, info] of analysis.statements.entries()) {
    let facts = info.facts;
    let source: Source = { analysis, part };
    if (info.execute !== undefined) {
      const inner = find(statements, info.execute.name, scope.statement);
      facts = executed(info.facts, info.execute.name, inner);
      // EXPLAIN EXECUTE returns a plan, not the statement's rows.
      if (!info.facts.does.includes('explain')) source = { analysis: inner, part: 0 };
    }
    if (info.fetch !== undefined) {
      source = { analysis: undefined, ...find(cursors, info.fetch.name, scope.cursor), part: 0 };
      facts = { ...facts, draws: source.analysis?.facts ?? 'unknown' };
    }
    // A portal that Bind made was not decided yet: to fetch from it or to move in it runs it, also what changes something.
    const cursor = info.fetch ?? info.moves;
    const bound = cursor && find(cursors, cursor.name, scope.cursor);
    if (bound?.undecided === true) {
      facts = { ...executed(facts, cursor!.name, bound.analysis), draws: facts.draws };
      source = { ...source, begins: bound.analysis };
    }
    if (info.prepare !== undefined) statements.set(info.prepare.name, info.prepare.analysis);
    if (info.declare !== undefined) cursors.set(info.declare.name, { analysis: info.declare.analysis });
    parts.push(facts);
    sources.push(source);
  }
  return { parts, sources };
}

/**
 * Whether a part changes the catalogue, or what names mean, by itself or by what it executes. A client may prepare any
 * statement by Parse and run it by EXECUTE. @param source where the part's rows come from.
 */
export function changes(
  info: StatementInfo,
  source: Source | undefined,
): { readonly ddl: boolean; readonly names: boolean; readonly path: boolean } {
  const { names: own, path = own, ddl } = info;
  if (info.execute === undefined) return { ddl, names: own, path };
  const inner = source?.analysis?.statements[source.part];
  const known = inner !== undefined && inner !== info;
  if (!known) return { ddl: true, names: true, path: true };
  return { ddl: ddl || inner.ddl, names: own || inner.names, path: path || (inner.path ?? inner.names) };
}

function executed(call: Facts, name: string, inner: Analysis | undefined): Facts {
  const facts = inner?.facts[0];
  if (facts === undefined) return { ...call, opaque: `the prepared statement "${name}" is not known to the gateway` };
  return {
    ...facts,
    does: [...new Set([...call.does, ...facts.does])],
    relations: [...call.relations, ...facts.relations],
    functions: [...new Set([...call.functions, ...facts.functions])],
    unbounded: call.unbounded || facts.unbounded,
    opaque: call.opaque ?? facts.opaque,
  };
}

/** The parser says where the text goes wrong: it is the text that is wrong, and not a limit of ours. */
export const hasPlace = (analysis: Analysis): boolean => analysis.error?.position !== undefined;
