// Lines of recordings, as a follower gives them → operations with their outcome. Keeps what has no outcome yet.
// Refuses to know: where lines come from, where operations go.

import type { RecordEvent } from '../recorder/follow.ts';
import type { Position } from '../recorder/follow-source.ts';
import type { SearchedOperation, SearchedSession } from './operation.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Pending {
  readonly operation: Mutable<SearchedOperation>;
  /** Where its intent begins. */
  readonly from: Position;
  /** Outcomes that are still to come. */
  left: number;
}

/** Of one operation's results, in UTF-16 units. */
const RESULTS_CHARS = 16 * 1024;
/** The largest number of an operation, as an index keeps it. */
const MOST_NUMBER = 2 ** 31 - 1;
/** Behind this an index cannot count them any more. */
const LAST_MS = Date.UTC(2039, 0, 1);
/** Of its text; the recording has the whole. */
const TEXT_CHARS = 64 * 1024;

export class Collector {
  readonly #sessions = new Map<string, SearchedSession>();
  readonly #pending = new Map<string, Map<number, Pending>>();
  #begun: SearchedSession[] = [];
  #done: SearchedOperation[] = [];

  /** `sessions`: whose recordings are read from somewhere behind their first line. */
  constructor(sessions: readonly SearchedSession[] = []) {
    for (const session of sessions) this.#sessions.set(session.session, session);
  }

  /** Those that are not over: a collector has to know them to go on after this one. */
  get sessions(): readonly SearchedSession[] {
    return [...this.#sessions.values()];
  }

  /** Where sessions would have to be read again from, so that nothing that waits for its outcome is missed. */
  get waiting(): Readonly<Record<string, Position>> {
    const from: Record<string, Position> = {};
    for (const [session, operations] of this.#pending) {
      const oldest = operations.values().next().value;
      if (oldest !== undefined) from[session] = oldest.from;
    }
    return from;
  }

  /** Operations that wait to be taken. */
  get size(): number {
    return this.#done.length;
  }

  /** What is finished since it was taken last. */
  take(): { sessions: readonly SearchedSession[]; operations: readonly SearchedOperation[] } {
    const taken = { sessions: this.#begun, operations: this.#done };
    this.#begun = [];
    this.#done = [];
    return taken;
  }

  /** `from`: where the line begins. */
  add(event: RecordEvent, from: Position): void {
    const { session, kind, fields } = event;
    if (session === undefined) return;
    if (kind === 'open') {
      this.#open(session, fields);
      return;
    }
    if (kind === 'intent') {
      this.#intent(session, event.at, fields, from);
      return;
    }
    if (kind === 'end' || kind === 'seal' || kind === 'missing') {
      if (kind === 'end') this.#settle(session);
      else this.close(session);
      return;
    }
    const pending = this.#pending.get(session)?.get(Number(fields.op));
    if (pending === undefined) return;
    if (kind === 'review') this.#review(pending, fields);
    else if (kind === 'masks') this.#masks(pending, fields);
    else if (kind === 'rows') this.#rows(pending, fields.values);
    else if (kind === 'result') this.#result(pending, fields);
  }

  /** No line of it comes any more. */
  close(session: string): void {
    this.#settle(session);
    this.#sessions.delete(session);
  }

  /** As if nothing of it had come. */
  forget(session: string): void {
    this.#sessions.delete(session);
    this.#pending.delete(session);
    this.#begun = this.#begun.filter((one) => one.session !== session);
    this.#done = this.#done.filter((one) => one.session !== session);
  }

  // -------------------------------------------------------------------------------------------------------------------

  #of(session: string): Map<number, Pending> {
    let found = this.#pending.get(session);
    if (found === undefined) {
      found = new Map();
      this.#pending.set(session, found);
    }
    return found;
  }

  #open(session: string, fields: Fields): void {
    const given = isObject(fields.principal) ? fields.principal : {};
    const named = Object.entries(given).filter(([, value]) => typeof value === 'string');
    const { email, actor, subject = '', issuer = '', kind = '' } = Object.fromEntries(named) as Record<string, string>;
    const name = email ?? subject;
    const opened: SearchedSession = {
      session,
      principal: actor === undefined ? name : `${name} (${actor})`,
      subject,
      issuer,
      kind,
      connection: text(fields.connection),
      protocol: text(fields.protocol),
      ...(email === undefined ? {} : { email }),
      ...(actor === undefined ? {} : { actor }),
      ...(typeof fields.client === 'string' ? { client: fields.client } : {}),
    };
    this.#sessions.set(session, opened);
    this.#begun.push(opened);
  }

