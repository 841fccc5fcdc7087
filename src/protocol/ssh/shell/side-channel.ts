// A channel of the gateway's own to the host, which no client sees: one command, its input and its output.
// Refuses to know: what the command is for.

import { peerError } from '../../../core/errors.ts';
import type { Limit } from '../../../core/limits.ts';
import type { Member, Side } from '../channels/channel.ts';
import { Leg, PACKET } from '../channels/leg.ts';
import type { Transport } from '../transport/transport.ts';
import { Message, message, type SshReader } from '../wire/message.ts';

export interface SideChannelOptions {
  readonly number: number;
  readonly transport: Transport;
  readonly window: Limit;
  readonly command: string;
  /** What it put out; the buffer is the callee's only until it returns. */
  output(bytes: Buffer): void;
  /** It is over, or never began. */
  closed(): void;
  /** Its number is free. */
  gone(): void;
}

export class SideChannel implements Member {
  readonly #options: SideChannelOptions;
  #leg: Leg | undefined;
  #over = false;

  constructor(options: SideChannelOptions) {
    this.#options = options;
    const { number, transport, window } = options;
    transport.send(
      message(Message.CHANNEL_OPEN).text('session').uint32(number).uint32(window.value).uint32(PACKET).finish(),
    );
  }

  write(text: string): void {
    this.#leg?.data(Buffer.from(text), 0);
  }

  end(): void {
    this.#leg?.eof();
    this.#leg?.close();
  }

  message(side: Side, number: number, reader: SshReader): void {
    if (side !== 'target') throw peerError('protocol_violation', 'the client uses a channel that it does not have');
    const { transport, window, command } = this.#options;
    if (number === Message.CHANNEL_OPEN_CONFIRMATION && this.#leg === undefined) {
      const leg = new Leg(transport, reader.uint32(), reader.uint32(), reader.uint32(), window);
      this.#leg = leg;
      leg.tell(Message.CHANNEL_REQUEST, (out) => out.text('exec').boolean(false).text(command));
      return;
    }
    if (number === Message.CHANNEL_OPEN_FAILURE && this.#leg === undefined) {
      this.#options.gone();
      this.over();
      return;
    }
    const leg = this.#leg;
    if (leg === undefined) throw peerError('protocol_violation', 'the target uses a channel before it is open');
    this.#opened(leg, number, reader);
  }

  left(): void {}

  over(): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.closed();
  }

  #opened(leg: Leg, number: number, reader: SshReader): void {
    switch (number) {
      case Message.CHANNEL_WINDOW_ADJUST:
        leg.granted(reader.uint32());
        return;
      case Message.CHANNEL_DATA: {
        const bytes = reader.blob();
        leg.received(bytes.length);
        leg.taken(bytes.length);
        if (!this.#over) this.#options.output(bytes);
        return;
      }
      case Message.CHANNEL_EXTENDED_DATA: {
        reader.uint32();
        const { length } = reader.blob();
        leg.received(length);
        leg.taken(length);
        return;
      }
      case Message.CHANNEL_REQUEST: {
        // What it started may keep its output open for long.
        const ended = reader.text().startsWith('exit-');
        if (reader.boolean()) leg.tell(Message.CHANNEL_FAILURE);
        if (ended) this.over();
        return;
      }
      case Message.CHANNEL_CLOSE:
        leg.deafen();
        leg.close();
        this.#options.gone();
        this.over();
        return;
      default:
        return;
    }
  }
}
