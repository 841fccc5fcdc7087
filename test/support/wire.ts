// A PostgreSQL client that works at the wire, for what real clients would never send or would never let be seen: raw
// bytes, counting without decoding, reading late. Own code on purpose: it must not share a mistake with src/protocol.

import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface WireOptions {
  host?: string;
  port: number;
  user?: string;
  database?: string;
  password?: string;
  parameters?: Record<string, string>;
  /** PEM of the CA: TLS after SSLRequest, verified. */
  ca?: string;
}

export interface Frame {
  type: string;
  body: Buffer;
}

export function message(type: string, ...parts: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part)));
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
}

export function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

export function startupMessage(parameters: Record<string, string>, version = 196608): Buffer {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`);
  const body = Buffer.concat([int32(version), Buffer.from(`${pairs.join('')}\0`)]);
  return Buffer.concat([int32(body.length + 4), body]);
}

export const query = (text: string) => message('Q', text);
export const parse = (name: string, text: string) => message('P', name, text, int16(0));
export const bind = (portal: string, statement: string, values: (string | null)[] = []) => {
  const encoded = values.flatMap((value) => {
    if (value === null) return [int32(-1)];
    const bytes = Buffer.from(value);
    return [int32(bytes.length), bytes];
  });
  return message('B', portal, statement, int16(0), int16(values.length), ...encoded, int16(0));
};
export const describePortal = (portal: string) => message('D', Buffer.from('P'), portal);
export const execute = (portal: string, rows = 0) => message('E', portal, int32(rows));
export const sync = () => message('S');
/** Bind of what has no name, every result in that format: 0 text, 1 binary. */
export const bindAs = (format: number) => message('B', '', '', int16(0), int16(0), int16(1), int16(format));
/** A statement without a name, described and run; Sync is the caller's. */
export const extended = (text: string, bound = bind('', '')) => [
  parse('', text),
  bound,
  describePortal(''),
  execute(''),
];

/** The fields of an ErrorResponse or NoticeResponse by their letters: C is the SQLSTATE, M the message, H the hint. */
export function fields(body: Buffer): Record<string, string> {
  const found: Record<string, string> = {};
  for (const part of body.toString().split('\0')) if (part !== '') found[part[0] as string] = part.slice(1);
  return found;
}

function md5(...parts: (string | Buffer)[]): string {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

export class WireClient {
  readonly socket: Socket;
  /** Everything that came, when `keep` is on. */
  received: Buffer[] = [];
  keep = false;
  /** Bytes received so far. */
  bytes = 0;
  closed = false;
  processId = 0;
  secretKey: Buffer = Buffer.alloc(0);
  #pending: Buffer = Buffer.alloc(0);
  #frames: Frame[] = [];
  #waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    const end = () => {
      this.closed = true;
      this.#wake();
    };
    socket.on('error', end);
    socket.on('close', end);
  }

  /** Connects, TLS where a CA is given; sends nothing of the startup yet. */
  static async open(options: Pick<WireOptions, 'host' | 'port' | 'ca'>): Promise<WireClient> {
    const host = options.host ?? '127.0.0.1';
    const socket = connectTcp({ host, port: options.port, noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    if (options.ca === undefined) return new WireClient(socket);
    const answer = await new Promise<Buffer>((resolve, reject) => {
      socket
        .once('data', resolve)
        .once('error', reject)
        .once('close', () => reject(new Error('closed')));
      socket.write(Buffer.concat([int32(8), int32(80877103)]));
    });
    if (answer.toString() !== 'S') throw new Error(`no TLS: ${answer.toString()}`);
    const secure = connectTls({ socket, ca: options.ca, host, servername: '' });
    await new Promise<void>((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject));
    return new WireClient(secure);
  }

  /** Connects and logs in, up to the first ReadyForQuery. */
  static async connect(options: WireOptions): Promise<WireClient> {
    const client = await WireClient.open(options);
    const user = options.user ?? 'postgres';
    client.send(startupMessage({ user, database: options.database ?? user, ...options.parameters }));
    await client.#authenticate(user, options.password ?? '');
    for (;;) {
      const frame = await client.next();
      if (frame.type === 'K') {
        client.processId = frame.body.readInt32BE(0);
        client.secretKey = Buffer.from(frame.body.subarray(4));
      }
      if (frame.type === 'E') throw new Error(fields(frame.body).M, { cause: fields(frame.body) });
      if (frame.type === 'Z') return client;
    }
  }

  async #authenticate(user: string, password: string): Promise<void> {
    let scram: { bare: string; nonce: string; check?: Buffer } | undefined;
    for (;;) {
      const { type, body } = await this.next();
      if (type === 'E') throw new Error(fields(body).M, { cause: fields(body) });
      if (type !== 'R') continue;
      const kind = body.readInt32BE(0);
      if (kind === 0) return;
      if (kind === 3) this.send(message('p', password));
      else if (kind === 5) this.send(message('p', `md5${md5(md5(password, user), body.subarray(4, 8))}`));
      else if (kind === 10) {
        const nonce = randomBytes(18).toString('base64');
        scram = { bare: `n=,r=${nonce}`, nonce };
        const first = Buffer.from(`n,,${scram.bare}`);
        this.send(message('p', 'SCRAM-SHA-256', int32(first.length), first));
      } else if (kind === 11 && scram !== undefined) {
        this.send(message('p', Buffer.from(scramFinal(scram.bare, body.subarray(4).toString(), password))));
      } else if (kind !== 12) throw new Error(`authentication ${kind} is not known here`);
    }
  }

  #take(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.keep) this.received.push(chunk);
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 5) {
      const end = 1 + this.#pending.readInt32BE(1);
      if (this.#pending.length < end) break;
      this.#frames.push({
        type: String.fromCharCode(this.#pending[0] as number),
        body: this.#pending.subarray(5, end),
      });
      this.#pending = this.#pending.subarray(end);
    }
    this.#wake();
  }

  #wake(): void {
    for (const waiting of this.#waiting.splice(0)) waiting();
  }

  send(...chunks: Buffer[]): void {
    this.socket.write(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
  }

  /** The next message; an error when the connection ends before it. */
  async next(timeout = 60_000): Promise<Frame> {
    const deadline = Date.now() + timeout;
    while (this.#frames.length === 0) {
      if (this.closed) throw new Error('the connection was closed');
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no message within ${timeout} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.#frames.shift() as Frame;
  }

  /** All messages up to and with the next of that type; up to the end of the connection when it closes before. */
  async until(type: string, timeout = 60_000): Promise<Frame[]> {
    const found: Frame[] = [];
    for (;;) {
      if (this.closed && this.#frames.length === 0) return found;
      const frame = await this.next(timeout).catch((error: unknown) => {
        if (this.closed) return undefined;
        throw error;
      });
      if (frame === undefined) return found;
      found.push(frame);
      if (frame.type === type) return found;
    }
  }

  /** Resolves when the other side has closed. */
  async ended(timeout = 60_000): Promise<void> {
    const deadline = Date.now() + timeout;
    while (!this.closed) {
      if (Date.now() > deadline) throw new Error(`not closed within ${timeout} ms`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /**
   * Sends a query and counts its rows and bytes as fast as they come, without keeping or decoding any; ends with
   * ReadyForQuery. From here on the client is used for this only.
   */
  counting(text: string): Promise<{ rows: number; bytes: number }> {
    this.socket.removeAllListeners('data');
    const counter = new FrameCounter();
    return new Promise((resolve, reject) => {
      const finish = () => {
        this.socket.off('data', take);
        if (counter.error !== undefined) reject(new Error(counter.error));
        else resolve({ rows: counter.rows, bytes: counter.bytes });
      };
      const take = (chunk: Buffer) => {
        if (counter.take(chunk)) finish();
      };
      this.socket.on('data', take);
      this.socket.once('close', () => reject(new Error('closed before the result ended')));
      this.send(query(text));
    });
  }

  close(): void {
    this.socket.end(message('X'));
    this.socket.destroySoon();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

function scramFinal(clientFirstBare: string, serverFirst: string, password: string): string {
  const parts = Object.fromEntries(serverFirst.split(',').map((part) => [part[0], part.slice(2)]));
  const salted = pbkdf2Sync(password, Buffer.from(parts.s ?? '', 'base64'), Number(parts.i), 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const stored = createHash('sha256').update(clientKey).digest();
  const withoutProof = `c=biws,r=${parts.r}`;
  const signature = createHmac('sha256', stored).update(`${clientFirstBare},${serverFirst},${withoutProof}`).digest();
  const proof = clientKey.map((byte, i) => byte ^ (signature[i] as number));
  return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`;
}

/** Counts DataRow messages in a stream of any chunking. */
class FrameCounter {
  rows = 0;
  bytes = 0;
  error: string | undefined;
  #head = Buffer.alloc(5);
  #have = 0;
  #skip = 0;
  #type = 0;

  /** True when ReadyForQuery has come. */
  take(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at);
        this.#skip -= step;
        at += step;
        if (this.#skip === 0 && this.#type === 0x5a) return true;
        continue;
      }
      if (this.#have === 0 && chunk.length - at >= 5) {
        this.#type = chunk[at] as number;
        this.#skip = chunk.readInt32BE(at + 1) - 4;
        at += 5;
      } else {
        this.#head[this.#have++] = chunk[at++] as number;
        if (this.#have < 5) continue;
        this.#have = 0;
        this.#type = this.#head[0] as number;
        this.#skip = this.#head.readInt32BE(1) - 4;
      }
      if (this.#type === 0x44) this.rows++;
      else if (this.#type === 0x45) this.error = `error: ${fields(chunk.subarray(at)).M ?? 'cut'}`;
    }
    return false;
  }
}
