// The search index, embedded and on PostgreSQL: the same queries find the same operations.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type {
  SearchedOperation,
  SearchedSession,
  SearchIndex,
  SearchQuery,
} from '../../../../src/session/search/operation.ts';
import { fieldWord, searchWords as words } from '../../../../src/session/search/tokens.ts';
import { Fts5Index } from '../../../../src/store/search/fts5.ts';
import { PostgresIndex } from '../../../../src/store/search/postgres.ts';
import { type Postgres, startPostgres } from '../../../support/postgres.ts';

const directory = mkdtempSync(join(tmpdir(), 'search-'));
let server: Postgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const session = (name: string, more: Partial<SearchedSession> = {}): SearchedSession => ({
  session: name,
  principal: 'alice@example.com',
  subject: 'alice',
  issuer: 'local',
  email: 'alice@example.com',
  kind: 'person',
  connection: 'prod',
  protocol: 'line',
  ...more,
});

let op = 0;
const operation = (more: Partial<SearchedOperation>): SearchedOperation => ({
  session: 's-1',
  op: ++op,
  at: 1_000_000 + op * 1000,
  how: 'query',
  text: 'select 1',
  verdict: 'allow',
  does: ['select'],
  relations: [],
  functions: [],
  masked: [],
  status: 'ok',
  results: '',
  ...more,
});

