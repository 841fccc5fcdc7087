// A wire that is listened to: a TCP proxy that keeps, connection by connection, the bytes that the server's side sent.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';

export class Tap {
  /** In the order of connecting. */
  readonly heard: Buffer[][] = [];
  readonly #server: Server;

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      const bytes: Buffer[] = [];
      this.heard.push(bytes);
      far.on('data', (chunk: Buffer) => bytes.push(chunk));
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.pipe(to);
        from.on('error', () => to.destroy());
      }
    });
  }

  static async on(port: number): Promise<Tap> {
    const tap = new Tap(port);
    tap.#server.listen(0, '127.0.0.1');
    await once(tap.#server, 'listening');
    return tap;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.close();
  }
}
