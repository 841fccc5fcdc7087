// The other side as a script, in memory: a server that logs in whom it is told to and answers as a test says, and a
// client that waits for what it expects. For tests of everything around the machine.

import { peerError } from '../../../src/core/errors.ts';
import { silentLog } from '../../../src/core/log.ts';
import { type ByteStream, streamPair } from '../../../src/core/stream.ts';
import type { Introduction, Services, Target, Upstream, Visitor } from '../../../src/protocol/contract.ts';
import type { SqlParts } from '../../../src/protocol/postgres/analysis.ts';
import type { PostgresConfig } from '../../../src/protocol/postgres/schema.ts';
import { schema } from '../../../src/protocol/postgres/schema.ts';
import { serve } from '../../../src/protocol/postgres/serve.ts';
import { Writer } from '../../../src/protocol/wire/writer.ts';
import { analyser, back, clientBound, masker, message, planner, targetBound } from './kit.ts';
import { FakeSession, type FakeSessionOptions } from './session.ts';

/** Bytes of one end, and somebody who waits for enough of them. */
export class Peer {
  readonly stream: ByteStream;
  bytes: Buffer = Buffer.alloc(0);
  closed = false;
  ended = false;
  #changed: (() => void)[] = [];

  constructor(stream: ByteStream) {
    this.stream = stream;
    stream.onData = (chunk) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.#tell();
    };
    stream.onEnd = () => {
      this.ended = true;
      this.#tell();
    };
    stream.onClose = () => {
      this.closed = true;
      this.#tell();
    };
  }

  #tell(): void {
    for (const resolve of this.#changed.splice(0)) resolve();
  }

  send(...parts: Buffer[]): this {
    this.stream.write(Buffer.concat(parts));
    return this;
  }

  async until(test: (peer: Peer) => boolean): Promise<this> {
    while (!test(this)) await new Promise<void>((resolve) => this.#changed.push(resolve));
    return this;
  }

  async take(length: number): Promise<Buffer> {
    await this.until((peer) => peer.bytes.length >= length);
    const taken = this.bytes.subarray(0, length);
    this.bytes = this.bytes.subarray(length);
    return taken;
  }

  /** One message of protocol 3. */
  async message(): Promise<Buffer> {
    await this.until((peer) => peer.bytes.length >= 5 && peer.bytes.length > peer.bytes.readInt32BE(1));
    return this.take(this.bytes.readInt32BE(1) + 1);
  }

  async packet(): Promise<Buffer> {
    await this.until((peer) => peer.bytes.length >= 8 && peer.bytes.length >= peer.bytes.readInt32BE(0));
    return this.take(this.bytes.readInt32BE(0));
  }

  /** `count` messages that a server sent, as a transcript. */
  async told(count: number): Promise<string[]> {
    const parts: Buffer[] = [];
    for (let i = 0; i < count; i++) parts.push(await this.message());
    return clientBound(Buffer.concat(parts));
  }

  /** `count` messages that a client sent. */
  async asked(count: number): Promise<string[]> {
    const parts: Buffer[] = [];
    for (let i = 0; i < count; i++) parts.push(await this.message());
    return targetBound(Buffer.concat(parts));
  }

  /** Until the other side is gone; all that it said last, as a transcript of a server. */
  async rest(): Promise<string[]> {
    await this.until((peer) => peer.closed || peer.ended);
    return clientBound(this.bytes);
  }
}

export function startup(parameters: Record<string, string>, version = 196608): Buffer {
  const writer = new Writer().int32(0).int32(version);
  for (const [name, value] of Object.entries(parameters)) writer.string(name).string(value);
  writer.uint8(0);
  return Buffer.from(writer.setInt32(0, writer.length).finish());
}

