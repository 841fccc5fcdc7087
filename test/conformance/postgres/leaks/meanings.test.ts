// What a name means changes: between a statement and its rows, between a cursor and its FETCH, behind the server's truncation of
// names, by a session that is gone before its answer. What was made from a masked column is masked whatever its name means now.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  bind,
  describePortal,
  execute,
  type Frame,
  fields,
  int16,
  message,
  parse,
  query,
  sync,
  type WireClient,
} from '../../../support/wire.ts';
import { type Guarded, openGuarded } from '../guarded.ts';
import { leaksIn } from './judge.ts';
import { MASKS, SETUP } from './schema.ts';

let guarded: Guarded;
let reader: WireClient;
/** Whom no mask concerns: only they may rename what is masked, or define views over it. */
let changer: WireClient;

const CLEAN = 'create or replace view shifting as select id, name as x from customers';
const SECRET = 'create or replace view shifting as select id, api_key as x from customers';
const RENAME = 'alter table customers rename city to c0; alter table customers rename api_key to city;';
const BACK = 'alter table customers rename city to api_key; alter table customers rename c0 to city;';

beforeAll(async () => {
  guarded = await openGuarded({
    setup: `${SETUP} ${CLEAN};`,
    policy: { masks: MASKS },
    server: { config: { max_prepared_transactions: '5' } },
  });
});
beforeEach(async () => {
  await guarded.server.query(CLEAN, 'app');
  reader = await guarded.connect();
  changer = await guarded.connect(['privacy']);
  reader.keep = true;
  reader.received = [];
  return () => {
    reader.close();
    changer.close();
  };
});
afterAll(() => guarded?.close());

async function by(client: WireClient, ...messages: Buffer[]): Promise<Frame[]> {
  client.send(...messages);
  return client.until('Z');
}

const tell = (client: WireClient, text: string) => by(client, query(text));

/** The rows of the last answer were there, and nothing masked was in anything that came. */
function masked(frames: readonly Frame[], rows = 1): void {
  const errors = frames.filter(({ type }) => type === 'E').map(({ body }) => fields(body).M);
  expect(errors).toEqual([]);
  expect(frames.filter(({ type }) => type === 'D').length).toBeGreaterThanOrEqual(rows);
  expect(leaksIn(Buffer.concat(reader.received))).toEqual([]);
}

const LONG = 'a'.repeat(63);

it('a prepared statement is the one that the server has by the first 63 bytes of its name', async () => {
  await by(reader, parse(`${LONG}x`, 'select $1::text where false'), sync());
  await by(reader, message('C', `S${LONG}z`), sync());
  await by(reader, parse(`${LONG}y`, 'select ssn || $1 from customers'), sync());
  const bound = message('B', '', `${LONG}x`, int16(0), int16(1), Buffer.from([0, 0, 0, 0]), int16(0));
  masked(await by(reader, bound, execute(''), sync()), 10);
});

it('one with letters of more bytes too, by PREPARE and by Parse', async () => {
  const cut = `${'a'.repeat(61)}é`;
  await by(reader, parse(`${cut}x`, "select name || ' ' from customers"), sync());
  await tell(reader, `deallocate "${cut}y"; prepare "${cut}z" as select ssn || ' ' from customers`);
  masked(await by(reader, bind('', `${cut}x`), execute(''), sync()), 10);
});

it('a portal is the one that the server has by the first 63 bytes of its name', async () => {
  const swap = [parse('', "select name || '' from customers"), bind(`${LONG}x`, ''), describePortal(`${LONG}x`)];
  const other = [parse('', "select ssn || '' from customers"), bind(`${LONG}y`, ''), sync()];
  await tell(reader, 'begin');
  await by(reader, ...swap, message('C', `P${LONG}z`), ...other);
  masked(await by(reader, execute(`${LONG}x`), sync()), 10);
});

it.each([
  ['renamed', RENAME, "declare h cursor with hold for select city || '' from customers", BACK],
  ['a view', SECRET, 'declare h cursor with hold for select x from shifting', CLEAN],
  ['an expression over a view', SECRET, "declare h cursor with hold for select x || '' from shifting", CLEAN],
])('a cursor has the rows of when it was declared: %s', async (_, before, declare, after) => {
  await tell(changer, before);
  await tell(reader, declare);
  await tell(changer, after);
  masked(await tell(reader, 'fetch all from h'), 10);
  await tell(reader, 'close h');
});

it('a held cursor that was rolled back is none', async () => {
  await tell(reader, "begin; declare h cursor with hold for select name || '' from customers; rollback");
  const refused = await tell(reader, 'fetch all from h');
  expect(fields(refused.find(({ type }) => type === 'E')!.body).C).toBe('34000');
  await tell(reader, "begin; declare h cursor with hold for select name || '' from customers; commit");
  expect((await tell(reader, 'fetch 1 from h'))[1]?.body.toString()).toContain('name 0');
});

it('rows that wait for their client are of the view that they were made from', async () => {
  await tell(changer, SECRET);
  reader.send(
    query("select repeat('x', 1000) from generate_series(1, 8000)"),
    query('select x from shifting'),
    query("select x || '' from shifting"),
  );
  await reader.next();
  reader.socket.pause();
  await sleep(500);
  // Waits for the reader where the server has not come so far; a client that reads slowly finds the moment.
  changer.send(query(CLEAN));
  await sleep(300);
  reader.socket.resume();
  await changer.until('Z');
  await reader.until('Z');
  masked(await reader.until('Z'), 10);
  masked(await reader.until('Z'), 10);
});

it('a change whose session is gone before its answer counts', async () => {
  await tell(reader, 'select x from shifting limit 1');
  await tell(changer, `begin; ${SECRET}`);
  changer.send(query('commit'));
  changer.socket.end();
  await sleep(50);
  masked(await tell(reader, 'select x from shifting limit 2'));
  masked(await tell(reader, "select x || '' from shifting limit 2"));
});

it('a change that waited for a lock when its session was gone counts', async () => {
  const holder = await guarded.connect();
  await tell(holder, 'begin; select x from shifting limit 1');
  await tell(reader, 'select x from shifting limit 1');
  changer.send(query(SECRET));
  await sleep(200);
  changer.socket.destroy();
  await sleep(200);
  await tell(reader, 'select 1 as one, name from customers limit 1');
  await tell(holder, 'commit');
  holder.close();
  for (let i = 0; i < 5; i++) {
    masked(await tell(reader, 'select x from shifting limit 2'));
    masked(await tell(reader, "select x || '' from shifting limit 2"));
    await sleep(30);
  }
});

it('a change that was prepared shows when another session commits it', async () => {
  await tell(reader, 'select x from shifting limit 1');
  await tell(changer, `begin; ${SECRET}; prepare transaction 'shift'`);
  const other = await guarded.connect();
  await tell(other, "commit prepared 'shift'");
  other.close();
  masked(await tell(reader, 'select x from shifting limit 2'));
  masked(await tell(reader, "select x || '' from shifting limit 2"));
});
