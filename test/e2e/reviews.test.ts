// Held statements through the wire and the command line: approve and run, deny, the requester, Ctrl-C, expiry, the client
// gone, changed statements, and grants that begin and end.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually, type Running } from '../support/process.ts';
import { readRecordings } from '../support/recordings.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { CTRL_C, onTerminal } from '../support/terminal.ts';
import { openWay, type Way } from '../support/ways.ts';
import { bind, execute, fields, parse, query, sync, WireClient } from '../support/wire.ts';

interface Review {
  id: string;
  state: string;
  text?: string;
  connection: string;
}

let stage: Stage;
let bob: Client;
let carol: Client;
let agent: Client;

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'], config: { log_statement: "'all'" } },
    (server) => ({
      connections: {
        app: connectionTo(server, 'app', { labels: { env: 'prod' } }),
        vault: connectionTo(server, 'app', { labels: { env: 'vault' } }),
      },
      access: [
        { who: { groups: ['engineering', 'dba'] }, to: { names: ['app'] } },
        {
          who: { groups: ['engineering'] },
          to: { names: ['vault'] },
          grant: { max: '1h', reviewers: { groups: ['dba'] } },
        },
      ],
      rules: [
        {
          name: 'writes',
          to: { names: ['app'] },
          when: { does: ['insert', 'update', 'delete'] },
          then: 'review',
          message: 'a second pair of eyes',
          reviewers: { groups: ['dba'], count: 1 },
          wait: '5m',
        },
        {
          name: 'two-people',
          to: { names: ['app'] },
          when: { does: ['truncate'] },
          then: 'review',
          reviewers: { groups: ['dba'], count: 2 },
          wait: '5m',
        },
        {
          name: 'brief',
          to: { names: ['app'] },
          when: { functions: ['pg_backend_pid'] },
          then: 'review',
          reviewers: { groups: ['dba'] },
          wait: '1s',
        },
      ],
    }),
    { setup: 'create table t (n int, t text); create table other (n int)', database: 'app' },
  );
  bob = await stage.gateway.user('bob', { groups: ['dba'] });
  carol = await stage.gateway.user('carol', { groups: ['dba'] });
  agent = stage.alice;
});
afterAll(() => stage?.stop());

async function pending(of: Client, text: string): Promise<Review> {
  return eventually(`a review of ${text}`, async () => {
    const { reviews } = await of.json<{ reviews: Review[] }>(['reviews', 'ls']);
    return reviews.find((review) => review.state === 'pending' && (review.text ?? '').includes(text));
  });
}

async function state(id: string): Promise<string> {
  return (await bob.json<Review>(['reviews', 'show', id])).state;
}

async function wire(client: Client = stage.alice): Promise<{ client: WireClient; stop(): Promise<void> }> {
  const connected = await client.connect('app');
  const opened = await WireClient.connect({ port: connected.port, user: client.person.name, database: 'app' });
  return {
    client: opened,
    stop: async () => {
      opened.destroy();
      await connected.stop();
    },
  };
}

const count = async (where: string) =>
  (await stage.server.query(`select count(*)::int as n from t where ${where}`, 'app'))[0]?.n;

