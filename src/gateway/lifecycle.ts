// Running, stopping, stopped. Refuses to know: how what it stops was made.

import type { Log } from '../core/log.ts';
import type { NativeListener } from './native.ts';
import type { Parts } from './parts.ts';
import type { SessionOpener } from './sessions.ts';
import type { Tunnels } from './tunnels.ts';

interface Running {
  readonly parts: Parts;
  readonly opener: SessionOpener;
  readonly tunnels: Tunnels;
  readonly natives: readonly NativeListener[];
}

export class Lifecycle {
  readonly #log: Log;
  readonly #stopped = new AbortController();
  readonly #hurry = Promise.withResolvers<void>();
  #running: Running | undefined;
  #closing: Promise<void> | undefined;
  #undo: () => Promise<void> = async () => {};

  constructor(log: Log) {
    this.#log = log;
  }

  get running(): boolean {
    return this.#running !== undefined && this.#closing === undefined;
  }

  /** Aborted when the sessions have ended: what still streams ends then. */
  get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  run(running: Running): void {
    this.#running = running;
  }

  /** What gives everything back, last. */
  onClosed(undo: () => Promise<void>): void {
    this.#undo = undo;
  }

  close(options: { readonly graceMs?: number } = {}): Promise<void> {
    if (this.#closing !== undefined) this.#hurry.resolve();
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  async #close({ graceMs }: { readonly graceMs?: number }): Promise<void> {
    try {
      if (this.#running !== undefined) await this.#drain(this.#running, graceMs);
      this.#stopped.abort();
      await this.#undo();
    } catch (error) {
      this.#log.error({ error: String(error) }, 'the gateway did not stop cleanly');
    }
  }

  async #drain({ parts, opener, tunnels, natives }: Running, graceMs: number | undefined): Promise<void> {
    const { live, log, audit } = parts;
    const grace = graceMs ?? parts.configuration().stopGraceMs;
    opener.stopping = true;
    for (const listener of natives) listener.close();
    tunnels.closeUnused();
    log.info({ sessions: live.size, graceMs: grace }, 'gateway stops');
    const all = Promise.all(live.list().map((session) => session.closed));
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, grace);
    await Promise.race([all, late, this.#hurry.promise]);
    clearTimeout(timer);
    if (live.size > 0) log.warn({ sessions: live.size }, 'sessions are ended because the gateway stops');
    await live.endAll({ code: 'gateway_stopping', message: 'the gateway is stopping' });
    audit.append('stop', {});
    log.info({}, 'gateway has stopped');
  }
}
