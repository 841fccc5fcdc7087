// What a rule forbids is reached by no other name: through views, partitions, rules, triggers, foreign keys, functions and
// what else runs by itself. The server's own log says whether a statement got through. Honest ones beside pass.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../support/process.ts';
import { bind, execute, fields, parse, query, sync, type WireClient } from '../../../support/wire.ts';
import { attempt, errorIn, type Mode, readAttempts } from '../attempts.ts';
import { type Guarded, openGuarded } from '../guarded.ts';
import { REACH_SCHEMA } from './reach-schema.ts';

const WAYS = readAttempts(new URL('./reach.txt', import.meta.url));
const HONEST = readAttempts(new URL('./reach-honest.txt', import.meta.url));
const MODES: readonly Mode[] = ['simple', 'extended'];

const RULES = [
  {
    name: 'no-secrets',
    who: { groups: ['ruled'] },
    when: { relations: ['public.secret*', 'hidden.*'] },
    then: 'deny',
    message: 'leave it alone',
  },
  { name: 'no-salaries', who: { groups: ['ruled'] }, when: { columns: ['people.salary'] }, then: 'deny' },
  { name: 'trusted', when: { functions: ['f_trusted'] }, then: 'allow' },
];

let guarded: Guarded;
let toast: string;

beforeAll(async () => {
  guarded = await openGuarded({
    setup: REACH_SCHEMA,
    policy: { rules: RULES },
    server: { config: { log_statement: "'all'", log_min_error_statement: "'panic'", wal_level: "'logical'" } },
  });
  const [row] = await guarded.server.query(
    `select t.relname from pg_class c join pg_class t on t.oid = c.reltoastrelid where c.oid = 'secrets'::regclass`,
    'app',
  );
  toast = (row as { relname: string }).relname;
});
afterAll(() => guarded?.close());

const state = async () =>
  JSON.stringify(
    await guarded.server.query(
      `/* the suite's own */ select (select array_agg(s order by id) from secrets s) s, (select array_agg(s) from hidden.secret_plan s) h,
       (select array_agg(s) from secret_orders s) o, (select array_agg(s) from secret_notes s) n, (select array_agg(s) from secret_streets s) t,
       (select array_agg(s) from parts s) p, (select array_agg(s) from base s) b, (select array_agg(s) from deep s) d`,
      'app',
    ),
  );

