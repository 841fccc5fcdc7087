// Reviews and grants: who asked for what, who decided what and why, how long it took; masks lifted, glass broken.
// Refuses to know: what an approval stands for.

import { formatDuration } from '../../core/clock.ts';
import type { LogEntry } from '../log/audit.ts';
import { Capped } from './capped.ts';
import { asTable, type Collector } from './collector.ts';
import { brief, list, number, text, whoOf } from './fields.ts';
import type { Row, Stretch } from './types.ts';

/** Reviews that are open at a time; of more the oldest are told as they stand. */
const MAX_OPEN = 10_000;
/** Drawn as stretches of time. */
const DRAWN = 60;

interface OpenReview {
  readonly row: Record<string, string | number | undefined>;
  readonly at: number;
  readonly within: boolean;
  readonly of: string | undefined;
  readonly decisions: string[];
}

const OVER: ReadonlySet<string> = new Set(['used', 'denied', 'expired', 'cancelled']);

export class Reviews implements Collector {
  readonly #open = new Map<string, OpenReview>();
  readonly #rows: Capped<Row>;
  readonly #grants: Capped<Row>;
  readonly stretches: Stretch[] = [];

  constructor(rows: number) {
    this.#rows = new Capped(rows);
    this.#grants = new Capped(rows);
  }

  entry(entry: LogEntry, within: boolean): void {
    if (entry.kind === 'review') this.#review(entry, within);
    else if (entry.kind === 'grant' && within) this.#grant(entry);
  }

  get total(): number {
    return this.#rows.total;
  }

  get grants(): number {
    return this.#grants.total;
  }

  /** Sessions that the table of reviews names. */
  get cited(): readonly string[] {
    return this.#rows.kept.flatMap(({ session }) => (typeof session === 'string' ? [session] : []));
  }

  #review({ index, at, fields }: LogEntry, within: boolean): void {
    const id = text(fields.review);
    if (id === undefined) return;
    if (fields.of !== undefined) {
      if (this.#open.size >= MAX_OPEN) this.#settle(this.#open.keys().next().value!, undefined, 'not followed');
      this.#open.set(id, {
        row: {
          asked: at,
          review: id,
          of: text(fields.of),
          who: whoOf(fields.principal),
          connection: text(fields.connection),
          rule: text(fields.rule) ?? (list(fields.masks).join(', ') || undefined),
          reason: text(fields.reason),
          forTime: number(fields.grantMs) === undefined ? undefined : formatDuration(number(fields.grantMs)!),
          session: text(fields.session),
          operation: number(fields.operation),
          policy: brief(text(fields.policy)),
          entry: index,
        },
        at: Date.parse(at),
        of: text(fields.of),
        decisions: [],
        within,
      });
      return;
    }
    const found = this.#open.get(id);
    if (found === undefined) return;
    const by = whoOf(fields.reviewer) ?? text(fields.by);
    const { verdict, reason, why } = fields as { verdict?: string; reason?: string; why?: string };
    if (verdict !== undefined) {
      // Quoted: several stand in one cell, and a reason is free text that could be made to look like another decision.
      const why = reason === undefined ? '' : `: ${JSON.stringify(reason)}`;
      found.decisions.push(`${verdict} by ${by ?? '?'} at ${at}${why} (entry ${index})`);
    } else if (why !== undefined) found.decisions.push(`${String(fields.state)}: ${why} (entry ${index})`);
    const state = text(fields.state) ?? 'pending';
    // A grant is used up by its approval; what an operation's approval led to comes in an entry of its own.
    if (OVER.has(state) || (state === 'approved' && found.of !== 'operation')) this.#settle(id, at, state, within);
  }

  #settle(id: string, at: string | undefined, state: string, within = true): void {
    const { row, decisions, ...found } = this.#open.get(id)!;
    this.#open.delete(id);
    if (!found.within && !within) return;
    const to = at === undefined ? undefined : Date.parse(at);
    const took = to === undefined ? undefined : formatDuration(Math.max(0, to - found.at));
    this.#rows.add(() => ({ ...row, state, took, decisions: decisions.join('; ') || undefined }));
    if (this.stretches.length < DRAWN) this.stretches.push({ review: id, from: found.at, to, state });
  }

  #grant({ index, at, fields }: LogEntry): void {
    this.#grants.add(() => ({
      at,
      grant: text(fields.grant),
      action: text(fields.action),
      who: whoOf(fields.principal) ?? whoOf(fields.requester),
      by: whoOf(fields.by),
      connection: text(fields.connection),
      masks: list(fields.masks).join(', ') || undefined,
      reason: text(fields.reason) ?? text(fields.why),
      until: text(fields.until),
      review: text(fields.review),
      entry: index,
    }));
  }

  sections() {
    for (const id of [...this.#open.keys()]) this.#settle(id, undefined, 'open at the end of the span');
    // Who was given access by approval stands among the reviews: of grants, and of masks to be lifted.
    const given = this.#rows.kept.filter(({ of }) => of === 'grant' || of === 'unmask');
    const approved = given.map(
      ({ asked, review, of, who, connection, rule, reason, forTime, state, decisions, entry }) => ({
        ...{ at: asked, action: `${String(of)} asked for: ${String(state)}`, who, by: decisions, connection },
        ...{ masks: rule, reason, until: forTime === undefined ? undefined : `for ${String(forTime)}`, review, entry },
      }),
    );
    const rows = [...approved, ...this.#grants.kept].sort((a, b) => Number(a.entry) - Number(b.entry));
    return {
      reviews: asTable(this.#rows),
      grants: { rows, total: this.#grants.total + approved.length },
    };
  }
}
