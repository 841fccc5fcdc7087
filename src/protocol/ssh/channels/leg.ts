// One side of a channel (RFC 4254 §5): what that side may still send us, what we may still send it, and what waits for its
// window. Bytes wait here and nowhere else, and only as many as the other leg's sender was granted.
// Refuses to know: what the bytes mean, the other leg.

import { peerError } from '../../../core/errors.ts';
import { fixedLimit, type Limit, limitExceeded } from '../../../core/limits.ts';
import type { Transport } from '../transport/transport.ts';
import { Message, message } from '../wire/message.ts';
import { Backlog } from './backlog.ts';

/** The largest `maximum packet size` that OpenSSH uses; every implementation takes 32,768 (RFC 4253 §6.1). */
export const PACKET = 32_768;
const MAX_WINDOW = 0xffff_ffff;

/**
 * The smallest `maximum packet size` that a side may have: what waits for its window goes out at once when it grants one, and
 * in packets of one byte that would keep everybody else waiting for minutes. No known implementation has less than 4,096.
 */
const LEAST_PACKET = fixedLimit('ssh_least_packet_bytes', 'bytes', 1024);

/** Why there can be no channel with packets of that size. */
export function tooSmall(packet: number): string | undefined {
  const { name, value } = LEAST_PACKET;
  if (packet >= value) return undefined;
  return `packets of at most ${packet} bytes are smaller than any of SSH's need to be (${name} is ${value})`;
}

interface Way {
  /** 0 for plain data, otherwise the code of extended data. */
  readonly kind: number;
  readonly sent: ((count: number) => void) | undefined;
}

const sameWay = (a: Way, b: Way): boolean => a.kind === b.kind && a.sent === b.sent;

type Entry = Backlog<Way> | (() => void);

export class Leg {
  readonly transport: Transport;
  /** The number that this side gave the channel. */
  readonly #peer: number;
  readonly #granted: Limit;
  readonly #packet: number;
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
    const small = tooSmall(packet);
    if (small !== undefined) throw peerError('limit_exceeded', small);
    this.#packet = Math.min(packet, PACKET);
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
      else this.#given(entry, Number.POSITIVE_INFINITY, () => {});
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
      this.#given(entry, this.#window, (bytes, { kind }) => {
        this.#waiting -= bytes.length;
        this.#emit(bytes, kind);
      });
      if (!entry.empty) return;
      this.#queue.shift();
    }
  }

  /** At most so much of what waits goes where `go` takes it. */
  #given(waiting: Backlog<Way>, most: number, go: (bytes: Buffer, way: Way) => void): void {
    let left = most;
    for (let next = waiting.next(left); next !== undefined && left > 0; next = waiting.next(left)) {
      const { bytes, way } = next;
      const { length } = bytes;
      go(bytes, way);
      waiting.drop(length);
      left -= length;
      way.sent?.(length);
    }
  }

  /** The buffer is not ours to keep: a copy is. */
  #keep(bytes: Buffer, kind: number, sent: Way['sent']): void {
    this.#waiting += bytes.length;
    let last = this.#queue.at(-1);
    if (typeof last !== 'object') {
      last = new Backlog<Way>(sameWay);
      this.#queue.push(last);
    }
    last.add(bytes, { kind, sent });
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
