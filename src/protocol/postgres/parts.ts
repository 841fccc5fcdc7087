// Puts the reading of SQL together, once for the process: the parser is loaded when the first client comes.
// Refuses to know: the conversation.

import { ourError } from '../../core/errors.ts';
import type { SqlParts } from './analysis.ts';
import { createAnalyser } from './sql/analyser.ts';

let parts: Promise<SqlParts> | undefined;

export function sqlParts(): Promise<SqlParts> {
  parts ??= load();
  return parts;
}

async function load(): Promise<SqlParts> {
  const missing = () => {
    throw ourError('internal', 'masking is not built yet');
  };
  return { analyser: await createAnalyser(), masker: { dataRow: missing, copy: missing }, planner: missing };
}
