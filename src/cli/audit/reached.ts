// Who reaches the target of a connection: under which accounts, and which other connections lead there by one of them, as the
// configurations on record name them; and what the log says is not in the record of theirs.
// Refuses to know: what was sent, what the target says.

import { join, resolve } from 'node:path';
import { openDocument } from '../../config/document.ts';
import { userError } from '../../core/errors.ts';
import { canonicalHost } from '../../core/hosts.ts';
import { parseSecretRef } from '../../core/secret.ts';
import { CONNECTION_KEYS } from '../../gateway/document.ts';
import type { Protocol } from '../../protocol/contract.ts';
import { loadProtocol } from '../../protocol/index.ts';
import type { Span } from '../../session/export/between.ts';
import type { LogEntry } from '../../session/log/audit.ts';
import { readEntries } from '../../session/log/reader.ts';
import { begins, ends, sessionOf } from '../../session/recorder/follow.ts';
import { LogFolder } from '../../store/log-directory.ts';
import type { Context } from '../context.ts';
import { logAt } from './source.ts';

/** Why the record has nothing of a session that can be read, or not all. */
export type Gone = 'purged' | 'key erased' | 'damaged' | 'unrecorded';

export interface Asked {
  readonly connection: string;
  /** A data directory; undefined: the gateway. */
  readonly data: string | undefined;
  /** Accounts that were named; empty: as the configurations say. */
  readonly account: readonly string[];
  /** Connections that were named to be taken in. */
  readonly with: readonly string[];
  /** A configuration beside those on record. */
  readonly document?: string;
}

export interface Reached {
  readonly protocol: Protocol;
  /** As configured, or as named; a reference where the configuration tells no more. */
  readonly accounts: readonly string[];
  /** The one that was asked for, and those that reach the same target by the same account. */
  readonly connections: readonly string[];
  /** Those that reach it by an account that the configuration does not tell. */
  readonly unclear: readonly string[];
  /** Sessions of these connections in that time. */
  readonly gone: ReadonlyMap<string, { readonly connection: string; readonly why: Gone }>;
}

/** Errors: no_such_connection, not_supported; those of the log. */
export async function reachedBy(context: Context, asked: Asked, span: Span): Promise<Reached> {
  const { connection, data } = asked;
  const folder = data === undefined ? undefined : new LogFolder(join(resolve(context.io.cwd, data), 'log'));
  const entries = folder === undefined ? (await logAt(context, undefined)).entries(0) : readEntries(folder, 0);
  const { documents, gone } = await fromLog(entries, span);
  const all = [...documents, ...(asked.document === undefined ? [] : [asked.document])].map(connectionsIn);
  const last = all.findLast((one) => one[connection] !== undefined)?.[connection];
  if (typeof last?.protocol !== 'string') {
    throw userError('no_such_connection', `no configuration on record has the connection '${connection}' in this time`);
  }
  const protocol = await loadProtocol(last.protocol);
  if (protocol === undefined) throw userError('not_supported', `this hoopctl does not know '${last.protocol}'`);
  const ways = all.flatMap((one) => Object.entries(one).flatMap(([name, written]) => wayOf(protocol, name, written)));
  const found = sharing(ways, asked);
  const ours = [...gone].filter(([, one]) => found.connections.includes(one.connection));
  return { protocol, ...found, gone: new Map(ours) };
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

type Written = Readonly<Record<string, unknown>>;

function connectionsIn(text: string): Readonly<Record<string, Written>> {
  const document = openDocument(text, 'document').value?.value as { connections?: Record<string, Written> } | undefined;
  return document?.connections ?? {};
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

/** The versions of the configuration that were in force in that time, and sessions in it that are not whole in the record. */
async function fromLog(entries: AsyncIterable<LogEntry>, { since, until }: Span) {
  let documents: string[] = [];
  const during = new Map<string, string>();
  const gone = new Map<string, { connection: string; why: Gone }>();
  for await (const entry of entries) {
    const { kind, fields } = entry;
    const at = Date.parse(entry.at);
    if (kind === 'policy' && typeof fields.document === 'string' && at < until) {
      documents = at <= since ? [fields.document] : [...documents, fields.document];
    }
    const session = sessionOf(entry);
    if (session === undefined) continue;
    if (begins(entry) && at < until) during.set(session, String(fields.connection));
    const connection = during.get(session);
    if (connection === undefined) continue;
    const why = whyGone(entry);
    if (why !== undefined) gone.set(session, { connection, why });
    // Over before that time: whatever becomes of its recording.
    else if (ends(entry) && at < since) during.delete(session);
  }
  for (const session of gone.keys()) if (!during.has(session)) gone.delete(session);
  return { documents, gone };
}

function whyGone(entry: LogEntry): Gone | undefined {
  const { kind, fields } = entry;
  if (kind === 'purge' || kind === 'purging') return fields.what === 'key' ? 'key erased' : 'purged';
  if (kind !== 'failure') return undefined;
  if (ends(entry)) return 'damaged';
  return fields.unrecorded === true ? 'unrecorded' : undefined;
}
