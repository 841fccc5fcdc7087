// What runs without a text that the gateway saw. Refuses to know: how it is decided.

import type { Facts } from '../../contract.ts';
import type { Analysis, StatementInfo } from '../analysis.ts';
import type { Statement } from './expected.ts';

export const FUNCTION_CALL: Facts = {
  does: ['call'],
  relations: [],
  functions: [],
  unbounded: false,
  opaque: 'a function call by number',
};

/** An analysis of one statement that nobody could read. */
export function opaqueAnalysis(facts: Facts): Analysis {
  const info: StatementInfo = { facts, ddl: true, names: true, endsCursors: false };
  return { facts: [facts], statements: [info] };
}

/** A prepared statement or portal that came about behind the gateway's back. */
export function unseen(what: string, name: string): Statement {
  const opaque = `${what} "${name}" that the gateway did not see made`;
  const analysis = opaqueAnalysis({ does: [], relations: [], functions: [], unbounded: false, opaque });
  return { analysis, text: '', types: [] };
}