  #intent(session: string, at: string, fields: Fields, from: Position): void {
    const parts = Array.isArray(fields.parts) ? fields.parts.filter(isObject) : [];
    const all = (key: string) => [...new Set(parts.flatMap((part) => strings(part[key])))];
    // A line that somebody changed is found by what is left of it, or not: it must not keep the index from those after it.
    if (!whole(fields.op) || fields.op > MOST_NUMBER) return;
    const verdict = fields.verdict === 'deny' || fields.verdict === 'review' ? fields.verdict : 'allow';
    const operation: Mutable<SearchedOperation> = {
      session,
      op: fields.op,
      at: momentOf(at),
      how: text(fields.how),
      text: text(fields.text).slice(0, TEXT_CHARS),
      verdict,
      does: all('does'),
      relations: [...new Set([...all('read'), ...all('written')])],
      functions: [...all('functions'), ...all('programs')],
      masked: [],
      status: 'unknown',
      results: '',
      ...(typeof fields.rule === 'string' ? { rule: fields.rule } : {}),
      ...(typeof fields.review === 'string' ? { review: fields.review } : {}),
    };
    const outcomes = typeof fields.outcomes === 'number' ? fields.outcomes : 1;
    const left = Math.max(outcomes, parts.filter((part) => part.via === undefined).length);
    const pending = { operation, from, left };
    this.#of(session).set(operation.op, pending);
    if (verdict === 'deny') this.#finish(pending, 'refused', fields.code);
  }

  #review(pending: Pending, fields: Fields): void {
    const { operation } = pending;
    if (typeof fields.review === 'string') operation.review = fields.review;
    const { state } = fields;
    if (state === 'denied' || state === 'expired') this.#finish(pending, 'refused', `review_${state}`);
    else if (state === 'cancelled') this.#finish(pending, 'cancelled', undefined);
  }

  #masks({ operation }: Pending, fields: Fields): void {
    const columns = Array.isArray(fields.columns) ? fields.columns.filter(isObject) : [];
    const found = columns.flatMap(({ column, mask }) => [text(column), text(mask)]);
    operation.masked = [...new Set([...operation.masked, ...found])].filter((name) => name !== '');
  }

  #rows({ operation }: Pending, values: unknown): void {
    if (!Array.isArray(values)) return;
    for (const row of values as unknown[]) {
      if (operation.results.length >= RESULTS_CHARS) return;
      operation.results += ` ${strings(row).join(' ')}`.slice(0, RESULTS_CHARS - operation.results.length);
    }
  }

  #result(pending: Pending, fields: Fields): void {
    const { operation } = pending;
    this.#rows(pending, fields.values);
    if (whole(fields.rows)) operation.rows = (operation.rows ?? 0) + fields.rows;
    if (whole(fields.bytes)) operation.bytes = (operation.bytes ?? 0) + fields.bytes;
    if (whole(fields.us)) operation.us = Math.max(operation.us ?? 0, fields.us);
    pending.left -= 1;
    const status =
      fields.status === 'ok' || fields.status === 'error' || fields.status === 'cancelled' ? fields.status : 'unknown';
    operation.status = status;
    if (pending.left <= 0 || status !== 'ok') this.#finish(pending, status, (fields.error as Fields | undefined)?.code);
  }

  #finish({ operation }: Pending, status: SearchedOperation['status'], error: unknown): void {
    operation.status = status;
    if (typeof error === 'string') operation.error = error;
    this.#pending.get(operation.session)?.delete(operation.op);
    this.#done.push(operation);
  }

  /** Nothing more comes of what has no outcome. */
  #settle(session: string): void {
    for (const pending of [...(this.#pending.get(session)?.values() ?? [])]) {
      this.#finish(pending, pending.operation.status, undefined);
    }
    this.#pending.delete(session);
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** As an index keeps it: not negative, and no more than a number tells exactly. */
function whole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function momentOf(at: string): number {
  const ms = Date.parse(at) || 0;
  return ms >= 0 && ms < LAST_MS ? ms : 0;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}
