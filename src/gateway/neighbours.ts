// A session that reaches further addresses through its target (a forwarded port) → the connection of this gateway that has
// its target there, so that the bytes become a session of that connection, which goes its own way to its own target:
// credentials go where the configuration says, not where a host on the way says that the address is.
// Addresses are compared, and names as far as they resolve here; a name that only the host on the way can resolve, or
// resolves otherwise, is not recognised.

import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { asHoopctlError, type HoopctlError, userError } from '../core/errors.ts';
import { canonicalHost, isLoopback } from '../core/hosts.ts';
import type { Neighbour, Opened, Protocol } from '../protocol/contract.ts';
import type { Principal } from '../session/identity/principal.ts';
import { requireReach } from './access.ts';
import type { Connection } from './configuration.ts';
import { converse } from './conversation.ts';
import type { Parts } from './parts.ts';

export interface Crossing {
  readonly principal: Principal;
  /** Where the target of the session is that reaches further: its loopback is meant by a loopback address. */
  readonly target: { readonly host: string };
  /** A session of another connection, by the same client. */
  open(connection: Connection): Promise<Opened>;
}

export function neighbours(parts: Parts, crossing: Crossing): NonNullable<Opened['neighbour']> {
  return async (host, port) => {
    const seen = isLoopback(host) ? crossing.target.host : host;
    const found = await targetsAt(parts, seen, port);
    if (found.length === 0) return undefined;
    const reached = await Promise.all(found.map((one) => refusedBy(parts, crossing.principal, one)));
    // Several may share a target: one that may be used goes before one that may not.
    const at = Math.max(0, reached.indexOf(undefined));
    const connection = found[at]!;
    const refused = reached[at];
    return {
      connection: connection.name,
      ...(refused === undefined ? {} : { refused }),
      serve: (stream, began) => serve(parts, crossing, connection, stream, began),
    };
  };
}

async function serve(
  parts: Parts,
  crossing: Crossing,
  connection: Connection,
  stream: Parameters<Neighbour['serve']>[0],
  began: (session: string) => void,
): Promise<void> {
  const protocol: Protocol = connection.protocol;
  await converse(parts, protocol, {
    stream,
    via: 'tunnel',
    connection: connection.name,
    async open() {
      const opened = await crossing.open(connection);
      began(opened.session.id);
      return opened;
    },
  });
}

async function refusedBy(parts: Parts, principal: Principal, { name }: Connection): Promise<HoopctlError | undefined> {
  try {
    await requireReach(parts, principal, name);
    return undefined;
  } catch (thrown) {
    const error = asHoopctlError(thrown);
    if (error.code !== 'no_such_connection') return error;
    // That there is such a connection is not for everybody to know.
    return userError('access_denied', 'this address belongs to a connection that you may not reach', {
      fix: 'run "hoopctl ls" to see those you may',
    });
  }
}

async function targetsAt(parts: Parts, host: string, port: number): Promise<Connection[]> {
  const candidates = [...parts.configuration().connections.values()].filter((one) => one.address.port === port);
  if (candidates.length === 0) return [];
  const wanted = await addresses(host, foreign);
  const same = await Promise.all(
    candidates.map(async ({ address }) => {
      const own = await addresses(address.host, configured);
      return [...own].some((one) => wanted.has(one));
    }),
  );
  return candidates.filter((_, i) => same[i]);
}

/** The name itself, and every address that it is known to have. */
async function addresses(host: string, resolve: (name: string) => Promise<readonly string[]>): Promise<Set<string>> {
  const name = canonicalHost(host);
  if (isLoopback(name)) return new Set(['localhost', ...ownAddresses()]);
  if (isIP(name) !== 0) return new Set(ownAddresses().includes(name) ? ['localhost', name] : [name]);
  const found = await resolve(name).catch(() => []);
  return new Set([name, ...found.map(canonicalHost)]);
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => canonicalHost(address)));
}

/** Names of the configuration, as they are dialled. */
async function configured(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** A client's names: not by the resolver whose few threads everything else here depends on. */
async function foreign(name: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: 1000, tries: 2 });
  const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  return found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
}
