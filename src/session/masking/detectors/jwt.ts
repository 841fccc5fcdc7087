// JSON Web Tokens in compact form (RFC 7515 §3.1, RFC 7516 §3.1): the header has to decode to JSON that names an algorithm.

import { asciiText, startsWith } from '../units.ts';
import { alphabet, type Detector, isAlphanumeric, isWordPart, runEnd } from './detector.ts';

const HEADER = 4096;
/** `{"alg":0}` in base 64. */
const SHORTEST = 12;
const PART = 1024 * 1024;
const PARTS = 5;
const BEGIN = Buffer.from('eyJ');

const BASE64_URL = alphabet((code) => isAlphanumeric(code) || code === 45 || code === 95);

export const jwt: Detector = {
  name: 'jwt',
  triggers: { word: ['eyJ'] },
  swallows: true,
  find(codes, at, textEnd) {
    if (!startsWith(codes, at, BEGIN) || codes[at - 1] === 45 || isWordPart(codes[at - 1]!)) return undefined;
    let end = runEnd(codes, at, HEADER, textEnd, BASE64_URL);
    if (codes[end] !== 46 || end - at < SHORTEST || !isHeader(asciiText(codes, at, end))) return undefined;
    for (let part = 1; part < PARTS && codes[end] === 46; part++) {
      const next = runEnd(codes, end + 1, PART, textEnd, BASE64_URL);
      // An empty part is legal inside (an unsigned token ends with a dot), a dot and then nothing is the sentence's own.
      if (next === end + 1 && part > 2) break;
      end = next;
    }
    return { start: at, end };
  },
};

function isHeader(encoded: string): boolean {
  const text = Buffer.from(encoded, 'base64url').toString('utf8');
  // An error that is thrown costs more than all the rest: not for what plainly is none. A backslash may write `alg` otherwise.
  if (!text.trimEnd().endsWith('}') || !(text.includes('alg') || text.includes('\\'))) return false;
  try {
    const header: unknown = JSON.parse(text);
    return typeof header === 'object' && header !== null && 'alg' in header;
  } catch {
    return false;
  }
}
