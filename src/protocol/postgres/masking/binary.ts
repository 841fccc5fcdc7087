// Values in binary format as text for detectors, which read text: numbers as digits, everything else as the text that
// is in it. Only for looking at, never sent.

const INT8 = 20;
const INT2 = 21;
const INT4 = 23;
const OID = 26;
const NUMERIC = 1700;
/** xml, bytea */
const TEXTS = new Set([142, 17]);
/** Of numbers that a detector could be about. */
const NUMERIC_BYTES = 64;

export function binaryText(buffer: Buffer, from: number, to: number, typeOid: number): string {
  const length = to - from;
  if (typeOid === INT8 && length === 8) return buffer.readBigInt64BE(from).toString();
  if (typeOid === INT4 && length === 4) return buffer.readInt32BE(from).toString();
  if (typeOid === OID && length === 4) return buffer.readUInt32BE(from).toString();
  if (typeOid === INT2 && length === 2) return buffer.readInt16BE(from).toString();
  if (typeOid === NUMERIC && length >= 8) return numericText(buffer, from, to);
  // Arrays, composites, xml, hstore, ranges: strings lie in them as they are, numbers behind their lengths.
  const text = buffer.toString('utf8', from, to);
  return TEXTS.has(typeOid) ? text : `${text}${numbersIn(buffer, from, to)}`;
}

/** Every int8 and numeric that there may be inside. */
function numbersIn(buffer: Buffer, from: number, to: number): string {
  let numbers = '';
  for (let at = from; at + 12 <= to; at++) {
    const length = buffer.readInt32BE(at);
    if (length === 8) numbers += ` ${buffer.readBigInt64BE(at + 4)}`;
    else if (length >= 10 && length <= NUMERIC_BYTES && at + 4 + length <= to) {
      if (buffer.readUInt16BE(at + 4) * 2 + 8 === length) numbers += ` ${numericText(buffer, at + 4, at + 4 + length)}`;
    }
  }
  return numbers;
}

/** numeric_send: count of digits to base 10,000, weight of the first, sign, scale, digits. */
function numericText(buffer: Buffer, from: number, to: number): string {
  const count = buffer.readUInt16BE(from);
  const weight = buffer.readInt16BE(from + 2);
  const sign = buffer.readUInt16BE(from + 4);
  if (from + 8 + count * 2 !== to) return '';
  let whole = '';
  let fraction = '';
  for (let i = 0; i < count; i++) {
    const digits = buffer
      .readUInt16BE(from + 8 + i * 2)
      .toString()
      .padStart(4, '0');
    if (i <= weight) whole += digits;
    else fraction += digits;
  }
  // Trailing zeros of the whole part are not sent.
  if (weight >= count && weight < 64) whole += '0000'.repeat(weight - count + 1);
  if (weight < -1 && weight > -64) fraction = '0000'.repeat(-weight - 1) + fraction;
  const scale = buffer.readUInt16BE(from + 6);
  fraction = fraction.slice(0, scale).padEnd(Math.min(scale, 256), '0');
  const text = whole.replace(/^0+(?=\d)/, '') || '0';
  return `${sign === 0x4000 ? '-' : ''}${text}${fraction === '' ? '' : `.${fraction}`}`;
}
