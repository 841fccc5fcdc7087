// SSH's transport layer (RFC 4253) over a byte stream: ssh2 exchanges keys, encrypts and frames; every message above it
// (services, authentication, connection: 5, 6 and 50 upwards) is ours, as a payload in and out.
// Refuses to know: users, channels, policy.

import type { HostKey, Negotiated } from 'ssh2/lib/protocol/Protocol.js';
import { asHoopctlError, type HoopctlError, peerError } from '../../../core/errors.ts';
import type { ByteStream } from '../../../core/stream.ts';
import { Writer } from '../../wire/writer.ts';
import { SIGNATURES } from '../keys/public-key.ts';
import type { Limits } from '../limits.ts';
import { Message, message } from '../wire/message.ts';
import {
  HOST_CERTIFICATE_ALGORITHMS,
  HOST_KEY_ALGORITHMS,
  KEX_WITH_CLIENTS,
  KEX_WITH_HOSTS,
  offer,
} from './algorithms.ts';
import { readAsCertificate } from './certified.ts';
import { gcmPacket } from './gcm-packet.ts';
import { cryptography, Protocol, utils } from './guarded-ssh2.ts';
import { giveBack, isRoom, roomFor } from './rooms.ts';

/** When keys are changed without being asked. */
export type Rekey = Pick<Limits, 'rekeyBytes' | 'rekeyTime'>;

const IDENT = 'hoopctl';
/**
 * OpenSSH's client says only to what begins like this that nobody reads what it is sent (`ssh host yes | head`), and that
 * it opens no more sessions.
 */
const SERVER_IDENT = 'OpenSSH_compatible_hoopctl';

export interface TransportEvents {
  /** Keys are agreed for the first time; `sessionId` is known. */
  ready(): void;
  /** A message of a number that is ours. The buffer is the callee's only until it returns. */
  message(payload: Buffer): void;
  /** Once: the stream is over, with the reason where it was not an orderly one. */
  closed(error: HoopctlError | undefined): void;
  /** What was queued as too much may have been taken. */
  drain?(): void;
}

export type Role =
  | { readonly as: 'server'; readonly hostKey: HostKey }
  | {
      readonly as: 'client';
      /** The host's key, out of what it shows (its certificate, or the same); undefined: nothing is said to it. */
      readonly verify: (shown: Buffer) => Buffer | undefined;
      /** Kinds of keys that are known of the host, best first: asked for before others. */
      readonly prefer?: readonly string[];
      /** Whether host certificates are asked for, before all. */
      readonly certificates?: boolean;
    };

/** Whether ssh2's native ciphers are there: without them it works, several times slower. */
export const nativeCiphers: boolean = cryptography.bindingAvailable;

export class Transport {
  readonly #stream: ByteStream;
  readonly #events: TransportEvents;
  readonly #limits: Rekey;
  readonly #protocol: Protocol;
  readonly #below: (payload: Buffer) => unknown;
  readonly #whom: string;
  #out: Buffer[] = [];
  /** Rooms that were written and may not be taken yet. */
  #lent: Buffer[] = [];
  #flushing = false;
  #ready = false;
  /** The client takes EXT_INFO. */
  #extensions = false;
  #closed = false;
  #bytes = 0;
  /** Bytes that wait for new keys. */
  #held = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The other side has begun an exchange of keys, which has taken so long of our time, ms. */
  #asked = false;
  #took = 0;
  #resting: NodeJS.Timeout | undefined;
  /** It is not to be read for what comes of it. */
  #paused = false;

