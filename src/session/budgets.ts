// What principals have used up of their budgets of a day (UTC), by rule: in memory, so that no decision waits, and sent to
// the store in batches, from which it comes back after a restart and from other gateways.
// Refuses to know: how a rule is written, what a row is, SQL.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { Counter, type Use } from './counter.ts';
import { KeyedBytes } from './masking/keyed-bytes.ts';
import { Outage } from './outage.ts';

/** One principal's use of one rule's budget on one day. */
export interface BudgetKey {
  /** principalKey. */
  readonly principal: string;
  readonly rule: string;
}

/** What was used since it was last sent; `values`: hashes of values not seen before here. */
export interface BudgetUse extends BudgetKey, Use {
  readonly values: readonly string[];
}

/** What all gateways have used; `values`: how many distinct ones. */
export interface BudgetTotal extends BudgetKey, Use {
  readonly values: number;
}

/** Days are counted from the epoch. `store/` implements it. */
export interface BudgetStore {
  /** Adds, and answers with the totals: of these principals, or of all. One transaction. */
  sync(day: number, uses: readonly BudgetUse[], of?: readonly string[]): Promise<readonly BudgetTotal[]>;
  /** The hashes of the values seen on that day. */
  values(day: number, key: BudgetKey): Promise<readonly string[]>;
  /** Forgets the days before. */
  purge(day: number): Promise<void>;
}

export interface BudgetsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Left out: the days are those of this process. */
  readonly store?: BudgetStore;
  /** Whether other gateways count in the same store. */
  readonly shared?: boolean;
  /** Hashes values: what is kept tells none of them. */
  readonly key: Uint8Array;
}

const DAY_MS = 86_400_000;
/** How often what was used is sent, and what others used is looked for: what a kill or another gateway may hide. */
export const BUDGET_SYNC_MS = 1000;

interface Counted {
  readonly key: BudgetKey;
  readonly counter: Counter;
}

/** The days of all principals; one for the process. */
export class Budgets {
  readonly #options: BudgetsOptions;
  readonly #hashes: KeyedBytes;
  readonly #outage: Outage;
  readonly #live = new Map<string, number>();
  #day: number;
  #counted = new Map<string, Counted>();
  /** Days that are over, with what is still to be sent of them. */
  #past: { day: number; counted: Map<string, Counted> }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(options: BudgetsOptions) {
    this.#options = options;
    this.#hashes = new KeyedBytes(options.key, 'budget');
    this.#outage = new Outage(options.log, 'keep what was used of budgets');
    this.#day = Math.floor(options.clock.now() / DAY_MS);
  }

  /** What was used today, before this process began. Errors: `store_failed`. */
  async restore(): Promise<void> {
    const { store } = this.#options;
    if (store === undefined) return;
    await store.purge(this.#today());
    await this.#take(store, this.#day, [], await store.sync(this.#day, []));
  }

  /** Begins to send and to look, until `stop`. */
  start(): void {
    this.#timer ??= setInterval(() => void this.sync(), BUDGET_SYNC_MS).unref();
  }

  /** Sends what is left. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.sync();
  }

  /** A session of this principal lives: what others use of its budgets matters. Returns how to say that it ended. */
  open(principal: string): () => void {
    this.#live.set(principal, (this.#live.get(principal) ?? 0) + 1);
    if (this.#options.shared === true) void this.sync();
    return () => {
      const left = (this.#live.get(principal) ?? 1) - 1;
      if (left > 0) this.#live.set(principal, left);
      else this.#live.delete(principal);
    };
  }

  /** What a value is remembered as, for one use of it: 128 bits, base 64. */
  hash(use: string, value: string): string {
    return Buffer.from(this.#hashes.begin(Buffer.from(`${use}\0${value}`)).subarray(0, 16)).toString('base64url');
  }

  /** The counter of today. */
  today(key: BudgetKey): Counter {
    this.#today();
    const name = nameOf(key);
    let counted = this.#counted.get(name);
    if (counted === undefined) {
      counted = { key, counter: new Counter() };
      this.#counted.set(name, counted);
    }
    return counted.counter;
  }

  /** One round: what was used goes to the store, what everybody used comes back. Never rejects. */
  sync(): Promise<void> {
    this.#sending = this.#sending.then(() => this.#sync());
    return this.#sending;
  }

  #today(): number {
    const day = Math.floor(this.#options.clock.now() / DAY_MS);
    if (day !== this.#day) {
      if (this.#options.store !== undefined) this.#past.push({ day: this.#day, counted: this.#counted });
      this.#counted = new Map();
      this.#day = day;
    }
    return day;
  }

  async #sync(): Promise<void> {
    const { store, shared } = this.#options;
    if (store === undefined) return;
    const today = this.#today();
    const past = this.#past;
    this.#past = [];
    for (const { day, counted } of [...past, { day: today, counted: this.#counted }]) {
      const uses = [...counted.values()].flatMap(({ key, counter }) => {
        const use = counter.unsent();
        return use === undefined ? [] : [{ counter, use: { ...key, ...use } }];
      });
      const others = shared === true && day === today ? [...this.#live.keys()] : [];
      if (uses.length === 0 && others.length === 0) continue;
      const of = [...new Set([...uses.map(({ use }) => use.principal), ...others])];
      try {
        const sent = uses.map(({ use }) => use);
        await this.#take(store, day, uses, await store.sync(day, sent, of));
        this.#outage.worked();
      } catch (thrown) {
        // Nothing is lost while this process lives: it is sent with the next.
        if (day !== today) this.#past.push({ day, counted });
        this.#outage.failed(thrown);
      }
    }
  }

  /** What was sent counts as stored from the moment on at which the total does: in one go, behind all waits. */
  async #take(
    store: BudgetStore,
    day: number,
    sent: readonly { readonly counter: Counter; readonly use: BudgetUse }[],
    totals: readonly BudgetTotal[],
  ): Promise<void> {
    const pushed = new Map(sent.map((one) => [nameOf(one.use), one.use.values.length]));
    const known = new Map<string, readonly string[]>();
    for (const total of totals) {
      const name = nameOf(total);
      const mine = (this.#counted.get(name)?.counter.storedValues ?? 0) + (pushed.get(name) ?? 0);
      // More than what is known here: others have seen some.
      if (day === this.#day && total.values > mine) known.set(name, await store.values(day, total));
    }
    for (const { counter, use } of sent) counter.sent(use);
    if (day !== this.#today()) return;
    for (const total of totals) {
      const { principal, rule } = total;
      this.today({ principal, rule }).total(total, known.get(nameOf(total)) ?? []);
    }
  }
}

function nameOf({ principal, rule }: BudgetKey): string {
  return `${principal}\u0000${rule}`;
}
