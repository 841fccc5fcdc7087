// Which local port a connection gets: the same one on every run and, where nothing is in the way, on every machine.

import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname } from 'node:path';
import { type HoopctlError, userError } from '../core/errors.ts';

/**
 * Stable ports are in here: above the system's, below where systems take ports for outgoing connections (Linux from
 * 32768, others from 49152), so that nobody else is likely to hold one.
 */
export const STABLE_PORTS = { first: 20_000, last: 31_999 } as const;

/** Ports that are tried after a taken one. */
const NEXT_PORTS = 50;

/** The port that a connection's name stands for. */
export function stablePort(connection: string): number {
  const hash = createHash('sha256').update(connection).digest().readUInt32BE(0);
  return STABLE_PORTS.first + (hash % (STABLE_PORTS.last - STABLE_PORTS.first + 1));
}

/** Ports given before, by gateway and connection. A file that cannot be read or written costs only the memory. */
export class PortMemory {
  readonly #path: string;
  readonly #gateway: string;

  constructor(path: string, gateway: string) {
    this.#path = path;
    this.#gateway = gateway;
  }

  get(connection: string): number | undefined {
    const port = this.#read()[this.#gateway]?.[connection];
    return Number.isInteger(port) && port! > 0 && port! < 65_536 ? port : undefined;
  }

  /** Ports that belong to other connections, of any gateway. */
  others(connection: string): Set<number> {
    const ports = new Set<number>();
    for (const [gateway, known] of Object.entries(this.#read())) {
      for (const [name, port] of Object.entries(known)) {
        if (gateway !== this.#gateway || name !== connection) ports.add(port);
      }
    }
    return ports;
  }

  remember(connection: string, port: number): void {
    const all = this.#read();
    const known = all[this.#gateway] ?? {};
    if (known[connection] === port) return;
    all[this.#gateway] = { ...known, [connection]: port };
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      const fresh = `${this.#path}.${randomUUID()}`;
      writeFileSync(fresh, `${JSON.stringify(all, undefined, 2)}\n`, { mode: 0o600 });
      renameSync(fresh, this.#path);
    } catch {
      // Next time the port is computed again.
    }
  }

  #read(): Record<string, Record<string, number>> {
    try {
      const value = JSON.parse(readFileSync(this.#path, 'utf8')) as unknown;
      return typeof value === 'object' && value !== null ? (value as Record<string, Record<string, number>>) : {};
    } catch {
      return {};
    }
  }
}

export interface PortWish {
  readonly connection: string;
  readonly host: string;
  /** A port that the user named; 0: any; undefined: the stable one. */
  readonly port: number | undefined;
  readonly memory: PortMemory | undefined;
}

/**
 * Lets the server listen and says where. Errors: port_taken when the port that the user named is; usage when the address
 * is not this machine's or the port is not allowed.
 */
export async function listenFor(server: Server, wish: PortWish): Promise<number> {
  if (wish.port !== undefined) return listen(server, wish, wish.port);
  const remembered = wish.memory?.get(wish.connection);
  const others = wish.memory?.others(wish.connection) ?? new Set();
  const first = remembered ?? stablePort(wish.connection);
  const candidates = [first];
  for (let port = first; candidates.length <= NEXT_PORTS; ) {
    port = port >= STABLE_PORTS.last ? STABLE_PORTS.first : port + 1;
    if (!others.has(port)) candidates.push(port);
  }
  if (remembered === undefined && others.has(first)) candidates.shift();
  let failure: unknown;
  for (const port of candidates) {
    try {
      await listen(server, wish, port);
    } catch (error) {
      if ((error as HoopctlError).code !== 'port_taken') throw error;
      failure = error;
      continue;
    }
    // A remembered port that is taken today, perhaps by another run of the same command, stays remembered.
    if (remembered === undefined) wish.memory?.remember(wish.connection, port);
    return port;
  }
  throw failure;
}

function listen(server: Server, { host, connection }: PortWish, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => reject(listenError(error, host, port, connection));
    server.once('error', failed);
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', failed);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

/** Why a local port could not be opened. */
export function listenError(error: NodeJS.ErrnoException, host: string, port: number, what: string): HoopctlError {
  const place = `${host}:${port}`;
  if (error.code === 'EADDRINUSE') {
    return userError('port_taken', `cannot listen on ${place} for '${what}': the port is taken`, {
      fix: `choose another with ${what}=PORT, take any with --port 0, or see who has it with 'lsof -i :${port}'`,
      cause: error,
    });
  }
  const why =
    error.code === 'EACCES'
      ? 'this user may not use that port'
      : error.code === 'EADDRNOTAVAIL'
        ? 'the address is not one of this machine'
        : error.message;
  return userError('usage', `cannot listen on ${place} for '${what}': ${why}`, {
    fix: 'choose a port above 1023 and an address of this machine',
    cause: error,
  });
}