  private constructor(stream: ByteStream, role: Role, events: TransportEvents, rekey: Rekey) {
    this.#limits = rekey;
    this.#stream = stream;
    this.#events = events;
    this.#whom = role.as === 'server' ? 'client' : 'target';
    const common = {
      ident: role.as === 'server' ? SERVER_IDENT : IDENT,
      onWrite: (data: Buffer) => this.#write(data),
      onError: (error: Error) =>
        this.#fail(peerError('protocol_violation', `SSH with the ${this.#whom}: ${error.message}`, { cause: error })),
      onHandshakeComplete: (negotiated: Negotiated) => {
        const { cipher } = role.as === 'server' ? negotiated.sc : negotiated.cs;
        if (cipher.endsWith(GCM)) this.#protocol._cipher.allocPacket = (bytes) => gcmPacket(bytes, this.#room);
        this.#agreed();
      },
      messageHandlers: {
        DISCONNECT: (_: unknown, reason: number, text: string) => {
          // 11: SSH_DISCONNECT_BY_APPLICATION, which is how a client ends.
          const why = text === '' ? `reason ${reason}` : text;
          this.#over(reason === 11 ? undefined : peerError('target_error', `the ${this.#whom} disconnected: ${why}`));
        },
      },
    };
    this.#protocol =
      role.as === 'server'
        ? new Protocol({
            ...common,
            server: true,
            hostKeys: { [role.hostKey.type]: role.hostKey },
            offer: offer([role.hostKey.type], [...KEX_WITH_CLIENTS, 'kex-strict-s-v00@openssh.com']),
          })
        : new Protocol({
            ...common,
            offer: offer(preferred(role.prefer, role.certificates), [
              ...KEX_WITH_HOSTS,
              'ext-info-c',
              'kex-strict-c-v00@openssh.com',
            ]),
            hostVerifier: (key, verdict) => {
              const own = role.verify(key);
              if (own !== undefined && !own.equals(key)) readAsCertificate(this.#protocol._kex, key, own);
              verdict(own !== undefined);
              return undefined;
            },
          });
    if (role.as === 'server') this.#nameAlgorithms();
    this.#below = this.#protocol._onPayload;
    // Read by ssh2 whenever new keys come into use: from then on, messages come here first.
    this.#protocol._onPayload = (payload) => this.#payload(payload);
  }

  /** Begins the conversation. What comes before the first handler is set waits in the stream. */
  static async open(stream: ByteStream, role: Role, events: TransportEvents, rekey: Rekey): Promise<Transport> {
    await cryptography.init;
    const transport = new Transport(stream, role, events, rekey);
    transport.#start();
    return transport;
  }

  get sessionId(): Buffer {
    return this.#protocol._kex.sessionID;
  }

  /** What comes from elsewhere should not be sent here now. */
  get congested(): boolean {
    return this.queued > HIGH_WATER;
  }

  /** It asks and asks, and does not read the answers: it should not be read from either. */
  get flooded(): boolean {
    return this.queued > FLOOD;
  }

  /** Keys are exchanged: what is sent to it waits until it has done its part. */
  get exchanging(): boolean {
    return this.#protocol._kexinit !== undefined;
  }

  /** Bytes that wait for the stream, or for new keys. */
  get queued(): number {
    return this.#stream.queued + this.#held;
  }

  /** Sends one message, in two pieces where the second is long: it is copied once. While keys are exchanged it waits. */
  send(payload: Buffer, more: Buffer = NOTHING): void {
    if (this.#closed) return;
    const { write } = this.#protocol._packetRW;
    const start = this.#protocol._kexinit === undefined ? write.allocStart : 0;
    const length = payload.length + more.length;
    const packet = write.alloc(length);
    packet.set(payload, start);
    packet.set(more, start + payload.length);
    if (this.#protocol._kexinit !== undefined) this.#held += length;
    utils.sendPacket(this.#protocol, write.finalize(packet));
    this.#count(length);
  }

  /** Tells why, in words that the other side may show, and closes. */
  disconnect(reason: number, text: string): void {
    if (this.#closed) return;
    const payload = new Writer()
      .uint8(Message.DISCONNECT)
      .uint32(reason)
      .uint32(Buffer.byteLength(text))
      .bytes(Buffer.from(text))
      .uint32(0)
      .finish();
    const { write } = this.#protocol._packetRW;
    const packet = write.alloc(payload.length, true);
    packet.set(payload, write.allocStartKEX);
    utils.sendPacket(this.#protocol, write.finalize(packet, true), true);
    this.#over(undefined);
  }

  pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#resting === undefined) this.#stream.resume();
  }

  close(): void {
    this.#over(undefined);
  }

  // -------------------------------------------------------------------------------------------------------------------

  #start(): void {
    const stream = this.#stream;
    stream.onData = (chunk) => this.#read(chunk);
    stream.onEnd = () => this.#over(undefined);
    stream.onClose = (error) =>
      this.#over(error && peerError('client_gone', `the ${this.#whom}'s connection broke: ${error.message}`));
    stream.onDrain = () => this.#events.drain?.();
    this.#timer = setInterval(() => this.#rekey(), this.#limits.rekeyTime.value).unref();
    this.#protocol.start();
  }

  #read(chunk: Buffer): void {
    if (this.#closed) return;
    try {
      const agreed = this.#protocol._kexinit === undefined;
      this.#protocol.parse(chunk, 0, chunk.length);
      if (agreed && !this.#keeps(chunk)) this.#stream.release?.(chunk);
    } catch (thrown) {
      this.#fail(this.#faultOf(thrown));
    }
  }

  /** What ssh2 needs of an exchange of keys is in the chunk, and so is a packet all of which but the tag has come. */
  #keeps(chunk: Buffer): boolean {
    const { _kexinit, _decipher } = this.#protocol;
    return _kexinit !== undefined || _decipher?._packet === undefined || _decipher._packet?.buffer === chunk.buffer;
  }

  /** ssh2 throws plain errors about what the other side sent; any other kind is a mistake here. */
  #faultOf(thrown: unknown): HoopctlError {
    if (!(thrown instanceof Error) || Object.getPrototypeOf(thrown) !== Error.prototype) return asHoopctlError(thrown);
    return peerError('protocol_violation', `SSH with the ${this.#whom}: ${thrown.message}`, { cause: thrown });
  }

  /** What it gives back tells ssh2 to go on with the next packet, or, when all is over and its cipher is gone, with none. */
  #payload(payload: Buffer): unknown {
    if (this.#closed) return NO_MORE;
    const number = payload[0];
    const ours =
      number !== undefined && (number >= 50 || number === Message.SERVICE_REQUEST || number === Message.SERVICE_ACCEPT);
    if (!ours) {
      if (number === KEXINIT && this.#ready && !this.exchanging) {
        this.#asked = true;
        this.#took = 0;
      }
      const from = performance.now();
      const next = this.#below(payload);
      this.#took += performance.now() - from;
      if (number === KEXINIT) this.#exchange();
      return this.#closed ? NO_MORE : next;
    }
    this.#count(payload.length);
    if (!this.#closed) this.#events.message(payload);
    return this.#closed ? NO_MORE : undefined;
  }

  #agreed(): void {
    this.#bytes = 0;
    if (this.#held > 0) {
      this.#held = 0;
      queueMicrotask(() => this.#events.drain?.());
    }
    if (this.#asked) this.#rest();
    if (this.#ready) return;
    this.#ready = true;
    // The next packet after NEWKEYS (RFC 8308 §2.4).
    if (this.#extensions) {
      const names = Object.keys(SIGNATURES).join(',');
      this.send(message(Message.EXT_INFO, 256).uint32(1).text('server-sig-algs').text(names).finish());
    }
    this.#events.ready();
  }

  /** ssh2's own EXT_INFO lacks a comma and names SHA-1: ours goes in its place, where the client asked for one. */
  #nameAlgorithms(): void {
    const protocol = this.#protocol;
    const complete = protocol._onHandshakeComplete;
    protocol._onHandshakeComplete = (negotiated) => {
      this.#extensions = protocol._kex.remoteExtInfoEnabled;
      protocol._kex.remoteExtInfoEnabled = false;
      complete(negotiated);
    };
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#limits.rekeyBytes.value) this.#rekey();
  }

  #rekey(): void {
    if (!this.#ready || this.#closed) return;
    this.#bytes = 0;
    this.#protocol.rekey();
    this.#exchange();
  }

  /** A side that changes keys over and over is not read for several times what each change takes of everybody's thread. */
  #rest(): void {
    const rest = Math.min(REST * this.#took, MOST_REST);
    this.#asked = false;
    clearTimeout(this.#resting);
    this.#stream.pause();
    this.#resting = setTimeout(() => {
      this.#resting = undefined;
      if (!this.#paused && !this.#closed) this.#stream.resume();
    }, rest).unref();
  }

  /** An exchange has begun: whoever does not read it has to, now. */
  #exchange(): void {
    if (this.#ready) queueMicrotask(() => this.#events.drain?.());
  }

  /** Memory for a packet: that of packets before it, once all that was written is taken. */
  readonly #room = (bytes: number): Buffer => {
    if (this.#lent.length > 0 && this.#stream.queued === 0) for (const packet of this.#lent.splice(0)) giveBack(packet);
    return roomFor(bytes);
  };

  /** What one turn writes goes out at once. */
  #write(data: Buffer): void {
    this.#out.push(data);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    const out = this.#out;
    if (out.length === 0) return;
    this.#out = [];
    const bytes = out.reduce((sum, { length }) => sum + length, 0);
    for (const packet of out) if (isRoom(packet) && this.#lent.length < MOST_LENT) this.#lent.push(packet);
    // Small packets go out together; joining large ones costs more than it saves.
    if (out.length === 1) this.#stream.write(out[0]!);
    else if (bytes <= JOINED) this.#stream.write(Buffer.concat(out, bytes));
    else if (this.#stream.writeAll !== undefined) this.#stream.writeAll(out);
    else for (const one of out) this.#stream.write(one);
  }

  #fail(error: HoopctlError): void {
    this.#over(error);
  }

  #over(error: HoopctlError | undefined): void {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#resting);
    this.#protocol.cleanup();
    this.#stream.end();
    this.#events.closed(error);
  }
}

const NOTHING = Buffer.alloc(0);
/** RFC 4253 §7.1. */
const KEXINIT = 20;
/** As ssh2's own handlers say it: behind every end of a chunk. */
const NO_MORE = Number.POSITIVE_INFINITY;
const GCM = '-gcm@openssh.com';
/** To a reader that is always behind; the collector has the others. */
const MOST_LENT = 32;
/** Bytes of packets that are written as one. */
const JOINED = 16 * 1024;
/** So many times as long as an exchange of keys that the other side asked for took, and ms at most. */
const REST = 4;
const MOST_REST = 1000;
const HIGH_WATER = 1024 * 1024;
const FLOOD = 4 * HIGH_WATER;

function preferred(known: readonly string[] = [], certificates = false): string[] {
  const first = HOST_KEY_ALGORITHMS.filter((name) => known.includes(name.startsWith('rsa-sha2') ? 'ssh-rsa' : name));
  const certified = certificates ? HOST_CERTIFICATE_ALGORITHMS : [];
  return [...certified, ...first, ...HOST_KEY_ALGORITHMS.filter((name) => !first.includes(name))];
}
