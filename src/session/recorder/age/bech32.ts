// Bech32 (BIP 173) as age has it, without its limit of 90 characters: bytes under a prefix, with a checksum.
// Refuses to know: what the bytes are.

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const CHECKSUM = 6;

/** Lower case. */
export function encodeBech32(prefix: string, bytes: Uint8Array): string {
  const values = regroup(bytes, 8, 5, true)!;
  const sum = polymod([...expanded(prefix), ...values, ...new Array(CHECKSUM).fill(0)]) ^ 1;
  const check = Array.from({ length: CHECKSUM }, (_, i) => (sum >>> (5 * (CHECKSUM - 1 - i))) & 31);
  return `${prefix}1${[...values, ...check].map((value) => ALPHABET[value]).join('')}`;
}

/** The bytes where the text is whole, all in one case, and its prefix (in lower case) is that one; undefined otherwise. */
export function decodeBech32(prefix: string, text: string): Buffer | undefined {
  const lower = text.toLowerCase();
  if (text !== lower && text !== text.toUpperCase()) return undefined;
  if (!lower.startsWith(`${prefix}1`)) return undefined;
  const values = [...lower.slice(prefix.length + 1)].map((letter) => ALPHABET.indexOf(letter));
  if (values.length < CHECKSUM || values.includes(-1)) return undefined;
  if (polymod([...expanded(prefix), ...values]) !== 1) return undefined;
  const bytes = regroup(values.slice(0, -CHECKSUM), 5, 8, false);
  return bytes === undefined ? undefined : Buffer.from(bytes);
}

function expanded(prefix: string): number[] {
  const codes = [...prefix].map((letter) => letter.charCodeAt(0));
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

function polymod(values: readonly number[]): number {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (const [i, generator] of GENERATOR.entries()) if ((top >> i) & 1) sum ^= generator;
  }
  return sum;
}

/** Groups of bits of one size as groups of another. Undefined where what is left over is not zero, or a whole group. */
function regroup(groups: Iterable<number>, from: number, to: number, pad: boolean): number[] | undefined {
  const out: number[] = [];
  let [bits, count] = [0, 0];
  for (const group of groups) {
    bits = ((bits << from) | group) & 0xfff;
    count += from;
    while (count >= to) {
      count -= to;
      out.push((bits >> count) & ((1 << to) - 1));
    }
  }
  const rest = bits & ((1 << count) - 1);
  if (pad) return count === 0 ? out : [...out, (rest << (to - count)) & ((1 << to) - 1)];
  return count >= from || rest !== 0 ? undefined : out;
}
