// One side of a channel (RFC 4254 §5): what that side may still send us, what we may still send it, and what waits for its
// window. Bytes wait here and nowhere else, and only as many as the other leg's sender was granted.
// Refuses to know: what the bytes mean, the other leg.

import { peerError } from '../../../core/errors.ts';
import { type Limit, limitExceeded } from '../../../core/limits.ts';
import type { Transport } from '../transport/transport.ts';
import { Message, message } from '../wire/message.ts';

/** The largest `maximum packet size` that OpenSSH uses; every implementation takes 32,768 (RFC 4253 §6.1). */
export const PACKET = 32_768;
const MAX_WINDOW = 0xffff_ffff;

/** Small pieces that wait share blocks: many of them cost no more than few large ones. */
export const BLOCK = 8192;

interface Waiting {
  readonly block: Buffer;
  from: number;
  to: number;
  /** 0 for plain data, otherwise the code of extended data. */
  readonly kind: number;
  readonly sent: ((count: number) => void) | undefined;
}

type Entry = Waiting | (() => void);

export class Leg {
  readonly transport: Transport;
  /** The number that this side gave the channel. */
  readonly #peer: number;
  readonly #granted: Limit;
  #packet: number;
  #window: number;
  /** What this side may send before it is granted more. */
  #open: number;
  #taken = 0;
  #queue: Entry[] = [];
  #waiting = 0;
  #ended = false;
  #closing = false;
  #closed = false;
  #deaf = false;

  constructor(transport: Transport, peer: number, window: number, packet: number, granted: Limit) {
    this.transport = transport;
    this.#peer = peer;
    this.#window = window;
    this.#packet = Math.max(1, Math.min(packet, PACKET));
    this.#granted = granted;
    this.#open = granted.value;
  }

  /** Notes bytes that this side sent. Throws limit_exceeded when it was not granted them. */
  received(count: number): void {
    this.#open -= count;
    if (this.#open < 0) throw limitExceeded(this.#granted, this.#granted.value - this.#open);
  }

  /** Bytes of this side have gone where they should: it may send so many more. */
  taken(count: number): void {
    this.#taken += count;
    if (this.#closed || this.#taken < this.#granted.value / 2) return;
    const grant = this.#taken;
    this.#taken = 0;
    this.#open += grant;
    this.#send(Message.CHANNEL_WINDOW_ADJUST, (out) => out.uint32(grant));
  }

  /** The same as a function of its own. */
  readonly took = (count: number): void => this.taken(count);

  /** WINDOW_ADJUST of this side. */
  granted(count: number): void {
    this.#window += count;
    if (this.#window > MAX_WINDOW) throw peerError('protocol_violation', 'a channel window was raised above 2^32-1');
    this.#drain();
  }

  /** Sends bytes to this side when it has room for them; `sent` is told how many have gone. */
  data(bytes: Buffer, kind: number, sent?: (count: number) => void): void {
    if (this.#closed || this.#deaf) {
      sent?.(bytes.length);
      return;
    }
    if (this.#queue.length > 0 || this.#window < bytes.length) {
      this.#keep(bytes, kind, sent);
      this.#drain();
      return;
    }
    this.#emit(bytes, kind);
    sent?.(bytes.length);
  }

  /** Does it when everything before has gone. */
  then(action: () => void): void {
    if (this.#queue.length === 0) action();
    else this.#queue.push(action);
  }

  /** A message about this channel, not held up by data that waits. `fill` writes what comes after the channel's number. */
  tell(number: number, fill?: (out: ReturnType<typeof message>) => unknown): void {
    if (!this.#closed) this.#send(number, fill);
  }

  /** EOF, once: nothing more comes. */
  eof(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.then(() => this.tell(Message.CHANNEL_EOF));
  }

  /** CLOSE, once; then nothing more goes to this side. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.then(() => {
      this.#send(Message.CHANNEL_CLOSE);
      this.#closed = true;
    });
  }

  /** This side takes no more data, as after its CLOSE; what is told it, an exit status, still goes. */
  deafen(): void {
    this.#deaf = true;
    const queue = this.#queue;
    this.#queue = [];
    this.#waiting = 0;
    for (const entry of queue) {
      if (typeof entry === 'function') entry();
      else entry.sent?.(entry.to - entry.from);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Nothing more may be said on it. */
  get ended(): boolean {
    return this.#ended || this.#closing;
  }

  /** Bytes that wait for this side's window. */
  get waiting(): number {
    return this.#waiting;
  }

  #send(number: number, fill?: (out: ReturnType<typeof message>) => unknown): void {
    const out = message(number).uint32(this.#peer);
    fill?.(out);
    this.transport.send(out.finish());
  }

  #drain(): void {
    while (this.#queue.length > 0) {
      const entry = this.#queue[0]!;
      if (typeof entry === 'function') {
        this.#queue.shift();
        entry();
        continue;
      }
      if (this.#window === 0) return;
      const { block, from, kind, sent } = entry;
      entry.from = Math.min(entry.to, from + this.#window);
      if (entry.from === entry.to) this.#queue.shift();
      this.#waiting -= entry.from - from;
      this.#emit(block.subarray(from, entry.from), kind);
      sent?.(entry.from - from);
    }
  }

  /** The buffer is not ours to keep: a copy is. */
  #keep(bytes: Buffer, kind: number, sent: Waiting['sent']): void {
    this.#waiting += bytes.length;
    const last = this.#queue.at(-1);
    if (typeof last === 'object' && last.kind === kind && last.sent === sent) {
      if (last.to + bytes.length <= last.block.length) {
        last.to += bytes.copy(last.block, last.to);
        return;
      }
    }
    const block = Buffer.allocUnsafeSlow(Math.max(bytes.length, BLOCK));
    this.#queue.push({ block, from: 0, to: bytes.copy(block), kind, sent });
  }

  #emit(bytes: Buffer, kind: number): void {
    this.#window -= bytes.length;
    for (let at = 0; at < bytes.length; at += this.#packet) {
      const part = bytes.subarray(at, at + this.#packet);
      const head = message(kind === 0 ? Message.CHANNEL_DATA : Message.CHANNEL_EXTENDED_DATA, 16).uint32(this.#peer);
      if (kind !== 0) head.uint32(kind);
      this.transport.send(head.uint32(part.length).finish(), part);
    }
  }
}
