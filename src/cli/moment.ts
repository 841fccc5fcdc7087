// A moment as people write one: a date, a time, or how long ago. Refuses to know: what it is for.

import { parseDuration } from '../core/clock.ts';
import { userError } from '../core/errors.ts';

/** `7d`, `2h30m` (ago), `2026-11-20`, `2026-11-20T07:00:00Z` → milliseconds since the epoch. Errors: usage. */
export function parseMoment(text: string, option: string, now: number): number {
  const back = parseDuration(text);
  if (back !== undefined) return now - back;
  const at = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw userError(
    'usage',
    `${option} is '${text}', expected how long ago (7d), a date (2026-11-20, UTC) or a time (2026-11-20T07:00:00Z)`,
  );
}
