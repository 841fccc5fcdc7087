// What Prometheus scrapes. Labels are names from the configuration and closed lists: never a value, a statement, a person.

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** What of a session is counted. */
export interface Counted {
  readonly connection: string;
  readonly via?: string;
  readonly endCode?: string;
  readonly operations: number;
  readonly denied: number;
  readonly fromClient: number;
  readonly toClient: number;
}

export interface ExportCounted {
  readonly name: string;
  readonly state: string;
  readonly sent: number;
  readonly refused: number;
  readonly sequence: number;
  readonly lagMs: number;
}

export interface StoreCounted {
  readonly state: string;
  readonly waiting: number;
  readonly lagMs: number;
  readonly uploaded: number;
}

interface Totals {
  allowed: number;
  denied: number;
  fromClient: number;
  toClient: number;
}

export interface MetricSources {
  /** Asked at each scrape. */
  reviewsPending(): Promise<number>;
  /** The sessions that are open, as they stand. */
  live(): Iterable<Counted>;
  /** The destinations of the record, as they stand. */
  exports(): readonly ExportCounted[];
  /** The object storage of recordings, as it does; undefined: there is none. */
  recordingStore(): StoreCounted | undefined;
  /** Until when what was recorded is in the search index, ms since the epoch; undefined: not known of any moment yet. */
  indexed(): number | undefined;
}

export class Metrics {
  readonly #registry = new Registry();
  /** Of sessions that have ended, by connection: those of live ones are added at each scrape, so that none is counted live. */
  readonly #ended = new Map<string, Totals>();
  readonly #sources: MetricSources;
  readonly sessionsOpen = this.#gauge('hoopctl_sessions_open', 'Sessions that are open now.', ['connection', 'via']);
  readonly sessions = this.#counter('hoopctl_sessions_total', 'Sessions that have ended, by why.', [
    'connection',
    'end',
  ]);
  readonly refused = this.#counter('hoopctl_sessions_refused_total', 'Sessions that were refused, by error code.', [
    'code',
  ]);
  readonly recorderFailures = this.#counter(
    'hoopctl_recorder_failures_total',
    'Records that could not be written.',
    [],
  );
  readonly logins = this.#counter('hoopctl_logins_total', 'Tokens exchanged and logins at the embedded issuer.', [
    'issuer',
    'result',
  ]);
  readonly reloads = this.#counter('hoopctl_configuration_reloads_total', 'Reloads of the configuration.', ['result']);

  constructor(sources: MetricSources) {
    this.#sources = sources;
    this.#addCollected();
  }

  /** Once for each session that was counted as open. */
  sessionEnded(session: Counted): void {
    const { connection, via = 'tunnel', endCode = 'internal' } = session;
    this.sessionsOpen.dec({ connection, via });
    this.sessions.inc({ connection, end: endCode });
    if (endCode === 'recording_failed') this.recorderFailures.inc();
    add(this.#ended, session);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #addCollected(): void {
    const registers = [this.#registry];
    const sources = this.#sources;
    const totals = () => {
      const all = new Map([...this.#ended].map(([connection, one]) => [connection, { ...one }]));
      for (const session of sources.live()) add(all, session);
      return all;
    };
    new Counter({
      name: 'hoopctl_operations_total',
      help: 'Operations decided.',
      labelNames: ['connection', 'verdict'],
      registers,
      collect() {
        this.reset();
        for (const [connection, { allowed, denied }] of totals()) {
          this.inc({ connection, verdict: 'allow' }, allowed);
          this.inc({ connection, verdict: 'deny' }, denied);
        }
      },
    });
    new Counter({
      name: 'hoopctl_bytes_total',
      help: 'Bytes of sessions.',
      labelNames: ['connection', 'direction'],
      registers,
      collect() {
        this.reset();
        for (const [connection, { fromClient, toClient }] of totals()) {
          this.inc({ connection, direction: 'from_client' }, fromClient);
          this.inc({ connection, direction: 'to_client' }, toClient);
        }
      },
    });
    new Gauge({
      name: 'hoopctl_reviews_pending',
      help: 'Reviews that wait for a decision.',
      registers,
      async collect() {
        // While the store is away the others are worth having: the last one stays.
        const pending = await sources.reviewsPending().catch(() => undefined);
        if (pending !== undefined) this.set(pending);
      },
    });
    new Gauge({
      name: 'hoopctl_search_behind_seconds',
      help: 'How far the search index is behind the record: it gives way while the machine is busy.',
      registers,
      collect() {
        const indexed = sources.indexed();
        if (indexed !== undefined) this.set(Math.max(0, Date.now() - indexed) / 1000);
      },
    });
    this.#addExports(registers);
    this.#addRecordingStore(registers);
    // Memory, CPU, event loop lag, garbage collection.
    collectDefaultMetrics({ register: this.#registry });
  }

  #addExports(registers: Registry[]): void {
    const { exports } = this.#sources;
    const of = (name: string, help: string, value: (one: ExportCounted) => number) =>
      new Gauge({
        name: `hoopctl_export_${name}`,
        help,
        labelNames: ['export'],
        registers,
        collect() {
          this.reset();
          for (const one of exports()) this.set({ export: one.name }, value(one));
        },
      });
    of('lag_seconds', 'Age of the oldest event of the record that the receiver has not.', (one) => one.lagMs / 1000);
    of('failing', '1 while the receiver takes nothing.', (one) => (one.state === 'failing' ? 1 : 0));
    of('sequence', 'Number of the last event that the receiver has.', (one) => one.sequence);
    of('events_sent', 'Events delivered since the start.', (one) => one.sent);
    of('events_refused', 'Events that the receiver will never take, since the start.', (one) => one.refused);
  }

  #addRecordingStore(registers: Registry[]): void {
    const { recordingStore } = this.#sources;
    const of = (name: string, help: string, value: (one: StoreCounted) => number) =>
      new Gauge({
        name: `hoopctl_recording_store_${name}`,
        help,
        registers,
        collect() {
          this.reset();
          const state = recordingStore();
          if (state !== undefined) this.set(value(state));
        },
      });
    of('waiting', 'Recordings that are on the disk and not in object storage.', (one) => one.waiting);
    of('lag_seconds', 'How long the oldest of them has been over.', (one) => one.lagMs / 1000);
    of('failing', '1 while the object storage takes nothing.', (one) => (one.state === 'failing' ? 1 : 0));
    of('uploaded', 'Recordings uploaded since the start.', (one) => one.uploaded);
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[]): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }
}

function add(totals: Map<string, Totals>, session: Counted): void {
  const sum = totals.get(session.connection) ?? { allowed: 0, denied: 0, fromClient: 0, toClient: 0 };
  sum.allowed += session.operations - session.denied;
  sum.denied += session.denied;
  sum.fromClient += session.fromClient;
  sum.toClient += session.toClient;
  totals.set(session.connection, sum);
}
