// Alerts from the wire to a receiver: signed, without a value, kept over a kill, and visible when nobody takes them.

import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../support/gateway.ts';
import { eventually } from '../support/process.ts';
import { Receiver } from '../support/receiver.ts';
import { pendingReview, wireThrough } from '../support/reviews.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { query } from '../support/wire.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

let stage: Stage;
let bob: Client;
let root: Client;
let ops: Receiver;
let chat: Receiver;

beforeAll(async () => {
  [ops, chat] = await Promise.all([Receiver.start(), Receiver.start()]);
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({
      connections: { app: connectionTo(server, 'app'), sealed: connectionTo(server, 'app') },
      access: [
        { who: { groups: ['engineering', 'dba'] }, to: { names: ['app'] } },
        { who: { groups: ['engineering'] }, to: { names: ['sealed'] }, breakGlass: { max: '1h' } },
      ],
      rules: [
        { name: 'no-drop', when: { does: ['drop'] }, then: 'deny', message: 'use a migration' },
        { name: 'writes', when: { does: ['insert'] }, then: 'review', reviewers: { groups: ['dba'] } },
        { name: 'cap', when: { relations: ['big'], budget: { rows: 2, per: 'session' } }, then: 'deny' },
        { name: 'watch', when: { does: ['select'] }, then: 'allow', alert: 'first-seen' },
      ],
      masks: [{ name: 'pii', columns: ['big.secret'], unmask: { max: '1h', reviewers: { groups: ['dba'] } } }],
      webhooks: [
        { name: 'ops', url: ops.url, secret: 'env:HOOK_SECRET', events: ['*'] },
        { name: 'chat', url: 'env:CHAT_URL', format: 'slack', events: ['review.pending', 'break-glass'] },
      ],
      limits: { webhook_retry_ms: 50, webhook_attempts: 3, webhook_timeout_ms: 1500 },
    }),
    {
      setup:
        'create table t (v text); create table big as select i, $$4111111111111111$$ as secret from generate_series(1, 9) i',
      database: 'app',
      env: { HOOK_SECRET: SECRET, CHAT_URL: chat.url },
    },
  );
  bob = await stage.gateway.user('bob', { groups: ['dba'] });
  root = await stage.gateway.user('root', { groups: ['admins'] });
});
afterAll(async () => {
  await stage?.stop();
  ops?.stop();
  chat?.stop();
});

const told = (type: string) => eventually(`a message ${type}`, () => ops.got.find(({ body }) => body.type === type));

describe('a webhook', () => {
  it('hears of a held statement and how it came out, signed, and gets no value of it', async () => {
    const { client, stop } = await wireThrough(stage.alice, 'app');
    client.send(query("insert into t values ('4111111111111111')"));
    const { id } = await pendingReview(bob, 'insert into t');
    const pending = await told('review.pending');
    expect(pending.body.data).toMatchObject({
      review: id,
      requester: 'alice@example.com',
      connection: 'app',
      rule: 'writes',
      shape: 'insert into t values (?)',
      touches: { does: ['insert'], writes: ['public.t'] },
    });
    const { 'webhook-id': message, 'webhook-timestamp': at, 'webhook-signature': signature } = pending.headers;
    const key = Buffer.from(SECRET.slice(6), 'base64');
    const expected = createHmac('sha256', key).update(`${message}.${at}.${pending.text}`).digest('base64');
    expect(signature).toBe(`v1,${expected}`);
    const slack = await eventually('a message for the chat', () => chat.got[0]);
    expect(JSON.stringify(slack.body)).toContain(`hoopctl reviews approve ${id}`);
    expect(slack.headers['webhook-signature']).toBeUndefined();
    await bob.runOk(['reviews', 'approve', id, '--reason', 'fine']);
    await client.until('Z');
    const decided = await told('review.decided');
    expect(decided.body.data).toMatchObject({ review: id, state: 'approved', decisions: [{ decision: 'approve' }] });
    client.send(query("drop table t -- '4111111111111111'"));
    await client.until('Z');
    expect((await told('operation.denied')).body.data).toMatchObject({ rule: 'no-drop', touches: { does: ['drop'] } });
    await stop();
    await told('session.ended');
    expect(JSON.stringify([ops.got, chat.got])).not.toContain('4111111111111111');
  });

  it('hears of a budget that is used up, of what was never touched before, of a mask that is lifted and put back', async () => {
    const { client, stop } = await wireThrough(stage.alice, 'app');
    client.send(query('select secret from big'));
    await client.until('Z');
    expect((await told('budget.reached')).body.data).toMatchObject({
      rule: 'cap',
      message: expect.stringContaining('2 rows'),
    });
    expect((await told('first-seen')).body.data).toMatchObject({ rule: 'watch', relations: ['public.big'] });
    const { id } = await stage.alice.json<{ id: string }>(['request', 'app', '--unmask', 'pii', '--reason', 'ticket']);
    await bob.runOk(['reviews', 'approve', id]);
    const lifted = (await told('unmask.started')).body.data;
    expect(lifted).toMatchObject({ masks: ['pii'], requester: 'alice@example.com', connection: 'app', review: id });
    await bob.runOk(['grants', 'revoke', lifted.grant]);
    expect((await told('unmask.ended')).body.data).toMatchObject({
      grant: lifted.grant,
      outcome: 'revoked by bob@example.com',
    });
    await stop();
    expect(JSON.stringify(ops.got)).not.toContain('4111111111111111');
  });

  it('hears of a broken glass', async () => {
    await stage.alice.runOk(['request', 'sealed', '--break-glass', '--reason', 'fire']);
    expect((await told('break-glass')).body.data).toMatchObject({ connection: 'sealed', reason: 'fire' });
    await eventually('the chat hears of it', () => JSON.stringify(chat.got).includes('broke the glass'));
  });

  it('that does not answer holds up nobody; what it did not take is there after a kill, and seen when it is given up', async () => {
    ops.answers = [0];
    const before = ops.got.length;
    const { client, stop } = await wireThrough(stage.alice, 'app');
    client.send(query('select 1'));
    await client.until('Z');
    await stop();
    await eventually('the message is on its way', () => ops.got.length > before);
    await stage.gateway.stop('SIGKILL');
    ops.answers = [500];
    await stage.gateway.start();
    const list = async () =>
      (await root.json<{ deliveries: { id: string; state: string; error: string }[] }>(['admin', 'webhooks', 'ls']))
        .deliveries;
    // Whoever died with it in hand had it for twice the time-out.
    const [dead] = await eventually('it is given up', async () => {
      const found = await list();
      return found.length > 0 && found.every(({ state }) => state === 'dead') ? found : undefined;
    });
    expect(dead?.error).toContain('500');
    expect((await root.runOk(['admin', 'webhooks', 'ls'])).stdout).not.toContain(new URL(ops.url).pathname);
    expect((await stage.alice.run(['admin', 'webhooks', 'ls'])).code).not.toBe(0);
    ops.answers = [204];
    await root.runOk(['admin', 'webhooks', 'retry', dead?.id ?? '']);
    await root.runOk(['admin', 'webhooks', 'retry', '--all']);
    await eventually('all are delivered', async () => (await list()).length === 0);
    expect(stage.gateway.log).not.toContain(chat.url);
  });
});
