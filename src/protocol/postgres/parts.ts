// Puts the reading of SQL together, once for the process: the parser is loaded when the first client comes.
// Refuses to know: the conversation.

import type { Services } from '../contract.ts';
import type { SqlParts } from './analysis.ts';
import { ANALYSER_LIMITS, type AnalyserLimits, analyserLimitsOf } from './limits.ts';
import { Catalogues } from './masking/catalogues.ts';
import { createMasker } from './masking/masker.ts';
import { TypeRegistry } from './masking/types.ts';
import { createAnalyser } from './sql/analyser.ts';

let parts: Promise<SqlParts> | undefined;

/** `services`: whose limits are in force; left out: as declared. */
export function sqlParts(services?: Services): Promise<SqlParts> {
  parts ??= load(services === undefined ? ANALYSER_LIMITS : analyserLimitsOf(services));
  return parts;
}

async function load(limits: AnalyserLimits): Promise<SqlParts> {
  const types = new TypeRegistry();
  const catalogues = new Catalogues(types);
  return {
    analyser: await createAnalyser(limits),
    masker: createMasker(types),
    planner: (source) => catalogues.planner(source),
  };
}
