import fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, test } from 'vitest';
import { MASK_ROOM } from '../../../../src/protocol/contract.ts';
import { type Action, applyAction, compareActions, reveals } from '../../../../src/session/masking/actions.ts';
import { DETECTORS, type DetectorName } from '../../../../src/session/masking/detectors/index.ts';
import { columnMask, detectorMask } from '../../../../src/session/masking/mask.ts';
import { effort } from '../../../support/property.ts';

const key = Buffer.alloc(32, 7);
const apply = (action: Action, value: string) => applyAction(action, key).text(value);

test.each<[Action, string, string | null]>([
  [{ kind: 'null' }, 'secret', null],
  [{ kind: 'full' }, 'secret', '***'],
  [{ kind: 'full' }, '', '***'],
  [{ kind: 'fixed', text: 'REDACTED' }, 'secret', 'REDACTED'],
  [{ kind: 'fixed', text: '' }, 'secret', ''],
  [{ kind: 'partial', first: 0, last: 4 }, '123-45-6789', '*******6789'],
  [{ kind: 'partial', first: 2, last: 2 }, 'abcdefgh', 'ab****gh'],
  [{ kind: 'partial', first: 2, last: 2 }, 'abcdefg', '*******'],
  [{ kind: 'partial', first: 0, last: 4 }, '1234', '****'],
  [{ kind: 'partial', first: 0, last: 0 }, 'abc', '***'],
  [{ kind: 'partial', first: 1, last: 1 }, '👍abc👎', '👍***👎'],
  [{ kind: 'partial', first: 0, last: 4 }, '', ''],
  [{ kind: 'email' }, 'alice@example.com', '***@example.com'],
  [{ kind: 'email' }, 'write to alice@example.com now', '***'],
  [{ kind: 'email' }, 'secret', '***'],
  [{ kind: 'generalise' }, '4711', '4000'],
  [{ kind: 'generalise' }, '0', '0'],
  [{ kind: 'generalise' }, '-4711.5', '-4000'],
  [{ kind: 'generalise', step: 500 }, '4711.99', '4500'],
  [{ kind: 'generalise', step: 500 }, '-1', '-500'],
  [{ kind: 'generalise', step: 500 }, '-500', '-500'],
  [{ kind: 'generalise', step: 500 }, '499', '0'],
  [{ kind: 'generalise' }, '2024-05-17', '2024-01-01'],
  [{ kind: 'generalise', date: 'month' }, '2024-05-17 12:33:44.5+02', '2024-05-01 00:00:00+00'],
  [{ kind: 'generalise', date: 'hour' }, '2024-05-17T12:33:44Z', '2024-05-17T12:00:00Z'],
  [{ kind: 'generalise' }, 'not a number', '***'],
])('%j of %j is %j', (action, value, expected) => {
  expect(apply(action, value)).toBe(expected);
});

test('a hash is keyed, deterministic and of the length asked for', () => {
  const one = apply({ kind: 'hash', length: 16 }, 'alice');
  expect(one).toMatch(/^[0-9a-z]{16}$/);
  expect(apply({ kind: 'hash', length: 16 }, 'alice')).toBe(one);
  expect(apply({ kind: 'hash', length: 51 }, 'alice')).toMatch(new RegExp(`^${one}[0-9a-z]{35}$`));
  expect(apply({ kind: 'hash', length: 16 }, 'alicf')).not.toBe(one);
  expect(applyAction({ kind: 'hash', length: 16 }, Buffer.alloc(32, 8)).text('alice')).not.toBe(one);
});

test('noise is the same for a moment in whatever zone, and for a number of whatever precision', () => {
  const moved = (value: string) => apply({ kind: 'noise', days: 30 }, value)!;
  const instant = (value: string) => Date.parse(moved(value).replace(' ', 'T'));
  expect(instant('2024-05-17 23:30:00+00:00')).toBe(instant('2024-05-18 01:00:00+01:30'));
  expect(instant('2024-05-17 23:30:00+00:00')).toBe(instant('2024-05-17 13:15:00-10:15'));
  expect(instant('2024-05-17 23:30:00+00:00')).not.toBe(Date.parse('2024-05-17T23:30:00Z'));
  const share = (value: string) => Number(moved(value)) / Number(value);
  expect(share('1234.56789012')).toBeCloseTo(share('1234.57'), 5);
  expect(share('1234.56789012')).not.toBeCloseTo(share('1234.6'), 5);
});