let files = 0;
describe.each([
  ['embedded', async (again?: boolean) => Fts5Index.open(join(directory, `${again ? files : ++files}.sqlite`), words)],
  [
    'PostgreSQL',
    async (again?: boolean) => {
      if (again !== true) {
        await server.query('drop schema if exists search cascade; create schema search');
      }
      const url = `postgres://postgres:${server.password}@127.0.0.1:${server.port}/postgres?sslmode=disable&options=-csearch_path%3Dsearch`;
      return PostgresIndex.open({ url, directory, gateway: 'g-1', words, searchMs: 30_000 });
    },
  ],
])('%s', (name, open: (again?: boolean) => Promise<SearchIndex>) => {
  let index: SearchIndex;
  const find = async (query: Partial<SearchQuery>) =>
    (await index.search({ words: [], limit: 10, ...query })).operations.map((found) => found.text);
  beforeEach(async () => {
    op = 0;
    index = await open();
  });

  const write = (operations: SearchedOperation[], sessions = [session('s-1')], state = '{}') =>
    index.write({ sessions, operations, state });

  it('finds by words of text and results, newest first, all of them wanted', async () => {
    await write([
      operation({ text: 'select name from customers' }),
      operation({ text: 'select name from orders', results: 'Ada Lovelace' }),
      operation({ text: "update Customers set name = 'x'" }),
    ]);
    expect(await find({ words: ['customers'] })).toEqual([
      "update Customers set name = 'x'",
      'select name from customers',
    ]);
    expect(await find({ words: ['NAME', 'select'] })).toEqual([
      'select name from orders',
      'select name from customers',
    ]);
    expect(await find({ words: ['lovelace'] })).toEqual(['select name from orders']);
    expect(await find({ words: ['cust*', 'set'] })).toEqual(["update Customers set name = 'x'"]);
    expect(await find({ words: ['nothing'] })).toEqual([]);
    await index.close();
  });

  it('takes whatever somebody runs, and finds what came after it', async () => {
    const halves = `${'x'.repeat(299)}\u{1f600} and on`;
    const longWord = `${'w'.repeat(63)}\u{1d49c}`;
    const hostile = [halves, longWord, 'nul \0 in it', 'half \ud83d of one', `'); drop table search_operations; --`];
    await write(
      hostile.map((text) => operation({ text, results: text, rule: text, error: text, review: text })),
      [session('s-1', { principal: 'a\0b', actor: 'half \ud83d', connection: 'c\0' })],
    );
    const many = Array.from({ length: 3000 }, (_, i) => `${'\u{1d49c}'.repeat(40)}${i}`).join(' ');
    await write([operation({ text: many, results: many })], []);
    await write([operation({ text: 'select after' })]);
    expect(await find({ words: ['after'] })).toEqual(['select after']);
    expect((await find({ words: ['nul'] })).length).toBe(1);
    expect((await find({ words: ['drop', 'search_operations'] })).length).toBe(1);
    await index.close();
  });

  it('is found by who ran it and how it came out, whatever it says or reads', async () => {
    // Mallory puts a text where Alice reads it; were it taken for his own mark, her statement would be his to find.
    const owner = { issuer: 'local', subject: 'mallory' };
    const planted = [
      fieldWord('owner', Buffer.from(`${owner.issuer}\0${owner.subject}`).toString('hex')),
      ...[fieldWord('who', 'mallory'), fieldWord('verdict', 'deny'), fieldWord('relation', 'salaries')],
    ];
    // U+19B0 is a letter by now, and none to FTS5, which cuts there.
    for (const word of planted.slice()) {
      planted.push(
        `z${word}`,
        word.toUpperCase(),
        `${word}x`,
        `\u19b0${word}`,
        `${word}\u19b0`,
        `a\u19b0${word}\u19b0b`,
      );
    }
    await write([operation({ text: `select ${planted.join(' ')}`, results: planted.join(' ') })]);
    expect(await find({ owner })).toEqual([]);
    expect(await find({ who: 'mallory' })).toEqual([]);
    expect(await find({ verdict: 'deny' })).toEqual([]);
    expect(await find({ relation: 'salaries' })).toEqual([]);
    // As a word it is found all the same, by who may.
    for (const word of planted) expect(await find({ words: [word] })).toHaveLength(1);
    expect(await find({ owner: { issuer: 'local', subject: 'alice' } })).toHaveLength(1);
    await index.close();
  });

  it('is found as one’s own by nobody whose subject differs in a capital', async () => {
    await write([operation({ text: 'select mine' })], [session('s-1', { subject: '00uAbC' })]);
    expect(await find({ owner: { issuer: 'local', subject: '00uAbC' } })).toEqual(['select mine']);
    expect(await find({ owner: { issuer: 'local', subject: '00uabc' } })).toEqual([]);
    expect(await find({ who: '00UABC' })).toEqual(['select mine']);
    await index.close();
  });

  it('answers whatever is asked, as words', async () => {
    await write([operation({ text: 'select near from t' })]);
    const asked = [
      `near("a b", 5) OR NOT *`,
      `") OR 1=1 --`,
      `'); drop table search_operations; --`,
      `a' & !b | c:*`,
      `bag : x`,
      '^select',
      '-select',
      '\0',
      'a\0b',
      '*',
      '"',
      "'",
      '\\',
      '\u{1d49c}',
      '\ud83d',
      '\u{1e900}\u{1e901}',
      '\u19b0a a\u19b0b',
      'x'.repeat(2000),
      'ß İ ﬁ ª ²',
      '\u0301',
      '%',
      '_',
      '(a+)+$',
      'AND',
      'OR',
      'NOT',
      'NEAR',
      `${'a '.repeat(1000)}`,
      `${Array.from({ length: 700 }, (_, i) => `w${i}`).join(' ')}`,
    ];
    for (const text of asked) {
      for (const words of [text.split(/\s+/).filter((one) => one !== ''), [text], [`${text}*`]]) {
        const got = await find({ words }).catch((error: Error) => `${error.message}`);
        expect([text.slice(0, 40), got]).toEqual([text.slice(0, 40), expect.any(Array)]);
      }
      for (const field of ['who', 'session', 'rule', 'relation', 'error', 'review'] as const)
        expect(await find({ [field]: text })).toEqual([]);
    }
    for (const query of [
      { rows: { min: 1e15 } },
      { us: { min: 0.5, max: 1e18 } },
      { us: { min: 1e25 } },
      { since: Date.parse('9999-12-31T23:59:59Z') },
      { until: -1 },
      { since: 10, until: 5 },
      { before: '9999999999999999' },
    ]) {
      expect([query, await find(query).catch((error: Error) => error.message)]).toEqual([query, expect.any(Array)]);
    }
    expect(await find({ words: ['near'] })).toEqual(['select near from t']);
    await index.close();
  });

  it('finds by every field', async () => {
    await write(
      [
        operation({ text: 'a', verdict: 'deny', rule: 'no-drop', status: 'refused', error: 'denied' }),
        operation({ text: 'b', relations: ['public.customers'], functions: ['pg_sleep'], masked: ['ssn', 'pii'] }),
        operation({ text: 'c', review: 'r-1', does: ['drop'], rows: 1500, us: 2_000_000 }),
        operation({ text: 'd', session: 's-2', rows: 3, us: 10 }),
      ],
      [
        session('s-1'),
        session('s-2', { subject: 'bob', principal: 'bob', email: undefined, actor: 'copilot', connection: 'dev' }),
      ],
    );
    expect(await find({ verdict: 'deny', rule: 'no-drop', error: 'denied', status: 'refused' })).toEqual(['a']);
    expect(await find({ relation: 'customers' })).toEqual(['b']);
    expect(await find({ relation: 'PUBLIC.customers', function: 'pg_sleep', masked: 'ssn' })).toEqual(['b']);
    expect(await find({ masked: 'pii' })).toEqual(['b']);
    expect(await find({ review: 'r-1', does: 'drop' })).toEqual(['c']);
    expect(await find({ who: 'bob' })).toEqual(['d']);
    expect(await find({ actor: 'copilot', connection: 'dev', session: 's-2' })).toEqual(['d']);
    expect(await find({ rows: { min: 1000 } })).toEqual(['c']);
    expect(await find({ rows: { min: 1501 } })).toEqual([]);
    expect(await find({ rows: { max: 10 } })).toEqual(['d']);
    expect(await find({ us: { min: 1_000_000, max: 3_000_000 } })).toEqual(['c']);
    expect(await find({ owner: { issuer: 'local', subject: 'bob' } })).toEqual(['d']);
    expect(await find({ since: 1_002_000, until: 1_004_000 })).toEqual(['c', 'b']);
    await index.close();
  });

  it('gives pages that go on where the one before ended, also within a millisecond', async () => {
    await write(Array.from({ length: 25 }, (__, i) => operation({ text: `t${i}`, at: 5000 })));
    const seen: string[] = [];
    let before: string | undefined;
    do {
      const page = await index.search({ words: [], limit: 10, ...(before === undefined ? {} : { before }) });
      seen.push(...page.operations.map((found) => found.text));
      before = page.next;
    } while (before !== undefined);
    expect(new Set(seen).size).toBe(25);
    expect(seen).toHaveLength(25);
    await index.close();
  });

  it('gives pages without a gap also where two gateways gave operations the same number', async () => {
    await write(Array.from({ length: 25 }, (__, i) => operation({ text: `t${i}`, at: 5000 })));
    if (name === 'PostgreSQL') await server.query('update search.search_operations set number = 20480000');
    const seen = new Set<string>();
    let before: string | undefined;
    do {
      const page = await index.search({ words: [], limit: 10, ...(before === undefined ? {} : { before }) });
      for (const found of page.operations) seen.add(found.text);
      before = page.next;
    } while (before !== undefined);
    expect(seen.size).toBe(25);
    await index.close();
  });

  it('finds by the beginning of a word what has such a word only', async () => {
    await write([operation({ text: 'select zebra' }), operation({ text: 'select horse' })]);
    for (const word of ['z*', 'ze*']) expect(await find({ words: [word] })).toEqual(['select zebra']);
    expect(await find({ words: ['zz*'] })).toEqual([]);
    await index.close();
  });

  it('finds a program wherever it lies', async () => {
    await write([operation({ text: 'a', functions: ['/usr/bin/rm'] }), operation({ text: 'b', functions: ['rm'] })]);
    expect(await find({ function: 'rm' })).toEqual(['b', 'a']);
    expect(await find({ function: '/usr/bin/rm' })).toEqual(['a']);
    await index.close();
  });

  it('takes an operation with more names than there is room for, and what comes after it', async () => {
    const many = Array.from({ length: 50_000 }, (__, i) => `schema.name${i}`);
    await write([
      operation({ text: 'many', relations: many, functions: many, masked: many }),
      operation({ text: 'b' }),
    ]);
    expect(await find({ relation: 'name7', function: 'name7', masked: 'schema.name7' })).toEqual(['many']);
    expect(await find({})).toEqual(['b', 'many']);
    await index.close();
  });

  it('takes an operation that is there twice at once, as a line that was changed makes it', async () => {
    const one = operation({ text: 'one' });
    await write([one, { ...one, status: 'error' }]);
    expect(await find({ status: 'error' })).toEqual(['one']);
    expect(await index.count()).toBe(1);
    await index.close();
  });

  it('takes an operation again without having it twice', async () => {
    const one = operation({ text: 'once' });
    await write([one]);
    await write([{ ...one, status: 'error', error: '42P01' }]);
    expect(await index.count()).toBe(1);
    expect(await find({ error: '42P01' })).toEqual(['once']);
    expect(await find({ status: 'ok' })).toEqual([]);
    await index.close();
  });

  it('forgets a session, and keeps the others', async () => {
    await write(
      [operation({ text: 'goes away' }), operation({ session: 's-2', text: 'stays here' })],
      [session('s-1'), session('s-2')],
    );
    expect(await index.forget('s-1')).toBe(1);
    expect(await find({})).toEqual(['stays here']);
    expect(await find({ words: ['away'] })).toEqual([]);
    expect(await index.forget('s-1')).toBe(0);
    await index.close();
  });

  it('keeps where its reader stands, and everything, when it is opened again', async () => {
    await write([operation({ text: 'kept' })], undefined, '{"at":7}');
    await index.close();
    index = await open(true);
    expect(await index.state()).toBe('{"at":7}');
    expect(await find({ words: ['kept'] })).toEqual(['kept']);
    await index.close();
  });

  it('takes hostile words as words', async () => {
    const text = `x' OR "y" * -- NEAR( {a} : ^b) & | ! <-> zz`;
    await write([operation({ text })]);
    expect(await find({ words: text.split(' ') })).toEqual([text]);
    expect(await find({ words: ['"', "'", 'zz"; drop table operations'] })).toEqual([]);
    expect(await index.count()).toBe(1);
    await index.close();
  });
});

