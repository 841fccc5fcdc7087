// A receiver of webhooks on this machine: keeps what it got, and answers as it is told to.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  headers: Record<string, string>;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  body: any;
}

export class Receiver {
  readonly got: Received[] = [];
  /** The status of the next answers; the last one stays. 0: no answer at all. */
  answers: number[] = [204];
  /** What it will not take; undefined: `answers`. */
  judge: (got: Received) => number | undefined = () => undefined;
  /** The body of its answers. */
  says = 'no';
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const got = { headers: request.headers as Record<string, string>, text, body: JSON.parse(text) };
        const refused = this.judge(got);
        if (refused === undefined) this.got.push(got);
        const status = refused ?? (this.answers.length > 1 ? this.answers.shift()! : this.answers[0]!);
        if (status !== 0) response.writeHead(status, { location: '/elsewhere' }).end(this.says);
      });
    });
  }

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
