// Text of SQL → Analysis, from a cache where it can be: distinct constants do not each pay for a parse.
// Refuses to know: what policy makes of it.

import { isUtf8 } from 'node:buffer';
import type { Analyser, Analysis } from '../analysis.ts';
import { ANALYSER_LIMITS, type AnalyserLimits } from '../limits.ts';
import { readCode, withBody } from './bodies.ts';
import { Doorkeeper, TextCache } from './cache.ts';
import { scanSteps, spend, TooMuch, within } from './effort.ts';
import { normalise, shapeOf } from './normalise.ts';
import { loadParser, parse } from './parser.ts';
import { type AnalysedStatement, opaqueAnalysis, readOne } from './statement.ts';
import { withMadeTypes } from './uses.ts';

/** The analyser of the process. Resolves when the parser is loaded; `analyse` is sync from then on. */
export async function createAnalyser(limits: AnalyserLimits = ANALYSER_LIMITS): Promise<Analyser> {
  await loadParser();
  return new CachingAnalyser(limits);
}

/** From here on types are none of the server's own (FirstNormalObjectId). */
const FIRST_MADE = 16_384;

/** Texts remembered to have come once. */
const SEEN = 16_384;

/** A text of one key whose facts depend on its constants: look it up by its exact text. */
const EXACT = Symbol('exact');

class CachingAnalyser implements Analyser {
  readonly #limits: AnalyserLimits;
  readonly #byKey: TextCache<Analysis | typeof EXACT>;
  readonly #byText: TextCache<Analysis>;
  readonly #seen = new Doorkeeper(SEEN);

  constructor(limits: AnalyserLimits) {
    this.#limits = limits;
    this.#byKey = new TextCache(limits.cacheEntries.value, limits.cacheBytes.value);
    this.#byText = new TextCache(limits.cacheEntries.value, limits.cacheBytes.value);
  }

  analyse(sql: Buffer, types: readonly number[] = []): Analysis {
    const analysis = this.#cached(sql);
    if (!types.some((oid) => oid >= FIRST_MADE)) return analysis;
    const statements = (analysis.statements as readonly AnalysedStatement[]).map((info) => ({
      ...info,
      ...(info.lineage && { lineage: { ...info.lineage, predicates: withMadeTypes(info.lineage.predicates) } }),
    }));
    return { ...analysis, statements };
  }

  #cached(sql: Buffer): Analysis {
    const key = normalise(sql);
    if (key !== undefined) {
      const known = this.#byKey.get(key);
      // The key holds what is outside of constants; what is inside of them has to be UTF-8 as well.
      if (known !== undefined && known !== EXACT) return isUtf8(sql) ? known : opaqueAnalysis('invalid UTF-8');
      if (known === undefined) return this.#read(sql, key);
    }
    const text = sql.toString('latin1');
    return this.#byText.get(text) ?? this.#read(sql, key, text);
  }

  #read(sql: Buffer, key: string | undefined, text?: string): Analysis {
    const { analysis, shareable, keep } = analyseFresh(sql, this.#limits);
    if (key !== undefined && shareable) {
      const shape = shapeOf(key);
      const shaped = shape === undefined ? analysis : { ...analysis, shape };
      if (keep && this.#seen.knows(key)) this.#byKey.set(key, shaped);
      return shaped;
    }
    const exact = text ?? sql.toString('latin1');
    if (!keep || !this.#seen.knows(exact)) return analysis;
    if (key !== undefined) this.#byKey.set(key, EXACT);
    this.#byText.set(exact, analysis);
    return analysis;
  }
}

interface Fresh {
  readonly analysis: Analysis;
  readonly shareable: boolean;
  /** Whether the answer may be remembered at all. */
  readonly keep: boolean;
}

/** One text, without any cache. */
export function analyseFresh(sql: Buffer, limits: AnalyserLimits = ANALYSER_LIMITS): Fresh {
  return within(limits.steps, () => readFresh(sql, limits, 0));
}

/** Functions that define functions that define functions. */
const DEEPEST = 5;

function readFresh(sql: Buffer, limits: AnalyserLimits, depth: number): Fresh {
  const refused = refusedBefore(sql, limits);
  if (refused !== undefined) return unread(refused);
  const parsed = parse(sql, limits.tree);
  if (parsed.error !== undefined) {
    const { message, position } = parsed.error;
    // Without a position the parser failed, or a limit: the next time may be better.
    return { analysis: opaqueAnalysis(message, position), shareable: false, keep: position !== undefined };
  }
  const count = limits.statements;
  if (parsed.statements.length > count.value) {
    return unread(
      `the text has ${parsed.statements.length} statements, over the limit ${count.name} of ${count.value}`,
    );
  }
  try {
    const read = parsed.statements.map((statement) => readOne(statement, sql));
    const statements = read.map(({ info }) => withCode(info, limits, depth));
    const analysis = { facts: statements.map((info) => info.facts), statements };
    return { analysis, shareable: read.every((statement) => statement.shareable), keep: true };
  } catch (thrown) {
    if (thrown instanceof TooMuch) return unread(thrown.message);
    // The walk is recursive: a tree that the parser could build may still be too deep for it.
    return unread('the statement is nested too deeply to be analysed');
  }
}

function unread(why: string): Fresh {
  return { analysis: opaqueAnalysis(why), shareable: false, keep: false };
}

/** A function that is defined in a language that can be read: what its body does counts as done. */
function withCode(info: AnalysedStatement, limits: AnalyserLimits, depth: number): AnalysedStatement {
  const { defines, facts } = info;
  if (defines?.text === undefined) return info;
  const language = defines.language ?? 'sql';
  // In C, and under the name of another: `load` says so.
  if (language === 'c' || language === 'internal') return info;
  const read = (sql: string) =>
    depth < DEEPEST ? readFresh(Buffer.from(sql), limits, depth + 1).analysis : opaqueAnalysis('nested too deeply');
  const code = readCode(language, defines.text, read);
  return { ...info, facts: withBody(facts, defines, code), code };
}

function refusedBefore(sql: Buffer, limits: AnalyserLimits): string | undefined {
  const bound = limits.statementBytes;
  if (sql.length > bound.value) {
    return `the statement has ${sql.length} bytes, over the limit ${bound.name} of ${bound.value}`;
  }
  // The parser would stop at a NUL, and read invalid UTF-8 otherwise than the server does.
  if (sql.includes(0)) return 'the statement contains a NUL';
  if (!isUtf8(sql)) return 'the statement is not valid UTF-8';
  try {
    spend(scanSteps(sql));
    return undefined;
  } catch (thrown) {
    return (thrown as TooMuch).message;
  }
}
