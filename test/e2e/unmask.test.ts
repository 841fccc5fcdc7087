// A mask that a review lifts: for one principal, for a time, in sessions that are open and new ones; back at once when it is
// over, in the middle of a result too; and everything of it on record.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client } from '../support/gateway.ts';
import { contentsUnder, eventually } from '../support/process.ts';
import { readRecordings } from '../support/recordings.ts';
import { type Review, wireThrough } from '../support/reviews.ts';
import { allSealed } from '../support/sessions.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { type Frame, fields, query, type WireClient } from '../support/wire.ts';

const SSN = '987-65-4320';
const SELECT = 'select ssn from customers where id = 1';

let stage: Stage;
let alice: Client;
let bob: Client;

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({
      connections: { app: connectionTo(server, 'app') },
      access: [{ who: { groups: ['engineering', 'dba', 'privacy'] }, to: { names: ['app'] } }],
      masks: [
        {
          name: 'pii',
          columns: ['customers.ssn'],
          unless: { groups: ['privacy'] },
          unmask: { max: '1h', reviewers: { groups: ['dba'] }, reason: 'required' },
        },
        { name: 'never', columns: ['customers.card'] },
      ],
    }),
    {
      setup: `create table customers (id int, ssn text, card text, pad text);
        insert into customers select i, '${SSN}', '4111', repeat('x', 9000) from generate_series(1, 400) i`,
      database: 'app',
    },
  );
  alice = stage.alice;
  bob = await stage.gateway.user('bob', { groups: ['dba'] });
});
afterAll(() => stage?.stop());

const psql = (client: Client, ...args: string[]) =>
  client.run([...args, 'psql', 'app', '-XAtc', SELECT]).then(({ stdout, stderr }) => stdout.trim() || stderr);

const rows = (frames: readonly Frame[]) =>
  frames.filter(({ type }) => type === 'D').map(({ body }) => body.subarray(6).toString());
const errorOf = (frames: readonly Frame[]) => {
  const error = frames.find(({ type }) => type === 'E');
  return error === undefined ? undefined : fields(error.body);
};

async function ask(client: WireClient, text: string): Promise<readonly Frame[]> {
  client.send(query(text));
  return client.until('Z');
}

/** Asked for, approved; the review. */
async function approved(time: string): Promise<string> {
  const { id } = await alice.json<Review>([
    ...['request', 'app', '--unmask', 'customers.ssn', '--for', time, '--reason', 'ticket 9'],
  ]);
  await bob.runOk(['reviews', 'approve', id]);
  return id;
}

/** The same; the grant. */
async function unmasked(time: string): Promise<string> {
  const id = await approved(time);
  return eventually('the grant', async () => {
    const { grants } = await alice.json<{ grants: { id: string; review: string }[] }>(['grants', 'ls']);
    return grants.find((one) => one.review === id)?.id;
  });
}

const sees = (client: WireClient, value: string) =>
  eventually(`the value is ${value}`, async () => rows(await ask(client, SELECT))[0] === value);

