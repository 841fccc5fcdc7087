// A network that can be cut: a TCP proxy on a port of its own that stays while what is behind it comes and goes.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class CuttableNetwork {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  /** Bytes that were taken and lost. */
  swallowed = 0;
  /** `open`; `swallowing`: takes bytes and passes none on; `down`: closes whatever comes. */
  #state: 'open' | 'swallowing' | 'down' = 'open';

  private constructor(port: number, host: string) {
    this.#server = createServer((near) => {
      near.on('error', () => {});
      if (this.#state === 'down') {
        near.destroy();
        return;
      }
      const far = connect(port, host);
      const pair = [near, far] as const;
      this.#pairs.add(pair);
      this.#join(near, far, pair);
      this.#join(far, near, pair);
    });
  }

  static async before(port: number, host = '127.0.0.1'): Promise<CuttableNetwork> {
    const network = new CuttableNetwork(port, host);
    network.#server.listen(0, '127.0.0.1');
    await once(network.#server, 'listening');
    return network;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on bytes are taken, acknowledged and lost. */
  swallow(): void {
    this.#state = 'swallowing';
  }

  /** Resets every connection, and refuses new ones. */
  cut(): void {
    this.#state = 'down';
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
    this.#pairs.clear();
  }

  heal(): void {
    this.#state = 'open';
  }

  stop(): void {
    this.cut();
    this.#server.close();
  }

  #join(from: Socket, to: Socket, pair: readonly [Socket, Socket]): void {
    // A reset is a reset on the other side too.
    from.on('error', () => to.resetAndDestroy());
    from.on('close', () => this.#pairs.delete(pair));
    from.on('data', (chunk: Buffer) => {
      if (this.#state !== 'open') this.swallowed += chunk.length;
      else if (!to.write(chunk)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    });
    from.on('end', () => {
      if (this.#state === 'open') to.end();
    });
  }
}
