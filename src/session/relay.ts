// What happens in sessions at one gateway, for those who watch at another of the same store: asked for while somebody
// watches, sent in small batches, and what is too much is counted instead. Never waits for anybody.
// Refuses to know: how a text travels between gateways, who may watch.

import type { SessionEvent, SessionEvents } from './events.ts';

/** Every gateway hears what one sends, itself too. */
export interface RelayChannel {
  /** At most RELAY_BYTES of UTF-8. Never waits, never throws. */
  send(text: string): void;
  /** Returns how to stop. */
  listen(listener: (text: string) => void): () => void;
}

/** The longest text: below the 8000 bytes of PostgreSQL's NOTIFY. */
export const RELAY_BYTES = 7800;

/** One that is no session: all of them. */
const ALL = '*';
const ASK_MS = 2000;
/** Whoever has not asked again for so long watches no more. */
const FORGET_MS = 3 * ASK_MS;
const FLUSH_MS = 100;
/** Texts of one flush; more events than fit are lost, and the watcher is told how many. */
const TEXTS = 8;
/** Events that wait for a flush. */
const WAITING = 1000;

interface Message {
  readonly from: string;
  /** Sessions that somebody watches there. */
  readonly watch?: readonly string[];
  readonly events?: readonly SessionEvent[];
}

export interface RelayOptions {
  /** Of this gateway. */
  readonly gateway: string;
  readonly events: SessionEvents;
  readonly channel: RelayChannel;
  readonly askMs?: number;
}

export class EventRelay {
  readonly #options: RelayOptions;
  /** What is watched here, and how often. */
  readonly #watched = new Map<string, number>();
  /** What is watched elsewhere: when it was last asked for, and how to stop listening here. */
  readonly #asked = new Map<string, { at: number; readonly stop: () => void }>();
  /** That came from elsewhere: never sent back. */
  readonly #foreign = new WeakSet<SessionEvent>();
  #out: SessionEvent[] = [];
  /** How many, by their session. */
  #lost = new Map<string, number>();
  #flush: NodeJS.Timeout | undefined;
  readonly #ask: NodeJS.Timeout;
  readonly #stop: () => void;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#stop = options.channel.listen((text) => this.#heard(text));
    this.#ask = setInterval(() => this.#tick(), options.askMs ?? ASK_MS).unref();
  }

  /** Events of a session at another gateway (or of all) come to this one's watchers from now on; returns how to stop. */
  watch(session: string | undefined): () => void {
    const key = session ?? ALL;
    this.#watched.set(key, (this.#watched.get(key) ?? 0) + 1);
    this.#tick();
    let stopped = false;
    return () => {
      if (stopped) return;
      stopped = true;
      const left = (this.#watched.get(key) ?? 1) - 1;
      if (left === 0) this.#watched.delete(key);
      else this.#watched.set(key, left);
    };
  }

  stop(): void {
    this.#stop();
    clearInterval(this.#ask);
    clearTimeout(this.#flush);
    for (const { stop } of this.#asked.values()) stop();
    this.#asked.clear();
  }

  #tick(): void {
    const now = performance.now();
    for (const [key, { at, stop }] of this.#asked) {
      if (now - at < FORGET_MS) continue;
      stop();
      this.#asked.delete(key);
    }
    const watch = [...this.#watched.keys()];
    // Ids are short: so many fit into one text.
    for (let i = 0; i < watch.length; i += 200) this.#send({ watch: watch.slice(i, i + 200) });
  }

  #heard(text: string): void {
    const { from, watch = [], events = [] } = JSON.parse(text) as Message;
    if (from === this.#options.gateway) return;
    for (const key of watch) this.#serve(key);
    for (const event of events) {
      const session = sessionOf(event);
      if (!this.#options.events.wanted(session)) continue;
      this.#foreign.add(event);
      this.#options.events.emit(session, event);
    }
  }

  #serve(key: string): void {
    const known = this.#asked.get(key);
    if (known !== undefined) {
      known.at = performance.now();
      return;
    }
    const session = key === ALL ? undefined : key;
    const stop = this.#options.events.subscribe(session, (event) => this.#queue(event, session));
    this.#asked.set(key, { at: performance.now(), stop });
  }

  #queue(event: SessionEvent, of: string | undefined): void {
    if (this.#foreign.has(event)) return;
    // Asked for by name and with all: once is enough.
    if (of !== undefined && this.#asked.has(ALL)) return;
    if (this.#out.length < WAITING) this.#out.push(event);
    else this.#lose(event);
    this.#flush ??= setTimeout(() => this.#sendWaiting(), FLUSH_MS).unref();
  }

  #sendWaiting(): void {
    this.#flush = undefined;
    let batch: SessionEvent[] = [];
    let size = 0;
    let texts = 0;
    const send = () => {
      if (batch.length > 0) this.#send({ events: batch });
      texts += 1;
      [batch, size] = [[], 200];
    };
    size = 200;
    const bytesOf = (event: SessionEvent) => Buffer.byteLength(JSON.stringify(event)) + 1;
    for (const event of this.#out) {
      const bytes = bytesOf(event);
      if (size + bytes > RELAY_BYTES) send();
      if (texts >= TEXTS || size + bytes > RELAY_BYTES) {
        this.#lose(event);
        continue;
      }
      batch.push(event);
      size += bytes;
    }
    this.#out = [];
    for (const event of this.#takeLost()) {
      const bytes = bytesOf(event);
      if (size + bytes > RELAY_BYTES) send();
      batch.push(event);
      size += bytes;
    }
    send();
  }

  #lose(event: SessionEvent): void {
    const session = sessionOf(event);
    this.#lost.set(session, (this.#lost.get(session) ?? 0) + 1);
  }

  /** One for each session that somebody watches by its id, and one for all the others. */
  *#takeLost(): Iterable<SessionEvent> {
    const lost = this.#lost;
    this.#lost = new Map();
    let others = 0;
    for (const [session, count] of lost) {
      if (this.#asked.has(session)) yield { type: 'lost', count, session };
      else others += count;
    }
    if (others > 0) yield { type: 'lost', count: others };
  }

  #send(message: Omit<Message, 'from'>): void {
    this.#options.channel.send(JSON.stringify({ from: this.#options.gateway, ...message }));
  }
}

function sessionOf(event: SessionEvent): string {
  return ('session' in event ? event.session : undefined) ?? '';
}
