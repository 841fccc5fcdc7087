// Opening connections for a verb: describe them, confirm access, listen. What `connect`, `exec` and the shorthands share.

import { join } from 'node:path';
import { type Client, openClient } from '../client/client.ts';
import type { ClientEvent } from '../client/events.ts';
import { PortMemory } from '../client/ports.ts';
import { userError } from '../core/errors.ts';
import { newRunId } from '../core/ids.ts';
import type { GatewayAccess } from '../login/access.ts';
import { route } from './api.ts';
import type { Context } from './context.ts';
import { assertPlain } from './described.ts';
import { nearestConnection } from './missing.ts';
import { Receipts } from './receipts.ts';
import type { ConnectionDetails } from './shapes.ts';

/** Of verbs that open local ports. */
export const OTHERS_OPTION = {
  allowOtherUsers: {
    trusted: true,
    help: 'let other users of this machine use the local ports: whoever does acts as you (Linux refuses them otherwise)',
  },
} as const;

/** A connection that the user asked for. */
export interface Wanted {
  readonly name: string;
  /** The local port; 0: any; undefined: the stable one. */
  readonly port: number | undefined;
}

export interface ReachOptions {
  readonly reason?: string | undefined;
  readonly bind?: string | undefined;
  /** Other users of this machine may use the ports too. */
  readonly others?: boolean;
  /** Tunnels to keep open ahead of need, per connection. */
  readonly spares?: number;
  /** What the gateway tells of sessions: every operation, or only what was refused or waits (the default). */
  readonly watch?: 'all' | 'notable';
  /** A folder for the receipts of the sessions. */
  readonly receipts?: string | undefined;
  onEvent?(event: ClientEvent): void;
}

export interface Reached {
  readonly client: Client;
  /** The label that all sessions of this run carry: `Hoopctl-Run`. */
  readonly run: string;
  readonly gateway: string;
  /** After the client is closed: when receipts that are wanted are there. */
  settled(): Promise<void>;
}

/** Errors: no_such_connection, grant_needed, access_denied, login_needed, gateway_*, port_taken, not_supported. */
export async function reach(context: Context, wanted: readonly Wanted[], options: ReachOptions): Promise<Reached> {
  const api = await context.api();
  const described = await Promise.all(wanted.map(({ name }) => describeOne(context, name)));
  const run = newRunId();
  const receipts = options.receipts === undefined ? undefined : new Receipts(context, options.receipts);
  const { access } = api;
  const client = await openClient({
    gateway: { url: access.url, ca: access.ca },
    headers: ({ renew }) =>
      tunnelHeaders(access, { reason: options.reason, run, renew, watch: options.watch ?? 'notable' }),
    connections: described.map((found, i) => ({
      name: found.name,
      protocol: found.protocol,
      described: found.described,
      ...(found.recording?.onFailure === 'best-effort' ? { facts: { recording: 'best-effort' } } : {}),
      port: wanted[i]!.port,
    })),
    memory: new PortMemory(join(context.paths.config, 'ports.json'), access.url),
    signal: context.signal,
    ...(options.bind === undefined ? {} : { bind: options.bind }),
    // Only Linux tells whose a socket is.
    owner: context.io.platform !== 'linux' || options.others === true ? undefined : context.io.uid,
    ...(options.spares === undefined ? {} : { spares: options.spares }),
    onEvent: (event) => {
      receipts?.event(event);
      options.onEvent?.(event);
    },
  });
  return { client, run, gateway: access.url, settled: async () => receipts?.settled() };
}

export async function tunnelHeaders(
  access: GatewayAccess,
  asked: { reason: string | undefined; run: string; renew: boolean; watch: 'all' | 'notable' | 'ends' },
): Promise<Record<string, string>> {
  const { reason, run, renew, watch } = asked;
  const headers = await access.headers({ ...(reason ? { reason } : {}), renew });
  return { ...headers, 'hoopctl-run': run, 'hoopctl-events': watch };
}

async function describeOne(context: Context, name: string): Promise<ConnectionDetails> {
  const api = await context.api();
  const found = await nearestConnection(context, name, () =>
    api.call<ConnectionDetails>(route`connections/${name}`, { signal: context.signal }),
  );
  assertPlain(found, name);
  if (found.access === 'grant') {
    const how = found.grant?.reviewers.length === 0 ? '--break-glass' : '--for 1h';
    throw userError('grant_needed', `access to '${name}' has to be asked for`, {
      fix: `run 'hoopctl request ${name} ${how} --reason TEXT'`,
    });
  }
  return found;
}

/** `NAME` or `NAME=PORT`. Errors: usage. */
export function parseWanted(text: string): Wanted {
  const match = /^(.+)=([^=]*)$/.exec(text);
  if (match === null) return { name: text, port: undefined };
  return { name: match[1]!, port: parsePort(match[2]!, `'${text}'`) };
}

/** Errors: usage, naming where it stands. */
export function parsePort(text: string, where: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port < 65_536) return port;
  throw userError('usage', `${where}: '${text}' is not a port, expected 0 to 65535`);
}

/** No name twice. Errors: usage. */
export function assertDistinct(wanted: readonly Wanted[]): void {
  const names = wanted.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw userError('usage', `'${twice}' is named twice`);
}
