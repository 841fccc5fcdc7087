// One tunnel as a byte stream: frames over a TLS socket, back-pressure and half-close through to the other end.
// Both halves are this class; they differ in masking. Refuses to know: HTTP, identity, what the bytes say.

import type { Socket } from 'node:net';
import { HoopctlError, peerError } from '../core/errors.ts';
import type { ByteStream } from '../core/stream.ts';
import { parseMessage, type TunnelControl, type TunnelEvent } from './events.ts';
import { closePayload, FrameReader, type FrameSink, frame, MAX_HEADER, OPCODE, writeHeader } from './frames.ts';
import { type KeepAlive, sharedKeepAlive, type Watched } from './keepalive.ts';

/** Up to here a frame is copied behind its header, so that it leaves in one piece; above, both are gathered by `writev`. */
const COPY_BYTES = 16 * 1024;
/** Writes of one turn of the event loop become one frame, up to here. */
const GATHER_BYTES = 64 * 1024;
/** How long a closing tunnel waits for its peer and its queue before the socket is cut, ms. */
const LINGER_MS = 2000;

/** §7.4.1; 4000: this side's own peer was cut. */
const CLOSE = { done: 1000, violation: 1002, failed: 1011, cut: 4000 } as const;

const NOTHING = Buffer.alloc(0);
const TURN = Promise.resolve();

export class TunnelStream implements ByteStream, FrameSink, Watched {
  onEnd: (() => void) | undefined;
  onClose: ((error: Error | undefined) => void) | undefined;
  onDrain: (() => void) | undefined;
  /** Gateway's half: the client has taken the tunnel into use. Called once. */
  onStart: (() => void) | undefined;
  readonly remote: string;
  /** Resolves once with what `onClose` gets. */
  readonly closed: Promise<Error | undefined>;
  heard = true;
  sent = true;
  silent = 0;
  quiet = 0;

  readonly #socket: Socket;
  readonly #masks: boolean;
  readonly #reader: FrameReader;
  readonly #keepAlive: KeepAlive;
  readonly #flush = () => this.#send();
  #onData: ((chunk: Buffer) => void) | undefined;
  #onEvent: ((event: TunnelEvent) => void) | undefined;
  #early: TunnelEvent[] = [];
  /** Read and not yet delivered, because delivery stopped inside a chunk. */
  #rest: Buffer | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #paused = false;
  #started = false;
  #stalled = false;
  #peerEnded = false;
  #endTold = false;
  #wroteEnd = false;
  #closing = false;
  #failure: Error | undefined;

