// What an approval is for and what not, through the wire and the command line: variants, reasons, the policy that changes,
// the gateway that restarts, the time that a wait does not take, grants that end and the glass that is broken.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../support/gateway.ts';
import { eventually } from '../support/process.ts';
import { readRecordings } from '../support/recordings.ts';
import { heldReview, pendingReview, type Review, showReview, wireThrough } from '../support/reviews.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import {
  bind,
  execute,
  type Frame,
  fields,
  int16,
  int32,
  message,
  parse,
  query,
  sync,
  type WireClient,
} from '../support/wire.ts';

let stage: Stage;
let bob: Client;
let carol: Client;
let alice: Client;
let config: Record<string, unknown>;

const review = (name: string, does: string[], more: Record<string, unknown> = {}) => ({
  name,
  to: { names: ['app'] },
  when: { does },
  then: 'review',
  reviewers: { groups: ['dba'] },
  wait: '5m',
  ...more,
});

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'] },
    (server) => {
      config = {
        connections: {
          app: connectionTo(server, 'app'),
          vault: connectionTo(server, 'app'),
          sealed: connectionTo(server, 'app'),
        },
        access: [
          { who: { groups: ['engineering', 'dba'] }, to: { names: ['app'] } },
          {
            who: { groups: ['engineering'] },
            to: { names: ['vault'] },
            grant: { max: '1h', reviewers: { groups: ['dba'] }, reason: 'required' },
          },
          { who: { groups: ['engineering'] }, to: { names: ['sealed'] }, breakGlass: { max: '10s' } },
        ],
        rules: [
          review('writes', ['insert', 'delete']),
          review('two-people', ['truncate'], { reviewers: { groups: ['dba'], count: 2 } }),
          review('brief', ['update'], { wait: '1s' }),
          review('reasoned', ['lock'], { reason: 'required', reviewers: { groups: ['dba'], reason: 'required' } }),
        ],
      };
      return config;
    },
    { setup: 'create table t (n int, v text); create table other (n int)', database: 'app' },
  );
  alice = stage.alice;
  bob = await stage.gateway.user('bob', { groups: ['dba'] });
  carol = await stage.gateway.user('carol', { groups: ['dba'] });
});
afterAll(() => stage?.stop());

const count = async (where: string) =>
  (await stage.server.query(`select count(*)::int as n from t where ${where}`, 'app'))[0]?.n;
const tags = (frames: readonly Frame[]) =>
  frames.filter(({ type }) => type === 'C').map(({ body }) => body.subarray(0, -1).toString());
const errorOf = (frames: readonly Frame[]) => {
  const error = frames.find(({ type }) => type === 'E');
  return error === undefined ? undefined : fields(error.body);
};
const extended = (text: string, values: (string | null)[] = []) => [
  parse('', text),
  bind('', '', values),
  execute(''),
  sync(),
];

/** The one value of an unnamed portal, in this format. */
const bindOne = (format: number, value: Buffer) =>
  message('B', '', '', int16(1), int16(format), int16(1), int32(value.length), value, int16(0));

/** Runs something that is held, has it approved, and gives the answer. */
async function approvedRun(client: WireClient, text: string, ...args: string[]): Promise<Frame[]> {
  client.send(query(text));
  const { id } = await pendingReview(bob, text);
  await bob.runOk(['reviews', 'approve', id, ...args]);
  return client.until('Z');
}

/** Runs something that has to be held, and denies it. */
async function isHeld(client: WireClient, text: string): Promise<void> {
  client.send(query(text));
  const { id } = await pendingReview(bob, text);
  await bob.runOk(['reviews', 'deny', id]);
  expect(errorOf(await client.until('Z'))?.C).toBe('42501');
}

