// What a mask says of statements that use its columns without selecting them: conditions, joins, order and groups let values
// be guessed. Refuses to know: how a statement is read, how a value is masked.

import { parseDuration } from '../../core/clock.ts';
import type { NamedUse, PredicateKind } from '../../protocol/contract.ts';
import type { MaskLine } from './schema.ts';
import type { PolicyVerdict, Reviewers } from './types.ts';
import { combine, type Ruling } from './verdict.ts';

export type Use = 'allow' | 'deny' | 'review';

export type PredicateUses = Readonly<Record<PredicateKind, Use>>;

/** Who knows a value may find its row: one guess a statement, on record. Everything else searches. */
const DEFAULT: PredicateUses = {
  equality: 'allow',
  range: 'deny',
  pattern: 'deny',
  join: 'deny',
  order: 'deny',
  group: 'deny',
  computed: 'deny',
  error: 'deny',
};

const TAKEN: Readonly<Record<Exclude<NamedUse['kind'], PredicateKind>, string>> = {
  stored: 'the statement would take masked values to where nothing masks them',
  code: 'what the server would run by itself could take masked values elsewhere',
};

const WORDS: Readonly<Record<PredicateKind, string>> = {
  equality: 'comparing a masked column with a value',
  range: 'comparing a masked column by order',
  pattern: 'matching a masked column with a pattern',
  join: 'comparing a masked column with another column',
  order: 'sorting by a masked column',
  group: 'grouping by a masked column, or making its values distinct,',
  computed: 'computing with a masked column in a condition, or where rows or time would tell its value,',
  error: 'computing with a masked column in a way that can fail by its value',
};

const DEFAULT_WAIT_MS = 600_000;

/** A mask's answers, one a kind. Equal hashes stand for equal values anyway, so that grouping tells nothing new. */
export function predicateUses(line: Pick<MaskLine, 'predicates' | 'as'>): PredicateUses {
  const { predicates, as } = line;
  const hashes = as === 'hash' || (typeof as === 'object' && as.hash !== undefined);
  const base = hashes ? { ...DEFAULT, group: 'allow' as const } : DEFAULT;
  if (predicates === undefined) return base;
  if (typeof predicates !== 'string') {
    const given = Object.entries(predicates).filter(([, use]) => use !== undefined);
    return { ...base, ...Object.fromEntries(given) };
  }
  return Object.fromEntries(Object.keys(base).map((kind) => [kind, predicates])) as PredicateUses;
}

export interface Guessing {
  readonly name: string;
  readonly uses: PredicateUses;
  readonly reviewers: Reviewers | undefined;
  readonly waitMs: number;
}

export function guessing(line: MaskLine): Guessing {
  const waitMs = line.wait === undefined ? undefined : parseDuration(line.wait);
  const { name, reviewers } = line;
  return { name, uses: predicateUses(line), reviewers, waitMs: waitMs ?? DEFAULT_WAIT_MS };
}

/** How the message of every refusal by a mask begins; recordings are told by it. */
export const REFUSED_BY_MASK = 'refused by mask "';

/** @param on the masks of the columns that a use is of. Undefined: nothing is said against any of them. */
export function predicateVerdict<Use extends Pick<NamedUse, 'kind'>>(
  uses: readonly Use[],
  on: (use: Use) => Iterable<Guessing>,
): PolicyVerdict | undefined {
  const rulings = new Map<string, Ruling>();
  for (const use of uses) {
    for (const { name, uses: answers, reviewers, waitMs } of on(use)) {
      const { kind } = use;
      const then = kind === 'stored' || kind === 'code' ? 'deny' : answers[kind];
      if (then === 'allow' || rulings.get(name)?.then === 'deny') continue;
      const message =
        kind === 'stored' || kind === 'code' ? TAKEN[kind] : `${WORDS[kind]} would let its values be guessed`;
      if (then === 'deny' || !rulings.has(name)) {
        rulings.set(name, { name, then, message, reviewers, waitMs, reason: undefined });
      }
    }
  }
  return rulings.size === 0 ? undefined : combine([...rulings.values()], []);
}
