// An SSH client that does what no proper one would: it logs in (method none) and then sends whatever a test wants, reads or
// does not. Keys and ciphers are ssh2's; every message above them is the test's own.
// Refuses to know: what the other side makes of it.

import { connect, type Socket } from 'node:net';
import { cryptography, Protocol, utils } from '../../src/protocol/ssh/transport/guarded-ssh2.ts';
import { sleep } from './process.ts';

function offer(cipher: string) {
  const direction = { cipher: [cipher], mac: ['hmac-sha2-256'], compress: ['none'], lang: [] };
  return {
    kex: ['curve25519-sha256', 'ext-info-c', 'kex-strict-c-v00@openssh.com'],
    serverHostKey: ['ssh-ed25519'],
    cs: direction,
    sc: direction,
  };
}

export const uint32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
};
export const string = (value: string | Buffer): Buffer => {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([uint32(bytes.length), bytes]);
};
export const bytes = (...parts: (number | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part)));

const YES = 1;
const NO = 0;

export class RawSsh {
  readonly socket: Socket;
  readonly #protocol: Protocol;
  /** Payloads that came and were not asked for yet. */
  readonly messages: Buffer[] = [];
  readonly closed: Promise<void>;
  over = false;
  /** Why the other side ended it, in its words. */
  farewell: string | undefined;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket, cipher: string, ready: () => void) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.over = true;
        this.#wake?.();
        resolve();
      });
    });
    socket.on('error', () => {});
    let agreed = false;
    this.#protocol = new Protocol({
      ident: 'raw',
      offer: offer(cipher),
      onWrite: (data) => void socket.write(data),
      onError: () => socket.destroy(),
      onHandshakeComplete: () => {
        if (agreed) return;
        agreed = true;
        ready();
      },
      hostVerifier: (_, verdict) => {
        verdict(true);
        return undefined;
      },
      messageHandlers: {
        DISCONNECT: (_: unknown, __: number, text: string) => {
          this.farewell = text;
          socket.destroy();
        },
      },
    });
    const below = this.#protocol._onPayload;
    this.#protocol._onPayload = (payload) => {
      const number = payload[0] ?? 0;
      if (number < 50 && number !== 6) return below(payload);
      this.messages.push(Buffer.from(payload));
      this.#wake?.();
      return undefined;
    };
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#protocol.parse(chunk, 0, chunk.length);
      } catch {
        socket.destroy();
      }
    });
    this.#protocol.start();
  }

  /** Up to the login, and through it. */
  static connect(port: number, user = 'raw', cipher = 'aes128-gcm@openssh.com'): Promise<RawSsh> {
    return RawSsh.over(connect(port, '127.0.0.1'), user, cipher);
  }

  /** The same on a connection of the test's own. */
  static async over(socket: Socket, user = 'raw', cipher = 'aes128-gcm@openssh.com'): Promise<RawSsh> {
    await cryptography.init;
    socket.setNoDelay(true);
    const { promise, resolve } = Promise.withResolvers<void>();
    const client = new RawSsh(socket, cipher, resolve);
    await Promise.race([promise, client.closed]);
    if (client.over) throw new Error(`the handshake failed: ${client.farewell}`);
    client.send(bytes(5, string('ssh-userauth')));
    await client.next(6);
    client.send(bytes(50, string(user), string('ssh-connection'), string('none')));
    for (;;) {
      const [number] = await client.next();
      if (number === 52) return client;
      if (number === 51) throw new Error('the login was refused');
    }
  }

  send(...payloads: Buffer[]): void {
    if (this.over) return;
    for (const payload of payloads) {
      const { write } = this.#protocol._packetRW;
      const packet = write.alloc(payload.length);
      packet.set(payload, this.#protocol._kexinit === undefined ? write.allocStart : 0);
      utils.sendPacket(this.#protocol, write.finalize(packet));
    }
  }

  /** All in one piece, as far as the system lets it be. */
  sendAtOnce(...payloads: Buffer[]): void {
    this.socket.cork();
    this.send(...payloads);
    this.socket.uncork();
  }

  /** Begins a key exchange, and goes on with it when the other side's part is read. */
  rekey(): void {
    this.#protocol.rekey();
  }

  /** The next message (of that number, those before it dropped); throws when the connection ends first. */
  async next(number?: number, timeout = 60_000): Promise<Buffer> {
    const deadline = Date.now() + timeout;
    for (;;) {
      const found = this.messages.shift();
      if (found !== undefined) {
        if (number === undefined || found[0] === number) return found;
        continue;
      }
      if (this.over) throw new Error(`the connection is over: ${this.farewell ?? 'without a word'}`);
      if (Date.now() > deadline) throw new Error(`no message ${number ?? ''} within ${timeout} ms`);
      await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), sleep(100)]);
    }
  }

  /** Resolves with the number that the other side gave a channel; undefined: it was refused. */
  async open(
    own: number,
    window = 2 ** 31,
    type = 'session',
    rest: Buffer = Buffer.alloc(0),
  ): Promise<number | undefined> {
    this.send(openMessage(own, window, type, rest));
    for (;;) {
      const answer = await this.next();
      if (answer[0] === 91 && answer.readUInt32BE(1) === own) return answer.readUInt32BE(5);
      if (answer[0] === 92 && answer.readUInt32BE(1) === own) return undefined;
    }
  }

  async exec(own: number, command: string, window = 2 ** 31): Promise<number> {
    const channel = await this.open(own, window);
    if (channel === undefined) throw new Error('the channel was refused');
    this.send(request(channel, 'exec', string(command)));
    await this.next(99);
    return channel;
  }

  /** Reads no more: what is sent to it piles up elsewhere. */
  stopReading(): void {
    this.socket.pause();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export const openMessage = (own: number, window: number, type = 'session', rest: Buffer = Buffer.alloc(0)): Buffer =>
  bytes(90, string(type), uint32(own), uint32(window), uint32(32_768), rest);

export const request = (channel: number, type: string, rest: Buffer = Buffer.alloc(0), wanted = true): Buffer =>
  bytes(98, uint32(channel), string(type), wanted ? YES : NO, rest);

export const globalRequest = (name: string, wanted = true, rest: Buffer = Buffer.alloc(0)): Buffer =>
  bytes(80, string(name), wanted ? YES : NO, rest);

export const data = (channel: number, content: string | Buffer): Buffer => bytes(94, uint32(channel), string(content));

export const directTcpip = (host: string, port: number): Buffer =>
  bytes(string(host), uint32(port), string('127.0.0.1'), uint32(1));

/** A command on a channel of its own, to its end; `before`: what is asked for on it first. */
export async function exec(
  client: RawSsh,
  own: number,
  command: string | Buffer,
  before: readonly [string, Buffer][] = [],
): Promise<{ ok: boolean; told: string }> {
  const channel = await client.open(own);
  if (channel === undefined) throw new Error('no channel');
  for (const [type, rest] of before) client.send(request(channel, type, rest, false));
  client.send(request(channel, 'exec', string(command)));
  let told = '';
  let code = -1;
  for (;;) {
    const message = await client.next(undefined, 60_000);
    const to = message.length >= 5 ? message.readUInt32BE(1) : -1;
    if (to !== own) continue;
    if (message[0] === 94) told += message.subarray(9).toString();
    else if (message[0] === 95) told += message.subarray(13).toString();
    else if (message[0] === 98 && message.includes('exit-status')) code = message.readUInt32BE(message.length - 4);
    else if (message[0] === 97) {
      client.send(bytes(97, uint32(channel)));
      return { ok: code === 0, told };
    }
  }
}
