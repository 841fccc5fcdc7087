import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { analyseFresh, createAnalyser } from '../../../../../src/protocol/postgres/sql/analyser.ts';
import { normalise } from '../../../../../src/protocol/postgres/sql/normalise.ts';
import { parse } from '../../../../../src/protocol/postgres/sql/parser.ts';
import type { AnalysedStatement } from '../../../../../src/protocol/postgres/sql/statement.ts';
import { effort } from '../../../../support/property.ts';

await createAnalyser();

function key(sql: string): string | undefined {
  return normalise(Buffer.from(sql));
}

/** The parse tree without the values of constants and without positions in the text. */
function shape(sql: string): string {
  const parsed = parse(Buffer.from(sql));
  if (parsed.error !== undefined) return 'error';
  return JSON.stringify(parsed.statements, (name, value) => {
    if (name === 'location' || name === 'stmt_len' || name === 'stmt_location') return undefined;
    if (name === 'A_Const') return 'isnull' in value || 'boolval' in value ? value : 'constant';
    return value;
  });
}

describe('the key', () => {
  test.each([
    ['select * from t where a = 1', 'select * from t where a = 22.5'],
    ["select 'a', 'b''c'", "select '', 'x; drop table t -- '"],
    ["select -1, +2, (3), a[4], '5'::int", "select -9, +9, (9), a[9], '9'::int"],
    ['select "1" from "T""x" where a in (1,2)', 'select "1" from "T""x" where a in (3,4)'],
    ["select /* it's */ 1 -- '; x\\n\n, 'a'", "select /* it's */ 2 -- '; x\\n\n, 'b'"],
    ['select $1 + 1, a1, é2', 'select $1 + 2, a1, é2'],
  ])('leaves constants out: %s', (a, b) => {
    expect(key(a)).toBeDefined();
    expect(key(a)).toBe(key(b));
  });

  test.each([
    ['select 1', "select '1'"],
    ['select a1', 'select a2'],
    ['select "1"', 'select "2"'],
    ['select $1', 'select $2'],
    ['select 1 limit 1', 'select 1 limit 2'],
    ['select 1 LIMIT\n1', 'select 1 LIMIT\n2'],
    ['select 1', 'select  1'],
    ['select 1 /* 1 */', 'select 1 /* 2 */'],
    ['select 1 -- 1', 'select 1 -- 2'],
    ['select 1 --a\r, 2', 'select 1 --a, 2'],
    ["select 'a' 'b'", "select 'a'\n'b'"],
    ['select (1), 2', 'select (1, 2)'],
  ])('keeps everything else: %s | %s', (a, b) => {
    expect(key(a)).toBeDefined();
    expect(key(a)).not.toBe(key(b));
  });

  test.each([
    "select e'a'",
    "select E'\\''",
    "select b'1'",
    "select x'1'",
    "select n'1'",
    "select U&'a'",
    'select U&"a"',
    "select 'a\\'",
    'select $$a$$',
    'select $a$b$a$',
    'select /* a /* b */ */ 1',
    'select 1 /* a',
    'select /* \u0001 */ 1',
    'select 1a',
    'select 1e5',
    'select 0x1f',
    'select 1_000',
    'select 1.',
    'select .5',
    'select 1..2',
    'select $1a',
    "select 'a",
    'select "a',
    'select 1;\u0000drop table t',
    'select\u000b1',
    'select \\1',
  ])('is not made for %j', (sql) => {
    expect(key(sql)).toBeUndefined();
  });
});

const word = fc.constantFrom(
  ...[
    'select',
    'from',
    'where',
    'limit',
    'order by',
    'group by',
    'insert into t',
    'values',
    'update t set',
    'delete from t',
  ],
  ...[
    'a',
    'b',
    't',
    'u',
    'as',
    'and',
    'or',
    'not',
    'in',
    'between',
    'like',
    'escape',
    'is null',
    'date',
    'interval',
    'e',
  ],
  ...[
    'U&',
    'n',
    'x',
    'null',
    'true',
    'union',
    'with c as',
    'returning',
    'offset',
    'fetch first',
    'rows only',
    'case when',
  ],
  ...[
    'then',
    'end',
    'cast(',
    '::int',
    '::varchar',
    'f(',
    'numeric',
    'é',
    '"a b"',
    '"T"',
    '$1',
    '$2',
    'uescape',
    'on conflict do nothing',
  ],
);
const mark = fc.constantFrom(...'(),.;*=+-/<>|&:[]"\'\\$@_', '||', '::', '--', '/*', '*/', '$$', "''");
const constant = fc.oneof(
  fc.nat().map(String),
  fc.constantFrom('1.5', '.5', '1.', '1e3', '0', '00', '0x1', '1_0', '99999999999999999999'),
  fc
    .array(fc.constantFrom('a', ' ', "''", ';', '--', '/*', '"', '(', ')', '\n', 'é', '$1', 'drop table t'), {
      maxLength: 4,
    })
    .map((parts) => `'${parts.join('')}'`),
);
const space = fc.constantFrom(' ', '', '\n', '\t', '  ');
/** Pieces of a text, those that are constants as a list of alternatives. */
const piece = fc.oneof(
  { weight: 5, arbitrary: word.map((text) => [text, text] as const) },
  { weight: 3, arbitrary: mark.map((text) => [text, text] as const) },
  { weight: 4, arbitrary: fc.tuple(constant, constant) },
);
const twoTexts = fc.array(fc.tuple(piece, space), { maxLength: 14 }).map((pieces) => {
  const side = (which: 0 | 1) => `select ${pieces.map(([texts, gap]) => texts[which] + gap).join('')}`;
  return [side(0), side(1)] as const;
});

