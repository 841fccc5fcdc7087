// What one session asks: the rules and masks that concern its principal and connection, ready to answer.

import type { DangerSet } from './danger.ts';
import { Decider, type Guards } from './decide.ts';
import { type CompiledMask, Masker } from './masks.ts';
import type { CompiledRule } from './rule.ts';
import type { SessionPolicy } from './types.ts';

export interface CompiledSession extends SessionPolicy {
  readonly guards: Guards;
  readonly masker: Masker;
}

/** Whether a session's reason says anything. */
export function hasReason(reason: string | undefined): boolean {
  return reason !== undefined && reason.trim() !== '';
}

/** `rules`, `masks`: those that concern the principal on the connection. */
export function makeSession(
  rules: readonly CompiledRule[],
  masks: readonly CompiledMask[],
  danger: DangerSet,
  key: Uint8Array,
): CompiledSession {
  const binding = rules.some((rule) => rule.then !== 'allow');
  const masker = new Masker(masks, key);
  const guards: Guards = {
    dangerous: binding || masks.length > 0,
    opaque: rules.some((rule) => rule.dodgeable) || masks.length > 0,
  };
  const decider = new Decider(rules, danger, guards);
  return {
    ruled: binding || masks.length > 0,
    masking: { columns: masker.columns, values: masker.values },
    guards,
    masker,
    decide: (parts, text, now, exhausted) => decider.decide(parts, text, now, exhausted),
    masks: (columns) => masker.masks(columns),
    predicates: (uses) => masker.predicates(uses),
  };
}
