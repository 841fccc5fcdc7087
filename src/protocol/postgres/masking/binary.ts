// Values in binary format as text for detectors, which read text: numbers as digits, everything else as the text that
// is in it. Only for looking at, never sent.

const INT8 = 20;
const INT2 = 21;
const INT4 = 23;
const OID = 26;
const NUMERIC = 1700;

export function binaryText(buffer: Buffer, from: number, to: number, typeOid: number): string {
  const length = to - from;
  if (typeOid === INT8 && length === 8) return buffer.readBigInt64BE(from).toString();
  if (typeOid === INT4 && length === 4) return buffer.readInt32BE(from).toString();
  if (typeOid === OID && length === 4) return buffer.readUInt32BE(from).toString();
  if (typeOid === INT2 && length === 2) return buffer.readInt16BE(from).toString();
  if (typeOid === NUMERIC && length >= 8) return numericText(buffer, from, to);
  // Arrays, composites, xml, hstore, ranges of text: strings lie in them as they are.
  return buffer.toString('utf8', from, to);
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
  const text = whole.replace(/^0+(?=\d)/, '') || '0';
  return `${sign === 0x4000 ? '-' : ''}${text}${fraction === '' ? '' : `.${fraction}`}`;
}