it('is off for whom it was approved, in live sessions and new ones, until it is revoked', async () => {
  expect(await psql(alice)).toBe('***');
  const live = await wireThrough(alice, 'app');
  expect(rows(await ask(live.client, SELECT))).toEqual(['***']);
  expect(errorOf(await ask(live.client, `select id from customers where ssn like '9%' limit 1`))?.C).toBe('42501');

  // Not without a reason, not for a mask that is never lifted or does not exist, not by oneself.
  expect((await alice.run(['request', 'app', '--unmask', 'pii'])).code).toBe(2);
  expect((await alice.run(['request', 'app', '--unmask', 'never', '--reason', 'x'])).code).toBe(3);
  expect((await alice.run(['request', 'app', '--unmask', 'orders.ssn', '--reason', 'x'])).stderr).toContain('pii');
  const asked = await alice.json<Review & { masks: string[]; kind: string }>([
    ...['request', 'app', '--unmask', 'customers.ssn', '--for', '3h', '--reason', 'ticket 9'],
  ]);
  expect(asked).toMatchObject({ kind: 'unmask', masks: ['pii'], forMs: 3_600_000 });
  expect((await alice.run(['reviews', 'approve', asked.id])).code).toBe(3);
  expect((await bob.run(['reviews', 'show', asked.id])).stdout).toMatch(/lifts +mask pii/);
  expect((await alice.run(['describe', 'app'])).stdout).toMatch(/may be lifted +pii, at most 1h, approved by 1 of dba/);
  expect(rows(await ask(live.client, SELECT))).toEqual(['***']);
  await bob.runOk(['reviews', 'approve', asked.id]);

  await sees(live.client, SSN);
  expect(await psql(alice)).toBe(SSN);
  expect(rows(await ask(live.client, `select id from customers where ssn like '9%' limit 1`))).toEqual(['1']);
  // For her, not for her agent, nor for anybody else; this mask, no other; and not to be stored where it outlives the time.
  expect(await psql(alice, '--agent', 'helper')).toBe('***');
  expect(await psql(bob)).toBe('***');
  expect(rows(await ask(live.client, 'select card from customers limit 1'))).toEqual(['***']);
  expect(errorOf(await ask(live.client, 'create table stolen as select ssn from customers'))?.C).toBe('42501');

  const { grants } = await alice.json<{ grants: { id: string; masks?: string[]; state: string }[] }>(['grants', 'ls']);
  expect(grants).toMatchObject([{ masks: ['pii'], state: 'active', reason: 'ticket 9' }]);
  await bob.runOk(['grants', 'revoke', grants[0]!.id, '--reason', 'done early']);
  const listed = (await alice.runOk(['grants', 'ls'])).stdout;
  expect(listed).toMatch(/ ticket 9; revoked by bob@example\.com: done early$/m);
  await sees(live.client, '***');
  expect(await psql(alice)).toBe('***');
  expect(errorOf(await ask(live.client, `select id from customers where ssn like '9%' limit 1`))?.C).toBe('42501');

  await live.stop();
  await allSealed(stage.gateway);
  const recordings = readRecordings(stage.gateway.recordings).map(({ lines }) => lines);
  const mine = recordings.find((lines) => lines.some(({ kind }) => kind === 'unmask')) ?? [];
  const changes = mine.filter(({ kind }) => kind === 'unmask');
  expect(changes).toMatchObject([
    { state: 'on', masks: ['pii'], grant: grants[0]!.id, review: asked.id },
    { state: 'off', masks: ['pii'], why: expect.stringContaining('bob') },
  ]);
  const shown = mine.filter((line) => line.kind === 'masks' && line.shown !== undefined);
  expect(shown[0]?.shown).toEqual([{ index: 0, column: 'ssn', mask: 'pii', by: 'unmask' }]);
  // A session that began while it was lifted says so in its first line.
  const began = recordings.filter(([open]) => open?.exempt !== undefined);
  expect(began[0]?.[0]?.exempt).toMatchObject([{ mask: 'pii', by: 'unmask', grant: grants[0]!.id }]);
  const facts = await alice.run(['sessions', 'show', String(mine[0]?.session)]);
  expect(facts.stdout).toMatch(new RegExp(`unmasked +pii \\(lifted by ${grants[0]!.id}`));
  const log = [...contentsUnder(join(stage.gateway.data, 'log')).values()];
  expect(String(log)).toMatch(/"action":"unmask begins"[\s\S]*"action":"unmask ends"/);
});

it('is back when its time is over, in the middle of a result and of a COPY too', async () => {
  const grant = await unmasked('1h');
  const big = await wireThrough(alice, 'app');
  await sees(big.client, SSN);
  const copying = await wireThrough(alice, 'app');
  await sees(copying.client, SSN);
  // More than the buffers between hold: the rest is still at the server when the mask comes back.
  big.client.socket.pause();
  copying.client.socket.pause();
  big.client.send(query('select ssn, pad, id from customers c, generate_series(1, 20) n'));
  copying.client.send(query('copy (select ssn, pad from customers c, generate_series(1, 20) n) to stdout'));
  await eventually('both run', async () => {
    const running = await stage.server.query(
      "select count(*)::int as n from pg_stat_activity where state = 'active' and wait_event = 'ClientWrite'",
      'app',
    );
    return running[0]?.n === 2;
  });
  await bob.runOk(['grants', 'revoke', grant]);
  big.client.socket.resume();
  copying.client.socket.resume();
  const got = (await big.client.until('Z', 60_000))
    .filter(({ type }) => type === 'D')
    .map(({ body }) => body.toString());
  expect(got).toHaveLength(8000);
  expect(got[0]).toContain(SSN);
  expect(got.at(-1)).not.toContain(SSN);
  const copied = await copying.client.until('Z', 60_000);
  expect(errorOf(copied)?.M).toContain('apply again');
  expect(copied.filter(({ type }) => type === 'd').length).toBeLessThan(8000);
  await Promise.all([big.stop(), copying.stop()]);

  const late = await wireThrough(alice, 'app');
  // Looked for from before it begins: it does not last long.
  await Promise.all([sees(late.client, SSN), approved('3s')]);
  await sees(late.client, '***');
  await late.stop();
});

it('whom its own line exempts is on record with it', async () => {
  const dora = await stage.gateway.user('dora', { groups: ['privacy'] });
  expect(await psql(dora)).toBe(SSN);
  const { sessions } = await dora.json<{ sessions: { exempt?: unknown }[] }>(['sessions', 'ls']);
  expect(sessions[0]?.exempt).toEqual([{ mask: 'pii', by: 'unless' }]);
});