describe('an approval', () => {
  it('is for these bytes: one byte more, and another client of the same person, are held again', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    expect(tags(await approvedRun(client, "insert into t values (1, 'bytes')"))).toEqual(['INSERT 0 1']);
    await isHeld(client, "insert into t values (1, 'bytes') ");
    const other = await wireThrough(alice, 'app');
    await isHeld(other.client, "insert into t values (1, 'bytes')");
    const his = await wireThrough(carol, 'app');
    await isHeld(his.client, "insert into t values (1, 'bytes')");
    expect(await count("v = 'bytes'")).toBe(1);
    await Promise.all([stop(), other.stop(), his.stop()]);
  });

  it('for the session is for the shape: other constants run, another shape and another session do not', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    await approvedRun(client, "insert into t values (2, 'shape a')", '--for-session');
    client.send(query("insert into t values (2, 'shape b')"));
    expect(tags(await client.until('Z'))).toEqual(['INSERT 0 1']);
    await isHeld(client, "insert into t (n, v) values (2, 'shape c')");
    const other = await wireThrough(alice, 'app');
    await isHeld(other.client, "insert into t values (2, 'shape d')");
    await Promise.all([stop(), other.stop()]);
    expect(await count('n = 2')).toBe(2);
    const lines = readRecordings(stage.gateway.recordings).flatMap((recording) => recording.lines);
    const intents = lines.filter((line) => line.kind === 'intent' && String(line.text).includes('shape'));
    expect(intents[1]).toMatchObject({ verdict: 'allow', standing: 'session', review: intents[0]?.review });
  });

  it('for a time is for this statement in any session of the principal, until a deny takes it back', async () => {
    const first = await wireThrough(alice, 'app');
    const text = "insert into t values (3, 'again')";
    await approvedRun(first.client, text, '--for', '10m');
    await first.stop();
    const { client, stop } = await wireThrough(alice, 'app');
    client.send(query(text));
    expect(tags(await client.until('Z'))).toEqual(['INSERT 0 1']);
    await isHeld(client, "insert into t values (3, 'other')");
    const { reviews } = await bob.json<{ reviews: Review[] }>(['reviews', 'ls', '--state', 'used']);
    const { id } = reviews.find((one) => one.text === text && one.standing !== undefined) ?? { id: '' };
    await carol.runOk(['reviews', 'deny', id, '--reason', 'enough']);
    await isHeld(client, text);
    expect((await showReview(bob, id)).outcome).toMatch(/^taken back by carol.*enough/);
    expect(await count('n = 3')).toBe(2);
    await stop();
  });

  it('counts once a person, and a deny after it wins; who waits is told how many have approved', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    client.send(query('truncate other'));
    const { id } = await pendingReview(bob, 'truncate other');
    await bob.runOk(['reviews', 'approve', id]);
    for (let said = ''; !said.includes('1 of 2 have approved'); )
      said = fields((await client.until('N')).at(-1)!.body).M ?? '';
    expect((await bob.run(['reviews', 'approve', id])).code).toBe(1);
    await carol.runOk(['reviews', 'deny', id, '--reason', 'no']);
    expect(errorOf(await client.until('Z'))?.M).toMatch(/denied by carol.*no/);
    expect((await bob.run(['reviews', 'approve', id])).code).toBe(1);
    await stop();
  });

  it('comes from nobody behind an agent, and of a person is none of their agent', async () => {
    const his = await wireThrough(bob, 'app', ['--agent', 'helper']);
    his.client.send(query("insert into t values (7, 'of an agent')"));
    const { id } = await pendingReview(carol, "'of an agent'");
    expect((await bob.run(['reviews', 'approve', id])).code).toBe(3);
    expect((await bob.run(['--agent', 'other', 'reviews', 'approve', id])).code).toBe(3);
    await carol.runOk(['reviews', 'approve', id]);
    expect(tags(await his.client.until('Z'))).toEqual(['INSERT 0 1']);
    await his.stop();
    const hers = await wireThrough(alice, 'app');
    const text = "insert into t values (7, 'hers')";
    await approvedRun(hers.client, text, '--for', '10m');
    const helper = await wireThrough(alice, 'app', ['--agent', 'helper']);
    await isHeld(helper.client, text);
    await Promise.all([hers.stop(), helper.stop()]);
  });

  it('is for these values: another one, NULL for a text, and one more are held again', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    const text = 'insert into t values (8, $1)';
    const run = async (value: string | null, verb: 'approve' | 'deny', ...args: string[]) => {
      client.send(...extended(text, [value]));
      const { id } = await pendingReview(bob, text);
      await bob.runOk(['reviews', verb, id, ...args]);
      return client.until('Z');
    };
    expect(tags(await run('null', 'approve', '--for', '10m'))).toEqual(['INSERT 0 1']);
    client.send(...extended(text, ['null']));
    expect(tags(await client.until('Z'))).toEqual(['INSERT 0 1']);
    for (const value of [null, 'Null', '']) expect(errorOf(await run(value, 'deny'))?.C).toBe('42501');
    expect(await count('n = 8')).toBe(2);
    await stop();
  });

  it.each([
    {
      what: 'in another format: as text it reads the same as in binary',
      text: 'delete from t where v = $1',
      one: { type: 0, value: bindOne(0, Buffer.from('\\x41')), shown: '\\x41', form: null },
      other: { type: 0, value: bindOne(1, Buffer.from('A')), shown: '\\x41', form: 'binary' },
    },
    {
      what: 'declared as another type: the same bytes are another number',
      text: 'delete from t where n = $1',
      one: { type: 23, value: bindOne(1, int32(0x3f800000)), shown: '\\x3f800000', form: 'int4, binary' },
      other: { type: 700, value: bindOne(1, int32(0x3f800000)), shown: '\\x3f800000', form: 'float4, binary' },
    },
  ])('is for a value as it is, and not for one $what', async ({ text, one, other }) => {
    await stage.server.query("insert into t values (1, 'A')", 'app');
    const { client, stop } = await wireThrough(alice, 'app');
    const send = ({ type, value }: { type: number; value: Buffer }) =>
      client.send(message('P', '', text, int16(1), int32(type)), value, execute(''), sync());
    const seen = async ({ shown, form }: { shown: string; form: string | null }) => {
      const { id } = await pendingReview(bob, text);
      const { params, forms } = await showReview(bob, id);
      expect([params?.[0], forms?.[0] ?? null]).toEqual([shown, form]);
      const told = (await bob.runOk(['reviews', 'show', id])).stdout;
      expect(told).toContain(`$1${form === null ? '' : ` (${form})`} = ${shown}\n`);
      return id;
    };
    send(one);
    await bob.runOk(['reviews', 'approve', await seen(one), '--for', '10m']);
    expect(tags(await client.until('Z'))).toEqual(['DELETE 0']);
    send(one);
    expect(tags(await client.until('Z'))).toEqual(['DELETE 0']);
    const before = await count("v = 'A'");
    send(other);
    await bob.runOk(['reviews', 'deny', await seen(other)]);
    expect(errorOf(await client.until('Z'))?.C).toBe('42501');
    expect(await count("v = 'A'")).toBe(before);
    await stop();
  });

  it('for the session is for the declared types too: the same shape with others is held', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    const text = 'delete from t where n = $1';
    const send = (type: number) =>
      client.send(message('P', '', text, int16(1), int32(type)), bindOne(1, int32(77)), execute(''), sync());
    send(23);
    const { id, shape } = await pendingReview(bob, text);
    expect(shape).toContain('$1 int4');
    await bob.runOk(['reviews', 'approve', id, '--for-session']);
    expect(tags(await client.until('Z'))).toEqual(['DELETE 0']);
    send(23);
    expect(tags(await client.until('Z'))).toEqual(['DELETE 0']);
    send(700);
    await bob.runOk(['reviews', 'deny', (await pendingReview(bob, text)).id]);
    expect(errorOf(await client.until('Z'))?.C).toBe('42501');
    await stop();
  });

  it.each(['fetch all from c', 'move all in c'])(
    'is asked for what a bound portal does, however it is run: %s',
    async (text) => {
      await stage.server.query("insert into t values (11, 'by a cursor')", 'app');
      const { client, stop } = await wireThrough(alice, 'app');
      const run = async (value: string) => {
        client.send(query('begin'));
        await client.until('Z');
        client.send(parse('', 'delete from t where n = $1 returning n'), bind('c', '', [value]), message('H'));
        await client.until('2');
        client.send(query(text));
      };
      const over = async () => {
        client.send(query('rollback'));
        await client.until('Z');
      };
      await run('11');
      const { id } = await pendingReview(bob, text);
      expect((await showReview(bob, id)).text).toContain('delete from t');
      await bob.runOk(['reviews', 'approve', id, '--for', '10m']);
      expect(errorOf(await client.until('Z'))).toBeUndefined();
      await over();
      await run('11');
      expect(errorOf(await client.until('Z'))).toBeUndefined();
      await over();
      await run('12');
      await bob.runOk(['reviews', 'deny', (await pendingReview(bob, text)).id]);
      expect(errorOf(await client.until('Z'))?.C).toBe('42501');
      await stop();
      expect(await count("v = 'by a cursor'")).toBeGreaterThan(0);
    },
  );

  it('cannot come after the wait is over', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    client.send(query("update t set v = 'late'"));
    const id = await heldReview(client);
    expect(errorOf(await client.until('Z'))?.C).toBe('42501');
    const late = await bob.run(['reviews', 'approve', id]);
    expect(late.code).toBe(1);
    expect(late.stderr).toContain('expired');
    expect(await count("v = 'late'")).toBe(0);
    await stop();
  });

  it('is for the policy that was in force: after a reload the statement is refused, and can be asked for again', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    client.send(query("insert into t values (4, 'policy')"));
    const { id } = await pendingReview(bob, "'policy'");
    const reloads = () => stage.gateway.log.split('configuration loaded').length;
    const before = reloads();
    stage.gateway.writeConfig({ ...config, limits: { sessions: 500 } }, 'postgres');
    await eventually('the new policy is in force', () => reloads() > before);
    await bob.run(['reviews', 'approve', id]);
    expect(errorOf(await client.until('Z'))?.M).toMatch(/another version of the policy/);
    expect((await showReview(bob, id)).state).toBe('cancelled');
    expect(tags(await approvedRun(client, "insert into t values (4, 'policy')"))).toEqual(['INSERT 0 1']);
    await stop();
  });
});

