// What masks say they are about: the columns, and the words without which no text names one.

import { expect, it } from 'vitest';
import { compileMask, Masker } from '../../../../src/session/policy/masks.ts';
import type { MaskLine } from '../../../../src/session/policy/schema.ts';

const about = (...columns: string[]) =>
  new Masker([compileMask({ name: 'm', columns, as: 'full' } as unknown as MaskLine)], new Uint8Array(32)).covering;

it('covers what the patterns match, in any case', () => {
  const covering = about('private.*.ssn', '*.E-Mail', 'orders.c*');
  const covers = (schema: string, relation: string, column: string) => covering!.covers({ schema, relation, column });
  expect(covers('private', 'people', 'SSN')).toBe(true);
  expect(covers('public', 'people', 'ssn')).toBe(false);
  expect(covers('public', 'anything', 'e-mail')).toBe(true);
  expect(covers('x', 'orders', 'city')).toBe(true);
  expect(covers('x', 'orders', 'id')).toBe(false);
});

it('has pieces of every name as words', () => {
  expect(about('private.*.ssn', '"my.Schema".pay*ments.card?number')!.words).toEqual([
    ...['private', 'ssn', 'my.schema', 'ments', 'number'],
  ]);
  expect(about('a.ssn')!.key).toBe(about('a.ssn')!.key);
  expect(about('a.ssn')!.key).not.toBe(about('b.ssn')!.key);
});

it('says nothing where a pattern is about names that no text need have', () => {
  expect(about('*.*')).toBeUndefined();
  expect(about('customers.ssn', '*.?')).toBeUndefined();
});
