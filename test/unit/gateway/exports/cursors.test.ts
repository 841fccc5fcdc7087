// What the store says of a destination decides what is never sent: nothing of it is taken on trust.

import { beforeEach, describe, expect, it } from 'vitest';
import { Cursors } from '../../../../src/gateway/exports/cursors.ts';
import type { Kept } from '../../../../src/gateway/exports/exporter.ts';

const POSITION = { seq: 3, byte: 300 };

describe('a cursor', () => {
  let stored: Map<string, string>;
  let told: unknown[];
  let now: { log: string; index: number; open: string[] };
  let from: 'beginning' | 'now';
  const cursors = () =>
    new Cursors({
      keep: {
        get: async (key) => stored.get(key),
        set: async (key, value) => void stored.set(key, value),
      },
      gateway: 'gw-a',
      now: () => now,
      from: () => from,
      began: (name, index) => told.push([name, index]),
      again: (_, what, fields) => told.push([what, fields]),
    });
  const kept = (index: number, sequence = 7): Kept => ({ cursor: { index, open: { 's-1': POSITION } }, sequence });

  beforeEach(() => {
    [stored, told, now, from] = [new Map(), [], { log: 'gw/log', index: 20, open: ['s-9'] }, 'beginning'];
  });

  it('begins once where the destination says, and goes on where it was', async () => {
    expect(await cursors().load('a')).toEqual({ cursor: { index: 0, open: {} }, sequence: 0 });
    from = 'now';
    const here = { cursor: { index: 20, open: { 's-9': { seq: 0, byte: 0 } } }, sequence: 0 };
    expect(await cursors().load('b')).toEqual(here);
    now.index = 30;
    expect(await cursors().load('b')).toEqual(here);
    await cursors().keep('a', { ...kept(25), mark: { bytes: 1 } });
    expect(await cursors().load('a')).toEqual({ ...kept(25), mark: { bytes: 1 } });
    expect(told).toEqual([
      ['a', 0],
      ['b', 20],
    ]);
  });

  it('of another log is not gone on from, however long that is by now', async () => {
    await cursors().keep('a', kept(5));
    // Ended, damaged, begun anew; the destination was out of the configuration for a while.
    now = { ...now, log: 'gw/log/again-1', index: 500 };
    const again = { cursor: { index: 0, open: { 's-1': POSITION } }, sequence: 7 };
    expect(await cursors().load('a')).toEqual(again);
    expect(await cursors().load('a')).toEqual(again);
    expect(told).toEqual([['export cursor is of another log', { index: 5, log: 'gw/log' }]]);
  });

  it('from the future is not gone on from', async () => {
    await cursors().keep('a', kept(21));
    expect(await cursors().load('a')).toMatchObject({ cursor: { index: 0 }, sequence: 7 });
    expect(told).toEqual([['export cursor is ahead of the log', { index: 21 }]]);
  });

  it('of an earlier version, which names no log, is gone on from', async () => {
    stored.set('export:gw-a:a', JSON.stringify(kept(5)));
    expect(await cursors().load('a')).toEqual(kept(5));
  });

  it('that is damaged is told, and everything comes again', async () => {
    const whole = JSON.stringify(kept(5));
    const damaged = [
      ...['', '{', 'null', '7', '[]', '{}', whole.slice(0, -5)],
      ...[
        whole.replace('5', '-5'),
        whole.replace('5', '"5"'),
        whole.replace('7', 'null'),
        whole.replace('300', '3e99'),
      ],
      whole.replace(JSON.stringify(POSITION), 'null'),
    ];
    for (const text of damaged) {
      told = [];
      stored.set('export:gw-a:a', text);
      expect([text, await cursors().load('a')]).toEqual([text, { cursor: { index: 0, open: {} }, sequence: 0 }]);
      expect(told).toEqual([['export cursor is damaged', {}]]);
      expect(JSON.parse(stored.get('export:gw-a:a')!)).toMatchObject({ log: 'gw/log', sequence: 0 });
    }
  });
});