/** Texts that the server says it ran, by their marks. */
const ran = (log: string) =>
  [...log.matchAll(/LOG: {2}(?:statement|execute [^:]*): .*\/\* (way \d+ \d+) \*\//g)].map(([, mark]) => mark);

describe('what a rule forbids', () => {
  it('is tried in many ways', () => expect(WAYS.length).toBeGreaterThanOrEqual(150));

  it.each(MODES)('is reached by none: %s', { timeout: 400_000 }, async (mode) => {
    const before = await state();
    const start = guarded.server.log().length;
    const wrong: string[] = [];
    // One connection for all that are refused at once; one of its own for what has to be prepared.
    let shared = await guarded.connect(['ruled']);
    for (const [index, { name, statements }] of WAYS.entries()) {
      const alone = statements.length > 1;
      if (!alone && shared.closed) shared = await guarded.connect(['ruled']);
      const client = alone ? await guarded.connect(['ruled']) : shared;
      client.keep = true;
      for (const text of statements) {
        const prepares = text.startsWith('+ ');
        const bare = text.replace(/^\+ /, '').replaceAll('{toast}', toast);
        const sent = prepares ? bare : `${bare} /* way ${MODES.indexOf(mode)} ${index} */`;
        const [frames = []] = await attempt(client, mode, [sent]);
        const error = frames.find(({ type }) => type === 'E');
        if (errorIn(frames) === (prepares ? undefined : '42501')) continue;
        wrong.push(`${name}: ${error === undefined ? 'passed' : fields(error.body).M} for ${sent}`);
      }
      if (alone) client.close();
    }
    shared.close();
    expect(wrong).toEqual([]);
    expect(ran(guarded.server.log().slice(start))).toEqual([]);
    expect(await state()).toBe(before);
  });

  it.each(MODES)('does not stand in the way of what is honest: %s', { timeout: 200_000 }, async (mode) => {
    const refused: string[] = [];
    const client = await guarded.connect(['ruled']);
    for (const { name, statements } of HONEST) {
      const own = statements.map((text) => text.replaceAll(/(?<=_)(\d+)\b/g, `$1${MODES.indexOf(mode)}`));
      for (const [index, frames] of (await attempt(client, mode, own)).entries()) {
        const error = frames.find(({ type }) => type === 'E');
        if (error !== undefined) refused.push(`${name}: ${fields(error.body).M} for ${own[index]}`);
      }
    }
    client.close();
    expect(refused).toEqual([]);
  });
});

describe('what changes meanwhile', () => {
  const codeOf = async (client: WireClient, ...messages: Buffer[]) => {
    client.send(...messages);
    return errorIn(await client.until('Z'));
  };

  it('a view that somebody else replaces between Parse and Execute', async () => {
    const [client, other] = [await guarded.connect(['ruled']), await guarded.connect()];
    expect(
      await codeOf(client, parse('s', 'select * from v_swap'), bind('', 's'), execute(''), sync()),
    ).toBeUndefined();
    expect(await codeOf(client, query('prepare q as select * from v_swap'))).toBeUndefined();
    expect(await codeOf(other, query('create or replace view v_swap as select id, what from secrets'))).toBeUndefined();
    expect(await codeOf(client, bind('', 's'), execute(''), sync())).toBe('42501');
    expect(await codeOf(client, query('execute q'))).toBe('42501');
    expect(await codeOf(other, query('create or replace view v_swap as select id, what from items'))).toBeUndefined();
    expect(await codeOf(client, bind('', 's'), execute(''), sync())).toBeUndefined();
    client.close();
    other.close();
  });

  it('a table that is renamed, also by a swap of names', async () => {
    const [client, other] = [await guarded.connect(['ruled']), await guarded.connect()];
    expect(await codeOf(client, parse('s', 'select * from swap'), bind('', 's'), execute(''), sync())).toBeUndefined();
    const swap = 'begin; alter table swap rename to swapped; alter table secret_swap rename to swap; commit';
    expect(await codeOf(other, query(swap))).toBeUndefined();
    expect(await codeOf(client, bind('', 's'), execute(''), sync())).toBe('42501');
    expect(await codeOf(client, query('table swap'))).toBe('42501');
    expect(await codeOf(client, query('table swapped'))).toBeUndefined();
    client.close();
    other.close();
  });

  it("what somebody holds for himself, which stands in nobody else's way", async () => {
    const [client, holder, other] = await Promise.all([
      guarded.connect(['ruled']),
      guarded.connect(),
      guarded.connect(),
    ]);
    expect(
      await codeOf(holder, query('begin; lock table plain_defaults, ruled in access exclusive mode')),
    ).toBeUndefined();
    expect(
      await codeOf(other, query("create table came_meanwhile (a int default length(lower('A')))")),
    ).toBeUndefined();
    expect(await codeOf(client, query('select * from items'))).toBeUndefined();
    expect(await codeOf(client, query('insert into ruled values (1)'))).toBe('42501');
    expect(await codeOf(holder, query('rollback'))).toBeUndefined();
    for (const each of [client, holder, other]) each.close();
  });

  it('rules that begin to ask for it in the middle of a session', async () => {
    await guarded.reload({ rules: [{ name: 'no-drop', when: { does: ['drop'] }, then: 'deny' }] });
    const client = await guarded.connect(['ruled']);
    expect(await codeOf(client, query('select * from v_two'))).toBeUndefined();
    expect(await codeOf(client, parse('s', 'select * from v_two'), bind('', 's'), execute(''), sync())).toBeUndefined();
    await guarded.reload({ rules: RULES });
    expect(await codeOf(client, query('select * from v_two'))).toBe('42501');
    expect(await codeOf(client, bind('', 's'), execute(''), sync())).toBe('42501');
    expect(await codeOf(client, query('select * from v_open'))).toBeUndefined();
    client.close();
  });

  it('somebody whom no rule concerns sees it all', async () => {
    const client = await guarded.connect();
    expect(await codeOf(client, query('select * from v_three'))).toBeUndefined();
    client.close();
  });
});

describe('a refusal', () => {
  it.each([
    [
      'select * from v_two',
      'select on public.v_two is denied by rule "no-secrets": table public.secrets (through view public.v_two, view public.v)',
    ],
    ['select * from log_one', 'table public.secret_log (through table public.log_one)'],
    ['insert into ruled values (1)', 'table public.secrets (through rule also on public.ruled)'],
    [
      'insert into triggered values (1)',
      'table public.secrets (through trigger after_insert on public.triggered, function public.on_row)',
    ],
    ['delete from users where id = 1', 'table public.secret_orders (through foreign key secret_orders_user_id_fkey)'],
    ["select f_dynamic('x')", 'denied by rule "opaque"'],
    ['select salary from v_people', 'table public.people (through view public.v_people)'],
  ])('%s', async (text, said) => {
    const client = await guarded.connect(['ruled']);
    client.send(query(text));
    const error = (await client.until('Z')).find(({ type }) => type === 'E');
    expect(fields(error!.body).M).toContain(said);
    client.close();
  });

  it('is recorded with what was written and what it reached', async () => {
    const client = await guarded.connect(['ruled']);
    client.send(query('select id from v_two /* for the record */'));
    await client.until('Z');
    client.close();
    await eventually('the recording has it', () => {
      const line = Buffer.concat(guarded.recordings())
        .toString()
        .split('\n')
        .find((one) => one.includes('for the record'));
      expect(JSON.parse(line!).parts[0]).toMatchObject({
        read: ['public.v_two', 'public.v', 'public.secrets'],
        through: { 'public.secrets': ['view public.v_two', 'view public.v'] },
      });
      return true;
    });
  });
});
