// What reading a text may cost: texts that are made to cost more than their length says are refused by a limit's name.

import { beforeAll, describe, expect, test } from 'vitest';
import { ANALYSER_LIMITS } from '../../../../../src/protocol/postgres/limits.ts';
import { analyseFresh, createAnalyser } from '../../../../../src/protocol/postgres/sql/analyser.ts';

beforeAll(async () => void (await createAnalyser()));

const facts = (sql: string) => analyseFresh(Buffer.from(sql)).analysis.facts[0]!;

describe('the cost of a text', () => {
  test.each([
    ['nested comments', `${'/*'.repeat(10_000)}${'*/'.repeat(10_000)} select 1`],
    ['comments side by side', `select 1 ${'/**/'.repeat(10_000)}`],
    ['comments nested by few', `select 1 ${`${'/*'.repeat(30)}${'*/'.repeat(30)}`.repeat(300)}`],
    ['signs', `select ${'+'.repeat(20_000)} 1`],
    ['signs that take turns', `select ${'+-'.repeat(10_000)} 1`],
    ['operators that end in signs, around comments', `select 1 ${'*+/**/'.repeat(5000)} 1`],
  ])('runs of operator characters are not read for long: %s', (_, sql) => {
    expect(analyseFresh(Buffer.from(sql)).analysis.error?.message).toMatch(/statement_steps/);
  });

  test.each([
    ['nested comments', `${'/* a '.repeat(10_000)}${'*/ '.repeat(10_000)} select 1`],
    ['nested comments without blanks', `${'/*'.repeat(1000)}${'*/'.repeat(1000)} select 1`],
    ['a banner', `/${'*'.repeat(100_000)}/ select 1`],
    ['lines of dashes', `${`${'-'.repeat(1000)}\n`.repeat(100)} select 1`],
    ['a string of dashes', `select '${'-'.repeat(500_000)}'`],
    ['base64', `select '${'ab+/cd/+'.repeat(50_000)}'`],
    ['many operators', `select array[1${',1+-1'.repeat(10_000)}]`],
  ])('they are where they cost little: %s', (_, sql) => {
    expect(analyseFresh(Buffer.from(sql)).analysis.error).toBeUndefined();
  });

  test('what costs more to read than its length says ends by the name of a limit', () => {
    const wide = `select 1${',a'.repeat(40_000)}`;
    const nested = `${'select * from ('.repeat(300)}${wide}${') a'.repeat(300)}`;
    expect(analyseFresh(Buffer.from(nested)).analysis.error?.message).toMatch(/statement_steps of 5000000/);
    const large = analyseFresh(Buffer.from(`select 1${',a'.repeat(400_000)}`)).analysis;
    expect(large.error?.message).toMatch(/tree has \d+ bytes, over the limit statement_tree_bytes of 16777216/);
  });

  test.each([
    ['a long UNION', `select a as x from t${' union all select b from u'.repeat(1000)}`],
    ['a UNION of many columns', `select 1${',a'.repeat(1000)}${' union all select b'.repeat(500)}`],
    ['many VALUES in a row', `insert into t values (1${',1'.repeat(10_000)})`],
    ['many positions', `select 1${',a'.repeat(1000)} order by 1${',900'.repeat(1000)}`],
  ])('costs what its length says: %s', (_, sql) => {
    const steps = { name: 'statement_steps', unit: 'count', value: 10 * sql.length } as const;
    expect(analyseFresh(Buffer.from(sql), { ...ANALYSER_LIMITS, steps }).analysis.error).toBeUndefined();
  });

  test('definitions of definitions are followed for a while', () => {
    const nested = (depth: number) => {
      let sql = 'delete from t';
      for (let i = 0; i < depth; i++) sql = `create function f() returns int language sql as $a${i}$${sql}$a${i}$`;
      return facts(sql);
    };
    expect(nested(4).does).toContain('delete');
    expect(nested(4).opaque).toBeUndefined();
    expect(nested(100).opaque).toMatch(/does not parse/);
  });

  test('a text of many PREPARE is kept once', () => {
    const { statements } = analyseFresh(Buffer.from('prepare a as select 1;'.repeat(1000))).analysis;
    expect(statements.map(({ prepare }) => prepare?.text.length)).toEqual(Array(1000).fill(22_000));
  });
});
