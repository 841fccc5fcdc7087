// The body of a function → what it does, as far as its language lets that be told.
// Refuses to know: where bodies come from (a statement, the catalogue), what the names in them mean.

import type { Facts } from '../../contract.ts';
import type { Analysis, StatementInfo } from '../analysis.ts';
import type { Tree } from './parser.ts';
import { type Body, readPlpgsql } from './plpgsql.ts';
import { as, list, names, text } from './tree.ts';
import type { Does } from './vocabulary.ts';

/** A function as it is being defined. */
export interface Definition {
  /** Its name as written, with the schema where that was given. */
  readonly name: string;
  /** Folded; undefined: by default. */
  readonly language: string | undefined;
  /** Undefined where the body is no text (BEGIN ATOMIC): it is then read with its statement. */
  readonly text: string | undefined;
}

export interface Code {
  readonly does: readonly Does[];
  /** SQL: its statements, read as any. */
  readonly statements: readonly StatementInfo[];
  /** PL/pgSQL: its words. */
  readonly words?: Body;
  /** Why it may do anything. */
  readonly opaque?: string;
}

/** CREATE FUNCTION and PROCEDURE; nothing for any other statement. */
export function definitionOf(type: string, node: Tree): Definition | undefined {
  if (type !== 'CreateFunctionStmt') return undefined;
  const option = (name: string) =>
    list(node, 'options')
      .map((item) => as(item, 'DefElem'))
      .find((element) => text(element, 'defname') === name)?.arg;
  const body = names(list(as(option('as'), 'List'), 'items'));
  return {
    name: names(list(node, 'funcname')).join('.'),
    language: text(as(option('language'), 'String'), 'sval')?.toLowerCase(),
    // A second string is the symbol in a library.
    text: body[0],
  };
}

/** @param analyse reads a text of SQL. */
export function readCode(language: string, body: string, analyse: (sql: string) => Analysis): Code {
  if (language === 'plpgsql') {
    const words = readPlpgsql(body);
    return {
      does: words.does,
      statements: [],
      words,
      ...(words.opaque === undefined ? {} : { opaque: words.opaque }),
    };
  }
  if (language !== 'sql') return { does: [], statements: [], opaque: `it is written in ${language}` };
  const { error, statements, facts } = analyse(body);
  const why = error === undefined ? whySql(statements) : 'its text does not parse';
  return {
    does: [...new Set(facts.flatMap((part) => part.does as Does[]))],
    statements: error === undefined ? statements : [],
    ...(why === undefined ? {} : { opaque: why }),
  };
}

function whySql(statements: readonly StatementInfo[]): string | undefined {
  for (const { facts, names: steers, execute } of statements) {
    if (facts.opaque !== undefined) return facts.opaque;
    if (steers && facts.does.some((word) => word.startsWith('set'))) return 'it sets how names are read';
    if (execute !== undefined) return 'it runs a prepared statement';
  }
  return undefined;
}

/** The facts of a definition with those of its body: who may not do something may not define a function that does. */
export function withBody(facts: Facts, { name }: Definition, code: Code): Facts {
  const inner = code.statements.map((statement) => statement.facts);
  const calls = code.words?.calls.map((parts) => parts.join('.')) ?? [];
  const functions = [...facts.functions, ...inner.flatMap((part) => part.functions), ...calls];
  const opaque = facts.opaque ?? (code.opaque === undefined ? undefined : `function ${name}: ${code.opaque}`);
  return {
    ...facts,
    does: [...new Set([...facts.does, ...code.does])],
    relations: [...facts.relations, ...inner.flatMap((part) => part.relations)],
    unbounded: facts.unbounded || inner.some((part) => part.unbounded),
    functions: [...new Set(opaque === undefined ? functions : [...functions, name])],
    ...(opaque === undefined ? {} : { opaque, within: [name] }),
  };
}
