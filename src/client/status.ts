// The state of a running client, kept from its events: what a view shows and a health check asks. Bounded history.

import type { ClientEvent } from './events.ts';

export interface ConnectionState {
  readonly name: string;
  host: string;
  port: number;
  url: string;
  facts: Readonly<Record<string, string>>;
  listening: boolean;
  /** Local sockets open now, and ever. */
  open: number;
  total: number;
  /** Local sockets that got no tunnel. */
  refused: number;
  /** Bytes from local clients, and to them. */
  sent: number;
  received: number;
}

export type OperationState = Extract<ClientEvent, { type: 'operation' }> & { readonly at: number };
export type ReviewState = Extract<ClientEvent, { type: 'review' }> & { readonly at: number };

/** Operations that are remembered. */
const OPERATIONS = 200;

export class ClientStatus {
  readonly connections: ConnectionState[];
  /** The newest last. */
  readonly operations: OperationState[] = [];
  /** Those that wait, by id. */
  readonly reviews = new Map<string, ReviewState>();
  gateway: { reachable: boolean; since: number; message: string | undefined };
  /** The last thing that went wrong, in words. */
  trouble: string | undefined;
  /** Counts changes: a view that has seen this number has nothing to draw. */
  version = 0;
  readonly #now: () => number;

  constructor(names: readonly string[], now: () => number = Date.now) {
    this.#now = now;
    this.gateway = { reachable: false, since: now(), message: undefined };
    this.connections = names.map((name) => ({
      name,
      host: '',
      port: 0,
      url: '',
      facts: {},
      listening: false,
      open: 0,
      total: 0,
      refused: 0,
      sent: 0,
      received: 0,
    }));
  }

  connection(name: string): ConnectionState {
    return this.connections.find((connection) => connection.name === name)!;
  }

  apply(event: ClientEvent): void {
    this.version++;
    if (event.type === 'gateway') {
      this.gateway = { reachable: event.reachable, since: this.#now(), message: event.error?.message };
      return;
    }
    const connection = this.connection(event.connection);
    switch (event.type) {
      case 'ready':
        Object.assign(connection, { host: event.host, port: event.port, url: event.url, facts: event.facts });
        connection.listening = true;
        break;
      case 'opened':
        connection.open++;
        connection.total++;
        break;
      case 'refused':
        connection.refused++;
        this.trouble = event.error.message;
        break;
      case 'closed':
        connection.open--;
        if (event.error !== undefined) this.trouble = event.error.message;
        if (event.session !== undefined) this.#forgetReviews(event.session);
        break;
      case 'operation':
        this.operations.push({ ...event, at: this.#now() });
        if (this.operations.length > OPERATIONS) this.operations.shift();
        break;
      case 'review':
        if (event.state === 'pending') this.reviews.set(event.review, { ...event, at: this.#now() });
        else this.reviews.delete(event.review);
        break;
      case 'end':
        this.#forgetReviews(event.session);
        break;
      default:
    }
  }

  #forgetReviews(session: string): void {
    for (const [id, review] of this.reviews) if (review.session === session) this.reviews.delete(id);
  }
}
