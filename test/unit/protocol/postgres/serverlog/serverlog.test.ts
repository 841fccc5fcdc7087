import { expect, it } from 'vitest';
import * as queries from '../../../../../src/protocol/postgres/catalogue/queries.ts';
import { isOwn } from '../../../../../src/protocol/postgres/serverlog/own.ts';
import { shapesOf } from '../../../../../src/protocol/postgres/serverlog/shapes.ts';
import { loggedStatements } from '../../../../../src/protocol/postgres/serverlog/statements.ts';
import { collect } from '../../../../support/log.ts';

async function* pieces(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(text: string, prefix?: string, accounts = ['gw'], size = 7) {
  const found = await collect(loggedStatements(pieces(text, size), { accounts, prefix }));
  return found.map(({ text: said, line, who }) => [line, said, ...(who === undefined ? [] : [who])]);
}

const T = '2026-11-20 07:00:00.123 UTC';
const PREFIX = '%m [%p] %u@%d %a ';
const line = (user: string, application: string, rest: string) => `${T} [42] ${user}@app ${application} ${rest}\n`;

it('plain text: what ran, with its line breaks, and nothing that did not run', async () => {
  const log = [
    `${T} [1] @  LOG:  database system is ready to accept connections\n`,
    line('gw', 'psql (al via hoopctl)', "LOG:  statement: select 'ü\n\tand\n\t\tmore'"),
    line('gw', 'x', 'LOG:  execute <unnamed>: select $1'),
    line('gw', 'x', "DETAIL:  parameters: $1 = 'LOG:  statement: drop table t'"),
    line('gw', 'x', 'LOG:  execute s1/portal: select $1, 2'),
    line('gw', 'x', 'LOG:  execute fetch from s1/portal: select $1, 2'),
    line('gw', 'x', 'LOG:  duration: 12.500 ms  statement: select 3'),
    line('gw', 'x', 'LOG:  duration: 0.100 ms'),
    line('gw', 'x', 'LOG:  duration: 0.100 ms  parse <unnamed>: select 9'),
    line('gw', 'x', 'ERROR:  syntax error at or near "selec"'),
    line('gw', 'x', 'STATEMENT:  selec 1'),
    line('other', 'x', 'LOG:  statement: select 4'),
  ].join('');
  const due = [
    [2, "select 'ü\nand\n\tmore'", 'al'],
    [5, 'select $1'],
    [7, 'select $1, 2'],
    [9, 'select 3'],
  ];
  for (const size of [1, 7, 100_000]) expect(await read(log, PREFIX, ['gw'], size)).toEqual(due);
  expect(await read(log, PREFIX, ['gw', 'other'])).toHaveLength(5);
});

it('nobody hides a statement behind the name that it was prepared under', async () => {
  const log = [
    line('gw', 'x', 'LOG:  execute a:b: select 1'),
    line('gw', 'x', 'LOG:  duration: 1.000 ms  execute a:b/c:d: select 2'),
    line('gw', 'x', 'LOG:  execute a\n\tb: select 3'),
    line('gw', 'x', 'LOG:  execute fetch from: select 4'),
    line('gw', 'x', 'LOG:  execute fetch from x: select 5'),
    // A portal of that name is gone on with, here and nowhere else, with that text.
    line('gw', 'x', 'LOG:  duration: 1.000 ms  execute fetch from fetch from x: select 5'),
    line('gw', 'x', 'LOG:  execute fetch from fetch from x: select 6'),
    line('gw', 'x', 'LOG:  execute fetch from a:b: select 1'),
    line('gw', 'x', 'LOG:  execute fetch from a:b: select 1').replace('[42]', '[43]'),
  ].join('');
  const due = [1, 2, 3, 4, 5, 6, 1].map((number) => `select ${number}`);
  expect((await read(log, PREFIX)).map(([, text]) => text)).toEqual(due);
});

it('nobody talks himself out of an account by the name of his application', async () => {
  const talks = [
    line('gw', 'x] other@app y', 'LOG:  statement: select 1'),
    line('gw', 'LOG:  statement: select 2', 'LOG:  statement: select 3'),
  ];
  for (const one of talks) expect(await read(one, PREFIX)).toHaveLength(1);
  // Also where his own name comes first in the line.
  expect(await read(`${T} a other b gw LOG:  statement: select 4\n`, '%m %a %u ')).toEqual([[1, 'select 4']]);
});

it('nobody hides a statement behind a name of his application that looks like the end of the prefix', async () => {
  const log = [
    line('gw', 'a ERROR:  b', 'LOG:  statement: select 1\n\tfrom t'),
    line('gw', 'a LOG:  duration: 1 ms', 'LOG:  execute x: select 2'),
    line('gw', 'a DETAIL: ', 'LOG:  statement: select 3'),
    // Read as what was run by an application `x`, it would be a text that may be on record as one that failed.
    line('gw', 'x LOG:  statement: select', 'LOG:  statement: select 4'),
  ].join('');
  const due = [
    [1, 'select 1\nfrom t'],
    [3, 'select 2'],
    [4, 'select 3'],
    [5, 'select LOG:  statement: select 4'],
    [5, 'select 4'],
  ];
  expect(await read(log, PREFIX)).toEqual(due);
});

it('log_error_verbosity = verbose', async () => {
  const log =
    line('gw', 'x', 'LOG:  00000: statement: select 1') + line('gw', 'x', 'LOCATION:  exec_simple_query, x.c:1');
  expect(await read(log, PREFIX)).toEqual([[1, 'select 1']]);
});

it('reads a statement of very many lines, and one of a very long line, in a time that grows as they do', async () => {
  const row = (text: string) =>
    `${T},"gw","app",7,"::1:1",a.1,1,"idle",${T},3/1,0,LOG,00000,"statement: ${text}",,,,,,,,,"psql","client backend",,0\n`;
  // By looking at the whole row again at every line this takes hours.
  const many = `select 1${'\n'.repeat(3_000_000)}`;
  const long = `select '${'x'.repeat(8_000_000)}'`;
  const found = await read(row(many) + row(long), undefined, ['gw'], 4096);
  expect(found).toEqual([
    [1, many],
    [3_000_002, long],
  ]);
});

it('other prefixes: padded, by the epoch, with a zone in numbers', async () => {
  expect(await read('1763622000.123 gw         LOG:  statement: select 1\n', '%n %-10u ')).toEqual([[1, 'select 1']]);
  const [one] = await collect(
    loggedStatements(pieces('2026-11-20 09:00:00 +02:gw:LOG:  statement: x\n', 9), {
      accounts: ['gw'],
      prefix: '%t:%u:',
    }),
  );
  expect(one!.at).toBe(Date.UTC(2026, 10, 20, 7));
});

it('CSV and JSON', async () => {
  const csv = (user: string, message: string, application: string) =>
    `${T},"${user}","app",1,"127.0.0.1:5",abc.1,1,"SELECT",${T},3/4,0,LOG,00000,"${message}",,,,,,,,,"${application}","client backend",,0\n`;
  expect(await read(csv('gw', 'statement: select ""a"",\n1', 'psql') + csv('x', 'statement: select 2', '"",'))).toEqual(
    [[1, 'select "a",\n1']],
  );
  const json = (user: string, message: string) =>
    `${JSON.stringify({ timestamp: T, user, dbname: 'app', error_severity: 'LOG', message, application_name: 'p' })}\n`;
  expect(await read(`${json('gw', 'statement: a\nb')}cut{\n${json('x', 'statement: c')}`)).toEqual([[1, 'a\nb']]);
});

it('the gateway’s own are known by their texts alone', () => {
  expect(
    [queries.DIGEST, queries.PREPARE, queries.definitions([17, 4, 99]), queries.definitions([1])].map(isOwn),
  ).toEqual([true, true, true, true]);
  expect(['select * from secrets', 'commit', `${queries.DATABASE}; drop table t`].map(isOwn)).toEqual([
    false,
    false,
    false,
  ]);
});

it('shapes: statement by statement, without constants, as the server’s statistics write them', async () => {
  expect(await shapesOf("select 1, 'ä'; select a from t where b = 2")).toEqual(
    await shapesOf('select $1, $2; select a from t where b = $3'),
  );
  expect(await shapesOf('select a from t')).not.toEqual(await shapesOf('select b from t'));
  expect(await shapesOf('selec 1')).toEqual(['selec 1']);
  // From version 17 on the names of these are parameters too.
  const named = [
    ['savepoint a', 'SAVEPOINT $1'],
    ['rollback to a', 'ROLLBACK TO $1'],
    ['release a', 'RELEASE $1'],
    ['deallocate a', 'DEALLOCATE $1'],
    ["prepare transaction 'a'", 'PREPARE TRANSACTION $1'],
    ["commit prepared 'a'", 'COMMIT PREPARED $1'],
  ] as const;
  for (const [sent, counted] of named) expect(await shapesOf(counted), counted).toEqual(await shapesOf(sent));
});
