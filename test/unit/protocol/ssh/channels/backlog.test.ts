// What waits for a window: everything comes out once, in its order, by its way, however it is cut; and it costs little more
// than it is long.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backlog } from '../../../../../src/protocol/ssh/channels/backlog.ts';
import { effort } from '../../../../support/property.ts';

const backlog = () => new Backlog<string>((a, b) => a === b);

describe('backlog', () => {
  it('gives out what was added, in its order and by its way, in whatever pieces it is taken', () => {
    const step = fc.oneof(
      fc.record({
        way: fc.constantFrom('out', 'err', 'say'),
        length: fc.oneof(fc.nat(5), fc.nat(9000), fc.nat(70_000)),
      }),
      fc.record({ take: fc.oneof(fc.nat(5), fc.nat(10_000), fc.nat(80_000)) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const waiting = backlog();
        const added: [string, number][] = [];
        const given: [string, number][] = [];
        let next = 0;
        const take = (most: number) => {
          for (let left = most; left > 0; ) {
            const piece = waiting.next(left);
            if (piece === undefined) return;
            expect(piece.bytes.length).toBeGreaterThan(0);
            for (const byte of piece.bytes) given.push([piece.way, byte]);
            left -= piece.bytes.length;
            waiting.drop(piece.bytes.length);
          }
        };
        for (const one of steps) {
          if ('take' in one) {
            take(one.take);
            continue;
          }
          const bytes = Buffer.from(Uint8Array.from({ length: one.length }, () => next++ % 251));
          waiting.add(bytes, one.way);
          for (const byte of bytes) added.push([one.way, byte]);
          bytes.fill(255);
        }
        take(Number.POSITIVE_INFINITY);
        expect(waiting.empty).toBe(true);
        expect(given.length).toBe(added.length);
        expect(given.findIndex(([way, byte], i) => way !== added[i]![0] || byte !== added[i]![1])).toBe(-1);
      }),
      effort({ seed: 20_261_201, numRuns: 60 }),
    );
  });

  it('keeps single bytes by turns in hardly more blocks than bytes of one way', () => {
    const waiting = backlog();
    for (let i = 0; i < 100_000; i++) waiting.add(Buffer.from('x'), i % 2 === 0 ? 'out' : 'err');
    const blocks = new Set<ArrayBufferLike>();
    for (let piece = waiting.next(9); piece !== undefined; piece = waiting.next(9)) {
      blocks.add(piece.bytes.buffer);
      waiting.drop(piece.bytes.length);
    }
    expect(blocks.size).toBeLessThan(60);
  });
});
