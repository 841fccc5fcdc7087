// What the host listens on for the client (`ssh -R`; RFC 4254 §7.1, OpenSSH's streamlocal-forward): only what was allowed
// and granted is here, and only for that may the host open channels. Refuses to know: how it is asked for.

import { isUtf8 } from 'node:buffer';
import { posix } from 'node:path';
import { canonicalHost, isWildcard } from '../../../core/hosts.ts';
import type { Facts } from '../../contract.ts';

export interface Listener {
  /** As on record: `localhost:8080`, `*:80`, `/run/x.sock`. */
  readonly text: string;
  readonly facts: Facts;
}

export class Listeners {
  readonly #tcp = new Map<string, Listener>();
  readonly #unix = new Map<string, Listener>();

  get size(): number {
    return this.#tcp.size + this.#unix.size;
  }

  add(address: string, port: number, listener: Listener): void {
    this.#tcp.set(keyOf(address, port), listener);
  }

  addUnix(path: string, listener: Listener): void {
    this.#unix.set(path, listener);
  }

  /** The one of a connection that came in there: by the address as it was asked for; other servers tell the one that it is. */
  tcp(address: string, port: number): Listener | undefined {
    const exact = this.#tcp.get(keyOf(address, port));
    if (exact !== undefined) return exact;
    for (const [key, listener] of this.#tcp) if (key.endsWith(` ${port}`)) return listener;
    return undefined;
  }

  unix(path: string): Listener | undefined {
    return this.#unix.get(path);
  }

  /** Whether there was one. */
  remove(address: string, port: number): boolean {
    return this.#tcp.delete(keyOf(address, port));
  }

  removeUnix(path: string): boolean {
    return this.#unix.delete(path);
  }
}

/** `host:port`, an IPv6 address in brackets; every address is `*`. */
export function destination(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether it can be the name of a place, as rules know it: text, without the NUL at which a host would take it to end. */
export function isName(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

/** A socket's path in its usual spelling; undefined where `..` leads to what only the host knows. */
export function socketPlace(path: string): string | undefined {
  if (path.split('/').includes('..')) return undefined;
  return path === '' ? '' : posix.normalize(path);
}

export function listening(address: string, port: number): string {
  return destination(isWildcard(address) ? '*' : address, port);
}

const keyOf = (address: string, port: number): string => `${canonicalHost(address)} ${port}`;
