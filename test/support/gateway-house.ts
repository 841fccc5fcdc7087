// A gateway in this process, with a target that echoes lines, people who are logged in, and clients at its wire.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Agent, fetch } from 'undici';
import { systemClock } from '../../src/core/clock.ts';
import type { Log } from '../../src/core/log.ts';
import type { ByteStream } from '../../src/core/stream.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../../src/gateway/start.ts';
import { openStore } from '../../src/store/index.ts';
import { type DialledTunnel, TunnelDialer } from '../../src/tunnel/dial.ts';
import { lines } from './line-protocol.ts';

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  body: any;
}

export interface LogLine {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

/** An issuer of people and workloads that is a small web server on this machine. */
class Issuer {
  readonly #server: Server;
  readonly url: string;
  readonly #sign: (claims: Record<string, unknown>) => Promise<string>;

  private constructor(server: Server, url: string, sign: (claims: Record<string, unknown>) => Promise<string>) {
    this.#server = server;
    this.url = url;
    this.#sign = sign;
  }

  static async start(): Promise<Issuer> {
    const { createServer: createHttp } = await import('node:http');
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
    let url = '';
    const server = createHttp((request, response) => {
      const body = request.url === '/jwks' ? { keys: [jwk] } : { issuer: url, jwks_uri: `${url}/jwks` };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(body));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const sign = (claims: Record<string, unknown>) =>
      new SignJWT({ iss: url, aud: 'hoopctl', ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(privateKey);
    return new Issuer(server as unknown as Server, url, sign);
  }

  token(claims: Record<string, unknown>): Promise<string> {
    return this.#sign(claims);
  }

  stop(): void {
    this.#server.close();
  }
}

export class House {
  readonly directory = mkdtempSync(join(tmpdir(), 'hoopctl-house-'));
  readonly data = join(this.directory, 'data');
  readonly config = join(this.directory, 'gateway.yaml');
  readonly log: LogLine[] = [];
  issuer!: Issuer;
  gateway!: Gateway;
  targetPort = 0;
  /** What the target got. */
  received = '';
  #target: Server | undefined;
  #agent: Agent | undefined;

  static async open(more: Record<string, unknown> = {}, options: Partial<GatewayOptions> = {}): Promise<House> {
    const house = new House();
    house.issuer = await Issuer.start();
    const target = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        house.received += chunk.toString();
        socket.write(chunk);
      });
    });
    house.#target = target;
    target.listen(0, '127.0.0.1');
    await once(target, 'listening');
    house.targetPort = (target.address() as AddressInfo).port;
    house.configure(more);
    await house.start(options);
    return house;
  }

  configure(more: Record<string, unknown> = {}): void {
    const target = { host: '127.0.0.1', port: this.targetPort };
    const connection = { protocol: 'lines', target, credentials: { user: 'app', password: 'env:TARGET_PASSWORD' } };
    const document = {
      listen: { gateway: '127.0.0.1:0', lines: '127.0.0.1:0' },
      identity: {
        embedded: true,
        issuers: [{ name: 'corp', issuer: this.issuer.url, clientId: 'hoopctl' }],
        workloads: [
          { name: 'ci-bot', issuer: this.issuer.url, audience: 'ci', groups: ['ci'], when: { repository: 'acme/*' } },
        ],
      },
      connections: {
        'prod-db': { ...connection, labels: { env: 'prod' } },
        'guarded-db': connection,
        'hidden-db': connection,
      },
      access: [
        { who: { groups: ['dev', 'ci'] }, to: { names: ['prod-db'] } },
        {
          who: { groups: ['dev'] },
          to: { names: ['guarded-db'] },
          grant: { max: '1h', reviewers: { groups: ['dba'], count: 1 } },
        },
        { who: { groups: ['nobody'] }, to: { names: ['hidden-db'] } },
      ],
      rules: [
        { name: 'no-drop', when: { does: ['drop'] }, then: 'deny' },
        { name: 'ask-dba', when: { text: '^say review' }, then: 'review', reviewers: { groups: ['dba'] } },
      ],
      ...more,
    };
    // JSON is YAML.
    writeFileSync(this.config, JSON.stringify(document, null, 2));
  }

  async start(options: Partial<GatewayOptions> = {}): Promise<void> {
    const record =
      (level: string): Log['info'] =>
      (fields, message) =>
        void this.log.push({ level, message, fields: fields as LogLine['fields'] });
    this.gateway = await startGateway({
      config: this.config,
      data: this.data,
      log: { debug: record('debug'), info: record('info'), warn: record('warn'), error: record('error') },
      env: { TARGET_PASSWORD: 'hunter2' },
      version: '0.0.0-test',
      protocols: [lines as never],
      watch: { debounceMs: 10, pollMs: 50 },
      ...options,
    });
    await this.#agent?.close();
    this.#agent = new Agent({ connect: { ca: this.ca } });
  }

