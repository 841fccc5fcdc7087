// One attempt to deliver one message. Secrets are resolved here, at the last moment; what went wrong is told without the
// URL, which may be one. Refuses to know: when it is tried again.

import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import type { Clock } from '../../core/clock.ts';
import { parseSecretRef, type SecretRef } from '../../core/secret.ts';
import type { Delivery } from '../../session/deliveries.ts';
import { allowedUrl } from '../../session/identity/keys.ts';
import type { WebhookConfiguration } from './schema.ts';
import { signatureHeaders } from './signature.ts';

export type Attempt =
  | { readonly ok: true }
  /** `final`: no use in trying again. */
  | { readonly ok: false; readonly error: string; readonly final?: boolean; readonly retryAfterMs?: number };

export interface PostOptions {
  /** The value of a reference. */
  readonly read: (reference: SecretRef) => Promise<string>;
  readonly clock: Clock;
  readonly version: string;
}

/** Never rejects. */
export async function post(
  { read, clock, version }: PostOptions,
  webhook: WebhookConfiguration,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<Attempt> {
  const resolve = async (text: string) => {
    const reference = parseSecretRef(text);
    return reference === undefined ? text : (await read(reference)).trim();
  };
  let url: string;
  let secret: string | undefined;
  try {
    url = await resolve(webhook.url);
    secret = webhook.secret === undefined ? undefined : await resolve(webhook.secret);
  } catch (error) {
    return { ok: false, error: `its secret cannot be read: ${reasonOf(error)}` };
  }
  if (!allowedUrl(url)) return { ok: false, error: 'its URL is neither https:// nor http:// to this machine itself' };
  const timestamp = Math.floor(clock.now() / 1000);
  let agent: Agent | undefined;
  try {
    // Its own connection each time: messages are few, and no pool is left behind.
    const ca = webhook.caFile === undefined ? undefined : readFileSync(webhook.caFile);
    agent = new Agent({ ...(ca === undefined ? {} : { connect: { ca } }), pipelining: 0 });
    const { statusCode, headers, body } = await request(url, {
      method: 'POST',
      body: delivery.body,
      headers: {
        'content-type': 'application/json',
        'user-agent': `hoopctl/${version}`,
        ...signatureHeaders(delivery.id, timestamp, delivery.body, secret),
      },
      dispatcher: agent,
      signal,
    });
    // What it says is of no interest, and may be without end.
    body.on('error', () => {});
    body.destroy();
    if (statusCode >= 200 && statusCode < 300) return { ok: true };
    const error = `it answered with HTTP status ${statusCode}`;
    const wait = Number(headers['retry-after']);
    if (Number.isFinite(wait) && wait > 0) return { ok: false, error, retryAfterMs: wait * 1000 };
    // 410 Gone: the receiver wants no more of it (Standard Webhooks, "Operational considerations").
    return { ok: false, error, ...(statusCode === 410 ? { final: true } : {}) };
  } catch (error) {
    return { ok: false, error: `it cannot be reached: ${reasonOf(error)}` };
  } finally {
    agent?.destroy().catch(() => {});
  }
}

/** A code where there is one: texts may hold the address. */
function reasonOf(error: unknown): string {
  const { code, cause, name } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException };
  if (name === 'TimeoutError') return 'it took too long';
  return String(code ?? cause?.code ?? (error instanceof Error ? error.message : error)).slice(0, 200);
}
