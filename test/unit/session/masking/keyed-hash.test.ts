import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyedHash } from '../../../../src/session/masking/keyed-hash.ts';

test('a keyed hash is the HMAC-SHA-256 of purpose and value', () => {
  const bytes = fc.uint8Array({ maxLength: 100 });
  const value = fc.oneof(fc.string({ unit: 'binary', maxLength: 3000 }), bytes);
  fc.assert(
    fc.property(bytes, fc.array(value, { maxLength: 5 }), (key, values) => {
      const hash = keyedHash(key);
      for (const one of values) {
        const expected = createHmac('sha256', key).update('purpose\0').update(one).digest('hex');
        expect(hash('purpose', one).toString('hex')).toBe(expected);
      }
    }),
  );
});
