// Recorded sessions held against another policy: what it would have refused, held or masked, or let through. Budgets are
// counted by what the recordings say came of each statement. Refuses to know: where recordings are, how a statement is read.

import type { Understood } from '../../protocol/contract.ts';
import { Counter } from '../counter.ts';
import { wholeText } from '../holding.ts';
import { type Principal, principalKey } from '../identity/principal.ts';
import type { CompiledPolicy, CompiledSession } from './compile.ts';
import { judge } from './judge.ts';
import { REFUSED_BY_MASK } from './predicates.ts';
import { recordedParts } from './recorded.ts';
import { type Analyse, testPrincipal } from './tests.ts';
import type { Charge, ConnectionRef } from './types.ts';

/** A recording's line as it was read; other members are not looked at. */
export type RecordedLine = Readonly<Record<string, unknown>>;

export interface Replayed {
  readonly session: string;
  readonly op: number;
  readonly at: string;
  readonly principal: Principal;
  readonly connection: string;
  readonly text: string;
  was: string;
  now: 'allow' | 'deny' | 'review';
  rule?: string;
  /** The budget that its result would have passed in the middle, and which bound. */
  cut?: { readonly rule: string; readonly bound: string };
  /** Masks of columns that it may read, as far as its text tells. */
  readonly masks: readonly string[];
}

export interface ReplayOptions {
  readonly policy: CompiledPolicy;
  readonly connections: readonly ConnectionRef[];
  /** What a text tells in the language of the connection. */
  readonly analyse: Analyse;
  /** Only what was asked from this moment on, in ms since the epoch. */
  readonly from?: number;
}

/** One statement as it ran, with what decides on it: what budgets have to know. */
interface Ran {
  readonly replayed: Replayed;
  readonly decided: CompiledSession;
  /** What rules and masks see. */
  readonly asked: Understood;
  readonly begins: number;
  ends: number;
  rows: number;
  bytes: number;
  timeMs: number;
}

export interface Replay {
  /** In the order of time. */
  readonly operations: readonly Replayed[];
  /** What recordings do not tell, by the names of rules and masks that would have had to know. */
  readonly unjudged: { readonly detectors: readonly string[]; readonly distinct: readonly string[] };
}

/** Every decided operation of the recordings with what the policy says of it; nothing of connections that it has not. */
export class Replayer {
  readonly #options: ReplayOptions;
  readonly #ran: Ran[] = [];
  readonly #detectors = new Set<string>();
  readonly #distinct = new Set<string>();

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  /** One recording. */
  async add(lines: AsyncIterable<RecordedLine> | Iterable<RecordedLine>): Promise<void> {
    const { connections, from = 0 } = this.#options;
    let open: Opened | undefined;
    const running = new Map<number, Ran>();
    for await (const line of lines) {
      if (line.kind === 'open') open = opened(line, connections);
      if (open === undefined) continue;
      const op = Number(line.op);
      const ran = running.get(op);
      if (line.kind === 'result' && ran !== undefined) outcome(ran, line);
      if (line.kind === 'review' && ran !== undefined && line.state !== 'used') ran.ends = Number.NaN;
      if (line.kind !== 'intent' || typeof line.text !== 'string' || Date.parse(String(line.at)) < from) continue;
      // Held once more, by what a mask says of how its columns are used.
      if (ran !== undefined) {
        ran.replayed.was = String(line.verdict);
        continue;
      }
      const next = await this.#intent(open, op, line.text, line);
      running.set(op, next);
      this.#ran.push(next);
    }
  }

