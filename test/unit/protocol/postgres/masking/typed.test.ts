// Types that are no text and hold what a mask says: what is taken for a value of one, and the binary format, which the
// server itself checks in test/e2e/dump.test.ts.

import { describe, expect, it } from 'vitest';
import { asBinary, fromBinary, holds, TYPED } from '../../../../../src/protocol/postgres/masking/typed.ts';

const [BOOL, INT8, INT2, INT4, FLOAT4, FLOAT8] = [16, 20, 21, 23, 700, 701];
const [DATE, TIMESTAMP, TIMESTAMPTZ, NUMERIC, UUID] = [1082, 1114, 1184, 1700, 2950];

const VALUES: readonly (readonly [number, string, string])[] = [
  [BOOL, 't', '01'],
  [BOOL, 'f', '00'],
  [INT2, '-32768', '8000'],
  [INT4, '4000', '00000fa0'],
  [INT8, '-9223372036854775808', '8000000000000000'],
  [FLOAT4, '1.5', '3fc00000'],
  [FLOAT8, '-2', 'c000000000000000'],
  [DATE, '2000-01-01', '00000000'],
  [DATE, '1999-12-31', 'ffffffff'],
  [DATE, '0001-01-01', 'fff4dbf9'],
  [TIMESTAMP, '2000-01-01 00:00:01', '00000000000f4240'],
  [TIMESTAMP, '1999-12-31 23:59:59.500000', 'fffffffffff85ee0'],
  [TIMESTAMPTZ, '2000-01-01 00:00:00+00', '0000000000000000'],
  [NUMERIC, '0', '0000000000000000'],
  [NUMERIC, '-12345.678', '0003000140000003000109291a7c'],
  [NUMERIC, '40000000', '0001000100000000' + '0fa0'],
  [NUMERIC, '1.50', '000200000000000200011388'],
  [NUMERIC, '0.00000005', '0001fffe000000080005'],
  [NUMERIC, '0.0005', '0001ffff00000004' + '0005'],
  [UUID, 'deadbeef-0000-4000-8000-000000000001', 'deadbeef000040008000000000000001'],
];

describe('a value of a type that is no text', () => {
  it.each(VALUES)('%d: %s', (type, text, hex) => {
    expect(TYPED.has(type)).toBe(true);
    expect(holds(type, -1, text)).toBe(true);
    expect(asBinary(type, text).toString('hex')).toBe(hex);
    expect(fromBinary(Buffer.from(hex, 'hex'), 0, hex.length / 2, type)).toBe(text);
  });

  it.each([
    [INT2, '32768'],
    [INT4, '2147483648'],
    [INT8, '9223372036854775808'],
    [INT4, '***'],
    [INT4, ''],
    [INT4, '1.5'],
    [FLOAT4, '1'.repeat(40)],
    [FLOAT8, 'NaN'],
    [DATE, '2026-02-29'],
    [DATE, '0000-01-01'],
    [DATE, '01.02.2026'],
    [TIMESTAMP, '2026-01-01 24:00:00'],
    [TIMESTAMP, '2026-01-01 00:00:00+02'],
    [TIMESTAMPTZ, '2026-01-01 00:00:00'],
    [NUMERIC, '1e5'],
    [UUID, 'zeadbeef-0000-4000-8000-000000000001'],
    [BOOL, 'true'],
  ])('%d is not: %s', (type, text) => {
    expect(holds(type, -1, text)).toBe(false);
  });

  it('keeps the precision and scale of a numeric', () => {
    const typmod = ((5 << 16) | 2) + 4;
    for (const good of ['999.99', '0', '-123.4']) expect(holds(NUMERIC, typmod, good)).toBe(true);
    for (const bad of ['1000', '1.234']) expect(holds(NUMERIC, typmod, bad)).toBe(false);
  });

  it('counts a zone in', () => {
    expect(asBinary(TIMESTAMPTZ, '2000-01-01 02:30:00+02:30')).toEqual(asBinary(TIMESTAMPTZ, '2000-01-01 00:00:00+00'));
    expect(asBinary(TIMESTAMPTZ, '1999-12-31 22:00:00-02')).toEqual(asBinary(TIMESTAMPTZ, '2000-01-01 00:00:00+00'));
  });
});
