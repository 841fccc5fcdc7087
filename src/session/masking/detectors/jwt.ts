// JSON Web Tokens in compact form (RFC 7515 §3.1, RFC 7516 §3.1): the header has to decode to JSON that names an algorithm.

import { type Detector, isAlphanumeric, isWordPart, runEnd } from './detector.ts';

const HEADER = 4096;
const PART = 1024 * 1024;
const PARTS = 5;

const isBase64Url = (code: number) => isAlphanumeric(code) || code === 45 || code === 95;

export const jwt: Detector = {
  name: 'jwt',
  triggers: { word: 'e' },
  swallows: true,
  find(text, at) {
    if (!text.startsWith('eyJ', at) || text.charCodeAt(at - 1) === 45 || isWordPart(text.charCodeAt(at - 1)))
      return undefined;
    let end = runEnd(text, at, HEADER, isBase64Url);
    if (text.charCodeAt(end) !== 46 || !isHeader(text.slice(at, end))) return undefined;
    for (let part = 1; part < PARTS && text.charCodeAt(end) === 46; part++) {
      const next = runEnd(text, end + 1, PART, isBase64Url);
      // An empty part is legal inside (an unsigned token ends with a dot), a dot and then nothing is the sentence's own.
      if (next === end + 1 && part > 2) break;
      end = next;
    }
    return { start: at, end };
  },
};

function isHeader(encoded: string): boolean {
  try {
    const header: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'));
    return typeof header === 'object' && header !== null && 'alg' in header;
  } catch {
    return false;
  }
}
