// Connections to the HTTPS listener of which nobody has said who they are: so many and no more. When one comes too many, the
// one that has been unknown for longest goes, so that whoever only holds connections open keeps nobody out.
// Refuses to know: what a request asks for.

import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { Limit } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import { Throttle } from './throttle.ts';

const TELL_MS = 60_000;

export class Newcomers {
  readonly #bound: () => Limit;
  readonly #log: Log;
  /** By the client's address and port; the oldest first. */
  readonly #unknown = new Map<string, Socket>();
  readonly #told = new Throttle(TELL_MS);

  constructor(bound: () => Limit, log: Log) {
    this.#bound = bound;
    this.#log = log;
  }

  get size(): number {
    return this.#unknown.size;
  }

  watch(server: Server): void {
    server.on('connection', (socket: Socket) => {
      const key = keyOf(socket);
      this.#unknown.set(key, socket);
      socket.once('close', () => {
        if (this.#unknown.get(key) === socket) this.#unknown.delete(key);
      });
      const { name, value } = this.#bound();
      if (this.#unknown.size <= value) return;
      const [oldest, its] = this.#unknown.entries().next().value!;
      this.#unknown.delete(oldest);
      its.destroy();
      const leftOut = this.#told.pass(name, performance.now());
      if (leftOut === undefined) return;
      this.#log.warn({ client: oldest, limit: name, max: value, leftOut }, 'client turned away: too many are unknown');
    });
  }

  /** It has said who it is. */
  known({ socket }: Pick<IncomingMessage, 'socket'>): void {
    this.#unknown.delete(keyOf(socket));
  }
}

/** TLS hides the socket below it, but not whose it is. */
function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
