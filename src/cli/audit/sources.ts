// Whose records a reconciliation takes in: the gateway's that is asked, or those of data directories, each of one gateway; and
// what the log of each tells: configurations, sessions, what is not whole of them.
// Refuses to know: what was sent, what is compared, where else sessions were (elsewhere.ts).

import { resolve } from 'node:path';
import { openDocument } from '../../config/document.ts';
import { userError } from '../../core/errors.ts';
import { readPlace } from '../../gateway/place.ts';
import type { Span } from '../../session/export/between.ts';
import type { LogEntry } from '../../session/log/audit.ts';
import { readEntries } from '../../session/log/reader.ts';
import { begins, ends, logName, sessionOf } from '../../session/recorder/follow.ts';
import { isLocked } from '../../store/lock.ts';
import type { Context } from '../context.ts';
import { logFolderOf } from '../record-local.ts';
import type { GatewaysAnswer } from '../shapes.ts';
import { logAt } from './source.ts';

/** Why the record of a gateway has nothing of a session that can be read, or not all. */
export type Gone = 'purged' | 'key erased' | 'damaged' | 'unrecorded';

/** One gateway's record. */
export interface Source {
  /** Its id; where nothing says that, its directory. */
  readonly gateway: string;
  /** Its data directory, as it was named; undefined: it is asked. */
  readonly data: string | undefined;
  /** When its record ends, in ms since the epoch; undefined: it may be going on. */
  readonly endsAt?: number | undefined;
}

/** What a gateway's log says of a span of time. */
export interface Told extends Source {
  /** The versions of the configuration that were in force, in their order. */
  readonly documents: readonly string[];
  /** All sessions in it. */
  readonly sessions: ReadonlySet<string>;
  /** Those of them that are over and sealed by what it says. */
  readonly sealed: ReadonlySet<string>;
  /** From when on it was read, in ms since the epoch. */
  readonly readAt: number;
  /** Those of them that are not whole in the record. */
  readonly gone: ReadonlyMap<string, { readonly connection: string; readonly why: Gone }>;
}

/** As JSON. */
export function sourceItem({ endsAt, ...source }: Source): object {
  return endsAt === undefined ? source : { ...source, ends: new Date(endsAt).toISOString() };
}

export type Written = Readonly<Record<string, unknown>>;

/** A configuration as it is written, right or wrong. */
export function parseDocument(text: string): {
  readonly connections?: Readonly<Record<string, Written>>;
  readonly store?: { readonly postgres?: unknown } | null;
} {
  const value = openDocument(text, 'document').value?.value;
  return typeof value === 'object' && value !== null ? value : {};
}

/** `data`: directories; none: the gateway of the login. Errors: usage, one gateway named twice; conflict, several answer; not_found; those of the log. */
export async function sourcesOf(context: Context, data: readonly string[], span: Span): Promise<readonly Told[]> {
  if (data.length === 0) {
    const gateway = await askedGateway(context);
    const { entries } = await logAt(context, undefined);
    const { last: _, ...rest } = await fromLog(entries(0), span);
    return [{ gateway, data: undefined, ...rest }];
  }
  const named: { directory: string; names: readonly string[]; told: () => Promise<Told> }[] = [];
  for (const directory of data) {
    const path = resolve(context.io.cwd, directory);
    const folder = logFolderOf(path, directory);
    const entries = (from: number) => readEntries(folder, from);
    // The log's name ends in the id; a copy may have no more than that to tell it by.
    const name = (await logName({ entries })) || undefined;
    const id = readPlace(path)?.id;
    const names = [id, /\/log\/([^/]+)/.exec(name ?? '')?.[1] ?? path].filter((one) => one !== undefined);
    const gateway = names[0] === path ? directory : names[0]!;
    const same = named.find((one) => one.names.some((other) => names.includes(other)));
    if (same !== undefined) {
      throw userError('usage', `--data '${same.directory}' and --data '${directory}' are both of gateway ${gateway}`, {
        fix: 'name one directory of each gateway',
      });
    }
    const told = async () => {
      const { last, ...rest } = await fromLog(entries(0), span);
      // A copy, or of a gateway that has stopped.
      return { gateway, data: directory, ...rest, ...(isLocked(path) === false ? { endsAt: last } : {}) };
    };
    named.push({ directory, names, told });
  }
  const all: Told[] = [];
  for (const { told } of named) all.push(await told());
  return all;
}

/** Errors: conflict, where now this one answers and now that one: log and recordings would be of different gateways. */
async function askedGateway(context: Context): Promise<string> {
  const { access, call } = await context.api();
  const { gateways } = await call<GatewaysAnswer>('admin/gateways', { signal: context.signal });
  const asked = gateways.find(({ state }) => state === 'this');
  const there = gateways.filter(
    ({ state, url }) => state !== 'over' && [asked?.url, access.url].every((one) => sameOrigin(one, url)),
  );
  if (there.length > 1) {
    const names = there.map(({ id }) => id).join(', ');
    throw userError(
      'conflict',
      `${there.length} gateways answer at ${access.url} (${names}), each with its own record`,
      {
        fix: 'name the data directory of each, or a copy, with --data',
      },
    );
  }
  return asked?.id ?? access.url;
}

function sameOrigin(one: string | undefined, other: string): boolean {
  return one !== undefined && URL.parse(one)?.origin === URL.parse(other)?.origin;
}

/** The versions of the configuration in that time, its sessions, and those that are not whole in the record. */
async function fromLog(
  entries: AsyncIterable<LogEntry>,
  { since, until }: Span,
): Promise<Omit<Told, keyof Source> & { readonly last: number }> {
  const readAt = Date.now();
  let last = 0;
  let documents: string[] = [];
  const sealed = new Set<string>();
  const during = new Map<string, string>();
  const gone = new Map<string, { connection: string; why: Gone }>();
  for await (const entry of entries) {
    const { kind, fields } = entry;
    const at = Date.parse(entry.at);
    // Who makes a report of a copy writes that into it.
    if (fields.local !== true) last = at;
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
    if (ends(entry) && during.has(session)) sealed.add(session);
  }
  for (const session of gone.keys()) if (!during.has(session)) gone.delete(session);
  return { documents, gone, sessions: new Set(during.keys()), sealed, readAt, last };
}

function whyGone(entry: LogEntry): Gone | undefined {
  const { kind, fields } = entry;
  if (kind === 'purge' || kind === 'purging') return fields.what === 'key' ? 'key erased' : 'purged';
  if (kind !== 'failure') return undefined;
  if (ends(entry)) return 'damaged';
  return fields.unrecorded === true ? 'unrecorded' : undefined;
}
