// The built program as its users run it: a gateway as a child process, and people with homes of their own who log in to it.
// Refuses to know: any module of src; everything goes through the command line and the wire.

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import pg from 'pg';
import { Browser, confirmDevice, type Person } from './device-pages.ts';
import {
  eventually,
  type Finished,
  freePort,
  pathWithNode,
  type Running,
  type RunOptions,
  removeDirectory,
  repository,
  run,
  runOk,
  start,
  temporaryDirectory,
} from './process.ts';

/** HOOPCTL_TEST_PROGRAM: another build than the one of this checkout. */
export const PROGRAM = process.env.HOOPCTL_TEST_PROGRAM ?? join(repository, 'bin/hoopctl.js');

/** What Node has compiled, for all: everybody has a home of their own, and each would compile the program anew. */
const COMPILED = join(repository, '.cache/compiled');

/** The environment of a command: nothing of the machine's user, no keychain, the home given. */
export function cleanEnvironment(
  home: string,
  more: Record<string, string | undefined> = {},
): Record<string, string | undefined> {
  return {
    PATH: pathWithNode(),
    HOME: home,
    TMPDIR: process.env.TMPDIR,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    NODE_NO_WARNINGS: '1',
    NODE_COMPILE_CACHE: COMPILED,
    PGCONNECT_TIMEOUT: '20',
    PSQLRC: '/dev/null',
    PGSSLROOTCERT: undefined,
    ...more,
  };
}

export function hoopctl(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return run(process.execPath, [PROGRAM, ...args], options);
}

export interface GatewayOptions {
  /** The configuration document; `listen` is filled in. */
  config: Record<string, unknown>;
  /** Also listen natively for this protocol. Without one nothing of the address is in the configuration. */
  native?: string;
  env?: Record<string, string>;
  /** Data directory of an earlier one. */
  data?: string;
  port?: number;
  /** The authority of the certificate that the configuration gives it. */
  caFile?: string;
}

export interface HttpAnswer {
  status: number;
  body: string;
}

export class Gateway {
  readonly directory: string;
  readonly data: string;
  readonly port: number;
  readonly nativePort: number | undefined;
  readonly configFile: string;
  /** A command that starts the gateway in turn, with its arguments. */
  within: readonly string[] = [];
  readonly #env: Record<string, string>;
  #process!: Running;

  constructor(options: {
    directory: string;
    data: string;
    port: number;
    nativePort: number | undefined;
    env: Record<string, string>;
  }) {
    this.directory = options.directory;
    this.data = options.data;
    this.port = options.port;
    this.nativePort = options.nativePort;
    this.configFile = join(this.directory, 'gateway.yaml');
    this.caFile = join(this.data, 'tls/ca.pem');
    this.#env = options.env;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  get process(): Running {
    return this.#process;
  }

  get log(): string {
    return this.#process.output;
  }

  /** The CA to trust: the one that it made at its first start, unless a certificate was given to it. */
  caFile: string;

  get recordings(): string {
    return join(this.data, 'recordings');
  }

  writeConfig(config: Record<string, unknown>, native: string | undefined): void {
    const listen = native ? { [native]: `127.0.0.1:${this.nativePort}` } : undefined;
    const store = this.#env.HOOPCTL_STORE_URL === undefined ? undefined : { postgres: 'env:HOOPCTL_STORE_URL' };
    // JSON is YAML.
    writeFileSync(this.configFile, JSON.stringify({ listen, store, ...config }, null, 2));
  }

