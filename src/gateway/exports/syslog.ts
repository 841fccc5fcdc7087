// Events to a syslog receiver over TLS (RFC 5425). Syslog has no acknowledgement, and bytes that the kernel took may still
// be lost. So now and then the connection is closed: a receiver that closes in turn has read to the end. One that died just
// then closes as well; a second connection, opened before, tells: it goes on, or it died with the first.
// Refuses to know: what is sent again when that fails.

import { once } from 'node:events';
import { isIP } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { checkServerIdentity, connect, type TLSSocket } from 'node:tls';
import type { ExportEvent } from '../../session/export/event.ts';
import { reasonOf } from '../webhooks/post.ts';
import { DeliveryError, type Destination } from './destination.ts';

export interface SyslogTarget {
  readonly host: string;
  readonly port: number;
  readonly serverName: string;
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: string | undefined;
}

export interface SyslogDestinationOptions {
  /** Read again for each connection. */
  readonly target: () => Promise<SyslogTarget>;
  readonly frame: (event: ExportEvent) => Buffer;
  /** How long a connection may take, and the receiver to close in turn. */
  readonly timeoutMs: () => number;
}

/** A process that dies closes its connections one after the other: so long may lie between the first and the last. */
const TOGETHER_MS = 100;

interface Link {
  readonly socket: TLSSocket;
  broken: Error | undefined;
}

/** What is sent counts when its bytes are the kernel's: for receivers that do not close a connection when we do. */
export class FlushedSyslog implements Destination {
  readonly #options: SyslogDestinationOptions;
  #link: Link | undefined;

  constructor(options: SyslogDestinationOptions) {
    this.#options = options;
  }

  async send(events: readonly ExportEvent[], signal: AbortSignal): Promise<void> {
    const frames = Buffer.concat(events.map(this.#options.frame));
    await this.#guarded(signal, async (due) => {
      this.#link ??= await this.#dial(due);
      await written(this.#link, frames, due);
    });
  }

  /** The receiver's close after ours, while another connection lives on. */
  protected async reopen(signal: AbortSignal): Promise<void> {
    await this.#guarded(signal, async (due) => {
      const last = this.#link;
      if (last === undefined) throw new Error('it closed the connection');
      const next = await this.#dial(due);
      this.#link = next;
      try {
        if (last.broken !== undefined) throw last.broken;
        const ended = once(last.socket, 'end', { signal: due });
        last.socket.end();
        await ended;
      } finally {
        last.socket.destroy();
      }
      await sleep(TOGETHER_MS);
      // What has come meanwhile is read before this goes on.
      await turn();
      await turn();
      if (next.broken !== undefined) throw next.broken;
    });
  }

  async close(): Promise<void> {
    this.#link?.socket.destroy();
    this.#link = undefined;
  }

  async #guarded(signal: AbortSignal, work: (due: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await work(AbortSignal.any([signal, AbortSignal.timeout(this.#options.timeoutMs())]));
    } catch (thrown) {
      await this.close();
      // Of what is not there to reach it with.
      if (thrown instanceof DeliveryError) throw thrown;
      const { name, cause } = thrown as Error;
      throw new DeliveryError(`it cannot be reached: ${reasonOf(name === 'AbortError' ? (cause ?? thrown) : thrown)}`);
    }
  }

  async #dial(due: AbortSignal): Promise<Link> {
    const { host, port, serverName, ca, cert, key } = await this.#options.target();
    const socket = connect({
      ...{ host, port, ca, cert, key, minVersion: 'TLSv1.2' },
      // RFC 6066 §3: an address is not sent as a name; it is compared with the certificate all the same.
      ...(isIP(serverName) > 0 ? {} : { servername: serverName }),
      checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
    });
    const link: Link = { socket, broken: undefined };
    const broke = (error: Error) => {
      link.broken ??= error;
    };
    socket.setKeepAlive(true, 15_000);
    socket.on('error', broke);
    // It never speaks; should it, that is of no interest.
    socket.resume();
    try {
      await once(socket, 'secureConnect', { signal: due });
    } catch (error) {
      socket.destroy();
      throw error;
    }
    for (const event of ['end', 'close']) socket.on(event, () => broke(new Error('it closed the connection')));
    return link;
  }
}

/** What is sent counts when the receiver has closed after us and is still there. */
export class ConfirmedSyslog extends FlushedSyslog {
  confirm(signal: AbortSignal): Promise<void> {
    return this.reopen(signal);
  }
}

async function written({ socket, broken }: Link, bytes: Buffer, due: AbortSignal): Promise<void> {
  if (broken !== undefined) throw broken;
  due.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const failed = () => reject(due.aborted ? due.reason : new Error('it closed the connection'));
    due.addEventListener('abort', failed, { once: true });
    socket.once('close', failed);
    socket.write(bytes, (error) => {
      due.removeEventListener('abort', failed);
      socket.off('close', failed);
      if (error) reject(error);
      else resolve();
    });
  });
}
