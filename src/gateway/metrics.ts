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
        this.set(await sources.reviewsPending());
      },
    });
    // Memory, CPU, event loop lag, garbage collection.
    collectDefaultMetrics({ register: this.#registry });
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