describe('reasons', () => {
  it('are wanted of the session and of the reviewer where the rule says so', async () => {
    const without = await wireThrough(alice, 'app');
    without.client.send(query('lock table t'));
    const refused = errorOf(await without.client.until('Z'));
    expect(refused).toMatchObject({ C: '42501', H: expect.stringContaining('--reason') });
    await without.stop();
    const { client, stop } = await wireThrough(alice, 'app', ['--reason', 'ticket 7']);
    client.send(query('begin; lock table t; commit'));
    const { id } = await pendingReview(bob, 'lock table t');
    const bare = await bob.run(['reviews', 'approve', id]);
    expect(bare.code).toBe(2);
    expect(bare.stderr).toContain('--reason');
    await bob.runOk(['reviews', 'approve', id, '--reason', 'seen']);
    expect(tags(await client.until('Z'))).toEqual(['BEGIN', 'LOCK TABLE', 'COMMIT']);
    await stop();
  });
});

describe('the time of a wait', () => {
  it.each([
    ['a simple query', (text: string) => [query(text)]],
    ['an extended one', (text: string) => extended(text)],
    ['one behind others in a pipeline', (text: string) => [...extended('select 1').slice(0, 3), ...extended(text)]],
  ])("is not taken from the statement's own time-out: %s", async (name, messages) => {
    const { client, stop } = await wireThrough(alice, 'app');
    client.send(query("set statement_timeout = '700ms'"));
    await client.until('Z');
    const text = `insert into t values (5, '${name}')`;
    client.send(...messages(text));
    const { id } = await pendingReview(bob, text.slice(0, 40));
    // Longer than the time-out: the server must not have begun to count.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await bob.runOk(['reviews', 'approve', id]);
    const frames = await client.until('Z');
    expect(errorOf(frames)).toBeUndefined();
    expect(tags(frames).at(-1)).toBe('INSERT 0 1');
    await stop();
  });
});

