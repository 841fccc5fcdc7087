import { describe, expect, it } from 'vitest';
import { digestOf, shownBytes, shownName } from '../../../src/protocol/contract.ts';
import { effort } from '../../support/property.ts';
import { seeded } from '../../support/random.ts';

describe('bytes as a text', () => {
  const invalid: [string, number[], string][] = [
    ['a byte that begins nothing', [0x61, 0xff], 'a\\xff'],
    ['a sequence that ends too soon', [0xe2, 0x82], '\\xe2\\x82'],
    ['half of a surrogate pair', [0xed, 0xa0, 0x80], '\\xed\\xa0\\x80'],
    ['one too long', [0xc0, 0xaf], '\\xc0\\xaf'],
    ['text around it', [0xc3, 0xa4, 0xfe, 0xe2, 0x82, 0xac], 'ä\\xfe€'],
    ['a backslash beside it', [0x5c, 0x78, 0x66, 0x66, 0xff], '\\\\xff\\xff'],
    ['a replacement character that is meant', [0xef, 0xbf, 0xbd, 0xff], '\ufffd\\xff'],
  ];
  it.each(invalid)('are escaped where they are none: %s', (_what, bytes, text) => {
    expect(shownBytes(Buffer.from(bytes))).toEqual({ text, bytes: Buffer.from(bytes).toString('base64') });
    expect(shownName(Buffer.from(bytes))).toBe(text);
  });

  it('are as they are where they are UTF-8', () => {
    for (const text of ['', 'cat /tmp/f-\\xff', 'ä\ufffd€😀\0\n'])
      expect(shownBytes(Buffer.from(text))).toEqual({ text });
  });

  it('can be told from the text and its mark: no two have the same', () => {
    const { seed, numRuns } = effort({ seed: 20261129, numRuns: 3000 });
    const random = seeded(seed);
    const pieces = [[0x5c], [0x78], [0x66], [0xff], [0xc3], [0xa4], [0xc3, 0xa4], [0xf0, 0x9f, 0x98, 0x80], [0x80]];
    const seen = new Map<string, string>();
    for (let i = 0; i < numRuns; i++) {
      const bytes = Buffer.from(Array.from({ length: 1 + random.below(6) }, () => random.pick(pieces)).flat());
      const { text, bytes: mark } = shownBytes(bytes);
      const key = JSON.stringify([text, mark !== undefined]);
      expect(seen.get(key) ?? bytes.toString('hex')).toBe(bytes.toString('hex'));
      seen.set(key, bytes.toString('hex'));
    }
  });
});

it('a digest keeps its parts apart', () => {
  const digests = [
    ['ab', 'c'],
    ['a', 'bc'],
    ['abc'],
    ['abc', ''],
    ['1:a'],
    ['', '1:a'],
    [Buffer.from([0xff])],
    ['\ufffd'],
  ];
  expect(new Set(digests.map((parts) => digestOf(...parts))).size).toBe(digests.length);
});