  get ca(): string {
    return readFileSync(this.gateway.caFile!, 'utf8');
  }

  async close(): Promise<void> {
    await this.gateway.close({ graceMs: 0 });
    await this.#agent?.close();
    this.#target?.close();
    this.issuer.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A token of the gateway for a person of the issuer. */
  async person(subject: string, groups: readonly string[], agent?: string): Promise<string> {
    const answer = await this.exchange(
      await this.issuer.token({ sub: subject, email: `${subject}@example.com`, groups }),
      agent,
    );
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
    return answer.body.access_token;
  }

  exchange(subjectToken: string, agent?: string): Promise<Answer> {
    return this.form('/api/v1/token', {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: subjectToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
      ...(agent === undefined ? {} : { actor: agent }),
    });
  }

  async form(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(this.gateway.url + path, {
      method: 'POST',
      body: new URLSearchParams(fields).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      dispatcher: this.#agent!,
    });
    return { status: response.status, body: await response.json() };
  }

  async call(
    token: string | undefined,
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(this.gateway.url + path, {
      method,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
      dispatcher: this.#agent!,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = response.headers.get('content-type')?.startsWith('application/json') === true;
    return { status: response.status, body: json ? JSON.parse(text) : text };
  }

  /** Lines of a stream as they come. */
  async *stream(token: string, path: string, signal: AbortSignal): AsyncGenerator<Record<string, unknown>> {
    const response = await fetch(this.gateway.url + path, {
      headers: { authorization: `Bearer ${token}` },
      dispatcher: this.#agent!,
      signal,
    });
    let rest = '';
    for await (const chunk of response.body!) {
      const parts = (rest + Buffer.from(chunk).toString()).split('\n');
      rest = parts.pop()!;
      for (const part of parts) yield JSON.parse(part);
    }
  }

  async tunnel(token: string, connection: string, headers: Record<string, string> = {}): Promise<Client> {
    const dialer = new TunnelDialer({
      url: this.gateway.url,
      ca: this.ca,
      headers: async () => ({ authorization: `Bearer ${token}`, ...headers }),
    });
    const dialled = await dialer.dial(connection);
    const client = new Client(dialled.stream);
    client.events = [];
    dialled.onEvent = (event) => void client.events.push(event as never);
    client.tunnel = dialled;
    return client;
  }

  /** A client that has no hoopctl: TCP, STARTTLS, LOGIN. */
  async native(
    user: string,
    connection: string,
    secret: string,
  ): Promise<{ say(line: string): void; line(): Promise<string>; end(): void }> {
    const { host, port } = this.gateway.native.lines!;
    const socket = connect({ host, port });
    socket.write('STARTTLS\n');
    await once(socket, 'connect');
    const secure = tlsConnect({ socket, ca: this.ca, servername: 'localhost' });
    secure.write(`LOGIN ${user} ${connection} ${secret}\n`);
    const queue = lineQueue();
    secure.on('data', (chunk) => queue.push(chunk));
    secure.on('close', () => queue.end());
    secure.on('error', () => {});
    return { say: (line) => void secure.write(`${line}\n`), line: queue.next, end: () => void secure.end() };
  }

  /** Adds a local user, as `hoopctl admin users add --data` does. */
  async addUser(name: string, password: string, groups: readonly string[]): Promise<void> {
    const store = await openStore({ directory: this.data, clock: systemClock });
    await store.users.create({ name, password, groups });
    await store.close();
  }
}

/** Lines of a byte stream, one at a time; `<closed>` when there are no more. */
export class Client {
  readonly #stream: ByteStream;
  readonly #queue = lineQueue();
  events: { type: string; [key: string]: unknown }[] = [];
  tunnel: DialledTunnel | undefined;

  constructor(stream: ByteStream) {
    this.#stream = stream;
    stream.onData = (chunk) => this.#queue.push(chunk);
    stream.onClose = () => this.#queue.end();
  }

  say(line: string): void {
    this.#stream.write(Buffer.from(`${line}\n`));
  }

  line(): Promise<string> {
    return this.#queue.next();
  }

  end(): void {
    this.#stream.destroy();
  }
}

function lineQueue() {
  const ready: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  let rest = '';
  let over = false;
  const put = (line: string) => {
    const waiter = waiting.shift();
    if (waiter === undefined) ready.push(line);
    else waiter(line);
  };
  return {
    push(chunk: Buffer) {
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop()!;
      for (const part of parts) put(part);
    },
    end() {
      over = true;
      for (const waiter of waiting.splice(0)) waiter('<closed>');
    },
    next: (): Promise<string> => {
      const line = ready.shift() ?? (over ? '<closed>' : undefined);
      return line === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(line);
    },
  };
}

/** Waits until it is so. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
