// What a sender gets back: never more than came, all of it in the end, and in proportion meanwhile.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Credit } from '../../../../../src/protocol/ssh/channels/credit.ts';
import { effort } from '../../../../support/property.ts';

describe('credit', () => {
  it('is given back byte for byte where nothing is changed', () => {
    const given: number[] = [];
    const credit = new Credit((count) => given.push(count));
    credit.owe(100, 100);
    credit.owe(1, 1);
    credit.went(60);
    credit.went(41);
    expect(given).toEqual([60, 41]);
  });

  it('is given back at once for what nothing becomes of, unless something is under way', () => {
    const given: number[] = [];
    const credit = new Credit((count) => given.push(count));
    credit.owe(0, 7);
    expect(given).toEqual([7]);
    credit.owe(3, 0);
    credit.owe(0, 9);
    expect(given).toEqual([7]);
    credit.went(3);
    expect(given).toEqual([7, 9]);
  });

  it('is never more than came, and all of it when all has gone', () => {
    const pieces = fc.array(fc.tuple(fc.nat(5000), fc.nat(5000), fc.double({ min: 0, max: 1, noNaN: true })));
    fc.assert(
      fc.property(pieces, (list) => {
        let given = 0;
        let came = 0;
        let under = 0;
        const credit = new Credit((count) => {
          given += count;
        });
        for (const [out, owed, part] of list) {
          credit.owe(out, owed);
          came += owed;
          under += out;
          const gone = Math.floor(under * part);
          if (gone > 0) credit.went(gone);
          under -= gone;
          expect(given).toBeLessThanOrEqual(came);
        }
        if (under > 0) credit.went(under);
        expect(given).toBe(came);
      }),
      effort({ seed: 20_261_129, numRuns: 500 }),
    );
  });
});
