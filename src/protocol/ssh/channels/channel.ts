// A channel with a leg on either side: data, EOF and CLOSE go across; what opens it and what is asked on it is decided by
// its kind. Refuses to know: kinds of channels, policy.

import { peerError } from '../../../core/errors.ts';
import type { Limit } from '../../../core/limits.ts';
import type { OperationId, Refusal } from '../../contract.ts';
import type { Transport } from '../transport/transport.ts';
import { Message, message, SshReader, STDERR } from '../wire/message.ts';
import { Leg, PACKET } from './leg.ts';
import type { Windows } from './windows.ts';

export type Side = 'client' | 'target';

/** What becomes of a message: it goes across, it is done with, or what it brought waits and is not taken yet. */
export type Course = 'across' | 'done' | 'kept';

/** What a channel is for. */
export interface Kind {
  fromClient(payload: Buffer): Course;
  fromTarget(payload: Buffer): Course;
  /** The other side will not open it, and says why. */
  failed?(text: string): void;
  /** The client has closed it, or is gone. */
  left(): void;
  /** The time that an operation may take is over. */
  timeUp?(operation: OperationId, refusal: Refusal): void;
  /** The channel is over. */
  ended(): void;
}

/** What is filed under a channel's number. */
export interface Member {
  /** A message about it; `reader` stands behind the number. */
  message(side: Side, number: number, reader: SshReader, payload: Buffer): void;
  /** The client is gone. */
  left(): void;
  /** The time that an operation may take is over. */
  timeUp?(operation: OperationId, refusal: Refusal): void;
  /** The conversation is over. */
  over(): void;
}

export interface OpenRequest {
  readonly type: string;
  readonly sender: number;
  readonly window: number;
  readonly packet: number;
  /** What the type adds. */
  readonly rest: Buffer;
}

/** CHANNEL_OPEN after its number. The type's own part is copied: it may have to wait for a verdict. */
export function readOpen(reader: SshReader): OpenRequest {
  return {
    type: reader.text(),
    sender: reader.uint32(),
    window: reader.uint32(),
    packet: reader.uint32(),
    rest: Buffer.from(reader.rest()),
  };
}

export class Channel implements Member {
  /** Ours, on both sides. */
  readonly number: number;
  readonly opener: Side;
  readonly #request: OpenRequest;
  readonly #windows: Windows;
  readonly #granted: Readonly<Record<Side, Limit>>;
  readonly #gone: () => void;
  readonly #transports: Readonly<Record<Side, Transport>>;
  readonly legs: { client?: Leg; target?: Leg } = {};
  /** Set before anything comes. */
  kind!: Kind;
  #asked = false;
  #left = false;
  /** Sides that have sent CLOSE. */
  readonly #closing = new Set<Side>();

  constructor(
    number: number,
    opener: Side,
    request: OpenRequest,
    transports: Readonly<Record<Side, Transport>>,
    windows: Windows,
    gone: () => void,
  ) {
    this.number = number;
    this.opener = opener;
    this.#request = request;
    this.#windows = windows;
    this.#granted = { client: windows.take(), target: windows.take() };
    this.#gone = gone;
    this.#transports = transports;
  }

  get other(): Side {
    return this.opener === 'client' ? 'target' : 'client';
  }

  /** Asks the other side to open its half. */
  open(): void {
    this.#asked = true;
    const { type, rest } = this.#request;
    const out = message(Message.CHANNEL_OPEN, 64 + rest.length);
    this.#transports[this.other].send(
      out.text(type).uint32(this.number).uint32(this.#granted[this.other].value).uint32(PACKET).bytes(rest).finish(),
    );
  }

