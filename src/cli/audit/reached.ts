// Who reaches the target of a connection: under which accounts, and which other connections lead there by one of them, as the
// configurations on record name them; and what is not in the record of theirs that is taken in.
// Refuses to know: what was sent, what the target says, where records are (sources.ts).

import { userError } from '../../core/errors.ts';
import { canonicalHost } from '../../core/hosts.ts';
import { parseSecretRef } from '../../core/secret.ts';
import { CONNECTION_KEYS } from '../../gateway/document.ts';
import type { Protocol } from '../../protocol/contract.ts';
import { loadProtocol } from '../../protocol/index.ts';
import type { Span } from '../../session/export/between.ts';
import type { Context } from '../context.ts';
import { type Lack, lacking } from './elsewhere.ts';
import { parseDocument, type Source, sourcesOf, type Told, type Written } from './sources.ts';

export interface Asked {
  readonly connection: string;
  /** Data directories, each of one gateway; none: the gateway is asked. */
  readonly data: readonly string[];
  /** Accounts that were named; empty: as the configurations say. */
  readonly account: readonly string[];
  /** Connections that were named to be taken in. */
  readonly with: readonly string[];
  /** A configuration beside those on record. */
  readonly document?: string;
}

export interface Reached {
  readonly protocol: Protocol;
  /** Whose records are taken in. */
  readonly sources: readonly Source[];
  /** As configured, or as named; a reference where the configuration tells no more. */
  readonly accounts: readonly string[];
  /** The one that was asked for, and those that reach the same target by the same account. */
  readonly connections: readonly string[];
  /** Those that reach it by an account that the configuration does not tell. */
  readonly unclear: readonly string[];
  /** Sessions of these connections in that time. */
  readonly gone: ReadonlyMap<string, Lack>;
  /** Gateways whose store other gateways may share, and nobody could ask it. */
  readonly unasked: readonly string[];
}

/** Errors: no_such_connection, not_supported, usage; those of the log and of the store. */
export async function reachedBy(context: Context, asked: Asked, span: Span): Promise<Reached> {
  const { connection, data } = asked;
  const told = await sourcesOf(context, data, span);
  const ours = asked.document === undefined ? [] : [asked.document];
  const all = [...told.flatMap(({ documents }) => documents), ...ours].map(connectionsIn);
  const protocol = await protocolOf(connection, told, ours);
  const ways = all.flatMap((one) => Object.entries(one).flatMap(([name, written]) => wayOf(protocol, name, written)));
  const found = sharing(ways, asked);
  const lacks = await lacking(context, told, { ...found, span });
  const sources = told.map(({ gateway, data: directory, endsAt }) => ({ gateway, data: directory, endsAt }));
  return { protocol, sources, ...found, ...lacks };
}

/** As each gateway has it last, and the configuration beside them. */
export async function protocolOf(
  connection: string,
  told: readonly Pick<Told, 'gateway' | 'documents'>[],
  ours: readonly string[],
): Promise<Protocol> {
  const has = (documents: readonly string[]) =>
    documents.map((one) => connectionsIn(one)[connection]?.protocol).findLast((name) => typeof name === 'string');
  const sides = [...told, { gateway: 'the configuration given', documents: ours }];
  const named = sides.flatMap(({ gateway, documents }) => {
    const name = has(documents);
    return name === undefined ? [] : [{ gateway, name: String(name) }];
  });
  const last = named.at(-1);
  if (last === undefined) {
    throw userError('no_such_connection', `no configuration on record has the connection '${connection}' in this time`);
  }
  const other = named.find(({ name }) => name !== last.name);
  if (other !== undefined) {
    const both = [other, last].map(({ gateway, name }) => `'${name}' (${gateway})`).join(' and ');
    throw userError('usage', `'${connection}' has two protocols, ${both}: these are not the same connection`, {
      fix: 'take in only gateways at which the connection means the same',
    });
  }
  const protocol = await loadProtocol(last.name);
  if (protocol === undefined) throw userError('not_supported', `this hoopctl does not know '${last.name}'`);
  return protocol;
}

/** One connection of one configuration. */
export interface Way {
  readonly name: string;
  /** Host and port, in one spelling. */
  readonly place: string;
  readonly user: string;
}

/** Errors: no_such_connection. */
export function sharing(
  ways: readonly Way[],
  asked: Pick<Asked, 'connection' | 'account' | 'with'>,
): Pick<Reached, 'accounts' | 'connections' | 'unclear'> {
  const { connection, account, with: named } = asked;
  const mine = ways.filter(({ name }) => name === connection);
  const places = new Set(mine.map(({ place }) => place));
  const users = new Set([...mine.map(({ user }) => user), ...account]);
  const missing = named.find((one) => !ways.some(({ name }) => name === one));
  if (missing !== undefined) {
    throw userError(
      'no_such_connection',
      `no configuration on record has the connection '${missing}' of the same protocol in this time`,
      { fix: 'leave it out of --with' },
    );
  }
  const there = ways.filter(({ name, place }) => name !== connection && places.has(place));
  const same = there.filter(({ user }) => users.has(user)).map(({ name }) => name);
  const connections = [...new Set([connection, ...same, ...named])];
  // By a reference and by a name it may be the same account, and by two references too.
  const told = account.length > 0 || mine.every(({ user }) => !isReference(user));
  const unclear = there.filter(({ name, user }) => !connections.includes(name) && (!told || isReference(user)));
  const used = ways.filter(({ name }) => connections.includes(name)).map(({ user }) => user);
  return {
    accounts: account.length > 0 ? account : [...new Set(used)],
    connections,
    unclear: [...new Set(unclear.map(({ name }) => name))],
  };
}

export function isReference(user: string): boolean {
  return parseSecretRef(user) !== undefined;
}

function connectionsIn(text: string): Readonly<Record<string, Written>> {
  return parseDocument(text).connections ?? {};
}

function wayOf(protocol: Protocol, name: string, written: Written): Way[] {
  if (written?.protocol !== protocol.name) return [];
  const config = Object.fromEntries(Object.entries(written).filter(([key]) => !CONNECTION_KEYS.includes(key)));
  // With what it means where it is left out, the port above all. One of an older hoopctl is taken as it is written.
  const parsed = protocol.schema.safeParse(config);
  const { target, credentials } = (parsed.success ? parsed.data : config) as {
    readonly target?: { readonly host?: unknown; readonly port?: unknown };
    readonly credentials?: { readonly user?: unknown };
  };
  if (typeof target?.host !== 'string' || typeof credentials?.user !== 'string') return [];
  return [{ name, place: `${canonicalHost(target.host)} ${String(target.port)}`, user: credentials.user }];
}