  async #intent({ session, principal, connection, reason }: Opened, op: number, text: string, line: RecordedLine) {
    const { policy, analyse } = this.#options;
    const how = String(line.how ?? '');
    const understood = await analyse(connection.name, { text, how });
    const parts = recordedParts(understood?.parts, line.parts);
    const executes = typeof line.executes === 'string' ? { executes: line.executes } : {};
    const asked = { text: wholeText({ text, ...executes }), parts, uses: understood?.uses ?? [] };
    const decided = policy.session(principal, connection, reason === undefined ? {} : { reason });
    const begins = Date.parse(String(line.at));
    const denied = policy.access(principal, connection).access === 'none';
    const verdict = denied ? undefined : judge(decided, asked, begins).verdict;
    const rule = denied ? 'access' : verdict?.rule;
    if (!denied) for (const name of decided.masker.detecting) this.#detectors.add(name);
    for (const { rule, budget } of verdict?.charges ?? []) if (budget.distinct !== undefined) this.#distinct.add(rule);
    const replayed: Replayed = {
      ...{ session, op, principal, connection: connection.name, text },
      at: String(line.at),
      was: String(line.verdict),
      now: verdict?.verdict ?? 'deny',
      ...(rule === undefined ? {} : { rule }),
      masks: decided.masker.touched(parts),
    };
    return { replayed, decided, asked, begins, ends: begins, rows: 0, bytes: 0, timeMs: 0 };
  }

  /** Budgets are judged here, over all recordings that were added, in the order of time. */
  finish(): Replay {
    const counters = new Map<string, Counter>();
    const ran = this.#ran.sort((a, b) => a.begins - b.begins || a.replayed.op - b.replayed.op);
    const ending: { readonly one: Ran; readonly charges: readonly Charge[] }[] = [];
    const end = (until: number) => {
      ending.sort((a, b) => a.one.ends - b.one.ends);
      while (ending.length > 0 && ending[0]!.one.ends <= until) use(ending.shift()!, counters);
    };
    for (const one of ran) {
      end(one.begins);
      const { replayed, decided, asked, begins } = one;
      const counter = (charge: Charge) => counterOf(counters, one, charge);
      if (replayed.now === 'deny') continue;
      const exhausted = (charge: Charge) => counter(charge).over(charge.budget, 0, begins) !== undefined;
      const { verdict } = judge(decided, asked, begins, exhausted);
      replayed.now = verdict.verdict;
      if (verdict.rule !== undefined) replayed.rule = verdict.rule;
      // What never ran then would use nothing now.
      if (verdict.verdict === 'deny' || replayed.was === 'deny' || Number.isNaN(one.ends)) continue;
      const charges = (verdict.charges ?? []).filter((charge) => !exhausted(charge));
      for (const charge of charges) counter(charge).add({ statements: 1 });
      if (charges.length > 0) ending.push({ one, charges });
    }
    end(Number.POSITIVE_INFINITY);
    return {
      operations: ran.map(({ replayed }) => replayed),
      unjudged: { detectors: [...this.#detectors].sort(), distinct: [...this.#distinct].sort() },
    };
  }
}

/** What a statement used, once it is over; what a budget would have kept back is not used. */
function use(
  { one, charges }: { readonly one: Ran; readonly charges: readonly Charge[] },
  counters: Map<string, Counter>,
) {
  const { rows, bytes, timeMs, replayed } = one;
  for (const charge of charges) {
    const counter = counterOf(counters, one, charge);
    counter.add({ rows, bytes, timeMs });
    const bound = counter.over(charge.budget, 1, one.ends);
    if (bound !== undefined) replayed.cut ??= { rule: charge.rule, bound };
  }
}

const DAY_MS = 86_400_000;

function counterOf(counters: Map<string, Counter>, { replayed, begins }: Ran, { rule, budget }: Charge): Counter {
  const whose =
    budget.per === 'session' ? replayed.session : `${Math.floor(begins / DAY_MS)} ${principalKey(replayed.principal)}`;
  const key = `${budget.per} ${whose} ${rule}`;
  let counter = counters.get(key);
  if (counter === undefined) {
    counter = new Counter();
    counters.set(key, counter);
  }
  return counter;
}

function outcome(ran: Ran, line: RecordedLine): void {
  const { message } = (line.error ?? {}) as { readonly message?: unknown };
  // The rules allowed it, and a mask did not: it never ran.
  if (typeof message === 'string' && message.startsWith(REFUSED_BY_MASK)) {
    ran.replayed.was = 'deny';
    ran.ends = Number.NaN;
    return;
  }
  const number = (value: unknown) => (typeof value === 'number' ? value : 0);
  ran.rows += /^(SELECT|FETCH|COPY)\b/.test(String(line.tag ?? 'SELECT')) ? number(line.rows) : 0;
  ran.bytes += number(line.bytes);
  ran.timeMs = Math.max(ran.timeMs, number(line.us) / 1000);
  if (!Number.isNaN(ran.ends)) ran.ends = Math.max(ran.ends, Date.parse(String(line.at)) || ran.ends);
}

interface Opened {
  readonly session: string;
  readonly principal: Principal;
  readonly connection: ConnectionRef;
  readonly reason?: string;
}

function opened(line: RecordedLine, connections: readonly ConnectionRef[]): Opened | undefined {
  const connection = connections.find(({ name }) => name === line.connection);
  if (connection === undefined) return undefined;
  const given = Object.entries((line.principal ?? {}) as Record<string, unknown>);
  const as = Object.fromEntries(given.filter(([, value]) => value !== null && value !== undefined));
  const reason = typeof line.reason === 'string' ? { reason: line.reason } : {};
  return { session: String(line.session), principal: testPrincipal(as), connection, ...reason };
}
