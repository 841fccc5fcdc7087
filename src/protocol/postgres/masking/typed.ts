// Types that are no text and can still hold what a mask says: numbers, dates, times, booleans, UUIDs. Whether a text is a
// value of one, and its binary format (as the type's send function writes it).
// Refuses to know: what masks do.

import { binaryText } from './binary.ts';

const BOOL = 16;
const INT8 = 20;
const INT2 = 21;
const INT4 = 23;
const FLOAT4 = 700;
const FLOAT8 = 701;
const DATE = 1082;
const TIMESTAMP = 1114;
const TIMESTAMPTZ = 1184;
const NUMERIC = 1700;
const UUID = 2950;

export const TYPED: ReadonlySet<number> = new Set([
  ...[BOOL, INT8, INT2, INT4, FLOAT4, FLOAT8, DATE, TIMESTAMP, TIMESTAMPTZ, NUMERIC, UUID],
]);

/** 2000-01-01, from which PostgreSQL counts, in ms since 1970. */
const EPOCH = Date.UTC(2000, 0, 1);
const DAY = 86_400_000;

const DATE_TEXT = /^(\d{4})-(\d\d)-(\d\d)$/;
const MOMENT_TEXT = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d)?)?$/;
const DECIMAL = /^(-?)(\d{1,40})(?:\.(\d{1,40}))?$/;
const UUID_TEXT = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

const BITS: Readonly<Record<number, number>> = { [INT2]: 16, [INT4]: 32, [INT8]: 64 };

/** Whether a text is a value of the type, in the form in which a server with DateStyle ISO writes it. */
export function holds(typeOid: number, typmod: number, text: string): boolean {
  switch (typeOid) {
    case BOOL:
      return text === 't' || text === 'f';
    case INT2:
    case INT4:
    case INT8:
      return /^-?\d{1,19}$/.test(text) && BigInt.asIntN(BITS[typeOid]!, BigInt(text)) === BigInt(text);
    case FLOAT4:
    case FLOAT8:
      return DECIMAL.test(text) && (typeOid === FLOAT8 || Number.isFinite(Math.fround(Number(text))));
    case NUMERIC:
      return isNumeric(text, typmod);
    case DATE:
      return daysOf(text) !== undefined;
    case TIMESTAMP:
    case TIMESTAMPTZ:
      return microsecondsOf(text, typeOid) !== undefined;
    default:
      return typeOid === UUID && UUID_TEXT.test(text);
  }
}

/** numeric(precision, scale) is `(precision << 16 | scale) + 4`, the scale in eleven bits. */
function isNumeric(text: string, typmod: number): boolean {
  const [, , whole, fraction = ''] = DECIMAL.exec(text) ?? [];
  if (whole === undefined) return false;
  if (typmod < 4) return true;
  const precision = ((typmod - 4) >> 16) & 0xffff;
  const scale = (typmod - 4) & 0x7ff;
  // A negative scale rounds before the point.
  if (scale > 1000) return false;
  return fraction.length <= scale && whole.replace(/^0+/, '').length <= precision - scale;
}

function daysOf(text: string): number | undefined {
  const [, year, month, day] = DATE_TEXT.exec(text) ?? [];
  return day === undefined ? undefined : daysSince(Number(year), Number(month), Number(day));
}

function daysSince(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (year === 0 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return (date.getTime() - EPOCH) / DAY;
}

function microsecondsOf(text: string, typeOid: number): bigint | undefined {
  const found = MOMENT_TEXT.exec(text);
  if (found === null || (typeOid === TIMESTAMPTZ) !== (found[8] !== undefined)) return undefined;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number);
  const days = daysSince(year!, month!, day!);
  if (days === undefined || hour! > 23 || minute! > 59 || second! > 59) return undefined;
  const seconds = days * 86_400 + hour! * 3600 + minute! * 60 + second! - offsetOf(found[8] ?? 'Z');
  return BigInt(seconds) * 1_000_000n + BigInt((found[7] ?? '').padEnd(6, '0'));
}

