// Alerts on their way out: written to the store first, then sent, again and again with longer pauses, and given up at last
// where somebody can see it. Nobody who raises one waits, and nothing of a receiver's trouble reaches a session.
// Refuses to know: what an alert says (messages.ts), one attempt (post.ts).

import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { asHoopctlError } from '../../core/errors.ts';
import { type Limit, limit } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import type { Alert, Alerts } from '../../session/alerts.ts';
import type { Delivery, DeliveryStore } from '../../session/deliveries.ts';
import type { AuditLog } from '../../session/log/audit.ts';
import { Throttle } from '../throttle.ts';
import { messageBody } from './messages.ts';
import type { Attempt } from './post.ts';
import { type WebhookConfiguration, wants } from './schema.ts';

/** Attempts at one message until it is given up. */
export const WEBHOOK_ATTEMPTS: Limit = limit('webhook_attempts', 'count', 10, 1);
/** The pause after the first failed attempt; each next one is four times as long, up to six hours. */
export const WEBHOOK_RETRY_MS: Limit = limit('webhook_retry_ms', 'ms', 5000);
/** How long a receiver may take to answer. */
export const WEBHOOK_TIMEOUT_MS: Limit = limit('webhook_timeout_ms', 'ms', 15_000, 1);
/** Messages that the store has not taken yet; more are dropped, which the log tells. */
export const WEBHOOK_QUEUE: Limit = limit('webhook_queue', 'count', 10_000);

const MAX_PAUSE_MS = 6 * 3_600_000;
const KEEP_DEAD_MS = 30 * 86_400_000;
/** How long a message waits for a webhook that only another gateway may know. */
const KEEP_UNKNOWN_MS = 86_400_000;
const POLL_MS = 1000;
/** Messages on their way to one receiver at once: a slow one holds up no other. */
const AT_ONCE = 4;

export interface WebhooksOptions {
  readonly webhooks: () => readonly WebhookConfiguration[];
  readonly store: DeliveryStore;
  /** Whether other gateways have the same store, and may know webhooks that this one does not know yet or any more. */
  readonly shared?: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: AuditLog;
  readonly limit: (bound: Limit) => Limit;
  /** Aborted: this attempt does not count. */
  readonly post: (webhook: WebhookConfiguration, delivery: Delivery, signal: AbortSignal) => Promise<Attempt>;
  readonly pollMs?: number;
}

export class Webhooks implements Alerts {
  readonly #options: WebhooksOptions;
  readonly #throttle = new Throttle(60_000);
  readonly #sending = new Map<string, Set<string>>();
  readonly #work = new Set<Promise<void>>();
  #adding = 0;
  /** Those that the store would not take when they were raised, by their ids: it is asked again with every look. */
  readonly #late = new Map<string, Delivery>();
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  #pumping = false;
  #again = false;
  readonly #stopping = new AbortController();
  #gateway = '';

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  /** Looks for what is due, now and every second, until `stop`. `gateway`: its URL, for the messages from here on. */
  start(gateway: string): void {
    this.#gateway = gateway;
    this.#buryUnconfigured();
    this.#timer ??= setInterval(() => this.#wake(), this.#options.pollMs ?? POLL_MS).unref();
    this.#wake();
  }

  /** What is being written comes to its end; what is being sent is broken off, and goes on at the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#timer);
    this.#timer = undefined;
    await Promise.all(this.#work);
    if (this.#late.size === 0) return;
    await this.#keepLate().catch((thrown: unknown) => {
      this.#options.log.error({ lost: this.#late.size }, `alerts are lost: ${asHoopctlError(thrown).message}`);
    });
  }

  raise(alert: Alert): void {
    try {
      const webhooks = this.#options.webhooks().filter((one) => wants(one, alert.type));
      if (webhooks.length === 0) return;
      const at = this.#options.clock.now();
      let leftOut = 0;
      if (alert.throttle !== undefined) {
        const passed = this.#throttle.pass(`${alert.type} ${alert.throttle}`, at);
        if (passed === undefined) return;
        leftOut = passed;
      }
      for (const webhook of webhooks) this.#add(webhook, alert, at, leftOut);
    } catch (thrown) {
      this.#options.log.error({ event: alert.type }, `cannot raise an alert: ${asHoopctlError(thrown).message}`);
    }
  }

  /** Tries dead ones again; returns how many. */
  async retry(which: { readonly id?: string; readonly webhook?: string }): Promise<number> {
    const count = await this.#options.store.revive(which, this.#options.clock.now());
    this.#wake();
    return count;
  }

  async purge(): Promise<void> {
    await this.#options.store.purge(this.#options.clock.now() - KEEP_DEAD_MS);
  }

