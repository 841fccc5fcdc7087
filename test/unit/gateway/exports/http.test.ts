import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/core/clock.ts';
import type { SecretRef } from '../../../../src/core/secret.ts';
import { openDestination } from '../../../../src/gateway/exports/open.ts';
import { exportsSchema } from '../../../../src/gateway/exports/schema.ts';
import { signatureHeaders } from '../../../../src/gateway/webhooks/signature.ts';
import type { ExportEvent } from '../../../../src/session/export/event.ts';
import { Receiver } from '../../../support/receiver.ts';

let receiver: Receiver;
let rejected: [string, number, string][];
beforeEach(async () => {
  receiver = await Receiver.start();
  rejected = [];
});
afterEach(() => receiver.stop());

const never = new AbortController().signal;
const SECRETS: Record<string, string> = { HOOK: 'whsec_c2VjcmV0', AUTH: 'Bearer otlp' };

function destination(one: object) {
  const [parsed] = exportsSchema.parse([{ name: 'out', url: receiver.url, ...one }]);
  return openDestination(parsed!, undefined, {
    product: { version: '1', gateway: 'https://gw', datastore: () => true },
    read: async (reference) => SECRETS[(reference as SecretRef & { name: string }).name]!,
    clock: systemClock,
    version: '1',
    timeoutMs: () => 5000,
    eventBytes: Number.POSITIVE_INFINITY,
    rejected: (name, count, why) => void rejected.push([name, count, why]),
  });
}

const event = (number: number): ExportEvent => ({
  ...{ id: `log:${number}`, from: 'log', at: '2026-11-20T07:00:00.000Z', kind: 'login', name: 'log.login' },
  ...{ session: undefined, number, sequence: number + 1, opening: undefined, fields: { ok: true } },
});

describe('a webhook of the record', () => {
  it('is signed, and has the same id for the same events', async () => {
    const hook = destination({ to: 'webhook', secret: 'env:HOOK' });
    await hook.send([event(0), event(1)], never);
    await hook.send([event(0), event(1)], never);
    await hook.send([event(2)], never);
    const [one, two, three] = receiver.got;
    expect(one!.headers['webhook-id']).toBe(two!.headers['webhook-id']);
    expect(three!.headers['webhook-id']).not.toBe(one!.headers['webhook-id']);
    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = one!.headers;
    expect(signatureHeaders(id!, Number(at), one!.text, SECRETS.HOOK)['webhook-signature']).toBe(signature);
    expect(one!.body).toMatchObject({ type: 'record.events', gateway: 'https://gw', data: { format: 'json' } });
    expect(one!.body.data.events.map((each: { id: string }) => each.id)).toEqual(['log:0', 'log:1']);
  });
});

describe('an answer', () => {
  it.each([
    [400, true],
    [413, true],
    [401, false],
    [404, false],
    [405, false],
    [415, false],
    [429, false],
    [503, false],
  ])('%i: of this body alone is %s', async (status, refused) => {
    receiver.answers = [status];
    const otlp = destination({ to: 'otlp', headers: { authorization: 'env:AUTH' } });
    await expect(otlp.send([event(0)], never)).rejects.toMatchObject({
      refused,
      message: `it answered with HTTP status ${status}`,
    });
    expect(receiver.got[0]!.headers.authorization).toBe('Bearer otlp');
  });

  it('that takes a part is told, and not asked for again', async () => {
    receiver.answers = [200];
    receiver.says = JSON.stringify({ partialSuccess: { rejectedLogRecords: '2', errorMessage: 'too old' } });
    await destination({ to: 'otlp' }).send([event(0), event(1), event(2)], never);
    expect(rejected).toEqual([['out', 2, 'too old']]);
  });
});
