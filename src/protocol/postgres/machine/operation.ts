// A request as policy is asked about it, with the texts that it executes by name. Refuses to know: what is decided.

import type { Facts, Operation } from '../../contract.ts';
import type { Analysis } from '../analysis.ts';
import type { Core } from './core.ts';
import type { Pending } from './pending.ts';

export function operationOf(
  core: Core,
  { analysis, reading }: Pending,
  kind: string,
  text: string,
  params: readonly (string | null)[] | undefined,
  parts: readonly Facts[],
): Operation {
  const operation = { kind, text, params, parts, shape: analysis.shape };
  const executes = reading.refers ? textsOf(core, analysis) : undefined;
  return executes === undefined ? operation : { ...operation, executes };
}

/** What was prepared in another message. */
function textsOf(core: Core, { statements }: Analysis): string | undefined {
  const texts: string[] = [];
  for (const [at, { execute }] of statements.entries()) {
    if (execute === undefined) continue;
    if (statements.slice(0, at).some(({ prepare }) => prepare?.name === execute.name)) continue;
    texts.push(core.statements.get(execute.name)?.text ?? '');
  }
  return texts.length === 0 ? undefined : texts.join('\n');
}
