// What a rule forbids is run in no way: hundreds of attempts, each at a table of its own, by each protocol. The server itself
// says whether one got through: its tables, and its log of every statement.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bind,
  execute,
  extended,
  int16,
  int32,
  message,
  parse,
  query,
  sync,
  type WireClient,
} from '../../../support/wire.ts';
import { attempt, errorIn, type Mode, readAttempts } from '../attempts.ts';
import { type Guarded, openGuarded } from '../guarded.ts';

const ATTEMPTS = readAttempts(new URL('./attempts.txt', import.meta.url));
const MODES: readonly Mode[] = ['simple', 'extended'];
/** Beside the file's: attempts that are more than statements in turn. */
const MORE = 1000;

const RULES = [
  { name: 'no-loss', when: { does: ['drop', 'truncate', 'delete', 'alter'] }, then: 'deny' },
  { name: 'no-touch', when: { relations: ['forbidden_*'] }, then: 'deny' },
];

const table = (mode: number, index: number) => `forbidden_${mode}${String(index).padStart(3, '0')}`;

const SETUP = `
create schema elsewhere; create sequence other_seq;
create table parent (id int, what text);
create table other (id int primary key, what text); insert into other values (1, 'one');
create function nothing() returns trigger language plpgsql as 'begin return new; end';
create procedure wipe(name text) language plpgsql as 'begin execute ''delete from '' || name; end';
do $$ declare t text; begin
  for m in 0..1 loop for i in 0..999 loop
    t := 'forbidden_' || m || lpad(i::text, 3, '0');
    if i < ${ATTEMPTS.length} or i >= 980 then
      execute format('create table %I (id int primary key, what text)', t);
      execute format('insert into %I values (1, %L)', t, 'treasure-of-' || t);
    end if;
  end loop; end loop;
end $$;`;

let guarded: Guarded;

beforeAll(async () => {
  guarded = await openGuarded({
    setup: SETUP,
    policy: { rules: RULES },
    server: { config: { log_statement: "'all'", log_min_error_statement: "'panic'", max_prepared_transactions: 5 } },
  });
});
afterAll(() => guarded?.close());

/** Which of the tables are not as they were. */
async function harmed(): Promise<string[]> {
  const { server } = guarded;
  const rows = await server.query(
    `select string_agg(format('select %L as t, count(*) as n, min(what) as w from public.%I', relname, relname), ' union all ') as q,
      count(*)::int as n from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relname ~ '^forbidden_[01]\\d{3}$'`,
    'app',
  );
  const { q, n } = rows[0] as { q: string; n: number };
  const found = (await server.query(`/* the suite's own */ ${q}`, 'app')) as { t: string; n: string; w: string }[];
  const wrong = found.filter((row) => row.n !== '1' || row.w !== `treasure-of-${row.t}`).map((row) => row.t);
  const expected = 2 * (ATTEMPTS.length + 20);
  return n === expected ? wrong : [...wrong, `${expected - n} are gone`];
}

/** Lines of the server's log, from the gateway's sessions on, in which it says that it ran a text about the table. */
function ran(log: string, name: string): string[] {
  return log
    .split('\n')
    .filter((line) => !line.includes("the suite's own"))
    .filter((line) => /LOG: {2}(?:statement|execute [^:]*): /.test(line) && line.toLowerCase().includes(name));
}

describe('what a rule forbids', () => {
  it('is attempted often enough', () => {
    expect(ATTEMPTS.length).toBeGreaterThanOrEqual(200);
  });

  it.each(MODES)('runs by no attempt: %s', { timeout: 400_000 }, async (mode) => {
    const number = MODES.indexOf(mode);
    const before = guarded.server.log().length;
    const answered: string[] = [];
    for (const [index, { name, statements }] of ATTEMPTS.entries()) {
      const own = table(number, index);
      const client = await guarded.connect();
      client.keep = true;
      const texts = statements.map((text) =>
        text
          .replaceAll('{t}', own)
          .replaceAll('{T}', own.toUpperCase())
          .replaceAll(`bidden_${index}"`, `${own.slice(3)}"`)
          .replaceAll('\\n', '\n')
          .replaceAll('\\r', '\r'),
      );
      await attempt(client, mode, texts);
      if (Buffer.concat(client.received).toString().includes('treasure')) answered.push(name);
      client.close();
    }
    expect(answered).toEqual([]);
    expect(await harmed()).toEqual([]);
    const log = guarded.server.log().slice(before);
    const spoken = ATTEMPTS.flatMap(({ name }, index) =>
      name.startsWith('?') ? [] : ran(log, table(number, index)).map((line) => `${name}: ${line}`),
    );
    expect(spoken).toEqual([]);
  });
});

