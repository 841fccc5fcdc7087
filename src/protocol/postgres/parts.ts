// Puts the reading of SQL together, once for the process: the parser is loaded when the first client comes.
// Refuses to know: the conversation.

import type { SqlParts } from './analysis.ts';
import { createMasker } from './masking/masker.ts';
import { Catalogues } from './masking/planner.ts';
import { TypeRegistry } from './masking/types.ts';
import { createAnalyser } from './sql/analyser.ts';

let parts: Promise<SqlParts> | undefined;

export function sqlParts(): Promise<SqlParts> {
  parts ??= load();
  return parts;
}

async function load(): Promise<SqlParts> {
  const types = new TypeRegistry();
  const catalogues = new Catalogues(types);
  return {
    analyser: await createAnalyser(),
    masker: createMasker(types),
    planner: (source) => catalogues.planner(source),
  };
}