describe('a held statement', () => {
  it('tells the client the review and the command, waits, and runs when somebody else approves', async () => {
    const { client, stop } = await wire();
    client.send(query("insert into t values (1, 'approved')"));
    const notices = [await client.next(), await client.next()];
    expect(notices.map(({ type }) => type)).toEqual(['N', 'N']);
    const said = fields(notices[0]?.body as Buffer).M;
    const review = await pending(bob, "'approved'");
    expect(said).toContain(review.id);
    expect(said).toContain(`hoopctl reviews approve ${review.id}`);
    expect(said).toContain('writes');
    expect(await count("t = 'approved'")).toBe(0);
    await bob.runOk(['reviews', 'approve', review.id, '--reason', 'looks right']);
    const frames = await client.until('Z');
    expect(frames.some(({ type, body }) => type === 'C' && body.toString().startsWith('INSERT 0 1'))).toBe(true);
    expect(await count("t = 'approved'")).toBe(1);
    expect(await state(review.id)).toBe('used');
    // Used up: the same statement again is held again.
    client.send(query("insert into t values (1, 'approved')"));
    const again = await pending(bob, "'approved'");
    expect(again.id).not.toBe(review.id);
    await bob.runOk(['reviews', 'deny', again.id]);
    await client.until('Z');
    await stop();
  });

  it('that is denied is refused with 42501 and the reason; the session goes on', async () => {
    const { client, stop } = await wire();
    client.send(query("insert into t values (2, 'denied')"));
    const review = await pending(bob, "'denied'");
    await bob.runOk(['reviews', 'deny', review.id, '--reason', 'not on a Friday']);
    const frames = await client.until('Z');
    const error = frames.find(({ type }) => type === 'E');
    const said = fields(error?.body as Buffer);
    expect(said.C).toBe('42501');
    expect(JSON.stringify(said)).toContain('not on a Friday');
    expect(await count("t = 'denied'")).toBe(0);
    client.send(query('select 1'));
    expect((await client.until('Z')).map(({ type }) => type)).toEqual(['T', 'D', 'C', 'Z']);
    await stop();
  });

  it('is never approved by its requester, nor by the person behind an agent, nor by people outside the reviewers', async () => {
    const { client, stop } = await wire();
    client.send(query("insert into t values (3, 'mine')"));
    const review = await pending(stage.alice, "'mine'");
    const mine = await stage.alice.run(['reviews', 'approve', review.id]);
    expect(mine.code).toBe(3);
    expect(mine.stderr).not.toBe('');
    // bob is a reviewer, but what bob asks for himself he cannot approve.
    const asBob = await wire(bob);
    asBob.client.send(query("insert into t values (3, 'of bob')"));
    const his = await pending(bob, "'of bob'");
    expect((await bob.run(['reviews', 'approve', his.id])).code).toBe(3);
    expect((await bob.run(['--agent', 'helper', 'reviews', 'approve', his.id])).code).toBe(3);
    expect((await stage.alice.run(['reviews', 'approve', his.id])).code).not.toBe(0);
    await carol.runOk(['reviews', 'approve', his.id]);
    await asBob.client.until('Z');
    await bob.runOk(['reviews', 'deny', review.id]);
    await client.until('Z');
    expect(await count("t = 'mine'")).toBe(0);
    expect(await count("t = 'of bob'")).toBe(1);
    await asBob.stop();
    await stop();
  });

  it('of which two have to approve waits for two distinct people', async () => {
    const { client, stop } = await wire();
    client.send(query('truncate other'));
    const review = await pending(bob, 'truncate other');
    await bob.runOk(['reviews', 'approve', review.id]);
    await bob.run(['reviews', 'approve', review.id]);
    expect(await state(review.id)).toBe('pending');
    await carol.runOk(['reviews', 'approve', review.id]);
    const frames = await client.until('Z');
    expect(frames.some(({ type }) => type === 'E')).toBe(false);
    await stop();
  });

  it('that nobody decides ends after its wait', async () => {
    const { client, stop } = await wire();
    client.send(query('select pg_backend_pid()'));
    const frames = await client.until('Z');
    const error = frames.find(({ type }) => type === 'E');
    expect(fields(error?.body as Buffer).C).toBe('42501');
    const { reviews } = await bob.json<{ reviews: Review[] }>(['reviews', 'ls', '--state', 'expired']);
    expect(reviews.some((review) => review.text === 'select pg_backend_pid()')).toBe(true);
    await stop();
  });

  it('is cancelled when its client goes away', async () => {
    const { client, stop } = await wire();
    client.send(query("insert into t values (4, 'gone')"));
    const review = await pending(bob, "'gone'");
    await stop();
    await eventually('the review is cancelled', async () => (await state(review.id)) === 'cancelled');
    expect((await bob.run(['reviews', 'approve', review.id])).code).not.toBe(0);
    expect(await count("t = 'gone'")).toBe(0);
  });

  it('binds the values: approval of one is not approval of another', async () => {
    const { client, stop } = await wire();
    const insert = (value: string) => [
      parse('', 'insert into t values (5, $1)'),
      bind('', '', [value]),
      execute(''),
      sync(),
    ];
    client.send(...insert('first value'));
    const first = await pending(bob, 'insert into t values (5, $1)');
    expect(JSON.stringify(await bob.json(['reviews', 'show', first.id]))).toContain('first value');
    await bob.runOk(['reviews', 'approve', first.id]);
    await client.until('Z');
    client.send(...insert('second value'));
    const second = await pending(bob, 'insert into t values (5, $1)');
    expect(second.id).not.toBe(first.id);
    await bob.runOk(['reviews', 'deny', second.id]);
    await client.until('Z');
    expect(await count('n = 5')).toBe(1);
    await stop();
  });

  it('in a pipeline holds what is behind it, in order', async () => {
    const { client, stop } = await wire();
    const run = (text: string) => [parse('', text), bind('', ''), execute('')];
    client.send(...run('select 1'), ...run("insert into t values (6, 'piped')"), ...run('select 2'), sync());
    const review = await pending(bob, "'piped'");
    expect(await count("t = 'piped'")).toBe(0);
    await bob.runOk(['reviews', 'approve', review.id]);
    const frames = await client.until('Z');
    const tags = frames.filter(({ type }) => type === 'C').map(({ body }) => body.subarray(0, -1).toString());
    expect(tags).toEqual(['SELECT 1', 'INSERT 0 1', 'SELECT 1']);
    await stop();
  });

  it('is in the recording: the intent with its review, who approved, and only then the outcome', async () => {
    const lines = readRecordings(stage.gateway.recordings)
      .map((recording) => recording.lines)
      .find((all) => all.some((line) => line.kind === 'intent' && String(line.text).includes("'approved'")));
    const intent = lines?.find((line) => line.kind === 'intent' && String(line.text).includes("'approved'"));
    expect(intent).toMatchObject({ verdict: 'review', rule: 'writes' });
    const used = lines?.find((line) => line.kind === 'review' && line.op === intent?.op);
    expect(used).toMatchObject({ state: 'used', review: intent?.review });
    expect(JSON.stringify(used)).toContain('bob');
    const result = lines?.find((line) => line.kind === 'result' && line.op === intent?.op);
    expect(result?.seq).toBeGreaterThan(used?.seq as number);
  });
});

