// Numbers and dates moved by an amount that the value and the gateway's key determine: the same value comes out alike each time,
// so that asking again does not average the noise away. What is neither is for the caller to mask in full.

import type { KeyedBytes } from './keyed-bytes.ts';
import { zonedMoment } from './moment.ts';

export interface Loudness {
  /** Numbers: moved by at most so many percent. Left out: 10. */
  readonly percent?: number;
  /** Dates and times: moved by at most so many days. Left out: 30. */
  readonly days?: number;
}

/** More digits than a double has are no quantity. */
const NUMBER = /^-?\d{1,15}(?:\.(\d{1,15}))?$/;
const MOMENT = /^(\d{4})-(\d\d)-(\d\d)((?:[ T].*)?)$/;
const DAY_MS = 86_400_000;

/** Undefined: no number and no date. */
export function noisy(value: string, loudness: Loudness, stream: KeyedBytes): string | undefined {
  const number = NUMBER.exec(value);
  if (number !== null) {
    const moved = Number(value) * (1 + (shift(known(value, number[1]), stream) * (loudness.percent ?? 10)) / 100);
    const text = moved.toFixed(number[1]?.length ?? 0);
    return text.replace(/^-(?=[0.]*$)/, '');
  }
  const [, year, month, day, rest] = MOMENT.exec(value) ?? [];
  if (rest === undefined) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  date.setTime(date.getTime() + Math.round(shift(sameInstant(value), stream) * (loudness.days ?? 30)) * DAY_MS);
  const to = date.getUTCFullYear();
  return to < 1 || to > 9999 ? undefined : date.toISOString().slice(0, 10) + rest;
}

/** More digits of a fraction are as the session wants them (extra_float_digits): they may not make another number of it. */
const DIGITS = 6;

function known(value: string, fraction: string | undefined): string {
  return fraction === undefined ? value : Number(value).toPrecision(DIGITS);
}

/** The zone that a time is told in is the session's: every zone would be another answer. */
function sameInstant(value: string): string {
  const moment = zonedMoment(value);
  return moment === undefined ? value : `${moment.utc.getTime()}${moment.fraction}`;
}

/** From -1 to 1. */
function shift(value: string, stream: KeyedBytes): number {
  const bytes = stream.begin(Buffer.from(value));
  return (Buffer.from(bytes.subarray(0, 6)).readUIntBE(0, 6) / (2 ** 48 - 1)) * 2 - 1;
}