test('digits keeps the format and nothing else, the same each time', () => {
  const value = 'AB-12 34/ö5 xyz';
  const masked = apply({ kind: 'digits' }, value)!;
  expect(masked).toMatch(/^[A-Z]{2}-\d\d \d\d\/x\d [a-z]{3}$/);
  expect(apply({ kind: 'digits' }, value)).toBe(masked);
  expect(masked).not.toBe(value);
  const long = '1234567890'.repeat(20);
  expect(apply({ kind: 'digits' }, long)).toMatch(/^\d{200}$/);
});

test('actions are ordered by what they reveal', () => {
  const shuffled: Action[] = [
    { kind: 'partial', first: 4, last: 4 },
    { kind: 'email' },
    { kind: 'hash', length: 32 },
    { kind: 'partial', first: 0, last: 4 },
    { kind: 'null' },
    { kind: 'digits' },
    { kind: 'fixed', text: 'x' },
    { kind: 'hash', length: 16 },
    { kind: 'generalise' },
    { kind: 'full' },
  ];
  expect(shuffled.sort(compareActions)).toEqual([
    { kind: 'null' },
    { kind: 'full' },
    { kind: 'fixed', text: 'x' },
    { kind: 'hash', length: 16 },
    { kind: 'hash', length: 32 },
    { kind: 'digits' },
    { kind: 'generalise' },
    { kind: 'email' },
    { kind: 'partial', first: 0, last: 4 },
    { kind: 'partial', first: 4, last: 4 },
  ]);
  expect(shuffled.map(reveals)).toEqual([false, false, false, true, true, true, true, true, true, true]);
});

const detect = (action: Action, names: DetectorName[], patterns: string[] = [], name = 'pii') => ({
  name,
  action,
  detectors: names.map((one) => DETECTORS[one]),
  patterns: patterns.map((pattern) => RE2JS.compile(pattern)),
});

test('a detector mask replaces only what it found', () => {
  const mask = detectorMask([detect({ kind: 'partial', first: 0, last: 4 }, ['credit-card', 'email'])], key);
  expect({ name: mask.name, by: mask.by }).toEqual({ name: 'pii', by: 'detector' });
  expect(mask.text('pay 4111 1111 1111 1111 for bob@example.com, ok')).toBe(
    'pay ***************1111 for ***********.com, ok',
  );
  const clean = 'nothing here 12';
  expect(mask.text(clean)).toBe(clean);
});

test('what overlaps becomes one find with the strictest action, whatever the order of the masks', () => {
  const url = 'postgres://u:secret@host.example/db';
  const masks = [detect({ kind: 'email' }, ['email'], [], 'a'), detect({ kind: 'full' }, ['url-password'], [], 'b')];
  expect(detectorMask(masks, key).text(url)).toBe('postgres://u:***/db');
  expect(detectorMask([...masks].reverse(), key).text(url)).toBe('postgres://u:***/db');
  expect(detectorMask(masks, key).name).toBe('a, b');
});

test('finds that overlap in steps are replaced from the first to the last', () => {
  const mask = detectorMask([detect({ kind: 'full' }, [], ['abc', 'bcd', 'de'])], key);
  expect(mask.text('xabcdex')).toBe('x***x');
});

test('a find under a null mask makes the whole value NULL', () => {
  const mask = detectorMask([detect({ kind: 'null' }, ['us-ssn'])], key);
  expect(mask.text('ssn 123-45-6789 and more')).toBeNull();
  expect(mask.text('no ssn')).toBe('no ssn');
});

test("users' own patterns find beside the built-in detectors", () => {
  const mask = detectorMask([detect({ kind: 'full' }, ['ip'], ['EMP-\\d+', 'x*'])], key);
  expect(mask.text('EMP-12 at 10.0.0.1, EMP-7 yy')).toBe('*** at ***, *** yy');
  expect(mask.text('xx y')).toBe('*** y');
});

