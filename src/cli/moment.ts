// A moment as people write one: a date, a time, or how long ago. Refuses to know: what it is for.

import { parseDuration } from '../core/clock.ts';
import { userError } from '../core/errors.ts';

/** `7d`, `2h30m` (ago), `2026-11-20`, `2026-11-20T07:00:00Z` → milliseconds since the epoch. Errors: usage. */
export function parseMoment(text: string, option: string, now: number): number {
  const back = parseDuration(text);
  // Longer ago than there are dates: from the first on.
  if (back !== undefined) return Math.max(now - back, 0);
  const [, day] = /^(\d{4}-\d\d-\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/.exec(text) ?? [];
  const at = day === undefined ? Number.NaN : Date.parse(text);
  // 31 November would be taken for 1 December.
  if (!Number.isNaN(at) && new Date(Date.parse(day!)).toISOString().startsWith(day!)) return at;
  throw userError(
    'usage',
    `${option} is '${text}', expected how long ago (7d), a date (2026-11-20, UTC) or a time (2026-11-20T07:00:00Z)`,
  );
}
