import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isDigit, isLetter } from '../../../../src/session/masking/detectors/detector.ts';
import { DETECTOR_NAMES, DETECTORS } from '../../../../src/session/masking/detectors/index.ts';
import { Scanner, UNREADABLE } from '../../../../src/session/masking/scanner.ts';
import { PAD, Units } from '../../../../src/session/masking/units.ts';
import { effort } from '../../../support/property.ts';

const scanner = new Scanner(DETECTOR_NAMES.map((name) => ({ detector: DETECTORS[name], tag: name })));

/** What detectors look for, whole and in pieces, and what stands round it. */
const PIECES = [
  ...['4111111111111111', '4111 1111 1111 1111', '3782', '822463', '10005', '4111-1111', '0.41', '1,4'],
  ...['DE89370400440532013000', 'DE89 3704 0044 0532 0130 00', 'GB29', 'NWBK', '6016', 'de', 'XX12'],
  ...['123-45-6789', '123 45 6789', '078-05-1120', '666', '123\u201045\u20106789', '45', '6789', '12', '0'],
  ...['bob@example.com', '"a b"@x.org', 'ö@ü.de', '@', 'a.b', 'xn--p1ai', 'example', 'com'],
  ...[
    '+49 30 1234567',
    '(212) 555-0123',
    '030 1234567',
    '01 23 45 67 89',
    '+1',
    '(0)',
    '+(',
    '(2',
    '0049',
    '212.555.0123',
  ],
  ...['10.0.0.1', '255', '2001:db8::1', '::ffff:10.0.0.1', 'fe80', ':', '::', '12:33:44', '1.2.3', '.5'],
  ...['eyJhbGciOiJIUzI1NiJ9.e30.x', 'eyJ', 'ey', 'e'],
  ...['-----BEGIN PRIVATE KEY-----', 'MIIB', '-----END PRIVATE KEY-----', '--', '-'],
  ...[
    'AKIAIOSFODNN7EXAMPLE',
    'ghp_',
    'a'.repeat(36),
    'sk-',
    'AccountKey=',
    'aws_secret_access_key: ',
    'SIG=',
    '1Q~',
    'abc1Q~',
  ],
  ...['postgres://u:secret@host/db', '://', 'http', '/', 'u:p@'],
  ...[' ', ' ', ' ', '\n', '_', ',', '{"', '":', '"', '\u00a0', '\u202f', '–', 'é', '👍', '<', '>'],
];
const texts = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join(''));

test('asking only where something could begin finds what asking everywhere finds', () => {
  const word = (code: number) => isDigit(code) || isLetter(code) || code === 95;
  const found = (text: string) => {
    const finds: string[] = [];
    const { codes, end } = new Units().text(text);
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const [code, before] = [text.charCodeAt(at), at === 0 ? 32 : text.charCodeAt(at - 1)];
      for (const name of at < from ? [] : DETECTOR_NAMES) {
        const { triggers, find, swallows } = DETECTORS[name];
        const starts = (list: readonly string[] = []) => list.some((start) => start.charCodeAt(0) === code);
        const asked =
          (triggers.digits !== undefined && isDigit(code) && !isDigit(before)) ||
          (starts(triggers.word) && !word(before)) ||
          starts(triggers.other);
        const span = asked ? find(codes, PAD + at, end) : undefined;
        if (span === undefined) continue;
        finds.push(`${name} ${span.start - PAD} ${span.end - PAD}`);
        if (swallows) from = Math.max(from, span.end - PAD);
      }
    }
    return finds.sort();
  };
  let some = 0;
  fc.assert(
    fc.property(texts, (text) => {
      const finds = (scanner.scan(text) ?? []).map(({ tag, start, end }) => `${tag} ${start} ${end}`).sort();
      if (finds.length > 0) some++;
      expect(finds).toEqual(found(text));
    }),
    effort({ seed: 20261122, numRuns: 3000 }),
  );
  expect(some).toBeGreaterThan(500);
});

test('what is clean by its bytes has nothing in it', () => {
  let clean = 0;
  fc.assert(
    fc.property(texts, (text) => {
      const bytes = Buffer.from(`9@${text}9@`);
      if (!scanner.clean(bytes, 2, bytes.length - 2)) return;
      clean++;
      expect(scanner.scan(text)).toBeUndefined();
    }),
    effort({ seed: 20261123, numRuns: 3000 }),
  );
  expect(clean).toBeGreaterThan(100);
});

test('in bytes is found what is found in their text', () => {
  let some = 0;
  let wide = 0;
  fc.assert(
    fc.property(texts, (text) => {
      const bytes = Buffer.from(`9@${text}9@`);
      const finds = scanner.scanBytes(bytes, 2, bytes.length - 2);
      if (finds === UNREADABLE) return;
      if (finds !== undefined) some++;
      if (finds !== undefined && bytes.length > text.length + 4) wide++;
      const offset = (index: number) => Buffer.byteLength(text.slice(0, index));
      expect(finds).toEqual(
        scanner.scan(text)?.map(({ start, end, tag }) => ({ start: offset(start), end: offset(end), tag })),
      );
    }),
    effort({ seed: 20261129, numRuns: 3000 }),
  );
  expect(some).toBeGreaterThan(500);
  expect(wide).toBeGreaterThan(100);
});

test('bytes that are no UTF-8, and a find that parts a character, are for their text to tell', () => {
  const scan = (bytes: Buffer) => scanner.scanBytes(bytes, 0, bytes.length);
  const address = Buffer.from('bob@example.com');
  for (const wrong of ['80', 'c0af', 'e0809f', 'eda080', 'f4908080', 'f09f91', 'c3', 'ff']) {
    expect(scan(Buffer.concat([Buffer.from(wrong, 'hex'), Buffer.from(' '), address]))).toBe(UNREADABLE);
  }
  expect(scan(Buffer.from(`\u{10ffff}\ud7ff\ue000 ${address}`))).toHaveLength(1);
  expect(scan(Buffer.from(`${'👍'.repeat(40)}a@x.org`))).toBe(UNREADABLE);
  expect(scan(Buffer.from(`${'👍'.repeat(40)}@x.org`))).toEqual([{ start: 28, end: 166, tag: 'email' }]);
});

test('a text after a longer one, and one of another array, is read alone', () => {
  const long = `${'x '.repeat(200_000)}bob@example.com`;
  for (const text of ['a@b.org', long, 'a@b.org', '4111111111111111', '411111111111111', long, '+49 30 1234567']) {
    const found = scanner.scan(text)?.map(({ start, end }) => text.slice(start, end));
    expect(found).toEqual(text === '411111111111111' ? undefined : [text === long ? 'bob@example.com' : text]);
  }
});

test.each(['Person 4711 of Berlin', 'order 12, 99 %', 'a_b-c (x) 2026', 'Straße 5, Öl', '', '{"plan": 5}'])(
  'plain text is clean: %s',
  (text) => {
    expect(scanner.clean(Buffer.from(text), 0, Buffer.byteLength(text))).toBe(true);
  },
);
