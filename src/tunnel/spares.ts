// Tunnels opened ahead of need, so that a new local connection waits for no handshake. One pool per connection.
// Refuses to know: who takes them and why; whether to try again after a failure.

import { type HoopctlError, ourError } from '../core/errors.ts';
import type { DialledTunnel } from './dial.ts';

export interface SpareOptions {
  /** Opens one. */
  dial(signal: AbortSignal): Promise<DialledTunnel>;
  /** How many to keep; 0: none, every take dials. */
  readonly size?: number;
  /** A spare older than this is replaced, so that its token was fresh a short while ago. ms. */
  readonly maxAgeMs?: number;
  /** Nothing taken for this long: no more spares until the next take. ms. */
  readonly idleMs?: number;
  /** Told of every dial, also of those in the background. */
  onDial?(error: HoopctlError | undefined): void;
}

interface Spare {
  readonly tunnel: DialledTunnel;
  readonly timer: NodeJS.Timeout;
  /** By the wall clock: a timer does not run while the machine sleeps. */
  readonly until: number;
}

interface Waiter<T> {
  give(value: T): void;
  fail(error: unknown): void;
}

/**
 * How much of the time that the gateway gives an unused tunnel it is kept: one that the gateway closes while it is taken
 * would end a local connection without a word.
 */
const PART_OF_UNSTARTED = 0.8;

/**
 * The time is looked at so often. Where far more has gone by since, the machine slept: the gateway heard nothing meanwhile
 * and may have given up what is here, which nobody has told us yet.
 */
const LOOK_MS = 5000;
const SLEPT_MS = 20_000;

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;

export class SparePool {
  readonly #options: Required<Omit<SpareOptions, 'onDial'>> & Pick<SpareOptions, 'onDial'>;
  readonly #closing = new AbortController();
  readonly #ready: Spare[] = [];
  /** Who waits for a tunnel of their own, and who only wants to know whether there could be one. */
  readonly #waiters: Waiter<DialledTunnel>[] = [];
  readonly #probes: Waiter<void>[] = [];
  #opening = 0;
  #idleTimer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #lookTimer: NodeJS.Timeout | undefined;
  #looked = 0;
  #retryMs = FIRST_RETRY_MS;
  /** Whether spares are wanted: after a take, until the pool was idle for long. */
  #active = false;

  constructor(options: SpareOptions) {
    this.#options = { size: 2, maxAgeMs: 120_000, idleMs: 600_000, ...options };
  }

  /** Spares that could be taken now. */
  get ready(): number {
    return this.#ready.length;
  }

