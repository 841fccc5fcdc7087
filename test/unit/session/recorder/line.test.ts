import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isoTime, quoted, quotedAll, utf8 } from '../../../../src/session/recorder/line.ts';

const text = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', '\x7f', 'é', '\ud800', '\u2028') }),
);

it('quotes a text as JSON does, and nothing otherwise', () => {
  fc.assert(fc.property(text, (one) => quoted(one) === JSON.stringify(one)));
  for (let unit = 0; unit < 0x10000; unit++) {
    const one = String.fromCharCode(unit);
    if (quoted(one) !== JSON.stringify(one)) expect.fail(`U+${unit.toString(16)}: ${quoted(one)}`);
  }
});

it('quotes rows as JSON does', () => {
  const row = fc.array(fc.option(text), { maxLength: 10 });
  fc.assert(fc.property(row, (values) => quotedAll(values) === JSON.stringify(values)));
});

it('writes times as JavaScript does, in whatever order they come', () => {
  const near = fc.integer({ min: 1_700_000_000_000, max: 1_700_000_003_000 });
  const time = fc.oneof(near, fc.integer({ min: -1e14, max: 1e14 }), fc.double({ min: 0, max: 1e13, noNaN: true }));
  fc.assert(
    fc.property(time, (ms) => isoTime(ms) === new Date(ms).toISOString()),
    { numRuns: 2000 },
  );
});

it('encodes lines as UTF-8 whatever was encoded before', () => {
  const line = fc.oneof(text, fc.string({ unit: 'binary', minLength: 2000, maxLength: 6000 }));
  fc.assert(fc.property(line, (one) => Buffer.from(one).equals(utf8(one))));
});
