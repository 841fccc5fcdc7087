// Windows of time in a zone: `{ zone, days, from, to }`.

import { DAYS, type TimeWindow } from './schema.ts';

const MINUTE = 60_000;
const DAY_MINUTES = 24 * 60;

/** The window as a test of a moment (ms since the epoch). Remembers the last minute: statements come in bursts. */
export function timeWindow(window: TimeWindow): (now: number) => boolean {
  const days = new Set<string>(window.days ?? DAYS);
  const from = minutes(window.from ?? '00:00');
  const to = minutes(window.to ?? '24:00');
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: window.zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });

  const inside = (now: number): boolean => {
    const parts: Record<string, string> = {};
    for (const { type, value } of format.formatToParts(now)) parts[type] = value;
    const today = parts.weekday!.toLowerCase();
    const minute = Number(parts.hour) * 60 + Number(parts.minute);
    if (from < to) return days.has(today) && minute >= from && minute < to;
    // Over midnight: the window belongs to the day on which it began.
    const yesterday = DAYS[(DAYS.indexOf(today as (typeof DAYS)[number]) + 6) % 7]!;
    return (days.has(today) && minute >= from) || (days.has(yesterday) && minute < to);
  };

  let known = Number.NaN;
  let answer = false;
  return (now) => {
    const minute = Math.floor(now / MINUTE);
    if (minute !== known) {
      answer = inside(now);
      known = minute;
    }
    return answer;
  };
}

function minutes(time: string): number {
  const [hours, rest] = time.split(':');
  return Math.min(Number(hours) * 60 + Number(rest), DAY_MINUTES);
}

/** `mon, tue 09:00-18:00 Europe/Berlin`. */
export function describeWindow(window: TimeWindow): string {
  const hours = `${window.from ?? '00:00'}-${window.to ?? '24:00'}`;
  return `${window.days === undefined ? '' : `${window.days.join(', ')} `}${hours} ${window.zone}`;
}
