// One attempt to deliver one message. Secrets are resolved here, at the last moment; what went wrong is told without the
// URL, which may be one. Refuses to know: when it is tried again.

import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import type { Clock } from '../../core/clock.ts';
import { parseSecretRef, type SecretRef } from '../../core/secret.ts';
import type { Delivery } from '../../session/deliveries.ts';
import { allowedUrl } from '../../session/identity/keys.ts';
import { nameOf } from '../../target/credentials.ts';
import type { WebhookConfiguration } from './schema.ts';
import { signatureHeaders } from './signature.ts';

export type Attempt =
  | { readonly ok: true }
  /** `final`: no use in trying again. */
  | {
      readonly ok: false;
      readonly error: string;
      readonly final?: boolean;
      readonly retryAfterMs?: number;
      readonly status?: number;
    };

export interface PostOptions {
  /** The value of a reference. */
  readonly read: (reference: SecretRef) => Promise<string>;
  readonly clock: Clock;
  readonly version: string;
}

/** What is sent, and to whom: references are resolved here. */
export interface Posted {
  readonly url: string;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  /** A reference to the certificate's private key. */
  readonly key?: string | undefined;
  readonly body: string;
  /** Made with the means to read references. */
  readonly headers: (resolve: (text: string) => Promise<string>) => Promise<Readonly<Record<string, string>>>;
}

/** How much of an answer is read where somebody wants it. */
const ANSWER_BYTES = 64 * 1024;

/** Never rejects. */
export function post(
  options: PostOptions,
  webhook: Pick<WebhookConfiguration, 'url' | 'secret' | 'caFile'>,
  delivery: Pick<Delivery, 'id' | 'body'>,
  signal: AbortSignal,
): Promise<Attempt> {
  const { url, caFile } = webhook;
  const { body } = delivery;
  return send(options, { url, caFile, body, headers: signedHeaders(options, webhook, delivery) }, signal);
}

export function signedHeaders(
  { clock }: PostOptions,
  { secret }: Pick<WebhookConfiguration, 'secret'>,
  { id, body }: Pick<Delivery, 'id' | 'body'>,
): Posted['headers'] {
  const timestamp = Math.floor(clock.now() / 1000);
  return async (resolve) =>
    signatureHeaders(id, timestamp, body, secret === undefined ? undefined : await resolve(secret));
}

/** Never rejects. `read`: gets the beginning of an answer that says yes; its word counts. */
export async function send(
  { read, version }: PostOptions,
  posted: Posted,
  signal: AbortSignal,
  judge?: (answer: string) => Attempt,
): Promise<Attempt> {
  const resolve = async (text: string) => {
    const reference = parseSecretRef(text);
    if (reference === undefined) return text;
    try {
      return (await read(reference)).trim();
    } catch (error) {
      throw new Error(`${nameOf(reference)} cannot be read: ${reasonOf(error)}`);
    }
  };
  let url: string;
  let headers: Readonly<Record<string, string>>;
  let key: string | undefined;
  try {
    url = await resolve(posted.url);
    headers = await posted.headers(resolve);
    key = posted.key === undefined ? undefined : await resolve(posted.key);
  } catch (error) {
    return { ok: false, error: `its secret is not there: ${reasonOf(error)}` };
  }
  let ca: Buffer | undefined;
  let cert: Buffer | undefined;
  try {
    ca = posted.caFile === undefined ? undefined : readNamed(posted.caFile);
    cert = posted.certFile === undefined ? undefined : readNamed(posted.certFile);
  } catch (error) {
    return { ok: false, error: (error as Error).message };
  }
  if (!allowedUrl(url)) return { ok: false, error: 'its URL is neither https:// nor http:// to this machine itself' };
  let agent: Agent | undefined;
  try {
    // Its own connection each time: messages are few, and no pool is left behind.
    agent = new Agent({ connect: { ca, cert, key }, pipelining: 0 });
    const {
      statusCode,
      headers: said,
      body,
    } = await request(url, {
      method: 'POST',
      body: posted.body,
      headers: { 'content-type': 'application/json', 'user-agent': `hoopctl/${version}`, ...headers },
      dispatcher: agent,
      signal,
    });
    body.on('error', () => {});
    const ok = statusCode >= 200 && statusCode < 300;
    const answer = ok && judge !== undefined ? await beginning(body) : '';
    // What else it says is of no interest, and may be without end.
    body.destroy();
    if (ok) return judge === undefined ? { ok: true } : judge(answer);
    const error = `it answered with HTTP status ${statusCode}`;
    const wait = Number(said['retry-after']);
    const more = { status: statusCode, ...(Number.isFinite(wait) && wait > 0 ? { retryAfterMs: wait * 1000 } : {}) };
    // 410 Gone: the receiver wants no more of it (Standard Webhooks, "Operational considerations").
    return { ok: false, error, ...more, ...(statusCode === 410 ? { final: true } : {}) };
  } catch (error) {
    return { ok: false, error: `it cannot be reached: ${reasonOf(error)}` };
  } finally {
    agent?.destroy().catch(() => {});
  }
}

/** A file that the configuration names: which one it is helps, where a receiver's address would be too much. */
export function readNamed(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`its file ${path} cannot be read: ${reasonOf(error)}`);
  }
}

async function beginning(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A code where there is one: texts may hold the address. */
export function reasonOf(error: unknown): string {
  const { code, cause, name } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException };
  if (name === 'TimeoutError') return 'it took too long';
  return String(code ?? cause?.code ?? (error instanceof Error ? error.message : error)).slice(0, 200);
}
