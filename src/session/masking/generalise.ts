// Coarser numbers and dates: a number rounded down, a date cut down. What is neither is for the caller to mask in full.
// Bytes in, bytes out: both are ASCII in every database.

import { zonedMoment } from './moment.ts';

export interface Coarseness {
  /** Numbers: rounded towards minus infinity to a multiple. Left out: one leading digit is kept, the others become 0. */
  readonly step?: number;
  /** Dates and times: what is kept. Left out: the year. */
  readonly date?: 'year' | 'month' | 'day' | 'hour';
}

/** Digits before and behind the point; longer ones are no quantity. */
const MOST_DIGITS = 40;
const ZERO = 48;

function digitsEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at]! >= ZERO && bytes[at]! <= 57) at++;
  return at;
}

/** Writes the coarser value at `at` of `out`, in the same form; the bytes written, -1 when it is no number and no date. */
export function generalise(
  value: Uint8Array,
  from: number,
  to: number,
  coarseness: Coarseness,
  out: Uint8Array,
  at: number,
): number {
  const negative = value[from] === 45;
  const start = negative ? from + 1 : from;
  const end = digitsEnd(value, start, to);
  const digits = end - start;
  if (digits === 0) return -1;
  if (!negative && value[end] === 45 && digits >= 4 && digits <= 6) {
    return coarseMoment(value, from, end, to, coarseness.date ?? 'year', out, at);
  }
  const fraction = end < to;
  if (fraction) {
    const behind = to - end - 1;
    if (value[end] !== 46 || behind < 1 || behind > MOST_DIGITS || digitsEnd(value, end + 1, to) !== to) return -1;
  }
  if (digits > MOST_DIGITS) return -1;
  if (coarseness.step !== undefined) {
    return stepped(value, start, end, negative, fraction, coarseness.step, out, at);
  }
  let lead = start;
  while (lead < end - 1 && value[lead] === ZERO) lead++;
  let n = at;
  if (negative && value[lead] !== ZERO) out[n++] = 45;
  out[n++] = value[lead]!;
  while (++lead < end) out[n++] = ZERO;
  return n - at;
}

function stepped(
  value: Uint8Array,
  start: number,
  end: number,
  negative: boolean,
  fraction: boolean,
  step: number,
  out: Uint8Array,
  at: number,
): number {
  let digits = '';
  for (let i = start; i < end; i++) digits += String.fromCharCode(value[i]!);
  const whole = BigInt(digits);
  const size = BigInt(step);
  let rounded = (whole / size) * size;
  if (negative && (rounded !== whole || fraction)) rounded += size;
  return putText(negative && rounded !== 0n ? `-${rounded}` : `${rounded}`, out, at);
}

function putText(text: string, out: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return text.length;
}

const isTwo = (bytes: Uint8Array, at: number, to: number) => at + 2 <= to && digitsEnd(bytes, at, at + 2) === at + 2;

/** ISO 8601 and PostgreSQL's ISO style: date, optionally time, fraction, zone. `dash`: the one behind the year. */
function coarseMoment(
  value: Uint8Array,
  from: number,
  dash: number,
  to: number,
  keep: NonNullable<Coarseness['date']>,
  out: Uint8Array,
  at: number,
): number {
  const time = dash + 6;
  if (time > to || !isTwo(value, dash + 1, to) || value[dash + 3] !== 45 || !isTwo(value, dash + 4, to)) return -1;
  const zone = time === to ? to : zoneStart(value, time, to);
  if (zone < 0) return -1;
  if (zone < to) return coarseInstant(Buffer.from(value.subarray(from, to)).toString('latin1'), keep, out, at);
  let n = at;
  for (let i = from; i < time; i++) out[n++] = value[i]!;
  const day = n - 2;
  if (keep === 'year') putOne(out, day - 3);
  if (keep === 'year' || keep === 'month') putOne(out, day);
  if (time === to) return n - at;
  out[n++] = value[time]!;
  out[n++] = keep === 'hour' ? value[time + 1]! : ZERO;
  out[n++] = keep === 'hour' ? value[time + 2]! : ZERO;
  n += putText(':00:00', out, n);
  return n - at;
}

/**
 * A time with a zone is cut down as it is in UTC: the session chooses its zone, and could shift the time until what is cut off
 * shows by what is left.
 */
function coarseInstant(text: string, keep: NonNullable<Coarseness['date']>, out: Uint8Array, at: number): number {
  const moment = zonedMoment(text);
  if (moment === undefined) return -1;
  const { utc, separator, zone } = moment;
  const year = utc.getUTCFullYear();
  if (year < 1) return -1;
  const two = (value: number) => `${value}`.padStart(2, '0');
  const month = keep === 'year' ? '01' : two(utc.getUTCMonth() + 1);
  const day = keep === 'year' || keep === 'month' ? '01' : two(utc.getUTCDate());
  const hour = keep === 'hour' ? two(utc.getUTCHours()) : '00';
  const date = `${`${year}`.padStart(4, '0')}-${month}-${day}`;
  return putText(`${date}${separator}${hour}:00:00${zone.replace(/\d/g, '0').replace('-', '+')}`, out, at);
}

/** `01`: the first month, the first day. */
function putOne(out: Uint8Array, at: number): void {
  out[at] = ZERO;
  out[at + 1] = ZERO + 1;
}

/** `[ T]HH:MM(:SS(.fraction)?)?` at `time`: where the zone behind it begins; -1 when it is no time. */
function zoneStart(value: Uint8Array, time: number, to: number): number {
  if (value[time] !== 32 && value[time] !== 84) return -1;
  if (!isTwo(value, time + 1, to) || value[time + 3] !== 58 || !isTwo(value, time + 4, to)) return -1;
  let at = time + 6;
  if (value[at] === 58 && at < to) {
    if (!isTwo(value, at + 1, to)) return -1;
    at += 3;
    if (at < to && value[at] === 46) {
      const end = digitsEnd(value, at + 1, to);
      if (end === at + 1 || end - at - 1 > 9) return -1;
      at = end;
    }
  }
  return isZone(value, at, to) ? at : -1;
}

/** Nothing, `Z`, `+02`, `+0200`, `+02:00`. */
function isZone(value: Uint8Array, at: number, to: number): boolean {
  if (at === to) return true;
  if (value[at] === 90) return at + 1 === to;
  if ((value[at] !== 43 && value[at] !== 45) || !isTwo(value, at + 1, to)) return false;
  const rest = value[at + 3] === 58 && at + 3 < to ? at + 4 : at + 3;
  return at + 3 === to || (rest + 2 === to && isTwo(value, rest, to));
}