  async start(): Promise<void> {
    const [command = process.execPath, ...args] = [
      ...this.within,
      process.execPath,
      ...[PROGRAM, 'serve', '--config', this.configFile, '--data', this.data, '--listen', `127.0.0.1:${this.port}`],
    ];
    const env = cleanEnvironment(this.directory, this.#env);
    this.#process = start(command, args, { env, cwd: this.directory });
    await eventually('the gateway is ready', async () => {
      // Whoever has ended will not become ready: no use in asking again.
      if (!this.#process.running) return true;
      return existsSync(this.caFile) && (await this.get('/readyz')).status === 200;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.log}`);
    });
    if (!this.#process.running) throw new Error(`the gateway has ended:\n${this.log}`);
  }

  /** GET without authentication. */
  get(path: string): Promise<HttpAnswer> {
    return this.call('GET', path);
  }

  call(
    method: string,
    path: string,
    options: { token?: string; body?: string; type?: string; headers?: Record<string, string> } = {},
  ): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const headers: Record<string, string> = { ...options.headers };
      if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`;
      if (options.body !== undefined) headers['content-type'] = options.type ?? 'application/json';
      const sent = request(
        new URL(path, this.url),
        { method, headers, agent: false, ca: readFileSync(this.caFile) },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (text: string) => {
            body += text;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
          response.on('error', reject);
        },
      );
      sent.on('error', reject);
      sent.end(options.body);
    });
  }

  /** A command of the administrator of this machine, straight on the data directory. */
  async admin(args: readonly string[], input?: string): Promise<Finished> {
    const env = cleanEnvironment(this.directory, this.#env);
    return runOk(process.execPath, [PROGRAM, 'admin', ...args, '--data', this.data], { env, input });
  }

  /** Makes a user of the embedded issuer; logs in unless told not to. */
  async user(name: string, options: { groups?: string[]; login?: boolean } = {}): Promise<Client> {
    const { password } = localPerson(name);
    const groups = options.groups ?? [];
    await this.admin(
      [
        'users',
        'add',
        name,
        '--email',
        `${name}@example.com`,
        ...groups.flatMap((group) => ['--group', group]),
        '--password-stdin',
      ],
      `${password}\n`,
    );
    const client = new Client(this, { name, password });
    if (options.login !== false) await client.login(['--issuer', 'local']);
    return client;
  }

  /** Somebody who was made at another gateway of the same store, logged in here too. */
  async login(name: string): Promise<Client> {
    const client = new Client(this, localPerson(name));
    await client.login(['--issuer', 'local']);
    return client;
  }

  /** A user of another issuer (any name and password do there), or a machine without a login. */
  client(name: string, env: Record<string, string> = {}): Client {
    return new Client(this, { name, password: 'any' }, env);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#process.stop(signal, 60_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    removeDirectory(this.directory);
  }
}

function localPerson(name: string): { name: string; password: string } {
  return { name, password: `password-of-${name}-3141` };
}

/**
 * HOOPCTL_TEST_STORE_URL: every gateway keeps its state in a schema of its own of that database instead of a file, so that
 * any test can be run on PostgreSQL. One that says where its state is stays as it is.
 */
async function withStore(options: GatewayOptions): Promise<GatewayOptions> {
  const url = process.env.HOOPCTL_TEST_STORE_URL;
  if (url === undefined || options.config.store !== undefined) return options;
  const schema = `gateway_${randomBytes(8).toString('hex')}`;
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`create schema ${schema}`);
  await client.end();
  const own = `${url}${url.includes('?') ? '&' : '?'}options=${encodeURIComponent(`-c search_path=${schema}`)}`;
  return { ...options, env: { ...options.env, HOOPCTL_STORE_URL: own } };
}

export async function startGateway(asked: GatewayOptions): Promise<Gateway> {
  const options = await withStore(asked);
  const directory = temporaryDirectory('gw');
  const gateway = new Gateway({
    directory,
    data: options.data ?? join(directory, 'data'),
    port: options.port ?? (await freePort()),
    nativePort: options.native === undefined ? undefined : await freePort(),
    env: options.env ?? {},
  });
  if (options.caFile !== undefined) gateway.caFile = options.caFile;
  gateway.writeConfig(options.config, options.native);
  await gateway.start();
  return gateway;
}

/** A running `hoopctl connect`. */
export interface Connected {
  readonly process: Running;
  /** The local port of each connection. */
  readonly ports: Record<string, number>;
  /** The port of the only or first one. */
  readonly port: number;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

let homes = 0;

export class Client {
  readonly gateway: Gateway;
  readonly person: Person;
  readonly home: string;
  readonly env: Record<string, string | undefined>;

