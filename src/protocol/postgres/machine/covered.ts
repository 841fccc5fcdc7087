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
  if (text === '' || planner?.covered === undefined) return true;
  try {
    const { texts, unseen } = textsOf(text, sources);
    const covered = planner.covered(session.covering, texts, unseen);
    return covered instanceof Promise ? covered.catch(() => true) : covered;
  } catch {
    return true;
  }
}

/** A text, and the names in what it executes or fetches from; `unseen`: some of that came about behind the gateway's back. */
function textsOf(text: string, sources: readonly Source[] | undefined): { texts: string; unseen: boolean } {
  const texts = [text];
  let unseen = false;
  for (const { analysis } of sources ?? []) {
    unseen ||= analysis === undefined;
    for (const { relations, functions } of analysis?.facts ?? [])
      texts.push(...relations.map(({ name }) => name), ...functions);
  }
  return { texts: texts.join(' '), unseen };
}
