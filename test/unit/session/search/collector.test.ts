// Lines as operations. What somebody changed on the disk is at most not found: the index goes on behind it.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RecordEvent } from '../../../../src/session/recorder/follow.ts';
import { Collector } from '../../../../src/session/search/collector.ts';
import { searchWords } from '../../../../src/session/search/tokens.ts';
import { effort } from '../../../support/property.ts';

const event = (kind: string, fields: object, at = '2026-11-20T07:00:00.000Z'): RecordEvent => ({
  ...{ id: 's-1:1', from: 'session', at, kind, session: 's-1', number: 1, fields: fields as Record<string, unknown> },
});

it('whatever a line says, an operation is one that an index takes', () => {
  const odd = fc.jsonValue({ maxDepth: 2 });
  const keys = [
    'op',
    'rows',
    'bytes',
    'us',
    'parts',
    'columns',
    'values',
    'error',
    'principal',
    'text',
    'outcomes',
    'how',
  ];
  const kinds = ['open', 'intent', 'masks', 'rows', 'result', 'review', 'end'];
  const line = fc.tuple(
    fc.constantFrom(...kinds),
    fc.dictionary(fc.constantFrom(...keys), odd, { maxKeys: 5 }),
    fc.constantFrom('', 'yesterday', '2026-11-20T07:00:00.000Z'),
  );
  const whole = (value: unknown) => value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
      const collector = new Collector();
      for (const [kind, fields, at] of lines) {
        collector.add(event(kind, { op: 1, ...fields }, at), { seq: 0, byte: 0 });
      }
      collector.close('s-1');
      const { sessions, operations } = collector.take();
      for (const { op, at, rows, bytes, us } of operations) expect([op, at, rows, bytes, us].every(whole)).toBe(true);
      for (const one of operations) for (const session of sessions) searchWords.bag(one, session);
    }),
    effort({ seed: 3, numRuns: 500 }),
  );
});

it('numbers and times that no index counts to are left out, or taken for none', () => {
  const collector = new Collector();
  collector.add(event('open', {}), { seq: 0, byte: 0 });
  const moments = ['+275760-09-13T00:00:00.000Z', '2039-01-01T00:00:00.000Z', '-000001-01-01T00:00:00.000Z'];
  for (const [i, at] of moments.entries()) {
    collector.add(event('intent', { op: i + 1, verdict: 'deny' }, at), { seq: 0, byte: 0 });
  }
  collector.add(event('intent', { op: 2 ** 31, verdict: 'deny' }), { seq: 0, byte: 0 });
  expect(collector.take().operations).toMatchObject([{ at: 0 }, { at: 0 }, { at: 0 }]);
});
