// Where the gateway listens, and by which names clients come to it.

import { hostname } from 'node:os';
import { userError } from '../core/errors.ts';
import type { Configuration } from './configuration.ts';
import { type Address, parseAddress } from './document.ts';

const DEFAULT_ADDRESS: Address = { host: '127.0.0.1', port: 7443 };

/** `written`: `--listen`, which goes before the configuration. Errors: usage. */
export function listenAddress(written: string | undefined, configuration: Configuration): Address {
  if (written === undefined) return configuration.listen.gateway ?? DEFAULT_ADDRESS;
  const parsed = parseAddress(written);
  if (parsed === undefined) {
    throw userError('usage', `--listen is "${written}", expected host:port such as 127.0.0.1:7443`);
  }
  return parsed;
}

const isWildcard = (host: string) => host === '0.0.0.0' || host === '::';

/** As the host of a URL; a name of this machine where it listens on all addresses. */
export function urlHost(host: string): string {
  if (isWildcard(host)) return hostname();
  return host.includes(':') ? `[${host}]` : host;
}

/** Every name and address by which a client may come. */
export function certificateNames(address: Address, { publicUrl, listen }: Configuration): string[] {
  const hosts = [address.host, ...[...listen.native.values()].map((one) => one.host)];
  const names = new Set(['localhost', '127.0.0.1', '::1']);
  for (const host of hosts) names.add(isWildcard(host) ? hostname() : host);
  if (publicUrl !== undefined) names.add(new URL(publicUrl).hostname.replace(/^\[|\]$/g, ''));
  return [...names];
}

/** Where clients find a native listener: its own address, or the gateway's name where it listens on all. */
export function nativeAddress({ address, port }: { address: string; port: number }, publicUrl: string): string {
  return `${isWildcard(address) ? new URL(publicUrl).hostname : urlHost(address)}:${port}`;
}
