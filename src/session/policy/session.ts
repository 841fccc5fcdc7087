// What one session asks: the rules and masks that concern its principal and connection, ready to answer.

import type { ResultColumn } from '../../protocol/contract.ts';
import type { DangerSet } from './danger.ts';
import { Decider, type Guards } from './decide.ts';
import { type CompiledMask, Masker } from './masks.ts';
import { OutputRules } from './output.ts';
import type { CompiledRule } from './rule.ts';
import type { Exemption, SessionPolicy } from './types.ts';

export interface CompiledSession extends SessionPolicy {
  readonly guards: Guards;
  readonly masker: Masker;
}

/** Whether a session's reason says anything. */
export function hasReason(reason: string | undefined): boolean {
  return reason !== undefined && reason.trim() !== '';
}

export interface SessionMasks {
  /** Those that concern the principal on the connection. */
  readonly all: readonly CompiledMask[];
  /** Of these, the ones that a review has lifted for now. */
  readonly lifted: readonly CompiledMask[];
  /** Those that would concern it but for their `unless`. */
  readonly spared: readonly CompiledMask[];
}

/**
 * `rules`: those that concern the principal on the connection. INVARIANT: a lifted mask changes what is done with values
 * and nothing else, so that a session is read and guarded as before and loses nothing when the mask comes back.
 */
export function makeSession(
  rules: readonly CompiledRule[],
  masks: SessionMasks,
  { danger, columns, key }: { danger: DangerSet; columns: boolean; key: Uint8Array },
): CompiledSession {
  const binding = rules.some((rule) => rule.then !== 'allow');
  const counting = rules.some((rule) => rule.charge?.budget.distinct !== undefined);
  const { all, lifted, spared } = masks;
  const whole = new Masker(all, key);
  const masker =
    lifted.length === 0
      ? whole
      : new Masker(
          all.filter((mask) => !lifted.includes(mask)),
          key,
        );
  const guards: Guards = {
    dangerous: binding || all.length > 0,
    // Where values are found in all that comes back, whatever it is, nothing hides from a mask.
    opaque: rules.some((rule) => rule.dodgeable) || (columns && all.length > 0),
  };
  const decider = new Decider(
    rules.filter(({ output }) => output === undefined),
    danger,
    guards,
  );
  const output = new OutputRules(rules, masker.finder);
  return {
    ruled: binding || all.length > 0,
    reaching: rules.some((rule) => rule.reaching),
    // Counting values takes what masking them does: that it is known where each comes from.
    masking: { columns: whole.columns || counting, values: whole.values },
    covering: whole.values || counting ? undefined : whole.covering,
    guards,
    masker,
    decide: (parts, text, now, exhausted) => decider.decide(parts, text, now, exhausted),
    masks: (columns, stored) => (stored === true ? whole : masker).masks(columns),
    predicates: (uses) => masker.predicates(uses),
    output: (parts, text) => output.guards(parts, text),
    outputVerdict: (names, text, now) => output.verdict(names, text, now),
    ...exemptions(lifted, spared, key),
  };
}

function exemptions(
  lifted: readonly CompiledMask[],
  spared: readonly CompiledMask[],
  key: Uint8Array,
): Pick<SessionPolicy, 'exempt' | 'exempted'> {
  if (lifted.length + spared.length === 0) return {};
  const named = (by: Exemption['by']) => (mask: CompiledMask) => ({ mask: mask.name, by });
  const exempt = [...lifted.map(named('unmask')), ...spared.map(named('unless'))];
  const byName = new Map(exempt.map((one) => [one.mask, one]));
  // One mask at a time, so that each that would have applied can be named.
  const maskers = [...lifted, ...spared].map((mask) => [byName.get(mask.name)!, new Masker([mask], key)] as const);
  const one = (column: ResultColumn) =>
    maskers.find(([, masker]) => {
      const [mask] = masker.masks([column]);
      return mask !== null && mask !== undefined && mask.by !== 'detector';
    })?.[0] ?? null;
  return { exempt, exempted: (columns) => columns.map(one) };
}
