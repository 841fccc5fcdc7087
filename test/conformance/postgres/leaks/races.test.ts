// What is decided before it is sent (COPY, what is stored elsewhere) may wait at the server, behind a lock of the same attacker,
// for names to mean something else. Whoever a mask applies to cannot make them.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../support/process.ts';
import { type Frame, fields, query, type WireClient } from '../../../support/wire.ts';
import { readAttempts } from '../attempts.ts';
import { type Guarded, openGuarded } from '../guarded.ts';
import { leaksIn, leaksInText } from './judge.ts';
import { MASKS, SETUP } from './schema.ts';

const read = (file: string) => readAttempts(new URL(file, import.meta.url));

let guarded: Guarded;

beforeAll(async () => {
  guarded = await openGuarded({
    setup: `${SETUP} create table hull (id int, nick text, ssn text);
create schema front; create table front.customers (id int); create table ledger.customers (id int);`,
    policy: { masks: MASKS },
  });
});
afterAll(() => guarded?.close());

async function tell(client: WireClient, text: string): Promise<Frame[]> {
  client.send(query(text));
  return client.until('Z');
}

const errorsOf = (frames: readonly Frame[]) =>
  frames.filter(({ type }) => type === 'E').map(({ body }) => fields(body));

/** All in one transaction that is rolled back. */
async function tried(statements: readonly string[], groups: readonly string[] = []) {
  const client = await guarded.connect(groups);
  const found = [];
  await tell(client, 'begin');
  for (const text of statements) found.push(...errorsOf(await tell(client, text)));
  await tell(client, 'rollback');
  client.close();
  return found;
}

describe('a change of what masked names mean', () => {
  it.each(read('./renames.txt'))('is refused by the mask: $name', async ({ statements }) => {
    const [error] = await tried(statements);
    expect(error?.C).toBe('42501');
    expect(error?.M).toMatch(/mask "(?:(?:ssn|card|keys|bodies)(?:, )?)+"/);
    expect(error?.H).toMatch(/as somebody whom (?:it|the mask) exempts/);
  });

  it.each(read('./renames.txt'))('is one, and for those who are exempt: $name', async ({ statements }) => {
    expect((await tried(statements, ['privacy'])).filter(({ C }) => C === '42501')).toEqual([]);
  });

  it.each(read('./changes.txt'))('is not what is refused: $name', async ({ statements }) => {
    expect(await tried(statements)).toEqual([]);
  });
});

const RACES = [
  [
    'a view in the place of a table',
    'notes',
    'text',
    'alter table notes rename to old; create view notes as select id, ssn as text from customers',
  ],
  [
    'a masked table in the place of another',
    'seen',
    'ssn',
    'alter table seen rename to old; alter table persons rename to seen',
  ],
  [
    'a masked column in the place of another',
    'customers',
    'city',
    'alter table customers rename city to c0; alter table customers rename api_key to city',
  ],
  ['a masked table as a part of another', 'hull', 'ssn', 'alter table persons inherit hull'],
  [
    'a generated column in the place of another',
    'customers',
    'city',
    'alter table customers rename city to c0; alter table customers add city text generated always as (api_key) stored',
  ],
] as const;

describe.each(RACES)('%s, while it waits', (_, table, column, change) => {
  it.each([
    ['COPY', `copy (select id, ${column} from ${table}) to stdout`],
    ['INSERT', `insert into loot select id, ${column} from ${table}`],
  ])('%s', async (__, statement) => {
    const changer = await guarded.connect();
    const reader = await guarded.connect();
    reader.keep = true;
    await tell(reader, 'select 1');
    expect(errorsOf(await tell(changer, `begin; lock table ${table}`))).toEqual([]);
    reader.send(query(statement));
    await waiting();
    const errors: ReturnType<typeof errorsOf> = [];
    for (const text of change.split('; ')) errors.push(...errorsOf(await tell(changer, text)));
    await tell(changer, 'commit');
    await reader.until('Z');
    expect(leaksIn(Buffer.concat(reader.received))).toEqual([]);
    expect(leaksInText(JSON.stringify(await guarded.server.query('select * from loot', 'app')))).toEqual([]);
    expect(errors[0]?.C).toBe('42501');
    changer.close();
    reader.close();
  });
});

async function waiting(): Promise<void> {
  await eventually('something waits for the lock', async () => {
    const [row] = await guarded.server.query('select count(*)::int as n from pg_locks where not granted', 'app');
    return row!.n !== 0;
  });
}