  message(side: Side, number: number, reader: SshReader, payload: Buffer): void {
    if (number === Message.CHANNEL_OPEN_CONFIRMATION || number === Message.CHANNEL_OPEN_FAILURE) {
      this.#answered(side, number, reader);
      return;
    }
    const leg = this.legs[side];
    const across = this.legs[side === 'client' ? 'target' : 'client'];
    if (leg === undefined || across === undefined) {
      throw peerError('protocol_violation', `the ${side} uses channel ${this.number} before it is open`);
    }
    switch (number) {
      case Message.CHANNEL_WINDOW_ADJUST:
        leg.granted(reader.uint32());
        return;
      case Message.CHANNEL_DATA:
      case Message.CHANNEL_EXTENDED_DATA: {
        const kind = number === Message.CHANNEL_DATA ? 0 : reader.uint32();
        const bytes = reader.blob();
        leg.received(bytes.length);
        // No other kind has a meaning, and no client shows it (RFC 4254 §5.2).
        const course = kind > STDERR ? 'done' : this.#course(side, payload);
        if (course === 'done') leg.taken(bytes.length);
        else if (course === 'across') across.data(bytes, kind, leg.took);
        return;
      }
    }
    if (this.#course(side, payload) !== 'across') return;
    switch (number) {
      case Message.CHANNEL_EOF:
        across.eof();
        return;
      case Message.CHANNEL_CLOSE:
        if (side === 'target') this.kind.ended();
        this.#closed(side);
        return;
      case Message.CHANNEL_REQUEST: {
        const rest = reader.rest();
        across.tell(number, (out) => out.bytes(rest));
        return;
      }
      default:
        across.tell(number);
        return;
    }
  }

  /** A message of the client that its kind had kept: it was counted when it came. */
  replay(payload: Buffer): void {
    const number = payload[0]!;
    if (number !== Message.CHANNEL_DATA) {
      this.message('client', number, SshReader.of(payload, `message ${number}`, 5), payload);
      return;
    }
    const { client, target } = this.legs;
    const bytes = SshReader.of(payload, 'CHANNEL_DATA', 5).blob();
    const course = this.#course('client', payload);
    if (course === 'done') client?.taken(bytes.length);
    else if (course === 'across') target?.data(bytes, 0, client?.took);
  }

  /** It will not be opened. */
  refuse(reason: number, text: string): void {
    refuseOpen(this.#transports[this.opener], this.#request.sender, reason, text);
    this.#leave();
  }

  /** It ends from here, for the client of a command with this exit status. */
  cut(status?: number): void {
    const { client, target } = this.legs;
    if (status !== undefined)
      client?.tell(Message.CHANNEL_REQUEST, (out) => out.text('exit-status').boolean(false).uint32(status));
    client?.eof();
    client?.close();
    target?.deafen();
    target?.close();
  }

  /** What its sides may send is for others to have. */
  giveBack(): void {
    for (const granted of Object.values(this.#granted)) this.#windows.give(granted);
  }

  timeUp(operation: OperationId, refusal: Refusal): void {
    this.kind.timeUp?.(operation, refusal);
  }

  left(): void {
    this.kind.left();
  }

  over(): void {
    this.kind.ended();
  }

  // -------------------------------------------------------------------------------------------------------------------

  #course(side: Side, payload: Buffer): Course {
    return side === 'client' ? this.kind.fromClient(payload) : this.kind.fromTarget(payload);
  }

  #answered(side: Side, number: number, reader: SshReader): void {
    if (side !== this.other || !this.#asked || this.legs[side] !== undefined) {
      throw peerError('protocol_violation', `the ${side} answers for a channel that it was not asked to open`);
    }
    if (number === Message.CHANNEL_OPEN_CONFIRMATION) {
      this.#confirmed(reader.uint32(), reader.uint32(), reader.uint32());
      return;
    }
    const reason = reader.uint32();
    const text = reader.text();
    this.kind.failed?.(text);
    this.refuse(reason, text);
  }

  #confirmed(sender: number, window: number, packet: number): void {
    const { opener, other } = this;
    this.legs[other] = new Leg(this.#transports[other], sender, window, packet, this.#granted[other]);
    this.legs[opener] = openedLeg(this.#transports[opener], this.#request, this.number, this.#granted[opener]);
  }

  /**
   * CLOSE of one side: the other is closed when it has what was sent to it. The answer to the first waits for the other's
   * CLOSE: an exit status may come before it.
   */
  #closed(side: Side): void {
    this.#closing.add(side);
    this.legs[side]?.deafen();
    this.legs[side === 'client' ? 'target' : 'client']?.close();
    if (this.#closing.size === 2) this.#leave();
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.giveBack();
    this.#gone();
  }
}

/** Says yes to a CHANNEL_OPEN: the leg towards whoever asked. */
export function openedLeg(transport: Transport, request: OpenRequest, number: number, window: Limit): Leg {
  const { sender, window: room, packet } = request;
  transport.send(
    message(Message.CHANNEL_OPEN_CONFIRMATION)
      .uint32(sender)
      .uint32(number)
      .uint32(window.value)
      .uint32(PACKET)
      .finish(),
  );
  return new Leg(transport, sender, room, packet, window);
}

/** Says no to a CHANNEL_OPEN. */
export function refuseOpen(transport: Transport, channel: number, reason: number, text: string): void {
  transport.send(message(Message.CHANNEL_OPEN_FAILURE).uint32(channel).uint32(reason).text(text).text('').finish());
}
