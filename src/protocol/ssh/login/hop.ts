// A connection through a host that we are logged in to, as a byte stream (direct-tcpip, RFC 4254 §7.2): the way over a jump
// host. The host may ask for nothing on it. Refuses to know: what the bytes are, which host comes next.

import { type HoopctlError, peerError } from '../../../core/errors.ts';
import type { Limit } from '../../../core/limits.ts';
import { refuseOpen } from '../channels/channel.ts';
import { ChannelStream } from '../channels/channel-stream.ts';
import { Leg, PACKET } from '../channels/leg.ts';
import type { Transport } from '../transport/transport.ts';
import { Disconnect, Message, message, OpenFailure, SshReader } from '../wire/message.ts';

const NUMBER = 0;
/** Bytes that wait for the host before whoever writes has to stop. */
const HIGH_WATER = 1024 * 1024;

export class Hop extends ChannelStream {
  readonly remote: string;
  readonly #transport: Transport;
  readonly #window: Limit;
  readonly #opened = Promise.withResolvers<void>();
  protected leg: Leg | undefined;
  /** Nothing more comes, and what has come is not all delivered; `last`: the channel is closed then. */
  #ended = false;
  #last = false;
  #closed = false;

  constructor(transport: Transport, window: Limit, remote: string) {
    super(HIGH_WATER);
    this.#transport = transport;
    this.#window = window;
    this.remote = remote;
  }

  /** Asks for the way to the address. Errors: target_unreachable, in the host's words. */
  open(host: string, port: number): Promise<void> {
    const out = message(Message.CHANNEL_OPEN, 128).text('direct-tcpip');
    out.uint32(NUMBER).uint32(this.#window.value).uint32(PACKET);
    this.#transport.send(out.text(host).uint32(port).text('127.0.0.1').uint32(0).finish());
    return this.#opened.promise;
  }

  message(payload: Buffer): void {
    const reader = SshReader.of(payload, `message ${payload[0]}`);
    switch (payload[0]) {
      case Message.CHANNEL_OPEN_CONFIRMATION:
        reader.uint32();
        this.leg = new Leg(this.#transport, reader.uint32(), reader.uint32(), reader.uint32(), this.#window);
        this.#opened.resolve();
        return;
      case Message.CHANNEL_OPEN_FAILURE:
        reader.bytes(8);
        this.#opened.reject(peerError('target_unreachable', `it says "${words(reader.text())}"`));
        return;
      case Message.CHANNEL_DATA:
        reader.uint32();
        this.keep(reader.blob());
        return;
      case Message.CHANNEL_WINDOW_ADJUST:
        reader.uint32();
        this.leg?.granted(reader.uint32());
        return;
      case Message.CHANNEL_EOF:
        this.#ended = true;
        this.deliver();
        return;
      case Message.CHANNEL_CLOSE:
        this.#ended = true;
        this.#last = true;
        this.deliver();
        return;
      default:
        this.#asked(payload[0], reader);
    }
  }

  /** The host is gone. */
  lost(error: HoopctlError | undefined): void {
    this.#opened.reject(error ?? peerError('target_unreachable', 'it closed the connection'));
    this.#over(error);
  }

  protected get readable(): boolean {
    return !this.#closed;
  }

  protected get writable(): boolean {
    return !this.#closed;
  }

  /** Nothing else goes over this host: it is left too. */
  end(): void {
    this.leg?.then(() => this.destroy());
  }

  destroy(error?: Error): void {
    this.#transport.disconnect(Disconnect.BY_APPLICATION, 'the way is not needed any more');
    this.#over(error);
  }

  protected emptied(): void {
    if (!this.#ended) return;
    this.#ended = false;
    this.onEnd?.();
    if (this.#last) this.#over(undefined);
  }

  /** A jump host has nothing to ask: what wants an answer gets a no. */
  #asked(number: number | undefined, reader: SshReader): void {
    if (number === Message.CHANNEL_OPEN) {
      reader.text();
      refuseOpen(this.#transport, reader.uint32(), OpenFailure.PROHIBITED, 'not by a jump host');
    } else if (number === Message.GLOBAL_REQUEST) {
      reader.text();
      if (reader.boolean()) this.#transport.send(message(Message.REQUEST_FAILURE).finish());
    } else if (number === Message.CHANNEL_REQUEST) {
      reader.uint32();
      reader.text();
      if (reader.boolean()) this.leg?.tell(Message.CHANNEL_FAILURE);
    }
  }

  #over(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.leg?.deafen();
    this.#transport.close();
    this.onClose?.(error);
  }
}

function words(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
