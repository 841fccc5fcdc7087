// Events to a receiver that answers: OpenTelemetry logs (OTLP/HTTP, JSON) and webhooks (Standard Webhooks). An answer that
// says yes is the acknowledgement. Refuses to know: one request (webhooks/post.ts), when it is tried again.

import { createHash } from 'node:crypto';
import type { ExportEvent } from '../../session/export/event.ts';
import type { Attempt, Posted } from '../webhooks/post.ts';
import { DeliveryError, type Destination } from './destination.ts';

export interface HttpOptions {
  readonly timeoutMs: () => number;
  readonly post: (
    posted: Pick<Posted, 'body' | 'headers'>,
    signal: AbortSignal,
    judge?: (answer: string) => Attempt,
  ) => Promise<Attempt>;
}

/** Statuses that say: this body, never. Others are about the receiver, which may change its mind. */
const REFUSALS = new Set([400, 413, 422]);

async function acknowledged(attempt: Promise<Attempt>): Promise<void> {
  const found = await attempt;
  if (found.ok) return;
  const { error, status = 0, retryAfterMs = 0 } = found;
  throw new DeliveryError(error, { refused: REFUSALS.has(status), retryAfterMs });
}

const due = (signal: AbortSignal, ms: number) => AbortSignal.any([signal, AbortSignal.timeout(ms)]);

export class OtlpDestination implements Destination {
  readonly #options: HttpOptions;
  readonly #headers: Posted['headers'];
  readonly #encode: (events: readonly ExportEvent[]) => string;
  readonly #told: (rejected: number, why: string) => void;

  /** `told`: of records that it took the request but not them; by the protocol they may not be sent again. */
  constructor(
    options: HttpOptions,
    headers: Posted['headers'],
    encode: (events: readonly ExportEvent[]) => string,
    told: (rejected: number, why: string) => void,
  ) {
    this.#options = options;
    this.#headers = headers;
    this.#encode = encode;
    this.#told = told;
  }

  async send(events: readonly ExportEvent[], signal: AbortSignal): Promise<void> {
    const { post, timeoutMs } = this.#options;
    const posted = { body: this.#encode(events), headers: this.#headers };
    await acknowledged(post(posted, due(signal, timeoutMs()), (answer) => this.#judge(answer)));
  }

  async close(): Promise<void> {}

  #judge(answer: string): Attempt {
    let partial: { rejectedLogRecords?: string | number; errorMessage?: string } | undefined;
    try {
      partial = (JSON.parse(answer || '{}') as { partialSuccess?: typeof partial }).partialSuccess;
    } catch {
      // An answer in protobuf, or none: the status is the acknowledgement.
    }
    const rejected = Number(partial?.rejectedLogRecords ?? 0);
    if (rejected > 0) this.#told(rejected, String(partial?.errorMessage ?? '').slice(0, 200));
    return { ok: true };
  }
}

export class WebhookDestination implements Destination {
  readonly #options: HttpOptions;
  readonly #encode: (events: readonly ExportEvent[]) => string;
  readonly #headers: (id: string, body: string) => Posted['headers'];

  constructor(
    options: HttpOptions,
    encode: (events: readonly ExportEvent[]) => string,
    headers: (id: string, body: string) => Posted['headers'],
  ) {
    this.#options = options;
    this.#encode = encode;
    this.#headers = headers;
  }

  async send(events: readonly ExportEvent[], signal: AbortSignal): Promise<void> {
    const { post, timeoutMs } = this.#options;
    const body = this.#encode(events);
    // The same for the same events, whoever sends them again.
    const named = createHash('sha256')
      .update(events.map(({ id }) => id).join('\n'))
      .digest('hex')
      .slice(0, 32);
    await acknowledged(post({ body, headers: this.#headers(`msg_${named}`, body) }, due(signal, timeoutMs())));
  }

  async close(): Promise<void> {}
}
