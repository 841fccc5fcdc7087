// A byte stream with back-pressure: what a socket, a TLS socket and a tunnel look like to everything above them.
// Lighter than a Node stream: one handler each, no queue of its own.

import type { Socket } from 'node:net';

export interface ByteStream {
  /** Called for each chunk in order. The chunk belongs to the callee. Nothing is delivered before it is set. */
  onData: ((chunk: Buffer) => void) | undefined;
  /** The other side will send no more (half-close). */
  onEnd: (() => void) | undefined;
  /** Called once, whatever ended the stream; with the error where there was one. */
  onClose: ((error: Error | undefined) => void) | undefined;
  /** The queue that `write` reported as full has drained. */
  onDrain: (() => void) | undefined;
  /** A chunk that `onData` was given is not used any more, and its memory may serve for another. */
  release?(chunk: Buffer): void;
  /** Queues bytes; false when the queue is over its high-water mark: stop until `onDrain`. */
  write(chunk: Buffer): boolean;
  /** As `write` one after the other, in one call of the system where that saves some. */
  writeAll?(chunks: readonly Buffer[]): void;
  /** Stops and restarts delivery; a paused stream exerts back-pressure on its peer. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes our side. */
  end(): void;
  /** Closes at once, both sides. */
  destroy(error?: Error): void;
  /** Bytes queued and not yet taken by the operating system. */
  readonly queued: number;
  /** The peer's address, for the record: `127.0.0.1:51234`. */
  readonly remote: string;
}

/**
 * A ByteStream over a connected `net.Socket` or `tls.TLSSocket`. The caller gives up the socket: it is read, closed and
 * watched for errors here only, until `detach` gives it back (to be wrapped in TLS).
 */
export class SocketStream implements ByteStream {
  onEnd: (() => void) | undefined;
  onClose: ((error: Error | undefined) => void) | undefined;
  onDrain: (() => void) | undefined;
  readonly remote: string;
  readonly socket: Socket;
  #onData: ((chunk: Buffer) => void) | undefined;
  #failure: Error | undefined;
  readonly #listeners: Record<string, (...args: never[]) => void>;

  constructor(socket: Socket) {
    this.socket = socket;
    this.remote = `${socket.remoteAddress ?? 'local'}:${socket.remotePort ?? 0}`;
    socket.setNoDelay(true);
    this.#listeners = {
      end: () => this.onEnd?.(),
      drain: () => this.onDrain?.(),
      error: (error: Error) => {
        this.#failure ??= error;
      },
      close: () => this.onClose?.(this.#failure),
    };
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener as () => void);
  }

  get onData(): ((chunk: Buffer) => void) | undefined {
    return this.#onData;
  }

  set onData(handler: ((chunk: Buffer) => void) | undefined) {
    if (this.#onData !== undefined) this.socket.off('data', this.#onData);
    this.#onData = handler;
    if (handler !== undefined) this.socket.on('data', handler);
  }

  get queued(): number {
    return this.socket.writableLength;
  }

  write(chunk: Buffer): boolean {
    return this.socket.write(chunk);
  }

  writeAll(chunks: readonly Buffer[]): void {
    this.socket.cork();
    for (const chunk of chunks) this.socket.write(chunk);
    this.socket.uncork();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.end();
  }

  destroy(error?: Error): void {
    this.#failure ??= error;
    this.socket.destroy();
  }

  /** Gives the socket back, paused and without our listeners, so that it can be wrapped. This stream is then dead. */
  detach(): Socket {
    this.onData = undefined;
    this.socket.pause();
    for (const [event, listener] of Object.entries(this.#listeners)) this.socket.off(event, listener as () => void);
    return this.socket;
  }
}

/** Two joined streams in memory, for tests and for sessions inside sessions. Delivery is asynchronous, in order. */
export function streamPair(highWater = 64 * 1024): [ByteStream, ByteStream] {
  const ends: MemoryEnd[] = [new MemoryEnd(highWater), new MemoryEnd(highWater)];
  ends[0]!.peer = ends[1]!;
  ends[1]!.peer = ends[0]!;
  return [ends[0]!, ends[1]!];
}

class MemoryEnd implements ByteStream {
  onData: ((chunk: Buffer) => void) | undefined;
  onEnd: (() => void) | undefined;
  onClose: ((error: Error | undefined) => void) | undefined;
  onDrain: (() => void) | undefined;
  readonly remote = 'memory:0';
  peer!: MemoryEnd;
  #highWater: number;
  #inbox: Buffer[] = [];
  #inboxBytes = 0;
  #paused = false;
  #scheduled = false;
  #wroteEnd = false;
  #ended = false;
  #closed = false;
  #stalled = false;
  #failure: Error | undefined;

  constructor(highWater: number) {
    this.#highWater = highWater;
  }

  get queued(): number {
    return this.peer.#inboxBytes;
  }

  write(chunk: Buffer): boolean {
    if (this.#closed || this.#wroteEnd) return false;
    this.peer.#inbox.push(Buffer.from(chunk));
    this.peer.#inboxBytes += chunk.length;
    this.peer.#schedule();
    const room = this.peer.#inboxBytes <= this.#highWater;
    if (!room) this.#stalled = true;
    return room;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  end(): void {
    if (this.#wroteEnd) return;
    this.#wroteEnd = true;
    this.peer.#schedule();
  }

  destroy(error?: Error): void {
    this.#failure ??= error;
    for (const end of [this, this.peer]) {
      if (end.#closed) continue;
      end.#closed = true;
      queueMicrotask(() => end.onClose?.(end.#failure));
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    while (!this.#paused && !this.#closed && this.onData !== undefined && this.#inbox.length > 0) {
      const chunk = this.#inbox.shift()!;
      this.#inboxBytes -= chunk.length;
      this.onData(chunk);
    }
    if (this.#closed) return;
    if (this.peer.#stalled && this.#inboxBytes <= this.#highWater / 2) {
      this.peer.#stalled = false;
      this.peer.onDrain?.();
    }
    if (this.#inbox.length === 0 && this.peer.#wroteEnd && !this.#ended) {
      this.#ended = true;
      this.onEnd?.();
      if (this.#wroteEnd) this.destroy();
    }
  }
}