  #add(webhook: WebhookConfiguration, alert: Alert, at: number, leftOut: number): void {
    const { log, store } = this.#options;
    if (this.#adding + this.#late.size >= this.#options.limit(WEBHOOK_QUEUE).value) {
      this.#dropped += 1;
      if (this.#dropped % 1000 === 1)
        log.error({ webhook: webhook.name, dropped: this.#dropped }, 'alerts are dropped');
      return;
    }
    const delivery: Delivery = {
      id: messageId(webhook.name, alert),
      webhook: webhook.name,
      event: alert.type,
      body: messageBody(webhook.format, { ...alert, at, leftOut }, this.#gateway),
      state: 'pending',
      attempts: 0,
      createdAt: at,
      nextAt: at,
    };
    this.#adding += 1;
    this.#track(
      store
        .add(delivery)
        .catch((thrown: unknown) => {
          this.#late.set(delivery.id, delivery);
          throw thrown;
        })
        .then(() => this.#wake())
        .finally(() => {
          this.#adding -= 1;
        }),
    );
  }

  #wake(): void {
    if (this.#stopping.signal.aborted) return;
    if (this.#pumping) {
      this.#again = true;
      return;
    }
    this.#pumping = true;
    const pump = async () => {
      try {
        do {
          this.#again = false;
          await this.#pump();
        } while (this.#again && !this.#stopping.signal.aborted);
      } finally {
        this.#pumping = false;
      }
    };
    this.#track(pump());
  }

  async #keepLate(): Promise<void> {
    for (const delivery of this.#late.values()) {
      await this.#options.store.add(delivery);
      this.#late.delete(delivery.id);
    }
  }

  /** Each webhook by itself: one that answers late holds up no other. */
  async #pump(): Promise<void> {
    const { store, clock, webhooks } = this.#options;
    await this.#keepLate();
    for (const webhook of webhooks()) {
      const sending = this.#sending.get(webhook.name) ?? new Set();
      this.#sending.set(webhook.name, sending);
      if (sending.size >= AT_ONCE) continue;
      const timeoutMs = this.#options.limit(WEBHOOK_TIMEOUT_MS).value;
      for (const delivery of await store.due(webhook.name, clock.now(), AT_ONCE - sending.size)) {
        if (this.#stopping.signal.aborted) return;
        // Should this process die meanwhile, somebody tries it again after that.
        if (sending.has(delivery.id) || !(await store.claim(delivery, clock.now() + 2 * timeoutMs))) continue;
        sending.add(delivery.id);
        const sent = this.#send(webhook, delivery, timeoutMs).finally(() => {
          sending.delete(delivery.id);
          this.#wake();
        });
        this.#track(sent);
      }
    }
  }

  async #send(webhook: WebhookConfiguration, delivery: Delivery, timeoutMs: number): Promise<void> {
    const { store, clock, post } = this.#options;
    const stopping = this.#stopping.signal;
    const attempt = await post(webhook, delivery, AbortSignal.any([stopping, AbortSignal.timeout(timeoutMs)]));
    if (attempt.ok) {
      await store.delivered(delivery.id);
      return;
    }
    const { error } = attempt;
    if (stopping.aborted) {
      const { attempts } = delivery;
      await store.failed(delivery.id, {
        state: 'pending',
        attempts,
        nextAt: clock.now(),
        error: 'the gateway stopped',
      });
      return;
    }
    const attempts = delivery.attempts + 1;
    const dead = attempt.final || attempts >= this.#options.limit(WEBHOOK_ATTEMPTS).value;
    const state = dead ? 'dead' : 'pending';
    await store.failed(delivery.id, { state, attempts, nextAt: clock.now() + this.#pause(attempts, attempt), error });
    this.#told(delivery, attempts, error, dead);
  }

  /** At start: messages to webhooks that are no more. */
  #buryUnconfigured(): void {
    const { store, webhooks, clock, shared } = this.#options;
    const before = shared === true ? clock.now() - KEEP_UNKNOWN_MS : Number.POSITIVE_INFINITY;
    const names = new Set(webhooks().map(({ name }) => name));
    const error = 'the webhook is not configured any more';
    const bury = async () => {
      for (const { webhook, state } of await store.count()) {
        if (state === 'dead' || names.has(webhook)) continue;
        for (const { id, attempts, createdAt } of await store.list({ webhook, state, limit: 100_000 })) {
          if (createdAt > before) continue;
          await store.failed(id, { state: 'dead', attempts, nextAt: clock.now(), error });
        }
      }
    };
    this.#track(bury());
  }

  /** Half of it by chance, so that a receiver that comes back does not get everything at once. */
  #pause(attempts: number, { retryAfterMs = 0 }: Exclude<Attempt, { ok: true }>): number {
    const full = this.#options.limit(WEBHOOK_RETRY_MS).value * 4 ** (attempts - 1);
    const capped = Math.min(full, MAX_PAUSE_MS);
    return Math.max(Math.min(retryAfterMs, MAX_PAUSE_MS), Math.round(capped / 2 + (capped / 2) * Math.random()));
  }

  #told({ id, webhook, event }: Delivery, attempts: number, error: string, dead: boolean): void {
    const { log, audit } = this.#options;
    const fields = { webhook, event, id, attempts, error };
    if (!dead) {
      log.warn(fields, 'a webhook did not take a message');
      return;
    }
    log.error(fields, 'a message to a webhook was given up; see "hoopctl admin webhooks ls"');
    try {
      audit.append('failure', { what: 'webhook message given up', ...fields });
    } catch {
      // The log has told of its own failure.
    }
  }

  #track(work: Promise<void>): void {
    const guarded = work
      .catch((thrown: unknown) => {
        this.#options.log.error({}, `cannot deliver alerts: ${asHoopctlError(thrown).message}`);
      })
      .finally(() => this.#work.delete(guarded));
    this.#work.add(guarded);
  }
}

/** One alert is one message to one webhook, whichever gateway on the same store tells it. */
function messageId(webhook: string, { type, key }: Alert): string {
  if (key === undefined) return `msg_${randomBytes(16).toString('hex')}`;
  return `msg_${createHash('sha256')
    .update(JSON.stringify([webhook, type, key]))
    .digest('hex')
    .slice(0, 32)}`;
}
