// The sets `dangerous` and `opaque` of a vocabulary, as tests: which elements of a statement are in them, and which of those
// an explicit rule lets through. Matching here is the strict kind: in doubt an element is dangerous, and not lifted.

import type { Facts, Vocabulary } from '../../protocol/contract.ts';
import { fold, type QualifiedPattern, qualified, qualifiedPattern } from './pattern.ts';
import type { When } from './schema.ts';

/** One element of a statement that is in the dangerous set. */
export interface DangerousElement {
  readonly kind: 'function' | 'does' | 'object';
  readonly name: string;
}

export interface DangerSet {
  /** The elements of the statement that are dangerous; empty for most. */
  elements(facts: Facts): readonly DangerousElement[];
  /** Words of the statement that are opaque by nature. */
  opaqueWords(facts: Facts): readonly string[];
}

const NONE: readonly never[] = [];

export function dangerSet(vocabulary: Vocabulary): DangerSet {
  const does = new Set(vocabulary.dangerous.does);
  const objects = new Set(vocabulary.dangerous.objects);
  const opaque = new Set(vocabulary.opaque);
  const literals = new Map<string, QualifiedPattern[]>();
  const wild: QualifiedPattern[] = [];
  for (const text of vocabulary.dangerous.functions) {
    const pattern = qualifiedPattern(text);
    if (pattern === undefined) throw new TypeError(`dangerous function ${JSON.stringify(text)} is no name pattern`);
    const { key } = pattern;
    if (key === undefined || !('name' in key)) wild.push(pattern);
    else literals.set(key.name, [...(literals.get(key.name) ?? []), pattern]);
  }
  const isDangerous = (name: string): boolean => {
    const use = qualified(name);
    const named = literals.get(fold(use.name));
    return (named?.some((pattern) => pattern.may(use)) ?? false) || wild.some((pattern) => pattern.may(use));
  };
  return {
    elements(facts) {
      const object = facts.object !== undefined && objects.has(facts.object) ? [facts.object] : NONE;
      const words = facts.does.filter((word) => does.has(word));
      const functions = facts.functions.filter(isDangerous);
      if (object.length + words.length + functions.length === 0) return NONE;
      const element = (kind: DangerousElement['kind']) => (name: string) => ({ kind, name });
      return [...functions.map(element('function')), ...words.map(element('does')), ...object.map(element('object'))];
    },
    opaqueWords: (facts) => (opaque.size === 0 ? NONE : facts.does.filter((word) => opaque.has(word))),
  };
}

/** What an explicit rule (allow or review) lifts off the built-in refusals. Applies only where the rule matches. */
export interface Lift {
  dangerous(element: DangerousElement): boolean;
  /** `words`: those of the statement that are opaque by nature. */
  opaque(words: readonly string[]): boolean;
  /** Whether it names one of these functions, in whose body something is done. */
  vouches(within: readonly string[]): boolean;
}

/**
 * By name where the rule names any (`functions: [pg_sleep]`, `does: [do-block]`), else all by `dangerous: true`,
 * `opaque: true`. Undefined for a rule that lifts nothing.
 */
export function liftOf(when: When | undefined): Lift | undefined {
  if (when === undefined) return undefined;
  const { functions, does, objects, dangerous = false, opaque = false } = when;
  if (functions === undefined && does === undefined && objects === undefined && !dangerous && !opaque) return undefined;
  const patterns = functions?.map((text) => qualifiedPattern(text)).filter((pattern) => pattern !== undefined);
  return {
    dangerous(element) {
      if (element.kind === 'function')
        return patterns?.some((pattern) => pattern.must(qualified(element.name))) ?? dangerous;
      if (element.kind === 'does') return does?.includes(element.name) ?? dangerous;
      return objects?.includes(element.name) ?? dangerous;
    },
    opaque(words) {
      if (does !== undefined && words.length > 0) return words.every((word) => does.includes(word));
      return opaque;
    },
    vouches: (within) => patterns?.some((pattern) => within.some((name) => pattern.must(qualified(name)))) ?? false,
  };
}