const expression: fc.Arbitrary<string> = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    constant,
    fc.constantFrom('a', 't.b', '"T"."x"', '$1', 'null'),
    fc
      .tuple(
        tie('expression'),
        fc.constantFrom('+', '-', '||', '=', ' and ', ' like ', ' in ', '->'),
        tie('expression'),
      )
      .map(([a, o, b]) => `${a}${o}${o === ' in ' ? `(${b})` : b}`),
    tie('expression').map((inner) => `(${inner})`),
    tie('expression').map((inner) => `f(${inner}, 1)`),
    tie('expression').map((inner) => `(select ${inner} from u limit 3)`),
    tie('expression').map((inner) => `(${inner})::numeric(10,2)`),
  ),
})).expression;

const statement = fc.oneof(
  fc
    .tuple(expression, expression, constant)
    .map(([a, b, c]) => `select ${a}, 'x' from t where ${b} order by 1 limit ${c}`),
  fc
    .tuple(expression, fc.constantFrom('order by', 'group by', 'limit', 'limit -', 'offset', 'group by a,'), constant)
    .map(([a, clause, c]) => `select a, ssn, ${a} from t ${clause} ${c}`),
  fc.tuple(expression, expression).map(([a, b]) => `insert into t (a, b) values (${a}, ${b}) returning *`),
  fc.tuple(expression, expression).map(([a, b]) => `update t set a = ${a} where ${b}`),
  expression.map((a) => `delete from t where ${a}`),
  expression.map((a) => `with c as (select ${a} from t) select * from c, u fetch first 2 rows only`),
  constant.map((a) => `set work_mem = ${a}`),
  constant.map((a) => `prepare p as select ${a}`),
  constant.map((a) => `do ${a}`),
);

/** The same text with every constant of its own replaced by another one of its kind. */
function withOtherConstants(sql: string, number = '77'): string {
  return sql.replace(/'(?:[^']|'')*'|(?<![\w$.])\d+(?:\.\d+)?(?![\w.])/g, (found) =>
    found.startsWith("'") ? "'it''s; --'" : number,
  );
}

describe('properties', () => {
  test('two texts with one key have one parse tree but for the values of constants', () => {
    let same = 0;
    fc.assert(
      fc.property(twoTexts, ([a, b]) => {
        const first = key(a);
        if (first === undefined || first !== key(b)) return;
        same++;
        const shapes = [shape(a), shape(b)];
        // A constant may be of a kind that the grammar does not take there: then the server refuses it as well.
        if (shapes.includes('error')) return;
        expect(shapes[0]).toBe(shapes[1]);
      }),
      effort({ seed: 20261120, numRuns: 4000 }),
    );
    expect(same).toBeGreaterThan(200);
  });

  test('an answer from the cache is the answer of a fresh parse', async () => {
    const analyser = await createAnalyser();
    let hits = 0;
    fc.assert(
      fc.property(statement, (sql) => {
        // What has come once is not kept: twice the same, and then its key answers for the others.
        const others = ['77', '2', '1.5', '0'].map((number) => withOtherConstants(sql, number));
        for (const text of [sql, sql, ...others, sql]) {
          const bytes = Buffer.from(text);
          const fresh = analyseFresh(bytes).analysis;
          const answer = analyser.analyse(bytes);
          if (answer.error !== undefined || fresh.error !== undefined) {
            // Where a constant decides whether a text parses, the server decides too; nothing then runs.
            if (answer.error !== undefined) expect(answer.error.message).toBe(fresh.error?.message);
            continue;
          }
          hits++;
          expect(answer.facts).toEqual(fresh.facts);
          expect(answer.statements).toEqual(fresh.statements);
        }
      }),
      effort({ seed: 20261120, numRuns: 800 }),
    );
    expect(hits).toBeGreaterThan(1000);
  });
});

