// What one gateway tells the others of a store that they should look at now: by PostgreSQL's NOTIFY. Only a hint: whoever
// misses one looks within a second anyway. Refuses to know: what is done about it.

import type { Client, Notification } from 'pg';
import type { Log } from '../core/log.ts';
import type { RelayChannel } from '../session/relay.ts';

/** What has changed. */
export type Subject = 'reviews' | 'grants' | 'revocations' | 'kills';

export interface Announcements {
  /** Never waits, never throws. */
  tell(subject: Subject): void;
  /** Calls the listener for what others tell, and what this one does; returns how to stop. */
  listen(listener: (subject: Subject) => void): () => void;
  /** For texts that all of them get, this one too. */
  readonly relay: RelayChannel;
  close(): Promise<void>;
}

/** Where there is nobody else. */
export const nobodyElse: Announcements = {
  tell() {},
  listen: () => () => {},
  relay: { send() {}, listen: () => () => {} },
  close: async () => {},
};

const CHANNEL = 'hoopctl';
const RELAY = 'hoopctl_relay';
const AGAIN_MS = 1000;
const END_MS = 1000;

export interface AnnouncementsOptions {
  /** A connection of its own, not connected yet. */
  readonly client: () => Client;
  readonly send: (channel: string, text: string) => Promise<unknown>;
  readonly log: Log;
}

export class PostgresAnnouncements implements Announcements {
  readonly #options: AnnouncementsOptions;
  readonly #listeners = new Map<string, Set<(text: string) => void>>();
  readonly relay: RelayChannel = {
    send: (text) => this.#send(RELAY, text),
    listen: (listener) => this.#listen(RELAY, listener),
  };
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
  }

  tell(subject: Subject): void {
    this.#send(CHANNEL, subject);
  }

  listen(listener: (subject: Subject) => void): () => void {
    return this.#listen(CHANNEL, listener as (text: string) => void);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#listeners.clear();
    // A store that does not answer would not answer to this either.
    const ended = this.#client?.end().catch(() => {});
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, END_MS).unref())]);
  }

  #send(channel: string, text: string): void {
    // A store that is away has nobody who listens.
    this.#options.send(channel, text).catch(() => {});
  }

  #listen(channel: string, listener: (text: string) => void): () => void {
    if (this.#listeners.size === 0) void this.#connect();
    const all = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, all.add(listener));
    return () => all.delete(listener);
  }

  async #connect(): Promise<void> {
    if (this.#closed) return;
    const client = this.#options.client();
    this.#client = client;
    let over = false;
    const again = (why: string) => {
      if (over) return;
      over = true;
      if (this.#closed) return;
      this.#options.log.debug({ why }, 'does not hear other gateways for a moment');
      client.end().catch(() => {});
      this.#timer = setTimeout(() => void this.#connect(), AGAIN_MS);
      this.#timer.unref();
    };
    client.on('error', (error: Error) => again(error.message));
    client.on('end', () => again('the connection ended'));
    client.on('notification', ({ channel, payload = '' }: Notification) => {
      for (const listener of this.#listeners.get(channel) ?? []) {
        try {
          listener(payload);
        } catch (thrown) {
          this.#options.log.warn({ channel }, `what another gateway told is not understood: ${thrown}`);
        }
      }
    });
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}; listen ${RELAY}`);
    } catch (thrown) {
      again(String(thrown));
    }
  }
}
