// The password in a URL's authority (RFC 3986 §3.2.1): only the password is the find, so that the rest stays readable.

import type { Detector } from './detector.ts';

const LONGEST = 1024;

export const urlPassword: Detector = {
  name: 'url-password',
  triggers: { other: ['://'] },
  find(codes, at, end) {
    if (codes[at + 1]! !== 47 || codes[at + 2]! !== 47) return undefined;
    const limit = Math.min(end, at + 3 + LONGEST);
    let colon = -1;
    let sign = -1;
    for (let i = at + 3; i < limit; i++) {
      const code = codes[i]!;
      // `/ ? #` end the authority; blanks, quotes and angle brackets end the URL.
      if (code === 47 || code === 63 || code === 35 || code <= 32 || code === 34 || code === 60 || code === 62) break;
      if (code === 58 && colon < 0) colon = i;
      if (code === 64) sign = i;
    }
    return colon > 0 && sign > colon + 1 ? { start: colon + 1, end: sign } : undefined;
  },
};
