// Bytes in a line: readable where somebody could read them, and never many times what they are.

import { expect, it } from 'vitest';
import { decodeBytes, encodeBytes } from '../../../../src/session/recorder/line.ts';

const COLOURED = '\x1b[1m\x1b[32mok\x1b[m\r\n';

it.each([
  ['a line', Buffer.from('hello\n'), 'text'],
  ['letters of any kind', Buffer.from('größer → 大'), 'text'],
  ['a terminal that draws', Buffer.from(COLOURED.repeat(500)), 'text'],
  ['nothing but line ends', Buffer.from('\r\n'.repeat(5000)), 'text'],
  ['bytes that are no UTF-8', Buffer.from([0x66, 0xff]), 'base64'],
  ['zeros', Buffer.alloc(32_768), 'base64'],
  ['one zero', Buffer.alloc(1), 'base64'],
])('%s', (_, bytes, member) => {
  const encoded = encodeBytes(bytes);
  expect(Object.keys(encoded)).toEqual([member]);
  expect(decodeBytes(encoded)).toEqual(bytes);
  expect(JSON.stringify(encoded).length).toBeLessThan(bytes.length * 3 + 40);
});