  constructor(gateway: Gateway, person: Person, env: Record<string, string> = {}) {
    this.gateway = gateway;
    this.person = person;
    this.home = join(gateway.directory, `home-${person.name}-${homes++}`);
    mkdirSync(this.home, { mode: 0o700 });
    this.env = cleanEnvironment(this.home, { HOOPCTL_GATEWAY: gateway.url, HOOPCTL_CA_FILE: gateway.caFile, ...env });
  }

  run(
    args: readonly string[],
    options: RunOptions & { env?: Record<string, string | undefined> } = {},
  ): Promise<Finished> {
    return hoopctl(args, { cwd: this.home, ...options, env: { ...this.env, ...options.env } });
  }

  /** As `run`; a failure is an error that shows the output. */
  runOk(
    args: readonly string[],
    options: RunOptions & { env?: Record<string, string | undefined> } = {},
  ): Promise<Finished> {
    return runOk(process.execPath, [PROGRAM, ...args], {
      cwd: this.home,
      ...options,
      env: { ...this.env, ...options.env },
    });
  }

  start(args: readonly string[], options: RunOptions & { env?: Record<string, string | undefined> } = {}): Running {
    return start(process.execPath, [PROGRAM, ...args], {
      cwd: this.home,
      ...options,
      env: { ...this.env, ...options.env },
    });
  }

  /** `--json` output as an object. */
  async json<T = Record<string, unknown>>(args: readonly string[]): Promise<T> {
    return JSON.parse((await this.runOk([...args, '--json'])).stdout) as T;
  }

  /** Device flow, the browser played: `url` is the issuer's page, with the code in it. */
  async login(args: readonly string[] = []): Promise<Running> {
    const login = this.start(['login', this.gateway.url, '--json', ...args]);
    const [line] = await login.waitFor(/^\{"verification".*\}$/m, 'stderr');
    const { verification } = JSON.parse(line) as { verification: { url: string; completeUrl?: string; code: string } };
    const page = await confirmDevice(this.browser(), verification.completeUrl ?? verification.url, this.person, {
      code: verification.code,
    });
    if (page.status >= 400) throw new Error(`the issuer's page says ${page.status}:\n${page.body}`);
    const { code } = await login.exited;
    if (code !== 0) throw new Error(`login failed with ${code}:\n${login.output}\n${page.body}`);
    return login;
  }

  browser(): Browser {
    return new Browser({ ca: readFileSync(this.gateway.caFile, 'utf8') });
  }

  /**
   * `hoopctl connect`, ready. `names`: `prod-db` or `prod-db=PORT`. `quiet`: as on a terminal's stderr, without an event
   * line for every operation.
   */
  async connect(
    names: string | readonly string[],
    args: readonly string[] = [],
    options: { env?: Record<string, string>; quiet?: boolean } = {},
  ): Promise<Connected> {
    const list = typeof names === 'string' ? [names] : names;
    const wanted = await Promise.all(
      list.map(async (name) => (name.includes('=') ? name : `${name}=${await freePort()}`)),
    );
    const form = options.quiet === true ? [] : ['--json'];
    const connect = this.start(['connect', ...wanted, ...form, ...args], { env: options.env });
    const ports: Record<string, number> = {};
    for (const entry of wanted) {
      const [name = '', port = ''] = entry.split('=');
      ports[name] = Number(port);
      await connect.waitFor(new RegExp(options.quiet === true ? `\\b${port}\\b` : `"port":${port}\\b`));
    }
    const stop = async () => {
      await connect.stop();
    };
    return {
      process: connect,
      ports,
      port: Object.values(ports)[0] as number,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  }

  exec(
    name: string,
    command: readonly string[],
    options: RunOptions & { args?: readonly string[] } = {},
  ): Promise<Finished> {
    return this.run(['exec', name, ...(options.args ?? []), '--', ...command], options);
  }

  /** A password for the native listener. */
  async token(name: string, args: readonly string[] = []): Promise<string> {
    return (await this.runOk(['token', name, ...args])).stdout.trim();
  }
}
