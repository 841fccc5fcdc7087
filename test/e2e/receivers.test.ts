// Receivers take no message of any length: what somebody writes at length keeps nothing of theirs, or of others, from arriving.

import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { eventually, temporaryDirectory } from '../support/process.ts';
import { type Received, Receiver } from '../support/receiver.ts';
import { wireThrough } from '../support/reviews.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { bind, extended, query, sync } from '../support/wire.ts';

/** What nginx takes of a body unless it is told otherwise, and Slack of the text of a section. */
const [BODY, SECTION] = [1024 * 1024, 3000];

let stage: Stage;
let ops: Receiver;
let chat: Receiver;
let soar: Receiver;
let otlp: Receiver;
let siem: Server;
let heard = '';

const tooLong = ({ text }: Received) => (Buffer.byteLength(text) > BODY ? 413 : undefined);
const invalidBlocks = ({ body }: Received) => {
  const texts: string[] = body.blocks.flatMap((one: { text?: { text: string } }) => one.text?.text ?? []);
  return texts.some((text) => text.length > SECTION) ? 400 : undefined;
};

beforeAll(async () => {
  [ops, chat, soar, otlp] = (await Promise.all([1, 2, 3, 4].map(() => Receiver.start()))) as [
    Receiver,
    Receiver,
    Receiver,
    Receiver,
  ];
  for (const one of [ops, soar, otlp]) one.judge = tooLong;
  otlp.answers = [200];
  otlp.says = '{}';
  chat.judge = invalidBlocks;
  const files = await makeCertificates(temporaryDirectory('receivers'));
  siem = createServer({ cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) }, (socket) => {
    socket.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
    });
    socket.on('end', () => socket.end());
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => siem.listen(0, '127.0.0.1', resolve));
  const { port } = siem.address() as AddressInfo;
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({
      connections: {
        ...{ app: connectionTo(server, 'app'), plain: connectionTo(server, 'app') },
        closed: connectionTo(server, 'app'),
      },
      access: [
        { who: { groups: ['engineering'] }, to: { names: ['app', 'plain'] } },
        {
          who: { groups: ['engineering'] },
          to: { names: ['closed'] },
          grant: { max: '2h', reviewers: { groups: ['dba'] } },
        },
      ],
      rules: [{ name: 'no-delete', to: { names: ['app'] }, when: { does: ['delete'] }, then: 'deny' }],
      webhooks: [
        { name: 'ops', url: ops.url, secret: 'env:HOOK_SECRET', events: ['operation.denied'] },
        { name: 'chat', url: 'env:CHAT_URL', format: 'slack', events: ['operation.denied'] },
      ],
      exports: [
        { name: 'soar', to: 'webhook', url: soar.url, secret: 'env:HOOK_SECRET' },
        { name: 'otlp', to: 'otlp', url: otlp.url },
        { name: 'siem', to: 'syslog', address: `127.0.0.1:${port}`, caFile: files.caFile, kinds: ['session.intent'] },
      ],
      limits: {
        ...{ webhook_retry_ms: 50, webhook_attempts: 3 },
        ...{ export_poll_ms: 50, export_retry_ms: 50, export_confirm_ms: 200 },
      },
    }),
    { database: 'app', env: { HOOK_SECRET: 'whsec_c2VjcmV0', CHAT_URL: chat.url } },
  );
});
afterAll(async () => {
  await stage?.stop();
  for (const one of [ops, chat, soar, otlp]) one?.stop();
  siem?.close();
});

/** Columns of which there may be any: what is refused reaches no database. */
const deleting = (count: number, name: (i: number) => string) =>
  `delete from t where ${Array.from({ length: count }, (_, i) => `"${name(i)}" = 1`).join(' and ')}`;

describe('an alert', () => {
  it.each([
    ['markup', deleting(40, (i) => `${'<'.repeat(55)}${i}`)],
    ['unseen characters', deleting(40, (i) => `${'\u200b'.repeat(18)}${i}`)],
    ['names', `delete from t using ${Array.from({ length: 12_000 }, (_, i) => `${'n'.repeat(56)}${i}`).join(', ')}`],
  ])('arrives, of a statement full of %s', async (_, text) => {
    const [told, shown] = [ops.got.length, chat.got.length];
    const { client, stop } = await wireThrough(stage.alice, 'app', ['--agent', `bot-${text.length}`]);
    client.send(query(text));
    await client.until('Z');
    await stop();
    await eventually('the receiver hears of it', () => ops.got.length > told);
    await eventually('the chat hears of it', () => chat.got.length > shown);
    expect(chat.got.at(-1)!.body.text).toContain('was refused on app: delete on t');
  });
});

describe('an export', () => {
  it('goes on, whatever somebody sends', { timeout: 300_000 }, async () => {
    const { client, stop } = await wireThrough(stage.alice, 'plain');
    const long = 'x'.repeat(1_500_000);
    for (let i = 0; i < 12; i++) {
      client.send(Buffer.concat([...extended(`select length($1), ${i}`, bind('', '', [long])), sync()]));
      await client.until('Z');
    }
    client.send(query("select 'the last one'"));
    await client.until('Z');
    await stop();
    for (const { got } of [soar, otlp]) {
      // Megabytes: each is looked through once.
      const missing = new Set(['the last one', 'select length($1), 11']);
      let at = 0;
      const look = () => {
        for (; at < got.length; at++) for (const one of missing) if (got[at]!.text.includes(one)) missing.delete(one);
        return missing.size === 0;
      };
      await eventually('all of it arrived', look, 120_000);
    }
    await eventually('syslog', () => heard.includes('the last one') && heard.includes('select length($1), 11'));
  });

  it('has what people say in characters that every reader of JSON takes', async () => {
    const secret = (
      await stage.gateway.admin(['service-accounts', 'add', 'bot', '--group', 'engineering'])
    ).stdout.trim();
    const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'bot', client_secret: secret });
    const type = 'application/x-www-form-urlencoded';
    const told = await stage.gateway.call('POST', '/api/v1/token', { body: form.toString(), type });
    const { access_token: token } = JSON.parse(told.body) as { access_token: string };
    const asked = async (reason: string) => {
      const body = `{"connection":"closed","for":"1h","reason":"because ${reason}"}`;
      return (await stage.gateway.call('POST', '/api/v1/grants', { token, body })).status;
    };
    const answers = await Promise.all(['\\ud800', '\\u0000', '\\u001b[2J', 'ü\\n🦊'].map(asked));
    expect(answers).toEqual([400, 400, 400, 200]);
    const due = await eventually('the receiver hears of it', () =>
      soar.got.find(({ text }) => text.includes('because')),
    );
    // A strict reader: it takes no half of a pair of surrogates, and no NUL.
    await stage.server.query(`select $json$${due.text}$json$::jsonb`);
  });

  it('tells the statement, whatever is sent beside it', async () => {
    const { client, stop } = await wireThrough(stage.alice, 'plain');
    const text = `select length($1) as ${'a'.repeat(60)}, 'padding of the statement ${'y'.repeat(300)}'`;
    client.send(Buffer.concat([...extended(text, bind('', '', ['x'.repeat(9000)])), sync()]));
    await client.until('Z');
    client.send(query(`select 'many quotes', '${'"'.repeat(20_000)}'`));
    await client.until('Z');
    client.send(query("select 'over'"));
    await client.until('Z');
    await stop();
    await eventually('syslog', () => heard.includes("select 'over'"));
    expect(heard).toContain('padding of the statement');
    expect(heard).toContain('many quotes');
  });
});