describeWith(['psql'], 'a held statement in psql', () => {
  let way: Way;
  beforeAll(async () => {
    way = await openWay('connect', stage.alice, 'app');
  });
  afterAll(() => way.stop());

  it('prints the notice, and runs on approval', async () => {
    const psql: Running = way.start('psql', ['-X', '-At'], {
      input: "insert into t values (7, 'psql');\nselect 'next';\n",
    });
    const [, id = ''] = await psql.waitFor(/hoopctl reviews approve (r-[0-9a-z]+)/, 'stderr');
    await bob.runOk(['reviews', 'approve', id]);
    expect((await psql.exited).code).toBe(0);
    expect(psql.stdout).toContain('INSERT 0 1');
    expect(psql.stdout).toContain('next');
  });

  it('is given up with Ctrl-C, and psql goes on', async () => {
    const psql = onTerminal('psql', ['-X', '-At'], {}, way.start);
    psql.type("insert into t values (8, 'ctrl-c');\n");
    const [, id = ''] = await psql.waitFor(/hoopctl reviews approve (r-[0-9a-z]+)/);
    psql.type(CTRL_C);
    await psql.waitFor(/ERROR: .*cancel/i);
    psql.type("select 'ne' || 'xt';\n\\q\n");
    await psql.waitFor(/next/);
    expect((await psql.process.exited).code).toBe(0);
    expect(await state(id)).toBe('cancelled');
    expect(await count("t = 'ctrl-c'")).toBe(0);
  });
});

describe('a grant', () => {
  it('is needed, asked for, approved by another, and ends the session when it is revoked', async () => {
    const refused = await agent.run(['exec', 'vault', '--', 'true']);
    expect(refused.stderr).toMatch(/hoopctl request vault/);
    const { id } = await agent.json<Review>(['request', 'vault', '--for', '30m', '--reason', 'incident 42']);
    expect((await agent.run(['reviews', 'approve', id])).code).toBe(3);
    await bob.runOk(['reviews', 'approve', id]);
    const connected = await agent.connect('vault');
    const client = await WireClient.connect({ port: connected.port, user: 'alice', database: 'app' });
    client.send(query('select 1'));
    await client.until('Z');
    const { grants } = await agent.json<{ grants: { id: string; connection: string }[] }>(['grants', 'ls']);
    const grant = grants.find((one) => one.connection === 'vault');
    const revoked = await bob.run(['grants', 'revoke', grant?.id ?? '', '--reason', 'over']);
    expect(revoked.code, revoked.stderr).toBe(0);
    const last = await client.until('E');
    expect(JSON.stringify(fields(last.at(-1)?.body as Buffer))).toMatch(/grant|revoked|over/);
    await client.ended();
    await connected.stop();
  });

  it('ends when its time is over, counted from the approval, and cuts the session with the reason', async () => {
    const { id } = await agent.json<Review>(['request', 'vault', '--for', '15s', '--reason', 'a quick look']);
    await bob.runOk(['reviews', 'approve', id]);
    const connected = await agent.connect('vault');
    const options = { port: connected.port, user: 'alice', database: 'app' };
    const client = await WireClient.connect(options);
    client.send(query('select pg_sleep(60)'));
    const last = await client.until('E');
    expect(JSON.stringify(fields(last.at(-1)?.body as Buffer))).toMatch(/grant/);
    await client.ended();
    // Coming again does not start it anew.
    await expect(WireClient.connect(options)).rejects.toThrow();
    await connected.stop();
    await eventually('its statement is over on the server', async () => {
      const rows = await stage.server.query("select 1 from pg_stat_activity where query = 'select pg_sleep(60)'");
      return rows.length === 0;
    });
  });
});
