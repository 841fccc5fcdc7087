// One tunnel as a byte stream: frames over a TLS socket, back-pressure and half-close through to the other end.
// Both halves are this class; they differ in masking. Refuses to know: HTTP, identity, what the bytes say.

import type { Socket } from 'node:net';
import { HoopctlError, peerError } from '../core/errors.ts';
import type { ByteStream } from '../core/stream.ts';
import { parseMessage, type TunnelControl, type TunnelEvent } from './events.ts';
import { closePayload, FrameReader, type FrameSink, OPCODE } from './frames.ts';
import { type KeepAlive, sharedKeepAlive, type Watched } from './keepalive.ts';
import { FrameSender } from './sender.ts';

/** How long a closing tunnel waits for its peer and its queue before the socket is cut, ms. */
const LINGER_MS = 2000;

/** §7.4.1; 4000: this side's own peer was cut. */
const CLOSE = { done: 1000, violation: 1002, failed: 1011, cut: 4000 } as const;

const NOTHING = Buffer.alloc(0);
const TURN = Promise.resolve();

export class TunnelStream implements ByteStream, FrameSink, Watched {
  onEnd: (() => void) | undefined;
  onClose: ((error: Error | undefined) => void) | undefined;
  /** Gateway's half: the client has taken the tunnel into use. Called once. */
  onStart: (() => void) | undefined;
  readonly remote: string;
  /** Resolves once with what `onClose` gets. */
  readonly closed: Promise<Error | undefined>;
  heard = true;
  silent = 0;
  quiet = 0;

  readonly #socket: Socket;
  readonly #half: 'client' | 'gateway';
  readonly #reader: FrameReader;
  readonly #keepAlive: KeepAlive;
  readonly #sender: FrameSender;
  #onData: ((chunk: Buffer) => void) | undefined;
  #onEvent: ((event: TunnelEvent) => void) | undefined;
  #early: TunnelEvent[] = [];
  /** Read and not yet delivered, because delivery stopped inside a chunk. */
  #rest: Buffer | undefined;
  #paused = false;
  #started = false;
  #peerEnded = false;
  #endTold = false;
  #wroteEnd = false;
  #closing = false;
  #failure: Error | undefined;

  /** `head`: bytes that came behind the handshake. The socket is read, written and closed here only from now on. */
  constructor(socket: Socket, half: 'client' | 'gateway', head: Buffer, keepAlive: KeepAlive = sharedKeepAlive) {
    this.#socket = socket;
    this.#half = half;
    this.#sender = new FrameSender(socket, half === 'client');
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
    this.#sender.control(OPCODE.pong, payload);
  }

  ping(): void {
    this.#sender.control(OPCODE.ping, NOTHING);
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
    return this.#sender.queued;
  }

  get sent(): boolean {
    return this.#sender.sent;
  }

  set sent(value: boolean) {
    this.#sender.sent = value;
  }

  get onDrain(): (() => void) | undefined {
    return this.#sender.onDrain;
  }

  set onDrain(handler: (() => void) | undefined) {
    this.#sender.onDrain = handler;
  }

  write(chunk: Buffer): boolean {
    return !this.#wroteEnd && this.#sender.write(chunk);
  }

  /** Sends an event or a control word behind the bytes written so far; if not `urgent`, with the bytes that follow. */
  sendMessage(message: TunnelEvent | TunnelControl, urgent = true): void {
    this.#sender.text(JSON.stringify(message), urgent);
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

  // -- Closing ---------------------------------------------------------------------------------------------------------

  /** Says goodbye with a close frame, and cuts the socket when the peer has answered or the linger time is over. */
  #close(code: number, error?: Error): void {
    if (this.#closing) return;
    this.#failure ??= error;
    this.#closing = true;
    this.#keepAlive.delete(this);
    const reason = error instanceof HoopctlError ? `${error.code}: ${error.message}` : '';
    this.#sender.end(closePayload(code, reason));
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
    return this.#half === 'client'
      ? peerError('gateway_unreachable', `the connection to the gateway broke${why}`, { cause })
      : peerError('client_gone', `the connection of the client broke${why}`, { cause });
  }

  #told(code: number, reason: string): HoopctlError {
    const client = this.#half === 'client';
    const peer = client ? 'the gateway' : 'the client';
    const why =
      reason !== '' ? `closed the stream: ${reason}` : code === CLOSE.cut ? 'cut the stream' : `closed: ${code}`;
    return peerError(client ? 'gateway_error' : 'client_gone', `${peer} ${why}`);
  }
}
