// What happens in live sessions, for those who watch: the client's own view, `sessions tail`. Never waits for a watcher:
// a slow one loses events and is told how many. Refuses to know: who may watch, how events travel.

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
  | { readonly type: 'lost'; readonly count: number };

export type SessionListener = (event: SessionEvent) => void;

export class SessionEvents {
  readonly #all = new Set<SessionListener>();
  readonly #bySession = new Map<string, Set<SessionListener>>();

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
    const own = this.#bySession.get(session) ?? new Set();
    this.#bySession.set(session, own);
    own.add(listener);
    return () => {
      own.delete(listener);
      if (own.size === 0) this.#bySession.delete(session);
    };
  }

  /**
   * The events as a stream, until `signal` aborts or, for one session, its end. At most `bound` wait; beyond, the oldest
   * go, and a `lost` event says how many.
   */
  async *stream(session: string | undefined, signal: AbortSignal, bound = 1000): AsyncGenerator<SessionEvent> {
    const queue: SessionEvent[] = [];
    let lost = 0;
    let wake: () => void = () => {};
    const stop = this.subscribe(session, (event) => {
      if (queue.length >= bound) {
        queue.shift();
        lost += 1;
      }
      queue.push(event);
      wake();
    });
    const aborted = () => wake();
    signal.addEventListener('abort', aborted);
    try {
      while (!signal.aborted) {
        if (lost > 0) {
          const count = lost;
          lost = 0;
          yield { type: 'lost', count };
        }
        const event = queue.shift();
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
      signal.removeEventListener('abort', aborted);
    }
  }
}

function deliver(listener: SessionListener, event: SessionEvent): void {
  try {
    listener(event);
  } catch {
    // A watcher's trouble is never the session's.
  }
}
