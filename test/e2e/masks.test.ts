// Masked means gone (promise 2): a masked column's values are nowhere in what the client, the recording, the gateway's log
// and its metrics got; by any alias, in text, in binary, in COPY, in errors.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connected } from '../support/gateway.ts';
import { available, describeWith, SYSTEM_PYTHON } from '../support/needs.ts';
import { filesUnder } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { openWay } from '../support/ways.ts';
import { bindAs, execute, extended, parse, query, sync, WireClient } from '../support/wire.ts';

/** Values that stand in masked columns, and nowhere else. */
const CANARIES = Array.from({ length: 40 }, (_, i) => {
  const n = String(1000 + i * 7);
  return {
    ssn: `9${n.slice(0, 2)}-4${n.slice(2)}2-8${n}`,
    card: `41110000${n}000${n.slice(3)}`,
    salary: 7_310_000 + i,
  };
});

const SETUP = `
  create table customers (id int primary key, name text, ssn text, card varchar(20), salary int, secret jsonb, token uuid);
  insert into customers values ${CANARIES.map(
    ({ ssn, card, salary }, i) =>
      `(${i}, 'name ${i}', '${ssn}', '${card}', ${salary}, '{"ssn": "${ssn}"}', 'deadbeef-0000-4000-8000-${String(i).padStart(12, '0')}')`,
  ).join(', ')};
  create table notes (id int, text text);
  insert into notes select i, 'note ' || i from generate_series(1, 5) i;
  create view people as select id, name as who, ssn as number from customers;`;

/** Forms in which a value could come back. */
function forms(value: string): string[] {
  const bytes = Buffer.from(value);
  return [
    value,
    value.replaceAll('-', ''),
    bytes.toString('hex'),
    bytes.toString('base64'),
    [...value].reverse().join(''),
  ];
}

function leaks(where: string, bytes: Buffer): string[] {
  const text = bytes.toString('latin1');
  const found: string[] = [];
  for (const { ssn, card, salary } of CANARIES) {
    for (const value of [ssn, card])
      for (const form of forms(value)) if (text.includes(form)) found.push(`${where}: ${form}`);
    if (text.includes(String(salary))) found.push(`${where}: ${salary}`);
  }
  // A UUID in binary, an int4 in binary.
  if (bytes.includes(Buffer.from('deadbeef00004000', 'hex'))) found.push(`${where}: a token in binary`);
  if (text.includes('deadbeef-0000')) found.push(`${where}: a token`);
  for (const { salary } of CANARIES) {
    const four = Buffer.alloc(8);
    four.writeInt32BE(4, 0);
    four.writeInt32BE(salary, 4);
    if (bytes.includes(four)) found.push(`${where}: ${salary} in binary`);
  }
  return found;
}

/** Statements that touch masked columns: each may give masked values, NULL or a refusal, never a canary. */
const DIRECT = [
  'select * from customers',
  'select ssn from customers',
  'select ssn as innocent, card as "Number", salary money from customers',
  'select c.* from customers c',
  'select name, (ssn), id from customers order by id limit 10',
  'table customers',
  'select * from customers where id = 3',
  'select secret, token from customers',
  'select distinct ssn from customers',
  'select ssn from customers union select text from notes',
  'select * from (select ssn from customers) s',
  'with c as (select * from customers) select * from c',
  'select upper(ssn), ssn || name, substr(card, 1, 8) from customers',
  'select salary + 1, salary::text from customers',
  'select customers from customers',
  'select row_to_json(c) from customers c',
  'select array_agg(ssn) from customers',
  "select string_agg(ssn, ',') from customers",
  'select max(ssn), min(salary) from customers',
  'select n.text, c.ssn from notes n join customers c on c.id = n.id',
  'select (select ssn from customers where id = 1)',
  'select number from people',
  'select * from people',
  'update customers set name = name where id = 1 returning *',
  'insert into notes select id, ssn from customers where id = 100 returning *',
  'select ssn::int from customers',
  'select cast(ssn as date) from customers where id = 2',
  'select 1 / (salary - salary) from customers',
  'explain analyze select * from customers where ssn = ssn',
  'select encode(ssn::bytea, $$hex$$) from customers',
  'select reverse(ssn) from customers',
  'begin; declare c cursor for select * from customers; fetch all from c; commit',
  "do $$ declare r record; begin for r in select ssn from customers loop raise notice '%', r.ssn; end loop; end $$",
  'select * from customers; select ssn from customers',
  'select query_to_xml($$select ssn from customers$$, true, true, $$$$)',
];

const COPIES = [
  'copy customers to stdout',
  'copy customers (id, ssn) to stdout csv header',
  'copy (select ssn, card from customers) to stdout',
  'copy (select * from customers) to stdout (format binary)',
];

let stage: Stage;
let connected: Connected;

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({
      connections: { app: connectionTo(server, 'app', { labels: { env: 'prod' } }) },
      masks: [
        {
          name: 'pii',
          to: { labels: { env: 'prod' } },
          columns: ['customers.ssn', '*.card', 'customers.salary', 'customers.secret', 'customers.token'],
          as: { fixed: '***' },
          unless: { groups: ['privacy'] },
        },
      ],
      recordings: { compress: false },
    }),
    { setup: SETUP, database: 'app' },
  );
  connected = await stage.alice.connect('app', [], { quiet: true });
});
afterAll(async () => {
  await connected?.stop();
  await stage?.stop();
});