describe('the cache', () => {
  test('answers distinct constants with one object, and distinct limits with their own', async () => {
    const analyser = await createAnalyser();
    const analyse = (sql: string) => analyser.analyse(Buffer.from(sql));
    analyse('select a from t where b = 1');
    expect(analyse('select a from t where b = 2')).toBe(analyse('select a from t where b = 3'));
    expect(analyse('select a from t limit 1').facts[0]!.limit).toBe(1);
    expect(analyse('select a from t limit 2').facts[0]!.limit).toBe(2);
    expect(analyse('select a from t fetch first 3 rows only').facts[0]!.limit).toBe(3);
    expect(analyse('select a from t fetch first 4 rows only').facts[0]!.limit).toBe(4);
    expect(analyse("set search_path = 'a'").statements[0]!.set?.value).toBe('a');
    expect(analyse("set search_path = 'b'").statements[0]!.set?.value).toBe('b');
  });

  test('keeps nothing of what comes once', async () => {
    const analyser = await createAnalyser();
    const [first, second, third] = [1, 2, 3].map((n) =>
      analyser.analyse(Buffer.from(`select once from t where a = ${n}`)),
    );
    expect(second).not.toBe(first);
    expect(third).toBe(second);
    const exact = [1, 2, 3].map(() => analyser.analyse(Buffer.from('set a.once = 1')));
    expect(exact[1]).not.toBe(exact[0]);
    expect(exact[2]).toBe(exact[1]);
  });

  test('a position among the items is a fact, and what only looks like one answers for none', async () => {
    const analyser = await createAnalyser();
    const order = (position: string) => {
      const { statements } = analyser.analyse(Buffer.from(`select a, ssn from t order by ${position}`));
      return (statements[0] as AnalysedStatement).lineage.predicates.flatMap(({ fields }) => [...(fields ?? [])]);
    };
    for (const position of ['1.5', '1.5', '0', '0', '99999999999', '99999999999']) order(position);
    expect(order('2')).toContain('ssn');
    expect(order('1')).not.toContain('ssn');
  });

  test('does not keep the bytes of the caller', async () => {
    const analyser = await createAnalyser();
    const bytes = Buffer.from('set a.b = 1');
    analyser.analyse(bytes);
    bytes.fill('x');
    expect(analyser.analyse(Buffer.from('set a.b = 1')).facts[0]!.does).toEqual(['set']);
    expect(analyser.analyse(bytes).error).toBeDefined();
  });

  test('invalid UTF-8 inside of a constant is an error also when the key is known', async () => {
    const analyser = await createAnalyser();
    expect(analyser.analyse(Buffer.from("select 'é'")).error).toBeUndefined();
    expect(analyser.analyse(Buffer.from("select '\xe9'", 'latin1')).error?.message).toMatch(/UTF-8/);
  });

  test('is bounded', async () => {
    const { TextCache } = await import('../../../../../src/protocol/postgres/sql/cache.ts');
    const cache = new TextCache<number>(10, 1000);
    for (let i = 0; i < 100; i++) cache.set(`text ${i}`, i);
    expect(cache.size).toBeLessThanOrEqual(10);
    expect(cache.get('text 99')).toBe(99);
    expect(cache.get('text 1')).toBeUndefined();
    const wide = new TextCache<number>(1000, 1000);
    for (let i = 0; i < 100; i++) wide.set(`${i}`.padEnd(100), i);
    expect(wide.size).toBeLessThanOrEqual(10);
    wide.set('x'.repeat(5000), 1);
    expect(wide.get('x'.repeat(5000))).toBeUndefined();
  });

  test('keeps what is used', async () => {
    const { TextCache } = await import('../../../../../src/protocol/postgres/sql/cache.ts');
    const cache = new TextCache<number>(10, 10_000);
    cache.set('hot', 1);
    for (let i = 0; i < 100; i++) {
      cache.set(`text ${i}`, i);
      expect(cache.get('hot')).toBe(1);
    }
  });
});

describe('the shape of a text', () => {
  test.each([
    ["insert into t values (1, 'a', $1)", 'insert into t values (?, ?, $1)'],
    ["update t set a = 'x''y' where b = 1.5", 'update t set a = ? where b = ?'],
    ["select 'é', ü from t", 'select ?, ü from t'],
    ['select 1; delete from t where a = 2', 'select ?; delete from t where a = ?'],
    ['select a from t limit 5', 'select a from t limit 5'],
  ])('%s', async (sql, shape) => {
    const analyser = await createAnalyser();
    expect(analyser.analyse(Buffer.from(sql)).shape).toBe(shape);
    // From the cache too.
    expect(analyser.analyse(Buffer.from(sql)).shape).toBe(shape);
  });

  test.each([
    ['what a constant may change the meaning of', "set search_path = 'x'"],
    ['a prefixed constant', "select E'a'"],
    ['a dollar quote', 'select $$a$$'],
    ['a comment, which may hold anything', "select 1 /* 'secret' */"],
    ['a line comment', 'select 1 -- secret'],
    ['EXECUTE, whose meaning is elsewhere', 'execute p(1)'],
    ['a text that does not parse', 'selec 1'],
  ])('is not given for %s', async (_, sql) => {
    const analyser = await createAnalyser();
    expect(analyser.analyse(Buffer.from(sql)).shape).toBeUndefined();
  });
});
