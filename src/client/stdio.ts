// One tunnel on this process's own stdin and stdout, for programs that start us to get a byte stream (ssh's ProxyCommand).
// Refuses to know: how anything is shown, what the bytes are.

import type { Readable, Writable } from 'node:stream';
import type { ByteStream } from '../core/stream.ts';
import { TunnelDialer } from '../tunnel/dial.ts';
import { join } from './join.ts';

export interface StdioOptions {
  readonly gateway: { readonly url: string; readonly ca: string | undefined };
  headers(options: { renew: boolean }): Promise<Readonly<Record<string, string>>>;
  readonly connection: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly signal: AbortSignal;
}

/** Until both sides have ended. Errors: those of dialling, and what broke the tunnel. */
export async function joinStdio(options: StdioOptions): Promise<void> {
  const { gateway, headers, connection, stdin, stdout, signal } = options;
  const tunnel = await new TunnelDialer({ ...gateway, headers }).dial(connection, signal);
  const own = new StdioStream(stdin, stdout);
  const leave = () => own.destroy();
  signal.addEventListener('abort', leave, { once: true });
  tunnel.start();
  const broken = await join(own, tunnel.stream);
  signal.removeEventListener('abort', leave);
  signal.throwIfAborted();
  if (broken !== undefined) throw broken;
}

/** Two pipes as one stream; its end is the end of both. */
class StdioStream implements ByteStream {
  onEnd: (() => void) | undefined;
  onClose: ((error: Error | undefined) => void) | undefined;
  onDrain: (() => void) | undefined;
  readonly remote = 'stdio';
  readonly #in: Readable;
  readonly #out: Writable;
  #onData: ((chunk: Buffer) => void) | undefined;
  #closed = false;

  constructor(input: Readable, output: Writable) {
    this.#in = input;
    this.#out = output;
    input.on('end', () => this.onEnd?.());
    input.on('error', (error) => this.#close(error));
    output.on('drain', () => this.onDrain?.());
    output.on('error', (error) => this.#close(error));
  }

  get onData(): ((chunk: Buffer) => void) | undefined {
    return this.#onData;
  }

  set onData(handler: ((chunk: Buffer) => void) | undefined) {
    if (this.#onData !== undefined) this.#in.off('data', this.#onData);
    this.#onData = handler;
    if (handler !== undefined) this.#in.on('data', handler);
  }

  get queued(): number {
    return this.#out.writableLength;
  }

  write(chunk: Buffer): boolean {
    return this.#closed ? false : this.#out.write(chunk);
  }

  pause(): void {
    this.#in.pause();
  }

  resume(): void {
    this.#in.resume();
  }

  /** What is written goes; then it is over: whoever started us has nobody left to talk to. */
  end(): void {
    if (this.#closed) return;
    this.#out.write('', () => this.#close(undefined));
  }

  destroy(error?: Error): void {
    this.#close(error);
  }

  #close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#in.destroy();
    this.onClose?.(error);
  }
}
