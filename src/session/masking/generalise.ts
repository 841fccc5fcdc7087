// Coarser numbers and dates: a number rounded down, a date cut down. What is neither is for the caller to mask in full.

export interface Coarseness {
  /** Numbers: rounded towards minus infinity to a multiple. Left out: one leading digit is kept, the others become 0. */
  readonly step?: number;
  /** Dates and times: what is kept. Left out: the year. */
  readonly date?: 'year' | 'month' | 'day' | 'hour';
}

/** A decimal number as databases print it; longer ones are no quantity. */
const NUMBER = /^(-?)(\d{1,40})(?:\.\d{1,40})?$/;

/** ISO 8601 and PostgreSQL's ISO style: date, optionally time, fraction, zone. */
const MOMENT = /^(\d{4,6})-(\d\d)-(\d\d)(?:([ T])(\d\d):\d\d(?::\d\d(\.\d{1,9})?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/;

/** The coarser value in the same form; undefined when the value is no number and no date. */
export function generalise(value: string, coarseness: Coarseness): string | undefined {
  const number = NUMBER.exec(value);
  if (number !== null) return coarseNumber(number[1] === '-', number[2]!, coarseness.step, value.includes('.'));
  const moment = MOMENT.exec(value);
  if (moment !== null) return coarseMoment(moment, coarseness.date ?? 'year');
  return undefined;
}

function coarseNumber(negative: boolean, digits: string, step: number | undefined, fraction: boolean): string {
  const whole = BigInt(digits);
  const size = step === undefined ? 10n ** BigInt(whole.toString().length - 1) : BigInt(step);
  let rounded = (whole / size) * size;
  if (negative && (rounded !== whole || fraction) && step !== undefined) rounded += size;
  return negative && rounded !== 0n ? `-${rounded}` : `${rounded}`;
}

function coarseMoment(parts: RegExpExecArray, keep: NonNullable<Coarseness['date']>): string {
  const [, year, month, day, separator, hour, , zone = ''] = parts;
  const rank = ['year', 'month', 'day', 'hour'].indexOf(keep);
  const date = `${year}-${rank >= 1 ? month : '01'}-${rank >= 2 ? day : '01'}`;
  return hour === undefined ? date : `${date}${separator}${rank >= 3 ? hour : '00'}:00:00${zone}`;
}
