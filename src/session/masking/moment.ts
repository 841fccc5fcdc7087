// A time with a zone → the moment that it is, whatever the zone: of a column of such times the session says in which it comes.
// Refuses to know: what a mask makes of it.

const ZONED = /^(\d{4,6})-(\d\d)-(\d\d)([ T])(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|([+-])(\d\d)(?::?(\d\d))?)$/;

export interface Moment {
  /** Whole seconds, in UTC. */
  readonly utc: Date;
  /** `.123`, or nothing. */
  readonly fraction: string;
  /** What stands between date and time. */
  readonly separator: string;
  readonly zone: string;
}

export function zonedMoment(text: string): Moment | undefined {
  const found = ZONED.exec(text);
  if (found === null) return undefined;
  const [year, month, day, , hour, minute, second = 0] = found.slice(1, 8).map(Number);
  const [, , , , separator, , , , fraction = '', zone, sign, hours, minutes = 0] = found;
  const east = (sign === '-' ? -60 : 60) * (Number(hours ?? 0) * 60 + Number(minutes));
  const utc = new Date(0);
  utc.setUTCFullYear(year!, month! - 1, day);
  utc.setUTCHours(hour!, minute, (second || 0) - east);
  return Number.isNaN(utc.getTime()) ? undefined : { utc, fraction, separator: separator!, zone: zone! };
}
