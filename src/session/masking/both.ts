// The mask of a column of what is under way while the policy changes. Pure.

import type { Mask } from '../../protocol/contract.ts';

/** What was decided under one policy, and comes under another: masked where either says so, as the first says. */
export function bothMasks(before: Mask | null, now: Mask | null): Mask | null {
  if (before === null || now === null) return before ?? now;
  if (before.by !== 'detector') return before;
  if (now.by !== 'detector') return now;
  return {
    name: before.name === now.name ? now.name : `${before.name}, ${now.name}`,
    by: 'detector',
    text(value) {
      const found = before.text(value);
      return found === null ? null : now.text(found);
    },
  };
}