  /** A tunnel taken into use: a spare, or a new one. Errors: those of dialling; the signal's reason. */
  async take(signal?: AbortSignal): Promise<DialledTunnel> {
    this.#closing.signal.throwIfAborted();
    signal?.throwIfAborted();
    this.#touch();
    this.#look();
    const spare = this.#ready.shift();
    if (spare === undefined) return use(await this.#wait(this.#waiters, signal));
    clearTimeout(spare.timer);
    // Behind the caller's first bytes: what replaces it is not what somebody waits for.
    setImmediate(() => this.#fill());
    return use(spare.tunnel);
  }

  /** Opens spares if none is there, and reports whether the gateway lets us. Errors: as of `take`. */
  async probe(signal?: AbortSignal): Promise<void> {
    if (this.#ready.length > 0) return;
    this.#closing.signal.throwIfAborted();
    this.#touch();
    await this.#wait(this.#probes, signal);
  }

  /** Closes the spares and fails who waits. */
  close(): void {
    if (this.#closing.signal.aborted) return;
    const error = ourError('client_gone', 'the client is closing');
    this.#closing.abort(error);
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#retryTimer);
    this.#rest();
    this.#drop();
    for (const waiter of [...this.#waiters.splice(0), ...this.#probes.splice(0)]) waiter.fail(error);
  }

  #wait<T>(queue: Waiter<T>[], signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const forget = () => {
        queue.splice(queue.indexOf(waiter), 1);
        reject(signal?.reason);
      };
      const waiter: Waiter<T> = {
        give: (value) => {
          signal?.removeEventListener('abort', forget);
          resolve(value);
        },
        fail: (error) => {
          signal?.removeEventListener('abort', forget);
          reject(error);
        },
      };
      signal?.addEventListener('abort', forget, { once: true });
      queue.push(waiter);
      this.#fill();
    });
  }

  /** Dials until what is opening and ready covers who waits and what is to be kept. */
  #fill(): void {
    if (this.#closing.signal.aborted) return;
    const spares = this.#active && this.#retryTimer === undefined ? this.#options.size : 0;
    const wanted = this.#waiters.length + Math.max(spares, this.#probes.length > 0 ? 1 : 0);
    while (this.#opening + this.#ready.length < wanted) {
      this.#opening++;
      this.#options.dial(this.#closing.signal).then(
        (tunnel) => this.#opened(tunnel),
        (error: unknown) => this.#failed(error),
      );
    }
  }

  #opened(tunnel: DialledTunnel): void {
    this.#opening--;
    if (this.#closing.signal.aborted) {
      tunnel.stream.destroy();
      return;
    }
    this.#retryMs = FIRST_RETRY_MS;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#options.onDial?.(undefined);
    for (const probe of this.#probes.splice(0)) probe.give();
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#keep(tunnel);
    else waiter.give(tunnel);
    this.#fill();
  }

  #failed(error: unknown): void {
    this.#opening--;
    if (this.#closing.signal.aborted) return;
    this.#options.onDial?.(error as HoopctlError);
    // Set before the waiter hears of it, so that a take from within does not dial a spare at once.
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = undefined;
      this.#fill();
    }, this.#retryMs).unref();
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
    this.#waiters.shift()?.fail(error);
    for (const probe of this.#probes.splice(0)) probe.fail(error);
  }

  #keep(tunnel: DialledTunnel): void {
    if (!this.#active || this.#ready.length >= this.#options.size) {
      tunnel.stream.destroy();
      return;
    }
    const maxAgeMs = Math.min(
      this.#options.maxAgeMs,
      (tunnel.unstartedMs ?? Number.POSITIVE_INFINITY) * PART_OF_UNSTARTED,
    );
    const timer = setTimeout(() => this.#discard(spare), maxAgeMs).unref();
    const spare: Spare = { tunnel, timer, until: Date.now() + maxAgeMs };
    this.#ready.push(spare);
    void tunnel.closed.then(() => this.#discard(spare));
  }

  /** Drops those that are not to be trusted any more. Whoever takes one may be served before the timers after a sleep. */
  #look(): void {
    const now = Date.now();
    const slept = now - this.#looked > SLEPT_MS;
    this.#looked = now;
    for (const old of this.#ready.filter(({ until }) => slept || until < now)) this.#discard(old);
  }

  /** Drops one spare that grew old or was closed by the gateway, and opens another. */
  #discard(spare: Spare): void {
    const at = this.#ready.indexOf(spare);
    if (at === -1) return;
    this.#ready.splice(at, 1);
    clearTimeout(spare.timer);
    spare.tunnel.stream.destroy();
    this.#fill();
  }

  #drop(): void {
    for (const { tunnel, timer } of this.#ready.splice(0)) {
      clearTimeout(timer);
      tunnel.stream.destroy();
    }
  }

  #rest(): void {
    clearInterval(this.#lookTimer);
    this.#lookTimer = undefined;
  }

  #touch(): void {
    this.#active = true;
    clearTimeout(this.#idleTimer);
    if (this.#lookTimer === undefined) {
      this.#looked = Date.now();
      this.#lookTimer = setInterval(() => this.#look(), LOOK_MS).unref();
    }
    this.#idleTimer = setTimeout(() => {
      this.#active = false;
      this.#rest();
      this.#drop();
    }, this.#options.idleMs).unref();
  }
}

function use(tunnel: DialledTunnel): DialledTunnel {
  tunnel.start();
  return tunnel;
}