it('what could not be written leaves nobody with what others did', async () => {
  const bag: typeof words.bag = (one, of) => {
    if (one.text === 'fails') throw new Error('no room');
    return words.bag(one, of);
  };
  const index = Fts5Index.open(join(directory, 'full.sqlite'), { ...words, bag });
  const mine = operation({ text: 'mine' });
  const failing = { sessions: [session('s-1')], operations: [mine, operation({ text: 'fails' })], state: '{}' };
  await expect(index.write(failing)).rejects.toMatchObject({ code: 'store_failed' });
  await index.write({ sessions: [session('s-2', { principal: 'bob' })], operations: [], state: '{}' });
  await index.write({ sessions: [session('s-1')], operations: [mine], state: '{}' });
  const { operations } = await index.search({ words: [], limit: 10 });
  expect(operations).toMatchObject([{ text: 'mine', session: 's-1', principal: 'alice@example.com' }]);
  await index.close();
});

it('beginnings that too much of the record has are refused, and asked for twice are looked for once', async () => {
  const index = Fts5Index.open(join(directory, 'begun.sqlite'), words);
  const operations = [operation({ text: 'aa ab ac' }), operation({ text: 'ad b' })];
  await index.write({ sessions: [session('s-1')], operations, state: '{}' });
  index.mostBegun = 4;
  const found = async (asked: string[]) => (await index.search({ words: asked, limit: 10 })).operations.length;
  expect(await found(['a*', 'a*', 'A*'])).toBe(2);
  expect(await found(['b*'])).toBe(1);
  await expect(found(['a*', 'b*'])).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining('"b"') });
  await index.close();
});

it('a file that somebody else has locked is left as it is', async () => {
  const path = join(directory, 'locked.sqlite');
  const index = Fts5Index.open(path, words);
  await index.write({ sessions: [session('s-1')], operations: [operation({})], state: '{"at":7}' });
  await index.close();
  const other = new DatabaseSync(path);
  other.exec('pragma locking_mode = exclusive; begin immediate');
  expect(() => Fts5Index.open(path, words)).toThrow(/locked/);
  other.exec('rollback');
  other.close();
  const again = Fts5Index.open(path, words);
  expect(await again.state()).toBe('{"at":7}');
  await again.close();
});

it('a damaged file is begun anew', async () => {
  const path = join(directory, 'damaged.sqlite');
  const index = Fts5Index.open(path, words);
  await index.write({ sessions: [session('s-1')], operations: [operation({})], state: '{}' });
  await index.close();
  writeFileSync(path, Buffer.concat([Buffer.from('not SQLite at all'), readFileSync(path).subarray(17)]));
  const again = Fts5Index.open(path, words);
  expect(await again.state()).toBeUndefined();
  await again.close();
});