describe('the time of a wait', () => {
  it('is not taken where the statement was parsed before, without Sync', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    client.send(query("set statement_timeout = '700ms'"));
    await client.until('Z');
    client.send(parse('early', "insert into t values (5, 'parsed early')"), message('H'));
    await client.until('1');
    client.send(bind('', 'early'), execute(''), message('H'));
    const { id } = await pendingReview(bob, "'parsed early'");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await bob.runOk(['reviews', 'approve', id]);
    expect(tags(await client.until('C'))).toEqual(['INSERT 0 1']);
    client.send(sync());
    await client.until('Z');
    // What went between leaves nothing behind, and no answer of its own.
    client.send(query('select count(*)::int from pg_prepared_statements where name <> $$early$$'));
    const frames = await client.until('Z');
    expect(frames.map(({ type }) => type)).toEqual(['T', 'D', 'C', 'Z']);
    expect(frames[1]!.body.subarray(6).toString()).toBe('0');
    expect(await count("v = 'parsed early'")).toBe(1);
    await stop();
  });

  it("counts for the server's time-out of idle transactions: the session ends with its error, the review with the session", async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    client.send(query("set idle_in_transaction_session_timeout = '800ms'; begin"));
    await client.until('Z');
    client.send(query("insert into t values (5, 'idle')"));
    const id = await heldReview(client);
    expect(errorOf(await client.until('E'))?.C).toBe('25P03');
    await client.ended();
    await eventually('it is cancelled', async () => (await showReview(bob, id)).state === 'cancelled');
    expect((await bob.run(['reviews', 'approve', id])).code).toBe(1);
    expect(await count("v = 'idle'")).toBe(0);
    await stop();
  });
});

