// What it takes to have masks lifted for a time: which they are, who may approve, for how long at most. Pure.
// Refuses to know: how a review is held, who has asked before.

import { userError } from '../../core/errors.ts';
import type { CompiledMask } from './masks.ts';
import { nameParts } from './pattern.ts';
import type { Lifted, Reviewers } from './types.ts';
import { reviewersForAll } from './verdict.ts';

export interface Unmasking {
  readonly masks: readonly Lifted[];
  readonly maxMs: number;
  readonly reviewers: Reviewers;
  /** Who asks has to say why. */
  readonly reason?: 'required';
}

/**
 * @param applying the masks that concern the principal there.
 * @param wanted names of masks, or columns (`customers.ssn`, `public.customers.ssn`): then every mask that has them.
 */
export function unmaskingOf(
  applying: readonly CompiledMask[],
  connection: string,
  wanted: readonly string[],
): Unmasking {
  const masks = new Set(wanted.flatMap((word) => named(applying, connection, word)));
  const terms = [...masks].map(({ name, unmask }) => {
    if (unmask !== undefined) return { name, ...unmask };
    throw userError('forbidden', `mask "${name}" is never lifted by a review`, {
      fix: 'ask for the mask to say who may approve it (unmask: { max, reviewers })',
    });
  });
  const reviewers = reviewersForAll(terms.map((one) => one.reviewers));
  if (reviewers === undefined) {
    const names = terms.map(({ name }) => `"${name}"`).join(' and ');
    throw userError('forbidden', `no group may approve for all of the masks ${names}`, {
      fix: 'ask for each by itself',
    });
  }
  return {
    masks: [...masks].map(({ name: mask, definition }) => ({ mask, definition })),
    maxMs: Math.min(...terms.map(({ maxMs }) => maxMs)),
    reviewers,
    ...(terms.some(({ reason }) => reason !== undefined) ? { reason: 'required' as const } : {}),
  };
}

function named(applying: readonly CompiledMask[], connection: string, word: string): readonly CompiledMask[] {
  const found = applying.filter(({ name }) => name === word);
  if (found.length > 0) return found;
  const parts = nameParts(word) ?? [];
  const [column = '', relation = '', schema] = [...parts].reverse();
  const of = { name: relation, ...(schema === undefined ? {} : { schema }) };
  const having =
    parts.length < 2 || parts.length > 3
      ? []
      : applying.filter(({ columns }) => columns.some((pattern) => pattern.column(column) && pattern.relation(of)));
  if (having.length > 0) return having;
  throw userError(
    'not_found',
    `no mask "${word.slice(0, 100)}", and none on a column of that name, applies to you on "${connection}"`,
    {
      fix: `name one of those that do: ${applying.map(({ name }) => name).join(', ') || 'there is none'}`,
    },
  );
}