export const packet = (code: number, more: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.from(
    new Writer()
      .int32(8 + more.length)
      .int32(code)
      .bytes(more)
      .finish(),
  );

export const KEY = { process: 4711, secret: Buffer.from('real') };

/** AuthenticationOk, settings, the server's own key data, ReadyForQuery. */
export const welcome = (...settings: [string, string][]): Buffer =>
  Buffer.concat([
    message('R', (w) => w.int32(0)),
    back.parameter('server_version', '15.0'),
    ...settings.map(([name, value]) => back.parameter(name, value)),
    message('K', (w) => w.int32(KEY.process).bytes(KEY.secret)),
    back.ready(),
  ]);

function memoryUpstream(stream: ByteStream): Upstream {
  return Object.assign(stream, {
    peerCertificate: undefined,
    startTls: () => Promise.reject(new Error('no TLS in memory')),
  });
}

export interface StageOptions {
  readonly session?: FakeSessionOptions;
  readonly config?: { target?: Record<string, unknown>; options?: Record<string, unknown> };
  readonly password?: string;
  readonly limits?: Record<string, number>;
  readonly native?: boolean;
  readonly refuse?: Error;
  readonly unreachable?: boolean;
  readonly credentials?: () => Promise<Record<string, string>>;
}

/** A gateway's place between a client and a server, in memory. */
export class Stage {
  readonly sessions: FakeSession[] = [];
  readonly introductions: Introduction[] = [];
  /** Connections dialled to the target, in order; each waits to be played. */
  readonly targets: Peer[] = [];
  readonly #options: StageOptions;
  readonly #target: Target<PostgresConfig>;
  #dialled: (() => void)[] = [];

  constructor(options: StageOptions = {}) {
    this.#options = options;
    this.#target = {
      connection: 'prod-db',
      config: schema.parse({
        target: { host: 'db', database: 'app', tls: 'disable', ...options.config?.target },
        credentials: { user: 'app_rw', password: 'env:PW' },
        options: options.config?.options ?? {},
      }),
      dial: async () => {
        if (options.unreachable === true)
          throw peerError('target_unreachable', 'the target of "prod-db" is not reachable');
        const [near, far] = streamPair();
        this.targets.push(new Peer(far));
        for (const resolve of this.#dialled.splice(0)) resolve();
        return memoryUpstream(near);
      },
      credentials:
        options.credentials ??
        (async () => ({ user: 'app_rw', ...(options.password === undefined ? {} : { password: options.password }) })),
    };
  }

  get session(): FakeSession {
    return this.sessions[0]!;
  }

  /** A client at the door; `over` resolves when the protocol is done with it. */
  visit(): { client: Peer; over: Promise<void> } {
    const [near, far] = streamPair();
    const services: Services = {
      log: silentLog,
      limit: (bound) => ({ ...bound, value: this.#options.limits?.[bound.name] ?? bound.value }),
      key: () => Buffer.alloc(32),
    };
    const visitor: Visitor = {
      stream: near,
      via: this.#options.native === true ? 'native' : 'tunnel',
      connection: 'prod-db',
      // In memory TLS is only said: the bytes stay plain, what was read goes back in front.
      ...(this.#options.native === true
        ? { startTls: async (tls?: { preread?: Buffer }) => Object.assign(near, { preread: tls?.preread }) }
        : {}),
      open: async (introduction) => {
        this.introductions.push(introduction);
        if (this.#options.refuse !== undefined) throw this.#options.refuse;
        const session = new FakeSession(this.#options.session);
        this.sessions.push(session);
        return { session, target: this.#target };
      },
    };
    const parts: SqlParts = { analyser, masker, planner: () => planner() };
    return { client: new Peer(far), over: serve(visitor, services, async () => parts) };
  }

  /** The n-th connection to the target, once it is dialled. */
  async target(n = 0): Promise<Peer> {
    while (this.targets.length <= n) await new Promise<void>((resolve) => this.#dialled.push(resolve));
    return this.targets[n]!;
  }

  /** A client that is in, and its server, both behind ReadyForQuery. */
  async talking(parameters: Record<string, string> = { user: 'alice' }) {
    const { client, over } = this.visit();
    client.send(startup(parameters));
    const target = await this.target();
    const asked = await target.packet();
    target.send(welcome());
    const told = await client.told(4);
    return { client, target, over, asked, told };
  }
}