describe('a held statement in a pipeline', () => {
  it('is given up when what is before it fails: the server would ignore it', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    const run = (text: string) => [parse('', text), bind('', ''), execute('')];
    client.send(parse('', 'select 1 / length(pg_sleep(8)::text)'), bind('', ''), message('H'));
    await client.until('2');
    client.send(execute(''), message('H'));
    await eventually('it runs', async () => {
      const rows = await stage.server.query("select 1 from pg_stat_activity where wait_event = 'PgSleep'", 'app');
      return rows.length > 0;
    });
    client.send(...run("insert into t values (9, 'behind')"), sync());
    const { id } = await pendingReview(bob, "'behind'");
    const frames = await client.until('Z');
    expect(errorOf(frames)?.C).toBe('22012');
    expect(await showReview(bob, id)).toMatchObject({
      state: 'cancelled',
      outcome: expect.stringContaining('has failed'),
    });
    client.send(query('select 1'));
    expect(tags(await client.until('Z'))).toEqual(['SELECT 1']);
    expect(await count("v = 'behind'")).toBe(0);
    await stop();
  });

  it('keeps no answer back that is owed for a batch before it, in the same packet', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    client.send(...extended('select 1'), query('select 2'), ...extended("delete from t where v = 'packet'"));
    expect(tags(await client.until('Z'))).toEqual(['SELECT 1']);
    expect(tags(await client.until('Z'))).toEqual(['SELECT 1']);
    const { id } = await pendingReview(bob, "'packet'");
    await bob.runOk(['reviews', 'approve', id]);
    expect(tags(await client.until('Z'))).toEqual(['DELETE 0']);
    await stop();
  });

  it('that hangs up half-way is answered for what was before, and not run', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    client.send(...extended('select 1'), ...extended("insert into t values (9, 'half')"));
    const { id } = await pendingReview(bob, "'half'");
    client.socket.end();
    expect(tags(await client.until('Z'))).toEqual(['SELECT 1']);
    await eventually('it is cancelled', async () => (await showReview(bob, id)).state === 'cancelled');
    expect(await count("v = 'half'")).toBe(0);
    await stop();
  });

  it('that is denied ends it as an error of the server would: what is before has run, what is behind is skipped', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    const run = (text: string) => [parse('', text), bind('', ''), execute('')];
    client.send(...run('select 1'), ...run("delete from t where v = 'x'"), ...run('select 2'), sync());
    client.send(...run('select 3'), sync());
    const { id } = await pendingReview(bob, 'delete from t');
    await bob.runOk(['reviews', 'deny', id]);
    const first = await client.until('Z');
    expect(tags(first)).toEqual(['SELECT 1']);
    expect(errorOf(first)?.C).toBe('42501');
    expect(tags(await client.until('Z'))).toEqual(['SELECT 1']);
    await stop();
  });
});

