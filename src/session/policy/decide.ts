// The verdict on one operation: which rules of those that concern this principal and connection match, and what is the
// strictest of them. Filed by the names that rules are about, so that a thousand rules cost about what ten do; remembered per
// array of facts (the analysis shares one among equal statements), so that a repeated statement costs a look-up.

import type { Facts, RelationUse } from '../../protocol/contract.ts';
import { allHold } from './condition.ts';
import type { DangerousElement, DangerSet } from './danger.ts';
import { fold, HEAD, qualified } from './pattern.ts';
import { type CompiledRule, DANGEROUS, OPAQUE } from './rule.ts';
import type { Charge, Matched, PolicyVerdict } from './types.ts';
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

interface RefusedPart extends Refused {
  readonly first: Matched;
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

/** Rules by the names that they are filed under. */
class Drawers {
  readonly #whole = new Map<string, CompiledRule[]>();
  readonly #heads = new Map<string, CompiledRule[]>();

  file(rule: CompiledRule, names: readonly string[], heads: readonly string[] = []): void {
    for (const [map, keys] of [
      [this.#whole, names],
      [this.#heads, heads],
    ] as const) {
      for (const key of new Set(keys)) {
        const drawer = map.get(key);
        if (drawer === undefined) map.set(key, [rule]);
        else drawer.push(rule);
      }
    }
  }

  get empty(): boolean {
    return this.#whole.size + this.#heads.size === 0;
  }

  /** Those that may concern the name; one may come twice. */
  *of(name: string): Iterable<CompiledRule> {
    yield* this.#whole.get(name) ?? [];
    if (this.#heads.size > 0) yield* this.#heads.get(name.slice(0, HEAD)) ?? [];
  }
}

export class Decider {
  readonly #all: CompiledRule[] = [];
  readonly #filed = { function: new Drawers(), relation: new Drawers(), object: new Drawers(), does: new Drawers() };
  readonly #danger: DangerSet;
  readonly #charging: readonly CompiledRule[];
  readonly #guards: Guards;
  readonly #remembered = new WeakMap<readonly Facts[], Remembered>();

  /** `rules`: those whose `who`, `to` and `reasonMissing` hold here. */
  constructor(rules: readonly CompiledRule[], danger: DangerSet, guards: Guards) {
    this.#danger = danger;
    this.#charging = rules.filter(({ charge }) => charge !== undefined);
    this.#guards = guards;
    for (const rule of rules) {
      const { filing } = rule;
      if (filing.by === 'all') this.#all.push(rule);
      else this.#filed[filing.by].file(rule, filing.names, 'heads' in filing ? filing.heads : []);
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
    const matches = parts.map((part) => {
      const match = this.#matchPart(part);
      return part.draws === undefined ? match : { ...match, pending: [...match.pending, ...this.#drawn(part.draws)] };
    });
    return {
      parts: matches,
      base: this.#verdict(matches, new Set()),
      pending: [...new Set(matches.flatMap((match) => match.pending))],
    };
  }

  /** Budgets that count what comes of something that was decided before. */
  #drawn(draws: NonNullable<Facts['draws']>): readonly CompiledRule[] {
    if (draws === 'unknown') return this.#charging;
    return draws.flatMap((part) => this.#matchPart(part).pending.filter(({ charge }) => charge !== undefined));
  }

  #matchPart(part: Facts): PartMatch {
    const dangerous = this.#danger.elements(part);
    const settled = new Set<CompiledRule>();
    const pending = new Set<CompiledRule>();
    const test = (rules: Iterable<CompiledRule>) => {
      for (const rule of rules) {
        if ((rule.dangerous && dangerous.length === 0) || !allHold(rule.facts, part)) continue;
        (rule.late.length === 0 && rule.charge === undefined ? settled : pending).add(rule);
      }
    };
    test(this.#all);
    const filed = this.#filed;
    for (const word of part.does) test(filed.does.of(word));
    if (part.object !== undefined) test(filed.object.of(part.object));
    if (!filed.relation.empty) for (const use of part.relations) test(filed.relation.of(fold(use.name)));
    if (!filed.function.empty) for (const name of part.functions) test(filed.function.of(fold(qualified(name).name)));
    return { part, settled: [...settled], pending: [...pending], dangerous };
  }

  #verdict(matches: readonly PartMatch[], late: ReadonlySet<CompiledRule>): PolicyVerdict {
    const matched = new Set<CompiledRule>();
    const refused: RefusedPart[] = [];
    for (const match of matches) {
      const here = [...match.settled, ...match.pending.filter((rule) => late.has(rule))];
      for (const rule of here) matched.add(rule);
      this.#guard(match, here, refused);
    }
    const verdict = combine([...matched], refused);
    if (verdict.verdict === 'allow') return verdict;
    const way = wayOf(matches, verdict.rule);
    const first = refused.find(({ name }) => name === verdict.rule)?.first ?? firstOf(matches, late, verdict.rule);
    return Object.freeze({
      ...verdict,
      ...(way === undefined ? {} : { way }),
      ...(first === undefined || isFirst(first, matches) ? {} : { first }),
    });
  }

  /** The built-in refusals of one part that no explicit rule lifts. */
  #guard(match: PartMatch, here: readonly CompiledRule[], refused: RefusedPart[]): void {
    const { within } = match.part;
    if (within !== undefined && here.some((rule) => rule.lift?.vouches(within))) return;
    if (this.#guards.dangerous) {
      const left = match.dangerous.find((element) => !here.some((rule) => rule.lift?.dangerous(element)));
      if (left !== undefined)
        refused.push({
          name: DANGEROUS,
          message: `"${left.name}" is in the set of dangerous functions and statements${through(match.part.via)}`,
          next: lifting(left.kind === 'does' ? 'does' : `${left.kind}s`, [left.name]),
          first: firstOfPart(match.part, left.kind === 'does' ? [left.name] : undefined),
        });
    }
    if (this.#guards.opaque && match.part.opaque !== undefined) {
      const words = this.#danger.opaqueWords(match.part);
      if (!here.some((rule) => rule.lift?.opaque(words))) {
        const next =
          within !== undefined
            ? lifting('functions', within.slice(0, 1))
            : words.length > 0
              ? lifting('does', words)
              : 'have a rule allow it: { when: { opaque: true }, then: allow }';
        const message = `what it does cannot be told from its text: ${match.part.opaque}`;
        refused.push({ name: OPAQUE, message, next, first: firstOfPart(match.part, words) });
      }
    }
  }
}

/** The names as YAML has them: quoted where they are more than one plain word. */
const lifting = (key: string, names: readonly string[]): string =>
  `have a rule allow it: { when: { ${key}: [${names.map((name) => JSON.stringify(name).replace(/^"([\w-]+)"$/, '$1')).join(', ')}] }, then: allow }`;

/** What the rule named matched first. */
function firstOf(
  matches: readonly PartMatch[],
  late: ReadonlySet<CompiledRule>,
  name: string | undefined,
): Matched | undefined {
  for (const { part, settled, pending } of matches) {
    const found = settled.find((one) => one.name === name) ?? pending.find((one) => one.name === name && late.has(one));
    if (found === undefined) continue;
    const use = found.about(part);
    return firstOfPart(part, found.words(part), use);
  }
  return undefined;
}

/** The words and the relation that are meant, before what else the part has. */
function firstOfPart({ does, relations, via }: Facts, words: readonly string[] = [], use?: RelationUse): Matched {
  if (via !== undefined) return { does: [], relations: [] };
  const named = use === undefined ? [] : [use];
  return { does: [...new Set([...words, ...does])], relations: [...new Set([...named, ...relations])] };
}

/** Whether it stands in front anyway. */
function isFirst({ does, relations }: Matched, matches: readonly PartMatch[]): boolean {
  const all = matches.map(({ part }) => part).filter(({ via }) => via === undefined);
  const words = [...new Set(all.flatMap((part) => part.does))];
  const uses = all.flatMap((part) => part.relations);
  return does.every((word, i) => words[i] === word) && relations.every((use, i) => uses[i] === use);
}

/** What a rule found that the text does not name. */
function wayOf(matches: readonly PartMatch[], name: string | undefined): string | undefined {
  for (const { part, settled, pending } of matches) {
    const rule = settled.find((one) => one.name === name) ?? pending.find((one) => one.name === name);
    if (rule === undefined) continue;
    const use = rule.about(part);
    const via = use?.via ?? part.via;
    if (via === undefined) return undefined;
    if (use === undefined) return part.functions.length === 0 ? undefined : `something${through(via)}`;
    const schema = use.schema === undefined ? '' : `${use.schema}.`;
    return `${use.kind ?? 'relation'} ${schema}${use.name}${through(via)}`;
  }
  return undefined;
}

const through = (via: readonly string[] | undefined): string =>
  via === undefined || via.length === 0 ? '' : ` (through ${via.join(', ')})`;
