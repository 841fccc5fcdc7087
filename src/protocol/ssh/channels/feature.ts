// Something that the host gets of the client's, its agent or its display: named in the configuration, and allowed by policy.
// Refuses to know: what is asked of either.

import type { Session } from '../../contract.ts';
import type { SshConfig } from '../schema.ts';
import { factsOf } from './decided.ts';
import type { Feature } from './forwards.ts';

/** Calls `given` once it is on record that the client gives it; false: it does not. */
export function giveFeature(name: Feature, session: Session, { options }: SshConfig, given: () => void): boolean {
  if (!options.allow.includes(name)) {
    session.note('refused', { request: name });
    return false;
  }
  const { id, decision } = session.decide({ kind: 'feature', text: name, exact: '', parts: [factsOf(name)] });
  if (decision.verdict === 'hold') decision.cancel(`${name} cannot wait for a review`);
  if (decision.verdict !== 'allow') return false;
  session.recorded(() => {
    given();
    session.result(id, { part: 0, status: 'ok' });
  });
  return true;
}
