import fc from 'fast-check';
import { expect, it } from 'vitest';
import { quoted, quotedAll } from '../../../../src/session/recorder/line.ts';

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