/** Everything that came to a client of its own. */
async function overTheWire(use: (client: WireClient) => Promise<void>): Promise<Buffer> {
  const client = await WireClient.connect({ port: connected.port, user: 'alice', database: 'app' });
  client.keep = true;
  await use(client);
  const bytes = Buffer.concat(client.received);
  client.close();
  return bytes;
}

describe('a masked column', () => {
  it('is masked wherever it is selected directly, and what is beside it is not', async () => {
    const bytes = await overTheWire(async (client) => {
      client.send(query('select id, name, ssn as innocent from customers order by id limit 2'));
      await client.until('Z');
    });
    expect(bytes.toString('latin1')).toContain('name 1');
    expect(bytes.toString('latin1')).toContain('***');
    expect(leaks('client', bytes)).toEqual([]);
  });

  it('leaks no value by the simple protocol', async () => {
    for (const text of DIRECT) {
      const bytes = await overTheWire(async (client) => {
        client.send(query(text));
        await client.until('Z');
      });
      expect(leaks(text, bytes)).toEqual([]);
    }
  });

  it.each([0, 1])('leaks no value by the extended protocol, result format %i', async (format) => {
    for (const text of DIRECT) {
      if (/^(begin;|select \* from customers; )/.test(text)) continue;
      const client = await WireClient.connect({ port: connected.port, user: 'alice', database: 'app' });
      client.keep = true;
      const bound = bindAs(format);
      client.send(...extended(text, bound), sync());
      await client.until('Z');
      // Without a Describe the client knows the columns from elsewhere: masked all the same.
      client.send(parse('', text), bound, execute('', 3), execute(''), sync());
      await client.until('Z');
      expect(leaks(text, Buffer.concat(client.received))).toEqual([]);
      client.close();
    }
  });

  it('leaks no value by COPY, text and binary', async () => {
    for (const text of COPIES) {
      const bytes = await overTheWire(async (client) => {
        client.send(query(text));
        await client.until('Z');
      });
      expect(leaks(text, bytes)).toEqual([]);
    }
  });

  it('leaks no value by an error that quotes it', async () => {
    for (const text of [
      'select ssn::int from customers',
      'insert into customers select * from customers',
      'select card::inet from customers',
    ]) {
      const bytes = await overTheWire(async (client) => {
        client.send(query(text));
        const frames = await client.until('Z');
        expect(frames.some(({ type }) => type === 'E')).toBe(true);
      });
      expect(leaks(text, bytes)).toEqual([]);
    }
  });

  it('is NULL where its type cannot hold a mask, and the client can decode the row', async () => {
    const client = await WireClient.connect({ port: connected.port, user: 'alice', database: 'app' });
    const bound = bindAs(1);
    client.send(parse('', 'select id, salary, token, ssn from customers where id = 5'), bound, execute(''), sync());
    const row = (await client.until('Z')).find(({ type }) => type === 'D')?.body as Buffer;
    // Four columns: 4 bytes of int4 5, NULL, NULL, the text ***.
    expect(row.toString('hex')).toBe(`0004${'00000004'}${'00000005'}${'ffffffff'}${'ffffffff'}${'00000003'}2a2a2a`);
    client.close();
  });

  it('is shown to those whom the mask exempts', async () => {
    const bob = await stage.gateway.user('bob', { groups: ['engineering', 'privacy'] });
    const way = await openWay('connect', bob, 'app');
    if (available('psql')) {
      const done = await way.run('psql', ['-X', '-At', '-c', 'select ssn, salary from customers where id = 0']);
      expect(done.stdout).toBe(`${CANARIES[0]?.ssn}|${CANARIES[0]?.salary}\n`);
    }
    await way.stop();
  });

  it('leaves results alone that do not touch it', async () => {
    const bytes = await overTheWire(async (client) => {
      client.send(query('select id, text from notes order by id'));
      const frames = await client.until('Z');
      expect(frames.filter(({ type }) => type === 'D')).toHaveLength(5);
    });
    expect(bytes.toString('latin1')).toContain('note 5');
  });

  it('stands in no recording, log line or metric', async () => {
    await stage.gateway.stop();
    // What bob was allowed to see is in his recording, as he got it: his file is left out.
    const files = filesUnder(stage.gateway.data).filter((file) => file.endsWith('.jsonl'));
    const mine = files
      .map((file) => [file, readFileSync(join(stage.gateway.data, file))] as const)
      .filter(([, bytes]) => !bytes.includes('bob@example.com'));
    expect(mine.length).toBeGreaterThan(20);
    for (const [file, bytes] of mine) expect(leaks(file, bytes)).toEqual([]);
    expect(leaks('log', Buffer.from(stage.gateway.log))).toEqual([]);
    await stage.gateway.start();
    expect(leaks('metrics', Buffer.from((await stage.gateway.get('/metrics')).body))).toEqual([]);
  });
});

describeWith(['psycopg'], 'a masked column in psycopg 3', () => {
  it('decodes in text and in binary', async () => {
    const way = await openWay('connect', stage.alice, 'app');
    const script = `
import psycopg
with psycopg.connect("", autocommit=True) as conn:
    for binary in (False, True):
        cur = conn.cursor(binary=binary)
        cur.execute("select id, ssn, salary, token, secret from customers where id = %s", (3,))
        print(cur.fetchone())
`;
    const env = { PGHOST: '127.0.0.1', PGDATABASE: 'app', PGUSER: 'alice' };
    const done = await way.run(SYSTEM_PYTHON, ['-c', script], { env });
    expect(done.stdout).toBe("(3, '***', None, None, '***')\n(3, '***', None, None, '***')\n");
    await way.stop();
  });
});
