// What the record says ran at a target and what the target's own log says, held against each other: each statement of the one
// with one of the other, the same text at about the same time. Refuses to know: how either is read.

import { hash } from 'node:crypto';
import { fixedLimit, type Limit, limitExceeded } from '../../core/limits.ts';
import type { Logged } from '../../protocol/contract.ts';

/** Statements that are compared at once, of both sides together. */
export const RECONCILE_STATEMENTS: Limit = fixedLimit('reconcile_statements', 'count', 4_000_000);

/** An operation that the record says was sent to the target. */
export interface Sent {
  /** When it was: let through, or let through by a review. Milliseconds. */
  readonly at: number;
  /** When it had come out. What waits behind others in a pipeline runs long after it was sent. */
  readonly until?: number;
  readonly session: string;
  readonly op: number;
  readonly who: string;
  readonly text: string;
  /** What it executes by a name that was prepared before. */
  readonly executes?: string | undefined;
  /** How it came out; undefined: the record does not say. */
  readonly status: string | undefined;
  /** Which of its statements came to their end, from 0. */
  readonly done?: readonly number[];
  /** From just outside of the span: it may be in the log, and need not be. */
  readonly optional?: boolean;
}

export interface Reconciled {
  readonly matched: number;
  /** In the log, under the gateway's account, and not in the record: did not come through the gateway. */
  readonly notRecorded: readonly Logged[];
  /** In the record as run, and not in the log. */
  readonly notLogged: readonly Sent[];
  /** The gateway's own, by their texts. */
  readonly own: number;
  /** Recorded as failed and not in the log: the server refused them before it ran anything, or skipped them. */
  readonly failed: number;
  /** Recorded at a time that the log does not cover. */
  readonly outside: number;
  /** What the log covers: its first and last statement. */
  readonly covers: { readonly from: number; readonly to: number } | undefined;
}

interface Waiting<T> {
  readonly at: number;
  readonly one: T;
}

/** Until when it may have begun to run. */
const lastOf = ({ at, one }: Waiting<Sent>): number => Math.max(at, one.until ?? at);

export class Matcher {
  readonly #toleranceMs: number;
  readonly #sent = new Map<string, Waiting<Sent>[]>();
  readonly #logged = new Map<string, Waiting<Logged>[]>();
  readonly #covers = { from: Number.POSITIVE_INFINITY, to: Number.NEGATIVE_INFINITY };
  #count = 0;

  /** `toleranceMs`: how far the two clocks, and the way between them, may be apart. */
  constructor(toleranceMs: number) {
    this.#toleranceMs = toleranceMs;
  }

  /** Errors: `limit_exceeded`. */
  sent(one: Sent): void {
    this.#add(this.#sent, one.text, one);
  }

  /** Errors: `limit_exceeded`. */
  logged(one: Logged): void {
    this.#covers.from = Math.min(this.#covers.from, one.at);
    this.#covers.to = Math.max(this.#covers.to, one.at);
    this.#add(this.#logged, one.text, one);
  }

  finish(): Reconciled {
    const notRecorded: Logged[] = [];
    const left: Sent[] = [];
    let [matched, own] = [0, 0];
    for (const key of new Set([...this.#sent.keys(), ...this.#logged.keys()])) {
      const sent = sorted(this.#sent.get(key));
      const logged = sorted(this.#logged.get(key));
      // First those of which the target was told who they are of, so that a stranger's same text is the one that is left.
      const [sentLeft, loggedLeft, found] = this.#byPrincipal(sent, logged);
      const rest = pair(sentLeft, loggedLeft, this.#toleranceMs);
      matched += found + rest.matched;
      // A client may run what the gateway runs for itself: what is left over is the gateway's.
      const strange = rest.right.filter(({ one }) => !one.own);
      own += rest.right.length - strange.length;
      for (const { one } of strange) notRecorded.push(one);
      for (const { one } of rest.left) left.push(one);
    }
    const { from, to } = this.#covers;
    // Where the log begins and ends inside of the span, what was sent around that moment may be on its other side.
    const covered = ({ at }: Sent) => at >= from && at <= to;
    const inside = left.filter(covered);
    const due = inside.filter(({ optional }) => optional !== true);
    const notLogged = due.filter(({ status }) => status !== 'error' && status !== 'cancelled');
    return {
      ...{ matched, own, outside: left.length - inside.length, failed: due.length - notLogged.length },
      notRecorded: notRecorded.sort((a, b) => a.at - b.at),
      notLogged: notLogged.sort((a, b) => a.at - b.at),
      covers: from > to ? undefined : { from, to },
    };
  }

  #byPrincipal(
    sent: readonly Waiting<Sent>[],
    logged: readonly Waiting<Logged>[],
  ): [Waiting<Sent>[], Waiting<Logged>[], number] {
    const mine = Map.groupBy(logged, ({ one }) => one.who);
    if (mine.size === 1 && mine.has(undefined)) return [[...sent], [...logged], 0];
    let matched = 0;
    const [sentLeft, loggedLeft]: [Waiting<Sent>[], Waiting<Logged>[]] = [[], [...(mine.get(undefined) ?? [])]];
    const bySender = Map.groupBy(sent, ({ one }) => one.who);
    mine.delete(undefined);
    for (const [who, some] of bySender) {
      const found = pair(some, mine.get(who) ?? [], this.#toleranceMs);
      matched += found.matched;
      for (const one of found.left) sentLeft.push(one);
      mine.set(who, found.right);
    }
    for (const rest of mine.values()) for (const one of rest) loggedLeft.push(one);
    return [sorted(sentLeft), sorted(loggedLeft), matched];
  }

  #add<T extends { readonly at: number }>(to: Map<string, Waiting<T>[]>, text: string, one: T): void {
    this.#count += 1;
    if (this.#count > RECONCILE_STATEMENTS.value) throw limitExceeded(RECONCILE_STATEMENTS, this.#count);
    const key = hash('sha256', text.trim(), 'base64');
    const known = to.get(key);
    if (known === undefined) to.set(key, [{ at: one.at, one }]);
    else known.push({ at: one.at, one });
  }
}

function sorted<T>(list: readonly Waiting<T>[] | undefined): Waiting<T>[] {
  return [...(list ?? [])].sort((a, b) => a.at - b.at);
}

/** Each that was logged with what could be it and has to be over first: no other pairing has more of them. Both by time. */
function pair(left: readonly Waiting<Sent>[], right: readonly Waiting<Logged>[], toleranceMs: number) {
  const rest = { left: [] as Waiting<Sent>[], right: [] as Waiting<Logged>[], matched: 0 };
  /** Those that were sent by then, from `head` on; the first to be over first. */
  const running: Waiting<Sent>[] = [];
  let [next, head] = [0, 0];
  for (const one of right) {
    for (; next < left.length && left[next]!.at - toleranceMs <= one.at; next++) {
      const sent = left[next]!;
      let place = running.length;
      while (place > head && lastOf(running[place - 1]!) > lastOf(sent)) place -= 1;
      running.splice(place, 0, sent);
    }
    while (head < running.length && lastOf(running[head]!) + toleranceMs < one.at) rest.left.push(running[head++]!);
    if (head === running.length) rest.right.push(one);
    else {
      head += 1;
      rest.matched += 1;
    }
  }
  for (; head < running.length; head++) rest.left.push(running[head]!);
  for (; next < left.length; next++) rest.left.push(left[next]!);
  return rest;
}
