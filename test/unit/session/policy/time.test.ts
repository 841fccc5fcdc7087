import { expect, test } from 'vitest';
import type { TimeWindow } from '../../../../src/session/policy/schema.ts';
import { timeWindow } from '../../../../src/session/policy/time.ts';

const office: TimeWindow = {
  zone: 'Europe/Berlin',
  days: ['mon', 'tue', 'wed', 'thu', 'fri'],
  from: '09:00',
  to: '18:00',
};
const night: TimeWindow = { zone: 'UTC', days: ['fri'], from: '22:00', to: '06:00' };

// 2026-01-05 is a Monday; Berlin is one hour ahead of UTC in winter, two in summer.
test.each<[string, TimeWindow, string, boolean]>([
  ['its first minute', office, '2026-01-05T08:00:00Z', true],
  ['the minute before', office, '2026-01-05T07:59:59Z', false],
  ['its last minute', office, '2026-01-05T16:59:59Z', true],
  ['its end', office, '2026-01-05T17:00:00Z', false],
  ['summer time', office, '2026-07-06T07:00:00Z', true],
  ['a Sunday', office, '2026-01-04T10:00:00Z', false],
  ['before midnight', night, '2026-01-09T22:00:00Z', true],
  ['after midnight, the day after', night, '2026-01-10T05:59:00Z', true],
  ['the end over midnight', night, '2026-01-10T06:00:00Z', false],
  ['after midnight of another day', night, '2026-01-09T05:00:00Z', false],
  ['before midnight of another day', night, '2026-01-10T23:00:00Z', false],
  ['a whole day', { zone: 'UTC', days: ['sat'] }, '2026-01-10T23:59:59Z', true],
  ['to midnight', { zone: 'UTC', from: '12:00', to: '24:00' }, '2026-01-10T23:59:59Z', true],
  ['from the start of the day', { zone: 'Asia/Kathmandu', to: '06:00' }, '2026-01-09T18:15:00Z', true],
  ['just before the start of the day there', { zone: 'Asia/Kathmandu', to: '06:00' }, '2026-01-09T18:14:59Z', false],
])('a window contains %s', (_, window, at, inside) => {
  expect(timeWindow(window)(Date.parse(at))).toBe(inside);
});

test('a window that remembers the last minute answers for another one', () => {
  const inside = timeWindow(office);
  const at = ['2026-01-05T08:00:00Z', '2026-01-05T17:00:00Z', '2026-01-05T08:00:30Z'].map((text) => Date.parse(text));
  expect(at.map(inside)).toEqual([true, false, true]);
});
