// What happens in live sessions, for those who watch: the client's own view, `sessions tail`. Never waits for a watcher:
// a slow one loses events and is told how many. Refuses to know: who may watch, how events travel.

import type { Decision, Operation, OperationId } from '../protocol/contract.ts';

export type SessionEvent =
  | ({ readonly type: 'operation'; readonly session: string; readonly n: number; readonly at: number } & {
      /** At most 200 characters. */
      readonly text: string;
      readonly verdict: 'allow' | 'deny' | 'hold';
      readonly rule?: string;
    })
  | {
      readonly type: 'result';
      readonly session: string;
      readonly n: number;
      readonly at: number;
      readonly part: number;
      readonly status: string;
      readonly rows?: number;
      readonly error?: string;
    }
  | {
      readonly type: 'review';
      readonly session: string;
      readonly id: string;
      readonly rule?: string;
      readonly state: string;
      readonly at: number;
    }
  | ({ readonly type: 'begin'; readonly session: string; readonly principal: string; readonly connection: string } & {
      readonly at: number;
    })
  | {
      readonly type: 'end';
      readonly session: string;
      readonly code: string;
      readonly message: string;
      readonly at: number;
    }
  | OutputEvent
  /** `session`: all of this one. */
  | { readonly type: 'lost'; readonly count: number; readonly session?: string };

/** What a running operation put out, after masking. Only for whoever asks for it, of one session. */
export interface OutputEvent {
  readonly type: 'output';
  readonly session: string;
  readonly n: number;
  readonly at: number;
  readonly stream: 'out' | 'err';
  /** Where it is UTF-8. */
  readonly text?: string;
  readonly base64?: string;
}

const EVENT_TEXT = 200;
/** UTF-16 units of output that wait for one watcher. */
const OUTPUT_CHARS = 4 * 1024 * 1024;

export type SessionListener = (event: SessionEvent) => void;

export class SessionEvents {
  readonly #all = new Set<SessionListener>();
  readonly #bySession = new Map<string, Set<SessionListener>>();
  readonly #output = new Map<string, Set<SessionListener>>();

  /** Whether anybody watches this session: an event need not even be made otherwise. */
  wanted(session: string): boolean {
    return this.#all.size > 0 || (this.#bySession.size > 0 && this.#bySession.has(session));
  }

  emit(session: string, event: SessionEvent): void {
    for (const listener of this.#all) deliver(listener, event);
    const own = this.#bySession.get(session);
    if (own !== undefined) for (const listener of own) deliver(listener, event);
  }

  /** Calls the listener at once for each event of the session, or of all; returns how to stop. */
  subscribe(session: string | undefined, listener: SessionListener): () => void {
    if (session === undefined) {
      this.#all.add(listener);
      return () => this.#all.delete(listener);
    }
    return addTo(this.#bySession, session, listener);
  }

  /** Whether anybody watches what this session's operations put out. */
  wantsOutput(session: string): boolean {
    return this.#output.size > 0 && this.#output.has(session);
  }

  emitOutput(session: string, event: OutputEvent): void {
    for (const listener of this.#output.get(session) ?? []) deliver(listener, event);
  }

  /**
   * The events as a stream, until `signal` aborts or, for one session, its end. At most `bound` wait; beyond, the oldest
   * go, and a `lost` event says how many. `output`: also what operations put out.
   */
  async *stream(
    session: string | undefined,
    signal: AbortSignal,
    { bound = 1000, output = false }: { readonly bound?: number; readonly output?: boolean } = {},
  ): AsyncGenerator<SessionEvent> {
    const queue: SessionEvent[] = [];
    let chars = 0;
    let lost = 0;
    let wake: () => void = () => {};
    const take = (): SessionEvent | undefined => {
      const event = queue.shift();
      if (event !== undefined) chars -= outputChars(event);
      return event;
    };
    const listener = (event: SessionEvent) => {
      queue.push(event);
      chars += outputChars(event);
      while (queue.length > bound || (chars > OUTPUT_CHARS && queue.length > 1)) {
        take();
        lost += 1;
      }
      wake();
    };
    const stop = this.subscribe(session, listener);
    const stopOutput = session === undefined || !output ? () => {} : addTo(this.#output, session, listener);
    const aborted = () => wake();
    signal.addEventListener('abort', aborted);
    try {
      while (!signal.aborted) {
        if (lost > 0) {
          const count = lost;
          lost = 0;
          yield { type: 'lost', count };
        }
        const event = take();
        if (event !== undefined) {
          yield event;
          if (session !== undefined && event.type === 'end') return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      stop();
      stopOutput();
      signal.removeEventListener('abort', aborted);
    }
  }
}

function addTo(sets: Map<string, Set<SessionListener>>, session: string, listener: SessionListener): () => void {
  const own = sets.get(session) ?? new Set();
  sets.set(session, own);
  own.add(listener);
  return () => {
    own.delete(listener);
    if (own.size === 0) sets.delete(session);
  };
}

function outputChars(event: SessionEvent): number {
  return event.type === 'output' ? (event.text ?? event.base64 ?? '').length : 0;
}

function deliver(listener: SessionListener, event: SessionEvent): void {
  try {
    listener(event);
  } catch {
    // A watcher's trouble is never the session's.
  }
}

/** An operation was decided. */
export function tellDecision(
  events: SessionEvents,
  session: string,
  told: { readonly id: OperationId; readonly operation: Operation; readonly decision: Decision; readonly at: number },
): void {
  const { id: n, operation, decision, at } = told;
  const { verdict } = decision;
  const rule = verdict === 'deny' ? decision.refusal.rule : decision.rule;
  const text = operation.text.length > EVENT_TEXT ? `${operation.text.slice(0, EVENT_TEXT - 1)}…` : operation.text;
  events.emit(session, { type: 'operation', session, n, at, text, verdict, rule });
  if (verdict === 'hold')
    events.emit(session, { type: 'review', session, id: decision.review, rule, state: 'pending', at });
}
