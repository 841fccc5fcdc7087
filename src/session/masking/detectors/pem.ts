// Private keys in PEM (RFC 7468 §10, RFC 4880 §6.2 for PGP). One without its END line is taken to the end of the text.

import type { Detector } from './detector.ts';

const BEGIN = '-----BEGIN ';
const END = '-----END ';
const DASHES = '-----';
const LABEL = 64;

export const pem: Detector = {
  name: 'pem-private-key',
  triggers: { other: '-' },
  swallows: true,
  find(text, at) {
    if (!text.startsWith(BEGIN, at)) return undefined;
    const label = text.slice(at + BEGIN.length, at + BEGIN.length + LABEL);
    const close = label.indexOf(DASHES);
    if (close < 0 || !/^[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?$/.test(label.slice(0, close))) return undefined;
    const body = at + BEGIN.length + close + DASHES.length;
    const end = text.indexOf(END, body);
    if (end < 0) return { start: at, end: text.length };
    const stop = text.indexOf(DASHES, end + END.length);
    return { start: at, end: stop < 0 ? text.length : stop + DASHES.length };
  },
};
