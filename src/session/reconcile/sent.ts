// Events of a copy of the record → the operations that were sent to a target, and how they came out. Refuses to know: where
// the copy is from.

import type { Sent } from './match.ts';

/** One line of a copy in JSON (`audit export --format jsonl`), as far as it is looked at. */
export interface CopiedEvent {
  readonly at: string;
  readonly kind: string;
  readonly session?: {
    readonly id: string;
    readonly connection?: string;
    readonly principal?: Readonly<Record<string, unknown>>;
  };
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * Holds the operations of sessions that are being read. `unread` is told of one that sent what is encrypted, and may throw;
 * `earlier` of an operation that was let through in what was copied, and asked for before that.
 */
export async function* sentOperations(
  events: AsyncIterable<CopiedEvent>,
  unread: (session: NonNullable<CopiedEvent['session']>) => void,
  earlier: (session: string, op: number) => void = () => {},
): AsyncGenerator<Sent> {
  const running = new Map<string, Map<number, { -readonly [K in keyof Sent]: Sent[K] }>>();
  for await (const { at, kind, session, data } of events) {
    if (session === undefined) continue;
    const op = Number(data.op);
    const mine = running.get(session.id) ?? new Map();
    running.set(session.id, mine);
    if (kind === 'session.intent' && typeof data.text !== 'string' && data.verdict !== 'deny') unread(session);
    if (kind === 'session.intent' && typeof data.text === 'string') {
      const sent = { at: Date.parse(at), session: session.id, op, who: nameOf(session.principal), text: data.text };
      const executes = typeof data.executes === 'string' ? data.executes : undefined;
      // One that is held is not sent until the review says so.
      const open = { executes, status: undefined, done: [] };
      if (data.verdict === 'allow') mine.set(op, { ...sent, ...open });
      else if (data.verdict === 'review') mine.set(op, { ...sent, ...open, at: Number.NaN });
      else mine.delete(op);
    } else if (kind === 'session.review' && data.state === 'used') {
      const held = mine.get(op);
      if (held === undefined) earlier(session.id, op);
      else held.at = Date.parse(at);
    } else if (kind === 'session.result' && mine.has(op)) {
      // Of several parts one that ran says that the text was sent.
      const one = mine.get(op)!;
      one.status = one.status === undefined || one.status === 'error' ? String(data.status) : one.status;
      one.until = Date.parse(at);
      if (data.status === 'ok') one.done = [...(one.done ?? []), Number(data.part ?? 0)];
    } else if (kind === 'session.seal') {
      yield* over(mine);
      running.delete(session.id);
    }
  }
  for (const mine of running.values()) yield* over(mine);
}

function* over(mine: ReadonlyMap<number, Sent>): Generator<Sent> {
  for (const one of mine.values()) if (!Number.isNaN(one.at)) yield one;
}

function nameOf(principal: Readonly<Record<string, unknown>> | undefined): string {
  const who = String(principal?.email ?? principal?.subject ?? '');
  return principal?.actor === undefined ? who : `${who} (agent: ${String(principal.actor)})`;
}