describe('what a rule forbids, by the protocol', () => {
  let next = 980;
  const sendAll = async (
    chunks: (own: string) => Buffer[],
    syncs = 1,
    prepare?: (client: WireClient) => Promise<void>,
  ) => {
    const own = table(0, next++);
    const before = guarded.server.log().length;
    const client = await guarded.connect();
    client.keep = true;
    await prepare?.(client);
    client.send(...chunks(own));
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < syncs; i++) codes.push(errorIn(await client.until('Z')));
    const bytes = Buffer.concat(client.received).toString();
    client.close();
    expect(bytes).not.toContain('treasure');
    expect(await harmed()).toEqual([]);
    return { codes, ran: ran(guarded.server.log().slice(before), own) };
  };

  it('in a pipeline without Sync between', async () => {
    const found = await sendAll((own) => [
      ...extended('select 1'),
      ...extended(`drop table ${own}`),
      ...extended('select 2'),
      sync(),
    ]);
    expect(found).toEqual({ codes: ['42501'], ran: [] });
  });

  it('in a pipeline of many, each with its Sync', async () => {
    const found = await sendAll(
      (own) => [
        ...extended('select 1'),
        sync(),
        ...extended(`delete from ${own}`),
        sync(),
        ...extended('select 2'),
        sync(),
      ],
      3,
    );
    expect(found).toEqual({ codes: [undefined, '42501', undefined], ran: [] });
  });

  it('bound to a statement whose Parse was refused', async () => {
    const found = await sendAll(
      (own) => [parse('s', `drop table ${own}`), sync(), bind('', 's'), execute(''), sync()],
      2,
    );
    expect(found).toEqual({ codes: ['42501', '26000'], ran: [] });
  });

  it('by a name that is prepared again in between', async () => {
    const found = await sendAll((own) => [
      parse('s', 'select 1'),
      message('C', Buffer.from('S'), 's'),
      parse('s', `select * from ${own}`),
      bind('', 's'),
      execute(''),
      sync(),
    ]);
    expect(found).toEqual({ codes: ['42501'], ran: [] });
  });

  it('by the name of a portal that is bound again', async () => {
    const found = await sendAll((own) => [
      parse('a', 'select 1'),
      parse('b', `table ${own}`),
      bind('p', 'a'),
      message('C', Buffer.from('P'), 'p'),
      bind('p', 'b'),
      execute('p'),
      sync(),
    ]);
    expect(found).toEqual({ codes: ['42501'], ran: [] });
  });

  it('by a statement that SQL prepared and the protocol binds', async () => {
    const found = await sendAll(
      (own) => [query(`prepare q as select * from ${own}`), bind('', 'q'), execute(''), sync()],
      2,
    );
    expect(found).toEqual({ codes: ['42501', '26000'], ran: [] });
  });

  it('by FunctionCall', async () => {
    // 2923 is query_to_xml.
    const found = await sendAll((own) => [
      message('F', int32(2923), int16(0), int16(1), int32(own.length), Buffer.from(own), int16(0)),
    ]);
    expect(found).toEqual({ codes: ['0A000'], ran: [] });
  });

  it('in bytes that are no UTF-8', async () => {
    const found = await sendAll((own) => [
      message(
        'Q',
        Buffer.concat([Buffer.from("select '"), Buffer.from([0xbf, 0x27]), Buffer.from(`; drop table ${own}; --'\0`)]),
      ),
    ]);
    expect(found.ran).toEqual([]);
    expect(found.codes[0]).toMatch(/^42/);
  });

  it('behind a byte of zero', async () => {
    const own = table(0, next++);
    const client = await guarded.connect();
    client.send(message('Q', Buffer.from(`select 1\0; drop table ${own}\0`)));
    await client.until('Z');
    client.close();
    expect(await harmed()).toEqual([]);
    expect(ran(guarded.server.log(), own)).toEqual([]);
  });

  it('while the data of a COPY is awaited', async () => {
    const found = await sendAll(
      (own) => [query('copy other from stdin'), query(`drop table ${own}`), message('c'), sync()],
      1,
    );
    expect(found.ran).toEqual([]);
  });

  it('with a cancel racing', async () => {
    const own = table(0, next++);
    for (let i = 0; i < 20; i++) {
      const client = await guarded.connect();
      const canceller = await guarded.cancel(client);
      client.send(query(`select 1; drop table ${own}`));
      canceller.send();
      await client.until('Z');
      client.close();
    }
    expect(await harmed()).toEqual([]);
    expect(ran(guarded.server.log(), own)).toEqual([]);
  });

  it.each(['-c standard_conforming_strings=off', '-c client_encoding=SJIS', '-c search_path=elsewhere'])(
    'by the options of the connection: %s',
    async (options) => {
      const own = table(0, next++);
      const client = await guarded.connect([], { parameters: { options } }).catch(() => undefined);
      if (client !== undefined) {
        client.send(query(`select '\\'; drop table public.${own}; --'`));
        await client.until('Z');
        client.send(query(`drop table public.${own}`));
        await client.until('Z');
        client.close();
      }
      expect(await harmed()).toEqual([]);
    },
  );

  it('prepared before a rule came into force, and run after', async () => {
    await guarded.reload({ rules: [{ name: 'other', when: { functions: ['nothing_of_the_kind'] }, then: 'deny' }] });
    const own = table(0, next++);
    const client = await guarded.connect();
    client.keep = true;
    client.send(parse('s', `delete from ${own}`), sync(), query(`prepare q as delete from ${own}`));
    await client.until('Z');
    await client.until('Z');
    await guarded.reload({ rules: RULES });
    client.send(bind('', 's'), execute(''), sync());
    expect(errorIn(await client.until('Z'))).toBe('42501');
    client.send(query('execute q'));
    expect(errorIn(await client.until('Z'))).toBe('42501');
    client.send(query('select 1'));
    expect(errorIn(await client.until('Z'))).toBeUndefined();
    client.close();
    expect(next).toBeLessThanOrEqual(MORE);
    expect(await harmed()).toEqual([]);
  });
});