  /** `head`: bytes that came behind the handshake. The socket is read, written and closed here only from now on. */
  constructor(socket: Socket, half: 'client' | 'gateway', head: Buffer, keepAlive: KeepAlive = sharedKeepAlive) {
    this.#socket = socket;
    this.#masks = half === 'client';
    this.#reader = new FrameReader(this, half === 'gateway');
    this.#keepAlive = keepAlive;
    this.remote = `${socket.remoteAddress ?? 'local'}:${socket.remotePort ?? 0}`;
    let closed: (error: Error | undefined) => void = () => {};
    this.closed = new Promise((resolve) => {
      closed = resolve;
    });
    socket.setTimeout?.(0);
    socket.setNoDelay?.(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('end', () => this.#gone());
    socket.on('error', (error: Error) => {
      this.#failure ??= this.#closing ? undefined : this.#broken(error);
    });
    socket.on('close', () => {
      keepAlive.delete(this);
      if (!this.#closing) this.#failure ??= this.#broken();
      this.#closing = true;
      this.onClose?.(this.#failure);
      closed(this.#failure);
    });
    if (head.length > 0) socket.unshift(head);
    keepAlive.add(this);
  }

  // -- Reading ---------------------------------------------------------------------------------------------------------

  get onData(): ((chunk: Buffer) => void) | undefined {
    return this.#onData;
  }

  set onData(handler: ((chunk: Buffer) => void) | undefined) {
    this.#onData = handler;
    if (handler !== undefined) this.#restart();
  }

  /** Client's half: what the gateway tells. Events that came before it is set are told then. */
  get onEvent(): ((event: TunnelEvent) => void) | undefined {
    return this.#onEvent;
  }

  set onEvent(handler: ((event: TunnelEvent) => void) | undefined) {
    this.#onEvent = handler;
    if (handler === undefined) return;
    for (const event of this.#early.splice(0)) handler(event);
  }

  get stopped(): boolean {
    return this.#paused || this.#onData === undefined || this.#closing;
  }

  get deaf(): boolean {
    return this.#paused || this.#rest !== undefined;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#restart();
  }

  /** Delivers what was held back, then reads on; in a later step, so that a handler is never entered twice. */
  #restart(): void {
    void TURN.then(() => {
      if (this.stopped) return;
      const rest = this.#rest;
      this.#rest = undefined;
      if (rest !== undefined) this.#receive(rest);
      this.#tellEnd();
      if (this.#rest === undefined && !this.#paused) this.#socket.resume();
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#closing) return;
    this.heard = true;
    let taken: number;
    try {
      taken = this.#reader.push(chunk);
    } catch (error) {
      this.#close(CLOSE.violation, error as Error);
      return;
    }
    if (taken === chunk.length || this.#closing) return;
    this.#rest = chunk.subarray(taken);
    this.#socket.pause();
    this.#start();
  }

  frameBytes(chunk: Buffer): void {
    if (!this.#started) this.#start();
    this.#onData!(chunk);
  }

  frameText(payload: string): void {
    const message = parseMessage(payload);
    if (message === undefined || this.#closing) return;
    if (message.type === 'start') {
      this.#start();
    } else if (message.type === 'eof') {
      this.#start();
      this.#peerEnded = true;
      this.#tellEnd();
    } else if (this.#onEvent !== undefined) {
      this.#onEvent(message);
    } else if (this.#early.length < 16) {
      this.#early.push(message);
    }
  }

  framePing(payload: Buffer): void {
    this.#control(OPCODE.pong, payload);
  }

  ping(): void {
    this.#control(OPCODE.ping, NOTHING);
  }

  /** A peer that does not read what we send gets neither ping nor pong: its queue must not grow (§5.5.3 allows it). */
  #control(opcode: number, payload: Buffer): void {
    if (this.#closing || this.#socket.writableLength >= GATHER_BYTES) return;
    this.#socket.write(frame(opcode, payload, this.#masks));
    this.sent = true;
  }

  frameClose(code: number, reason: string): void {
    const clean = code === CLOSE.done || code === 1005;
    if (!clean) this.#failure ??= this.#told(code, reason);
    this.#peerEnded = true;
    if (clean) this.#tellEnd();
    this.#close(CLOSE.done);
  }

  dead(afterMs: number): void {
    this.#failure ??= this.#broken(new Error(`nothing heard for ${afterMs} ms`));
    this.#closing = true;
    this.#socket.destroy();
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.onStart?.();
  }

  /** Tells the end behind the last byte, once somebody listens. */
  #tellEnd(): void {
    if (!this.#peerEnded || this.#endTold || this.#rest !== undefined || this.#onData === undefined) return;
    this.#endTold = true;
    this.onEnd?.();
    if (this.#wroteEnd) this.#close(CLOSE.done);
  }

  // -- Writing ---------------------------------------------------------------------------------------------------------

  get queued(): number {
    return this.#socket.writableLength + this.#pendingBytes;
  }

  write(chunk: Buffer): boolean {
    if (this.#closing || this.#wroteEnd) return false;
    if (this.#pendingBytes === 0) void TURN.then(this.#flush);
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes >= GATHER_BYTES) this.#send();
    if (!this.#stalled && this.queued < GATHER_BYTES) return true;
    this.#stalled = true;
    return false;
  }

  /** Sends an event or a control word behind the bytes written so far. */
  sendMessage(message: TunnelEvent | TunnelControl): void {
    if (this.#closing) return;
    this.#send();
    this.#socket.write(frame(OPCODE.text, Buffer.from(JSON.stringify(message)), this.#masks));
    this.sent = true;
  }

  end(): void {
    if (this.#wroteEnd || this.#closing) return;
    this.sendMessage({ type: 'eof' });
    this.#wroteEnd = true;
    if (this.#endTold) this.#close(CLOSE.done);
  }

  destroy(error?: Error): void {
    if (error === undefined) this.#close(CLOSE.cut);
    else this.#close(CLOSE.failed, error);
  }

  #send(): void {
    const bytes = this.#pendingBytes;
    if (bytes === 0) return;
    const chunks = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.sent = true;
    const socket = this.#socket;
    if (bytes <= COPY_BYTES) {
      const whole = Buffer.allocUnsafe(MAX_HEADER + bytes);
      let at = writeHeader(whole, OPCODE.binary, bytes, this.#masks);
      for (const chunk of chunks) {
        whole.set(chunk, at);
        at += chunk.length;
      }
      socket.write(whole.subarray(0, at));
    } else {
      const header = Buffer.allocUnsafe(MAX_HEADER);
      socket.cork();
      socket.write(header.subarray(0, writeHeader(header, OPCODE.binary, bytes, this.#masks)));
      for (const chunk of chunks) socket.write(chunk);
      socket.uncork();
    }
    if (this.#stalled && !socket.writableNeedDrain) this.#drained();
  }

  #drained(): void {
    if (!this.#stalled || this.queued >= GATHER_BYTES) return;
    this.#stalled = false;
    this.onDrain?.();
  }

  // -- Closing ---------------------------------------------------------------------------------------------------------

  /** Says goodbye with a close frame, and cuts the socket when the peer has answered or the linger time is over. */
  #close(code: number, error?: Error): void {
    if (this.#closing) return;
    this.#failure ??= error;
    this.#send();
    this.#closing = true;
    this.#keepAlive.delete(this);
    const reason = error instanceof HoopctlError ? `${error.code}: ${error.message}` : '';
    this.#socket.end(frame(OPCODE.close, closePayload(code, reason), this.#masks));
    // A paused socket would never see the peer's end.
    this.#rest = undefined;
    this.#socket.resume();
    if (this.#socket.destroyed) return;
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#socket.once('close', () => clearTimeout(timer));
  }

  /** The peer's end of the connection is over, with or without a close frame before it. */
  #gone(): void {
    if (!this.#closing) {
      this.#failure ??= this.#broken();
      this.#closing = true;
    }
    this.#socket.destroySoon();
  }

  #broken(cause?: Error): HoopctlError {
    const why = cause === undefined ? '' : `: ${cause.message}`;
    return this.#masks
      ? peerError('gateway_unreachable', `the connection to the gateway broke${why}`, { cause })
      : peerError('client_gone', `the connection of the client broke${why}`, { cause });
  }

  #told(code: number, reason: string): HoopctlError {
    const peer = this.#masks ? 'the gateway' : 'the client';
    const why =
      reason !== '' ? `closed the stream: ${reason}` : code === CLOSE.cut ? 'cut the stream' : `closed: ${code}`;
    return peerError(this.#masks ? 'gateway_error' : 'client_gone', `${peer} ${why}`);
  }
}
