import { expect, it } from 'vitest';
import { parseMoment } from '../../../src/cli/moment.ts';

const NOW = Date.UTC(2026, 10, 30, 12);
const moment = (text: string) => new Date(parseMoment(text, '--from', NOW)).toISOString();

it('takes a date, a time with its zone, or how long ago', () => {
  expect(
    ['2026-11-30', '2024-02-29', '2026-11-20T07:00Z', '2026-03-29T02:30:00.5+01:00', '2h30m', '99999999999d'].map(
      moment,
    ),
  ).toEqual([
    '2026-11-30T00:00:00.000Z',
    '2024-02-29T00:00:00.000Z',
    '2026-11-20T07:00:00.000Z',
    '2026-03-29T01:30:00.500Z',
    '2026-11-30T09:30:00.000Z',
    '1970-01-01T00:00:00.000Z',
  ]);
});

it('takes no day that there is not, and no time of an unknown zone', () => {
  for (const text of ['2026-11-31', '2026-02-29', '2026-11-31T10:00:00Z', '2026-13-01', '2026-11-20T07:00', '7', '']) {
    expect(() => moment(text), text).toThrow(/--from is '.*', expected how long ago/);
  }
});
