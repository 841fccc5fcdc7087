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

it('is named by pieces of every name, as words', () => {
  const { named } = about('private.*.ssn', '"my.Schema".pay*ments.card?number')!;
  for (const text of ['table private.x', 'select SSN', '"my.schema".t', 'repayments', 'card_number', 'x.ssn::text']) {
    expect(named(text), text).toBe(true);
  }
  for (const text of ['select privately', 'ssn_hash', 'my.schemas', 'repay', 'card_numbers', 'a$ssn', 'éssn']) {
    expect(named(text), text).toBe(false);
  }
  const { named: short } = about('hr.*.pay')!;
  expect(short('select three')).toBe(false);
  expect(
    ["set search_path = 'hr'", "execute E'table\\thr.t'", 'hr.t', 'table "HR"'].filter((text) => !short(text)),
  ).toEqual([]);
  expect(about('ab*ab.cd')!.named('abxab')).toBe(true);
  // PostgreSQL cuts it, and then it is the name.
  const long = 'n'.repeat(63);
  expect(about(`t.${long}`)!.named(`select ${long}more`)).toBe(true);
});

it('has a key by what it is about', () => {
  expect(about('a.ssn')!.key).toBe(about('a.ssn')!.key);
  expect(about('a.ssn')!.key).not.toBe(about('b.ssn')!.key);
});

it('says nothing where a pattern is about names that no text need have', () => {
  expect(about('*.*')).toBeUndefined();
  expect(about('customers.ssn', '*.?')).toBeUndefined();
});
