// Requests keep their order, whatever makes them wait, and many that waited do not keep others from their turn.

import { describe, expect, it } from 'vitest';
import { Turns } from '../../../../../src/protocol/ssh/sftp/turns.ts';

class Desk {
  readonly taken: number[] = [];
  /** What it was told to do later. */
  later: (() => void)[] = [];
  full = false;
  drained: (() => void) | undefined;
  /** These hold whatever comes behind them. */
  readonly holding = new Set<number>();
  readonly turns = new Turns({
    take: (request) => {
      const number = request.readUInt32BE(0);
      this.taken.push(number);
      if (this.holding.has(number)) this.turns.hold();
    },
    full: (then) => {
      if (this.full) this.drained = then;
      return this.full;
    },
    later: (action) => this.later.push(action),
    done: () => {},
  });

  /** As from the wire: the buffer is somebody else's afterwards. */
  add(from: number, to: number): void {
    const buffer = Buffer.alloc(4);
    for (let number = from; number < to; number++) {
      buffer.writeUInt32BE(number);
      this.turns.add(buffer);
    }
  }
}

const numbers = (to: number): number[] => Array.from({ length: to }, (_, i) => i);

describe('turns', () => {
  it('take at once what nothing holds up', () => {
    const desk = new Desk();
    desk.add(0, 3);
    expect(desk.taken).toEqual([0, 1, 2]);
  });

  it('stop behind one that is held, and again behind the next', () => {
    const desk = new Desk();
    desk.holding.add(1).add(3);
    desk.add(0, 5);
    expect(desk.taken).toEqual([0, 1]);
    desk.turns.go();
    expect(desk.taken).toEqual([0, 1, 2, 3]);
    desk.add(5, 6);
    desk.turns.go();
    expect(desk.taken).toEqual(numbers(6));
  });

  it('stop while answers are not taken', () => {
    const desk = new Desk();
    desk.full = true;
    desk.add(0, 3);
    expect(desk.taken).toEqual([]);
    desk.full = false;
    desk.drained?.();
    expect(desk.taken).toEqual([0, 1, 2]);
  });

  it('leave others a turn where many waited, and what comes meanwhile keeps its place', () => {
    const desk = new Desk();
    desk.turns.hold();
    desk.add(0, 100_000);
    desk.turns.go();
    expect(desk.taken.length).toBeLessThan(1000);
    desk.add(100_000, 100_010);
    let rounds = 0;
    for (; desk.later.length > 0; rounds++) desk.later.shift()?.();
    expect(rounds).toBeGreaterThan(100);
    expect(desk.taken).toEqual(numbers(100_010));
  });

  it('take nothing more when they have ended', () => {
    const desk = new Desk();
    desk.turns.hold();
    desk.add(0, 3);
    desk.turns.end();
    desk.turns.go();
    expect(desk.taken).toEqual([]);
  });
});
