// A channel that ends here: the client's half of it as a byte stream, for whoever serves it in place of the host.
// Refuses to know: what the bytes mean, who serves them.

import { peerError } from '../../../core/errors.ts';
import { Message, type SshReader } from '../wire/message.ts';
import type { Member, Side } from './channel.ts';
import { ChannelStream } from './channel-stream.ts';
import type { Leg } from './leg.ts';

/** Bytes that wait for the client's window before whoever writes is told to stop. */
const HIGH_WATER = 256 * 1024;

export class Endpoint extends ChannelStream implements Member {
  readonly remote = 'forwarded:0';
  protected readonly leg: Leg;
  readonly #gone: () => void;
  /** The client has sent EOF; it has been told. */
  #eof = false;
  #eofTold = false;
  /** Ours: EOF, CLOSE. */
  #ended = false;
  #closed = false;
  #over = false;
  /** Bytes from and to the client. */
  received = 0;
  sent = 0;

  constructor(leg: Leg, gone: () => void) {
    super(HIGH_WATER);
    this.leg = leg;
    this.#gone = gone;
  }

  // The client's side.

  message(side: Side, number: number, reader: SshReader): void {
    if (side !== 'client') throw peerError('protocol_violation', 'the target uses a channel that it does not have');
    switch (number) {
      case Message.CHANNEL_WINDOW_ADJUST:
        this.leg.granted(reader.uint32());
        return;
      case Message.CHANNEL_DATA: {
        const bytes = reader.blob();
        this.received += bytes.length;
        this.keep(bytes);
        return;
      }
      case Message.CHANNEL_EXTENDED_DATA: {
        reader.uint32();
        const { length } = reader.blob();
        this.leg.received(length);
        this.leg.taken(length);
        return;
      }
      case Message.CHANNEL_EOF:
        this.#eof = true;
        this.deliver();
        return;
      case Message.CHANNEL_CLOSE:
        this.leg.deafen();
        this.#close();
        this.#gone();
        this.over();
        return;
      case Message.CHANNEL_REQUEST:
        reader.text();
        if (reader.boolean()) this.leg.tell(Message.CHANNEL_FAILURE);
        return;
      case Message.CHANNEL_SUCCESS:
      case Message.CHANNEL_FAILURE:
        return;
      default:
        throw peerError('protocol_violation', `the client answers for a channel that it was not asked to open`);
    }
  }

  left(): void {}

  over(): void {
    if (this.#over) return;
    this.#over = true;
    this.forget();
    queueMicrotask(() => this.onClose?.(undefined));
  }

  // The side of whoever serves it.

  protected get readable(): boolean {
    return !this.#over;
  }

  protected get writable(): boolean {
    return !this.#over && !this.#ended;
  }

  override write(chunk: Buffer): boolean {
    if (this.writable) this.sent += chunk.length;
    return super.write(chunk);
  }

  end(): void {
    if (this.#ended || this.#over) return;
    this.#ended = true;
    this.leg.eof();
    if (this.#eofTold) this.#close();
  }

  destroy(): void {
    this.#ended = true;
    this.leg.deafen();
    this.#close();
    this.over();
  }

  // -------------------------------------------------------------------------------------------------------------------

  protected emptied(): void {
    if (this.paused || !this.#eof || this.#eofTold) return;
    this.#eofTold = true;
    if (this.#ended) this.#close();
    this.onEnd?.();
  }

  /** Both directions are done with: the client's CLOSE ends it. */
  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.leg.close();
  }
}
