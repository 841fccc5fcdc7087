// What EXECUTE changes is what it executes: the catalogue and the meaning of names may change by a statement that was
// prepared by Parse.

import { beforeAll, expect, it } from 'vitest';
import type { Analyser } from '../../../../../src/protocol/postgres/analysis.ts';
import { changes, resolve } from '../../../../../src/protocol/postgres/machine/reading.ts';
import { createAnalyser } from '../../../../../src/protocol/postgres/sql/analyser.ts';

let analyser: Analyser;
beforeAll(async () => {
  analyser = await createAnalyser();
});
const analyse = (sql: string) => analyser.analyse(Buffer.from(sql));

function executing(prepared: string | undefined, text = 'execute p') {
  const analysis = analyse(text);
  const inner = prepared === undefined ? undefined : analyse(prepared);
  const { sources } = resolve(analysis, { statement: () => inner, cursor: () => undefined });
  return changes(analysis.statements[0]!, sources?.[0]);
}

it.each([
  ['select 1', { ddl: false, names: false }],
  ['insert into t values (1)', { ddl: false, names: false }],
  ['create table t (a int)', { ddl: true, names: false }],
  ['set search_path = x', { ddl: false, names: true }],
  [undefined, { ddl: true, names: true }],
])('execute of %s', (prepared, expected) => {
  expect(executing(prepared)).toMatchObject(expected);
});

it('is not known behind EXPLAIN', () => {
  expect(executing('select 1', 'explain analyze execute p')).toMatchObject({ ddl: true, names: true });
});

it('is what a statement says itself where it executes nothing', () => {
  expect(changes(analyse('drop table t').statements[0]!, undefined)).toMatchObject({ ddl: true, names: false });
});
