// Masked sessions: whether an operation has anything to do with what masks are about. Where the database has nothing of it,
// there is nothing to plan, to mask or to withhold. Refuses to know: how that is found out.

import type { Core } from './core.ts';
import type { Source } from './expected.ts';

/** True where it is not known. Sync where it is known; never throws or rejects. */
export function coveredBefore(
  core: Core,
  text: string,
  sources: readonly Source[] | undefined,
): boolean | Promise<boolean> {
  const { planner, session } = core.options;
  const texts = textsOf(text, sources);
  if (texts === undefined || planner?.covered === undefined) return true;
  try {
    const covered = planner.covered(session.covering, texts);
    return covered instanceof Promise ? covered.catch(() => true) : covered;
  } catch {
    return true;
  }
}

/** A text, and the names in what it executes or fetches from; undefined: that is not known. */
function textsOf(text: string, sources: readonly Source[] | undefined): string | undefined {
  if (text === '') return undefined;
  if (sources === undefined) return text;
  const texts = [text];
  for (const { analysis } of sources) {
    if (analysis === undefined) return undefined;
    for (const { relations, functions } of analysis.facts)
      texts.push(...relations.map(({ name }) => name), ...functions);
  }
  return texts.join(' ');
}
