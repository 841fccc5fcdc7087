// Playing a recording: pace, jumps, finding.

import { describe, expect, it } from 'vitest';
import { type Frame, move, pause, SPEEDS, startPlayer } from '../../../src/cli/player.ts';

const frame = (at: number, text: string, operation = false): Frame => ({ at, text, operation });
const frames = [
  frame(0, 'open'),
  frame(1000, 'select a', true),
  frame(1100, 'rows of a'),
  frame(61_100, 'select b', true),
  frame(61_200, 'rows of b'),
  frame(61_300, 'end'),
];

describe('a player', () => {
  it('waits as the session did, divided by the speed, and never long', () => {
    const player = startPlayer(frames);
    expect(pause(player)).toBe(1000);
    expect(pause(move(player, 'faster'))).toBe(500);
    const before = { ...player, shown: 3 };
    expect(pause(before)).toBe(2000);
    expect(pause(move(before, 'toggle'))).toBeUndefined();
    expect(pause({ ...player, shown: 6 })).toBeUndefined();
  });

  it('goes from operation to operation, each shown to its end', () => {
    let player = move(startPlayer(frames), 'next');
    expect(player.shown).toBe(3);
    player = move(player, 'next');
    expect(player.shown).toBe(6);
    player = move(player, 'previous');
    expect(player.shown).toBe(3);
    expect(move(move(player, 'previous'), 'previous').shown).toBe(1);
    expect(move(player, 'last').shown).toBe(6);
    expect(move(player, 'first').shown).toBe(1);
    expect(move(player, { to: 4 }).shown).toBe(4);
  });

  it('finds a text, and from the beginning again after the last', () => {
    const found = move(startPlayer(frames), { find: 'ROWS' });
    expect([found.shown, found.playing]).toEqual([3, false]);
    const again = move(found, { find: found.wanted });
    expect(again.shown).toBe(5);
    expect(move(again, { find: 'rows' }).shown).toBe(3);
    expect(move(again, { find: 'nowhere' }).shown).toBe(5);
  });

  it('keeps within its speeds, and begins again after the end', () => {
    let player = startPlayer(frames, 1000);
    expect(SPEEDS[player.speed]).toBe(64);
    player = move(player, 'faster');
    expect(SPEEDS[player.speed]).toBe(64);
    expect(move({ ...player, shown: 6 }, 'toggle')).toMatchObject({ shown: 1, playing: true });
  });
});
