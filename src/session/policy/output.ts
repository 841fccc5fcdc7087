// Rules on what operations put out: which of them look at the output of one, and what they say of a line that they match.
// Refuses to know: how output is read, what is done with the verdict.

import type { Facts } from '../../protocol/contract.ts';
import type { Finder } from '../masking/finder.ts';
import { allHold } from './condition.ts';
import type { CompiledRule } from './rule.ts';
import type { OutputGuards, PolicyVerdict } from './types.ts';
import { combine } from './verdict.ts';

/** Conditions that are asked again when a line matches. */
const TIME = 'when.time';

export class OutputRules {
  readonly #rules: readonly CompiledRule[];
  readonly #finder: Finder | undefined;
  readonly #known = new WeakMap<readonly Facts[], { readonly text: string; readonly guards: OutputGuards }>();

  constructor(rules: readonly CompiledRule[], finder: Finder | undefined) {
    this.#rules = rules.filter(({ output }) => output !== undefined);
    this.#finder = finder;
  }

  guards(parts: readonly Facts[], text: string): OutputGuards {
    const known = this.#known.get(parts);
    if (known?.text === text) return known.guards;
    const watching = this.#rules.filter(
      ({ facts, late }) =>
        parts.some((part) => allHold(facts, part)) &&
        late.every((condition) => condition.key === TIME || condition.holds({ text, now: 0 })),
    );
    const watches = watching.map(({ name, output }) => ({ name, pattern: output! }));
    const guards = { finder: this.#finder, watches };
    this.#known.set(parts, { text, guards });
    return guards;
  }

  verdict(names: readonly string[], text: string, now: number): PolicyVerdict {
    const matched = this.#rules.filter(({ name, late }) => names.includes(name) && allHold(late, { text, now }));
    return combine(matched, []);
  }
}