test('a pattern that would backtrack for ever is matched in linear time', () => {
  const mask = detectorMask([detect({ kind: 'full' }, [], ['^(a+)+$'])], key);
  const evil = `${'a'.repeat(50_000)}!`;
  expect(mask.text(evil)).toBe(evil);
});

test('a column mask changes every value', () => {
  const mask = columnMask('pii', 'column', { kind: 'full' }, key);
  expect([mask.name, mask.by, mask.text('x'), mask.text('')]).toEqual(['pii', 'column', '***', '***']);
});

describe('an action on bytes', () => {
  const ACTIONS: Action[] = [
    { kind: 'partial', first: 0, last: 4 },
    { kind: 'partial', first: 2, last: 1 },
    { kind: 'hash', length: 16 },
    { kind: 'hash', length: 51 },
    { kind: 'digits' },
    { kind: 'email' },
    { kind: 'generalise' },
    { kind: 'generalise', step: 250, date: 'hour' },
    { kind: 'full' },
    { kind: 'fixed', text: 'REDACTED' },
  ];
  const pieces = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 120 }),
    fc.array(fc.constantFrom('a', 'Z', '7', '0', '.', '-', '@', 'ö', '👍', ' ', 'example', 'com', 'x@y', '_'), {
      maxLength: 90,
    }),
    // A number, a moment, an address, each now and then with something wrong in it.
    fc.tuple(fc.constantFrom('', '', '-'), fc.nat(), fc.constantFrom('', '', '.', '.0', '.25', 'x')),
    fc.tuple(
      fc.constantFrom('2024-05-17', '2024-05-17', '12024-05-17', '2024-5-17'),
      fc.constantFrom('', ' 12:33', 'T12:33:44', ' 01:02:03.5', ' 1:02'),
      fc.constantFrom('', '', 'Z', '+02', '-05:30', '+0530', '+5'),
    ),
    fc.tuple(
      fc.constantFrom('bob', 'a.b', 'x_1+y', '.a', 'ö', '"a b"'),
      fc.constantFrom('@', '@', '@', '@@', ''),
      fc.constantFrom('example.com', 'a-b.co.uk', 'x.y.z1', 'a-.com', 'xn--a.xn--b', 'localhost', 'a..com', 'a.c'),
    ),
  );

  test.each(ACTIONS)('gives what it gives on text, or leaves it to it: %j', (action) => {
    const { text, bytes } = applyAction(action, key);
    let written = 0;
    fc.assert(
      fc.property(pieces, (parts) => {
        const value = [...parts].join('');
        const from = Buffer.from(`<${value}>`);
        const out = Buffer.alloc(from.length + 3 + MASK_ROOM);
        const length = bytes!(from, 1, from.length - 1, out, 5);
        if (length < 0) return;
        written++;
        expect(out.toString('utf8', 5, 5 + length)).toBe(text(value));
      }),
      effort({ seed: 20261120, numRuns: 2000 }),
    );
    expect(written).toBeGreaterThan(20);
  });

  test.each([
    ['0', '0'],
    ['0047', '40'],
    ['-0.5', '0'],
    ['-0047.5', '-40'],
    ['2024-05-17T12:33Z', '2024-01-01T00:00:00Z'],
    ['2024-05-17 12:33:44.123456+05:30', '2024-01-01 00:00:00+00:00'],
    ['2024-01-01 00:30:00+01', '2023-01-01 00:00:00+00'],
    ['2024-12-31 23:30:00-01:15', '2025-01-01 00:00:00+00:00'],
    ['12024-05-17', '12024-01-01'],
    ['2024-05-17 12:33:44.', '***'],
    ['2024-05-1', '***'],
    ['2024-05-17 12', '***'],
    ['2024-05-17 12:33+5', '***'],
    ['2024-05-17 12:33+0530x', '***'],
    ['1.', '***'],
    ['.5', '***'],
    ['-', '***'],
    ['', '***'],
    ['1e5', '***'],
    ['1'.repeat(41), '***'],
    [`${'9'.repeat(40)}.5`, `9${'0'.repeat(39)}`],
  ])('makes coarser: %s', (value, expected) => {
    expect(apply({ kind: 'generalise' }, value)).toBe(expected);
  });
});