describe('a grant', () => {
  const grantOf = async (connection: string) => {
    const { grants } = await alice.json<{ grants: { id: string; connection: string; until: string }[] }>([
      'grants',
      'ls',
    ]);
    return grants.find((one) => one.connection === connection);
  };

  it('wants a reason, ends when it ends, with every session on it, and begins anew with no connect', async () => {
    const bare = await alice.run(['request', 'vault', '--for', '4s']);
    expect(bare.code).toBe(2);
    expect(bare.stderr).toContain('--reason');
    const { id } = await alice.json<Review>(['request', 'vault', '--for', '20s', '--reason', 'incident']);
    await bob.runOk(['reviews', 'approve', id]);
    const until = (await grantOf('vault'))?.until;
    const first = await wireThrough(alice, 'vault');
    const second = await wireThrough(alice, 'vault');
    expect((await grantOf('vault'))?.until).toBe(until);
    for (const { client } of [first, second]) {
      client.send(query('select 1'));
      await client.until('Z');
    }
    for (const { client } of [first, second]) {
      expect(JSON.stringify(errorOf(await client.until('E')))).toMatch(/grant/);
      await client.ended();
    }
    expect((await alice.run(['exec', 'vault', '--', 'true'])).stderr).toContain('hoopctl request vault');
    await Promise.all([first.stop(), second.stop()]);
  });

  it('is taken without approval where policy lets the glass be broken, and nowhere else', async () => {
    expect((await alice.run(['exec', 'sealed', '--', 'true'])).stderr).toContain('--break-glass');
    expect((await alice.run(['request', 'sealed', '--reason', 'x'])).code).toBe(3);
    expect((await alice.run(['request', 'sealed', '--break-glass'])).code).toBe(2);
    const elsewhere = await alice.run(['request', 'vault', '--break-glass', '--reason', 'x']);
    expect(elsewhere.code).toBe(3);
    const broken = await alice.run(['request', 'sealed', '--for', '1h', '--break-glass', '--reason', 'all is on fire']);
    expect(broken.code, broken.stderr).toBe(0);
    expect(broken.stderr).toContain('the glass is broken');
    const { client, stop } = await wireThrough(alice, 'sealed');
    // No longer than policy says, whatever was asked for.
    expect(JSON.stringify(errorOf(await client.until('E')))).toMatch(/grant/);
    await stop();
    expect(stage.gateway.log).toContain('the glass was broken');
  });
});

describe('reviews watch', () => {
  it('prints what comes and how it comes out: JSON Lines for scripts, plain lines in a pipe', async () => {
    const json = bob.start(['reviews', 'watch', '--json']);
    const plain = bob.start(['reviews', 'watch']);
    await plain.waitFor(/watching for reviews/, 'stderr');
    const { client, stop } = await wireThrough(alice, 'app');
    client.send(query("insert into t values (10, 'watched')"));
    const [, id = ''] = await plain.waitFor(/approve {3}hoopctl reviews approve (r-[0-9a-z]+)/);
    await json.waitFor(new RegExp(`"id":"${id}".*"state":"pending"`));
    await bob.runOk(['reviews', 'deny', id]);
    await client.until('Z');
    await plain.waitFor(new RegExp(`^${id} denied`, 'm'));
    await json.waitFor(new RegExp(`"id":"${id}".*"state":"denied"`));
    for (const line of json.stdout.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('requester');
    await Promise.all([json.stop(), plain.stop(), stop()]);
  });
});

describe('a gateway that is killed', () => {
  it('closes what its dead sessions waited for, keeps what stands and grants', async () => {
    const { client, stop } = await wireThrough(alice, 'app');
    const text = "insert into t values (6, 'standing')";
    await approvedRun(client, text, '--for', '10m');
    client.send(query("insert into t values (6, 'orphan')"));
    const { id } = await pendingReview(bob, "'orphan'");
    await stage.gateway.stop('SIGKILL');
    await stage.gateway.start();
    await stop();
    expect(await showReview(bob, id)).toMatchObject({
      state: 'cancelled',
      outcome: expect.stringContaining('gateway stopped'),
    });
    expect((await bob.run(['reviews', 'approve', id])).code).toBe(1);
    const again = await wireThrough(alice, 'app');
    again.client.send(query(text));
    expect(tags(await again.client.until('Z'))).toEqual(['INSERT 0 1']);
    await again.stop();
    expect(await count("v = 'orphan'")).toBe(0);
  });
});