/** Seconds east of Greenwich. */
function offsetOf(zone: string): number {
  if (zone === 'Z') return 0;
  const [hours = 0, minutes = 0] = (zone.slice(1).match(/\d\d/g) ?? []).map(Number);
  return (zone[0] === '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

/** The binary format of a text that the type holds. */
export function asBinary(typeOid: number, text: string): Buffer {
  switch (typeOid) {
    case BOOL:
      return Buffer.from([text === 't' ? 1 : 0]);
    case UUID:
      return Buffer.from(text.replaceAll('-', ''), 'hex');
    case NUMERIC:
      return numeric(text);
    case FLOAT4:
      return filled(4, (buffer) => buffer.writeFloatBE(Number(text)));
    case FLOAT8:
      return filled(8, (buffer) => buffer.writeDoubleBE(Number(text)));
    case DATE:
      return filled(4, (buffer) => buffer.writeInt32BE(daysOf(text)!));
    case INT2:
      return filled(2, (buffer) => buffer.writeInt16BE(Number(text)));
    case INT4:
      return filled(4, (buffer) => buffer.writeInt32BE(Number(text)));
    case INT8:
      return filled(8, (buffer) => buffer.writeBigInt64BE(BigInt(text)));
    default:
      return filled(8, (buffer) => buffer.writeBigInt64BE(microsecondsOf(text, typeOid)!));
  }
}

function filled(length: number, fill: (buffer: Buffer) => unknown): Buffer {
  const buffer = Buffer.alloc(length);
  fill(buffer);
  return buffer;
}

/** numeric_recv: count of digits to base 10,000, weight of the first, sign, scale, digits. */
function numeric(text: string): Buffer {
  const [, sign, whole = '', fraction = ''] = DECIMAL.exec(text)!;
  const groups = (digits: string): number[] => (digits.match(/\d{4}/g) ?? []).map(Number);
  const before = groups(whole.padStart(Math.ceil(whole.length / 4) * 4, '0'));
  const digits = [...before, ...groups(fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0'))];
  let weight = before.length - 1;
  while (digits.length > 0 && digits[0] === 0) {
    digits.shift();
    weight--;
  }
  while (digits.at(-1) === 0) digits.pop();
  return filled(8 + digits.length * 2, (buffer) => {
    buffer.writeUInt16BE(digits.length, 0);
    buffer.writeInt16BE(digits.length === 0 ? 0 : weight, 2);
    buffer.writeUInt16BE(sign === '-' && digits.length > 0 ? 0x4000 : 0, 4);
    buffer.writeUInt16BE(fraction.length, 6);
    for (const [index, digit] of digits.entries()) buffer.writeUInt16BE(digit, 8 + index * 2);
  });
}

/** A value in binary format as its text; anything at all where it is none that a mask could make something of. */
export function fromBinary(buffer: Buffer, from: number, to: number, typeOid: number): string {
  const length = to - from;
  if (typeOid === BOOL && length === 1) return buffer[from] === 1 ? 't' : 'f';
  if (typeOid === FLOAT4 && length === 4) return String(buffer.readFloatBE(from));
  if (typeOid === FLOAT8 && length === 8) return String(buffer.readDoubleBE(from));
  if (typeOid === UUID && length === 16) {
    return buffer.toString('hex', from, to).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }
  if (typeOid === DATE && length === 4) return isoDay(buffer.readInt32BE(from) * DAY);
  if ((typeOid === TIMESTAMP || typeOid === TIMESTAMPTZ) && length === 8) {
    return isoMoment(buffer.readBigInt64BE(from), typeOid === TIMESTAMPTZ ? '+00' : '');
  }
  return binaryText(buffer, from, to, typeOid);
}

/** Years that ISO 8601 writes with four digits; others are not coarsened, and so NULL. */
function isoDay(ms: number): string {
  const date = new Date(ms + EPOCH);
  const year = date.getUTCFullYear();
  return year >= 1 && year <= 9999 ? date.toISOString().slice(0, 10) : '';
}

function isoMoment(microseconds: bigint, zone: string): string {
  const rest = ((microseconds % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const ms = Number((microseconds - rest) / 1000n);
  const day = isoDay(Math.floor(ms / DAY) * DAY);
  if (day === '') return '';
  const time = new Date(ms + EPOCH).toISOString().slice(11, 19);
  return `${day} ${time}${rest === 0n ? '' : `.${rest.toString().padStart(6, '0')}`}${zone}`;
}
