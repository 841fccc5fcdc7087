import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Limit } from '../../../src/core/limits.ts';
import { silentLog } from '../../../src/core/log.ts';
import { messageBody } from '../../../src/gateway/webhooks/messages.ts';
import { post } from '../../../src/gateway/webhooks/post.ts';
import { type WebhookConfiguration, webhooksSchema } from '../../../src/gateway/webhooks/schema.ts';
import { signatureHeaders } from '../../../src/gateway/webhooks/signature.ts';
import { Webhooks } from '../../../src/gateway/webhooks/webhooks.ts';
import type { Alert } from '../../../src/session/alerts.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { Receiver } from '../../support/receiver.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

it('a secret that anybody could sign with is none', () => {
  for (const secret of ['', 'whsec_', 'whsec_='])
    expect(() => signatureHeaders('id', 1, '{}', secret)).toThrow('empty');
});

describe('a signature', () => {
  it('is that of the Standard Webhooks test vector', () => {
    const body = '{"test": 2432232314}';
    expect(signatureHeaders('msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, body, SECRET)).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });
});

/** Until it holds; vitest's own gives up after a second. */
const eventually = (holds: () => unknown) => vi.waitFor(holds, { timeout: 30_000 });

describe('delivery', () => {
  let directory: string;
  let store: Store;
  let receiver: Receiver;
  let webhooks: Webhooks;
  let configured: WebhookConfiguration[];
  let skew = 0;
  let limits: Record<string, number>;
  const clock = { now: () => Date.now() + skew };
  const entries: { kind: string; fields: Record<string, unknown> }[] = [];

  const hook = (name: string, more: Partial<WebhookConfiguration> = {}): WebhookConfiguration =>
    webhooksSchema.parse([{ name, url: receiver.url, secret: 'env:HOOK', events: ['*'], ...more }])[0]!;

  const open = async () => {
    store = await openStore({ directory, clock });
    const read = async () => SECRET;
    webhooks = new Webhooks({
      webhooks: () => configured,
      store: store.deliveries,
      clock,
      log: silentLog,
      audit: { append: (kind, fields) => void entries.push({ kind, fields: { ...fields } }) },
      limit: (bound: Limit) => ({ ...bound, value: limits[bound.name] ?? bound.value }),
      post: (webhook, delivery, signal) => post({ read, clock, version: '1' }, webhook, delivery, signal),
      pollMs: 20,
    });
  };
  const close = async () => {
    await webhooks.stop();
    await store.close();
  };

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'webhooks-'));
    receiver = await Receiver.start();
    configured = [hook('ops')];
    limits = { webhook_retry_ms: 10 };
    skew = 0;
    entries.length = 0;
    await open();
    webhooks.start('https://gw');
  });
  afterEach(async () => {
    await close();
    receiver.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const alert = (more: Partial<Alert> = {}): Alert => ({
    type: 'break-glass',
    key: 'g-1',
    data: { grant: 'g-1', requester: 'alice', connection: 'prod-db', reason: 'fire' },
    ...more,
  });
  const left = () => store.deliveries.list();

  it('posts it signed, once, and forgets it', async () => {
    webhooks.raise(alert());
    webhooks.raise(alert());
    await eventually(() => expect(receiver.got).toHaveLength(1));
    const [{ headers, text, body }] = receiver.got as [(typeof receiver.got)[0]];
    expect(body).toMatchObject({ type: 'break-glass', gateway: 'https://gw', data: { grant: 'g-1', reason: 'fire' } });
    const expected = signatureHeaders(headers['webhook-id']!, Number(headers['webhook-timestamp']), text, SECRET);
    expect(headers).toMatchObject(expected);
    expect(headers['content-type']).toBe('application/json');
    await eventually(async () => expect(await left()).toEqual([]));
  });

  it('keeps what the store would not take until it does', async () => {
    const { add } = store.deliveries;
    let away = true;
    store.deliveries.add = async (delivery) => {
      if (away) throw new Error('away');
      return add.call(store.deliveries, delivery);
    };
    limits = { ...limits, webhook_queue: 2 };
    for (const key of ['g-1', 'g-2', 'g-3']) {
      webhooks.raise(alert({ key }));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(receiver.got).toEqual([]);
    away = false;
    await eventually(() => expect(receiver.got).toHaveLength(2));
    await eventually(async () => expect(await left()).toEqual([]));
    // Those that wait when it stops are kept for the next start, where that goes.
    away = true;
    webhooks.raise(alert({ key: 'g-4' }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    away = false;
    await webhooks.stop();
    expect(await left()).toHaveLength(1);
  });

  it('tries again with the same id until it is taken', async () => {
    receiver.answers = [500, 302, 429, 200];
    webhooks.raise(alert());
    await eventually(() => expect(receiver.got).toHaveLength(4));
    expect(new Set(receiver.got.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(receiver.got.map(({ text }) => text)).size).toBe(1);
    await eventually(async () => expect(await left()).toEqual([]));
  });

  it('pauses four times as long after each failure', async () => {
    limits.webhook_retry_ms = 100_000;
    receiver.answers = [500];
    const expectPause = async (attempts: number, least: number, most: number) => {
      await eventually(async () => expect((await left())[0]).toMatchObject({ attempts, error: expect.any(String) }));
      const wait = (await left())[0]!.nextAt - clock.now();
      expect(wait).toBeGreaterThan(least - 5000);
      expect(wait).toBeLessThanOrEqual(most);
      skew += wait + 1;
    };
    webhooks.raise(alert());
    await expectPause(1, 50_000, 100_000);
    await expectPause(2, 200_000, 400_000);
    await expectPause(3, 800_000, 1_600_000);
  });

  it.each([
    ['after so many attempts', [500], 3],
    ['at once when the receiver is gone for good', [410], 1],
  ])('gives up %s, visibly, and tries again when told to', async (_, answers, attempts) => {
    limits.webhook_attempts = 3;
    receiver.answers = answers;
    webhooks.raise(alert());
    await eventually(async () => expect((await left())[0]).toMatchObject({ state: 'dead', attempts }));
    expect(receiver.got).toHaveLength(attempts);
    expect(entries[0]).toMatchObject({ kind: 'failure', fields: { what: 'webhook message given up', webhook: 'ops' } });
    expect(JSON.stringify(entries)).not.toContain(receiver.url);
    receiver.answers = [200];
    expect(await webhooks.retry({ webhook: 'other' })).toBe(0);
    expect(await webhooks.retry({})).toBe(1);
    await eventually(async () => expect(await left()).toEqual([]));
  });

  it('loses nothing when the gateway stops in between', async () => {
    limits.webhook_retry_ms = 1;
    receiver.answers = [0];
    webhooks.raise(alert());
    await eventually(() => expect(receiver.got).toHaveLength(1));
    await close();
    receiver.answers = [200];
    await open();
    expect(await left()).toMatchObject([{ state: 'pending', attempts: 0 }]);
    webhooks.start('https://gw');
    await eventually(() => expect(receiver.got).toHaveLength(2));
    expect(receiver.got[0]!.headers['webhook-id']).toBe(receiver.got[1]!.headers['webhook-id']);
    await eventually(async () => expect(await left()).toEqual([]));
  });

  it('of one receiver is not held up by another that does not answer', async () => {
    const slow = await Receiver.start();
    slow.answers = [0];
    configured = [hook('slow', { url: slow.url }), hook('ops')];
    for (let i = 0; i < 20; i++) webhooks.raise(alert({ key: `g-${i}` }));
    await eventually(() => expect(receiver.got).toHaveLength(20));
    expect(slow.got.length).toBeLessThanOrEqual(4);
    slow.stop();
  });

  it('is of what a webhook asked for', async () => {
    configured = [hook('ops', { events: ['session.ended'] })];
    webhooks.raise(alert());
    webhooks.raise(alert({ type: 'session.ended', data: { session: 's-1' } }));
    await eventually(() => expect(receiver.got).toHaveLength(1));
    expect(receiver.got[0]!.body.type).toBe('session.ended');
  });

  it('tells what repeats once a minute, and how often it was', async () => {
    const denied = alert({ type: 'operation.denied', key: undefined, throttle: 'alice no-drop' });
    for (let i = 0; i < 5; i++) webhooks.raise(denied);
    await eventually(() => expect(receiver.got).toHaveLength(1));
    skew = 61_000;
    webhooks.raise(denied);
    await eventually(() => expect(receiver.got).toHaveLength(2));
    expect(receiver.got[1]!.body.data.leftOut).toBe(4);
  });

  it('drops what comes faster than the store takes it, and goes on', async () => {
    limits.webhook_queue = 5;
    for (let i = 0; i < 50; i++) webhooks.raise(alert({ key: `g-${i}` }));
    await eventually(() => expect(receiver.got).toHaveLength(5));
    webhooks.raise(alert({ key: 'later' }));
    await eventually(() => expect(receiver.got).toHaveLength(6));
  });

  it('to a webhook that is configured no more is given up', async () => {
    limits.webhook_retry_ms = 3_600_000;
    receiver.answers = [500];
    webhooks.raise(alert());
    await eventually(async () => expect((await left())[0]).toMatchObject({ attempts: 1 }));
    configured = [];
    await close();
    await open();
    webhooks.start('https://gw');
    await eventually(async () => expect((await left())[0]).toMatchObject({ state: 'dead' }));
  });

  it('never throws at whoever raises it', () => {
    configured = undefined as never;
    expect(() => webhooks.raise(alert())).not.toThrow();
    configured = [hook('ops')];
  });
});

describe('a message for Slack', () => {
  const told = (data: Record<string, unknown>, type: Alert['type'] = 'review.pending') =>
    JSON.parse(messageBody('slack', { type, data, at: 0, leftOut: 0 }, 'https://gw'));

  it('says who waits for what, and how it is decided', () => {
    const message = told({
      review: 'r-1',
      kind: 'operation',
      state: 'pending',
      requester: 'alice@example.com',
      connection: 'prod-db',
      rule: 'writes',
      message: 'look twice',
      reason: 'ticket 7',
      shape: 'delete from customers where id = ?',
      touches: { does: ['delete'], reads: ['customers'], writes: ['customers'], functions: [] },
      reviewers: { groups: ['dba'], count: 1 },
    });
    expect(message.text).toBe('alice@example.com waits for approval on prod-db: delete on customers');
    const shown = JSON.stringify(message.blocks);
    for (const part of ['writes: look twice', 'ticket 7', 'customers where id = ?', 'hoopctl reviews approve r-1']) {
      expect(shown).toContain(part);
    }
  });

  it('lets nobody write markup: no mention, no link, no end of the code', () => {
    const shown = JSON.stringify(
      told({ requester: '<!channel>', connection: 'a*b', reason: '<https://evil|x> & co', shape: '```<!here>' }),
    );
    expect(shown).not.toMatch(/<[!h]/);
    expect(shown).toContain('&lt;!channel&gt;');
    expect(shown.match(/```/g)).toHaveLength(2);
    const { blocks } = told({
      requester: 'a',
      connection: 'b',
      reason: '*pre-approved*, run `hoopctl reviews approve r-2`',
    });
    expect(blocks[0].text.text).toMatch(/^reason: [^*`]+$/m);
  });

  it('lets nobody write lines: a reason is no decision of somebody else', () => {
    const { blocks } = told({
      requester: 'agent',
      connection: 'prod-db',
      reason: 'why\napprove: bob\r\n\u2028deny: eve',
    });
    const { text } = (blocks[0] as { text: { text: string } }).text;
    expect(text.split('\n').filter((line) => /^(approve|deny)/.test(line))).toEqual([]);
    expect(text).toContain('reason: why approve: bob deny: eve');
  });

  it('lets nobody write lines by the name of a table, nor hide a part of it', () => {
    const names = ['x\n:white_check_mark: approved by bob', 'customers\u200b'];
    const touches = { does: ['delete'], reads: [], writes: names, functions: [] };
    const { text } = told({ requester: 'alice', connection: 'prod-db', touches, shape: 'delete' });
    expect(text).toBe(
      'alice waits for approval on prod-db: delete on x :white_check_mark: approved by bob, customers\\u200b',
    );
    expect(told({ requester: 'alice', connection: 'prod-db', relations: names }, 'first-seen').text).not.toContain(
      '\n',
    );
  });

  it.each([
    'review.decided',
    'operation.denied',
    'session.ended',
    'grant.started',
    'grant.revoked',
    'break-glass',
    'recording.failed',
    'budget.reached',
    'first-seen',
  ] as const)('has words for %s', (type) => {
    const { text } = told({ requester: 'alice', connection: 'prod-db', state: 'approved' }, type);
    expect(text).toContain('alice');
    expect(text).not.toContain('undefined');
  });
});

describe('the configuration', () => {
  const problems = (...webhooks: object[]) =>
    webhooksSchema.safeParse(webhooks).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];
  const good = { name: 'ops', url: 'https://example.com/x', secret: 'env:S', events: ['break-glass'] };

  it('takes what can be delivered safely', () => {
    expect(
      problems(good, { ...good, name: 'chat', format: 'slack', url: 'file:/run/slack', secret: undefined }),
    ).toEqual([]);
  });

  it.each<[string, object[], RegExp]>([
    ['a name twice', [good, good], /not used before/],
    ['plain http to elsewhere', [{ ...good, url: 'http://example.com' }], /https/],
    ['a secret that is written out', [{ ...good, secret: 'hunter2' }], /written out \(not shown\)/],
    ['no secret', [{ ...good, secret: undefined }], /is missing/],
    ["Slack's URL written out", [{ ...good, format: 'slack' }], /written out/],
    ['an event that is none', [{ ...good, events: ['boom'] }], /events/],
    ['no events', [{ ...good, events: [] }], /events/],
  ])('refuses %s', (_, webhooks, expected) => {
    const found = problems(...webhooks).join('\n');
    expect(found).toMatch(expected);
    expect(found).not.toContain('hunter2');
  });
});
