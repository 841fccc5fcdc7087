// Which peers still live: one timer for all tunnels of a process. It counts its own ticks, not the clock, so that a
// machine that slept does not find every peer dead when it wakes.

import type { Limit } from '../core/limits.ts';
import { TUNNEL_DEAD_MS, TUNNEL_PING_MS } from './limits.ts';

/** One end of a tunnel, as the watch sees it. The flags are set by the tunnel and cleared here. */
export interface Watched {
  heard: boolean;
  sent: boolean;
  /** Ticks since something was heard, and since something was sent. Kept by the watch. */
  silent: number;
  quiet: number;
  /**
   * We do not read at the moment, because whoever takes the bytes does not: then silence proves nothing. The peer
   * hears from us all the same, because both ends ping after quiet, not after silence.
   */
  readonly deaf: boolean;
  ping(): void;
  dead(afterMs: number): void;
}

const TICKS_PER_PING = 4;

export class KeepAlive {
  readonly #watched = new Set<Watched>();
  readonly #tickMs: number;
  readonly #deadMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(ping: Limit = TUNNEL_PING_MS, dead: Limit = TUNNEL_DEAD_MS) {
    this.#tickMs = Math.max(1, Math.round(ping.value / TICKS_PER_PING));
    this.#deadMs = dead.value;
  }

  add(peer: Watched): void {
    this.#watched.add(peer);
    this.#timer ??= setInterval(() => this.tick(), this.#tickMs).unref();
  }

  delete(peer: Watched): void {
    this.#watched.delete(peer);
    if (this.#watched.size > 0 || this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** One look at everybody. */
  tick(): void {
    const deadTicks = Math.ceil(this.#deadMs / this.#tickMs);
    for (const peer of this.#watched) {
      peer.silent = peer.heard || peer.deaf ? 0 : peer.silent + 1;
      peer.heard = false;
      peer.quiet = peer.sent ? 0 : peer.quiet + 1;
      peer.sent = false;
      if (peer.silent >= deadTicks) {
        peer.dead(this.#deadMs);
      } else if (peer.quiet >= TICKS_PER_PING) {
        peer.quiet = 0;
        peer.ping();
      }
    }
  }
}

/** The watch that all tunnels share unless told otherwise. */
export const sharedKeepAlive = new KeepAlive();
