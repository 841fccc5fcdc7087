// What comes of an operation that is only spoken of: what the rules say of it, and then what masks say of how it uses their
// columns, in the order in which a session asks. Refuses to know: how a text is read.

import type { Understood } from '../../protocol/contract.ts';
import type { CompiledSession } from './session.ts';
import type { Charge, PolicyVerdict } from './types.ts';

export interface Judged {
  readonly verdict: PolicyVerdict;
  /** What the rules alone say. */
  readonly ruled: PolicyVerdict;
  readonly by: 'rules' | 'mask';
}

export function judge(
  session: CompiledSession,
  { parts, text, uses = [] }: Understood,
  now: number,
  exhausted?: (charge: Charge) => boolean,
): Judged {
  const ruled = session.decide(parts, text, now, exhausted);
  const guessed = ruled.verdict === 'deny' ? undefined : session.masker.guessed(uses);
  // A statement that is held by a rule is held by that first.
  if (guessed === undefined || (guessed.verdict === 'review' && ruled.verdict === 'review')) {
    return { verdict: ruled, ruled, by: 'rules' };
  }
  return { verdict: guessed, ruled, by: 'mask' };
}
