// The verdict on one operation: which rules of those that concern this principal and connection match, and what is the
// strictest of them. Filed by the names that rules are about, so that a thousand rules cost about what ten do; remembered per
// array of facts (the analysis shares one among equal statements), so that a repeated statement costs a look-up.

import type { Facts } from '../../protocol/contract.ts';
import { allHold } from './condition.ts';
import type { DangerousElement, DangerSet } from './danger.ts';
import { fold, qualified } from './pattern.ts';
import { type CompiledRule, DANGEROUS, OPAQUE } from './rule.ts';
import type { Charge, PolicyVerdict } from './types.ts';
import { combine, type Refused } from './verdict.ts';
import type { Moment } from './when.ts';

/** A message without statements is still decided, as one that does nothing. */
const NOTHING: readonly Facts[] = [{ does: [], relations: [], functions: [], unbounded: false }];

/** What the facts alone say of one part. */
interface PartMatch {
  readonly part: Facts;
  /** Matched whatever the text and the time. */
  readonly settled: readonly CompiledRule[];
  /** Matched if the text or the time fits too. */
  readonly pending: readonly CompiledRule[];
  readonly dangerous: readonly DangerousElement[];
}

interface Remembered {
  readonly parts: readonly PartMatch[];
  /** The verdict when no pending rule matches. */
  readonly base: PolicyVerdict;
  readonly pending: readonly CompiledRule[];
}

export interface Guards {
  /** Statements that do not tell what they do are refused unless a rule lets them through. */
  readonly opaque: boolean;
  /** Likewise what is in the dangerous set. */
  readonly dangerous: boolean;
}

type Filed = Map<string, CompiledRule[]>;

export class Decider {
  readonly #all: CompiledRule[] = [];
  readonly #filed: Record<'function' | 'relation' | 'object' | 'does', Filed> = {
    function: new Map(),
    relation: new Map(),
    object: new Map(),
    does: new Map(),
  };
  readonly #danger: DangerSet;
  readonly #guards: Guards;
  readonly #remembered = new WeakMap<readonly Facts[], Remembered>();

  /** `rules`: those whose `who`, `to` and `reasonMissing` hold here. */
  constructor(rules: readonly CompiledRule[], danger: DangerSet, guards: Guards) {
    this.#danger = danger;
    this.#guards = guards;
    for (const rule of rules) {
      if (rule.filing.by === 'all') {
        this.#all.push(rule);
        continue;
      }
      const file = this.#filed[rule.filing.by];
      for (const name of new Set(rule.filing.names)) {
        const drawer = file.get(name);
        if (drawer === undefined) file.set(name, [rule]);
        else drawer.push(rule);
      }
    }
  }

  decide(
    parts: readonly Facts[],
    text: string,
    now: number,
    exhausted: (charge: Charge) => boolean = () => false,
  ): PolicyVerdict {
    let known = this.#remembered.get(parts);
    if (known === undefined) {
      known = this.#match(parts.length === 0 ? NOTHING : parts);
      this.#remembered.set(parts, known);
    }
    if (known.pending.length === 0) return known.base;
    const moment: Moment = { text, now };
    const holding = known.pending.filter((rule) => allHold(rule.late, moment));
    const charges = holding.flatMap(({ charge }) => (charge === undefined ? [] : [charge]));
    const late = new Set(holding.filter(({ charge }) => charge === undefined || exhausted(charge)));
    const verdict = late.size === 0 ? known.base : this.#verdict(known.parts, late);
    return charges.length === 0 ? verdict : { ...verdict, charges };
  }

  #match(parts: readonly Facts[]): Remembered {
    const matches = parts.map((part) => this.#matchPart(part));
    return {
      parts: matches,
      base: this.#verdict(matches, new Set()),
      pending: [...new Set(matches.flatMap((match) => match.pending))],
    };
  }

  #matchPart(part: Facts): PartMatch {
    const dangerous = this.#danger.elements(part);
    const settled = new Set<CompiledRule>();
    const pending = new Set<CompiledRule>();
    const test = (rules: readonly CompiledRule[] | undefined) => {
      for (const rule of rules ?? []) {
        if ((rule.dangerous && dangerous.length === 0) || !allHold(rule.facts, part)) continue;
        (rule.late.length === 0 && rule.charge === undefined ? settled : pending).add(rule);
      }
    };
    test(this.#all);
    for (const word of part.does) test(this.#filed.does.get(word));
    if (part.object !== undefined) test(this.#filed.object.get(part.object));
    if (this.#filed.relation.size > 0) for (const use of part.relations) test(this.#filed.relation.get(fold(use.name)));
    if (this.#filed.function.size > 0) {
      for (const name of part.functions) test(this.#filed.function.get(fold(qualified(name).name)));
    }
    return { part, settled: [...settled], pending: [...pending], dangerous };
  }

  #verdict(matches: readonly PartMatch[], late: ReadonlySet<CompiledRule>): PolicyVerdict {
    const matched = new Set<CompiledRule>();
    const refused: Refused[] = [];
    for (const match of matches) {
      const here = [...match.settled, ...match.pending.filter((rule) => late.has(rule))];
      for (const rule of here) matched.add(rule);
      this.#guard(match, here, refused);
    }
    return combine([...matched], refused);
  }

  /** The built-in refusals of one part that no explicit rule lifts. */
  #guard(match: PartMatch, here: readonly CompiledRule[], refused: Refused[]): void {
    if (this.#guards.dangerous) {
      const left = match.dangerous.find((element) => !here.some((rule) => rule.lift?.dangerous(element)));
      if (left !== undefined)
        refused.push({
          name: DANGEROUS,
          message: `"${left.name}" is in the set of dangerous functions and statements`,
        });
    }
    if (this.#guards.opaque && match.part.opaque !== undefined) {
      const words = this.#danger.opaqueWords(match.part);
      if (!here.some((rule) => rule.lift?.opaque(words))) {
        refused.push({ name: OPAQUE, message: `what it does cannot be told from its text: ${match.part.opaque}` });
      }
    }
  }
}
