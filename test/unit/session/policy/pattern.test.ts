import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  anyGlob,
  columnPattern,
  glob,
  nameParts,
  qualified,
  qualifiedPattern,
} from '../../../../src/session/policy/pattern.ts';

test.each([
  ['*', '', true],
  ['*', 'anything', true],
  ['a', 'a', true],
  ['a', 'A', false],
  ['a*', 'abc', true],
  ['a*', 'ba', false],
  ['*a', 'ba', true],
  ['*a', 'ab', false],
  ['*b*', 'abc', true],
  ['*b*', 'ac', false],
  ['a?c', 'abc', true],
  ['a?c', 'ac', false],
  ['a*b*c', 'a1b2c', true],
  ['a*b*c', 'a1b2cd', false],
  ['*a*a*b', 'aaaaaaab', true],
  ['?', '', false],
  ['**', 'x', true],
])('%s on %j is %j', (pattern, text, expected) => {
  expect(glob(pattern)(text)).toBe(expected);
});

test('a wildcard pattern means what the regular expression of the same means', () => {
  const small = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 });
  fc.assert(
    fc.property(small, text, (pattern, subject) => {
      const regex = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
      expect(glob(pattern)(subject)).toBe(regex.test(subject));
      expect(anyGlob(['zz', pattern])(subject)).toBe(regex.test(subject));
    }),
  );
});

test.each([
  ['a', ['a']],
  ['A.b', ['a', 'b']],
  ['"A.B".c', ['a.b', 'c']],
  ['a."say ""x"""', ['a', 'say "x"']],
  ['', undefined],
  ['a.', undefined],
  ['.a', undefined],
  ['"a', undefined],
  ['a"b"', undefined],
  ['"a"b', undefined],
])('the parts of %s are %j', (text, parts) => {
  expect(nameParts(text)).toEqual(parts);
});

test.each([
  ['customers', { schema: 'public', name: 'customers' }, true, true],
  ['customers', { name: 'Customers' }, true, true],
  ['public.customers', { schema: 'public', name: 'customers' }, true, true],
  ['public.customers', { name: 'customers' }, true, false],
  ['public.customers', { schema: 'other', name: 'customers' }, false, false],
  ['*.customers', { name: 'customers' }, true, false],
  ['billing.*', { schema: 'billing', name: 'x' }, true, true],
  ['billing.*', { name: 'x' }, true, false],
  ['cust*', { schema: 's', name: 'customers' }, true, true],
  ['*', { name: 'x' }, true, true],
])('%s may mean %j: %j, for certain: %j', (pattern, name, may, must) => {
  const compiled = qualifiedPattern(pattern)!;
  expect([compiled.may(name), compiled.must(name)]).toEqual([may, must]);
});

test('a relation has at most two parts, a column two or three', () => {
  expect([qualifiedPattern('a.b.c'), columnPattern('a'), columnPattern('a.b.c.d')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  const column = columnPattern('Public.customers.ssn')!;
  expect([
    column.relation({ schema: 'public', name: 'customers' }),
    column.relation({ name: 'customers' }),
    column.relation({ schema: 'x', name: 'customers' }),
    column.column('SSN'),
    column.column('name'),
  ]).toEqual([true, true, false, true, false]);
});

test('a function is parted at its last dot', () => {
  expect([qualified('f'), qualified('s.f'), qualified('a.b.f')]).toEqual([
    { name: 'f' },
    { schema: 's', name: 'f' },
    { schema: 'a.b', name: 'f' },
  ]);
});
