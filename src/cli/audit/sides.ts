// The two sides of `audit reconcile`: what the record says of connections, from the gateway or data directories, and where
// the target's own account comes from. Refuses to know: how they are compared, which connections (reached.ts).

import { createReadStream, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { userError } from '../../core/errors.ts';
import type { Span } from '../../session/export/between.ts';
import { copyOf } from '../../session/export/stream.ts';
import type { Sent } from '../../session/reconcile/match.ts';
import { type CopiedEvent, sentOperations } from '../../session/reconcile/sent.ts';
import type { ObjectReader } from '../../store/elsewhere.ts';
import type { Context } from '../context.ts';
import { Openers, readerFrom } from '../encrypted.ts';
import { reasoned } from '../reading.ts';
import { localKeys, localRecord } from '../record-local.ts';
import { remoteKeys, remoteRecord } from '../record-remote.ts';
import type { Gaps } from './gaps.ts';
import { objectsIn } from './objects.ts';
import type { Reached } from './reached.ts';
import type { Source } from './sources.ts';

/** What is looked at of a copy. */
const KINDS = ['session.intent', 'session.review', 'session.result', 'session.seal'];

export interface CopyWanted {
  /** The one that was asked for. */
  readonly connection: string;
  readonly reason: string | undefined;
  /** For recordings that are encrypted. */
  readonly identity: string | undefined;
  /** With a data directory: the configuration with the object storage of its recordings. */
  readonly config: string | undefined;
}

/** What each gateway's record says was sent by these connections. That it was read is on record there. */
export async function* sentOnRecord(
  context: Context,
  wanted: CopyWanted,
  { sources, connections }: Pick<Reached, 'sources' | 'connections'>,
  gaps: Gaps,
  span: Span,
): AsyncGenerator<Sent> {
  for (const source of sources) {
    const from = { ...wanted, ...source, connections };
    const unread = gaps.unread(wanted.connection, wanted, source);
    const earlier = new Map<string, Set<number>>();
    yield* sentOperations(copiedEvents(context, from, span), unread, (session, op) => {
      earlier.set(session, (earlier.get(session) ?? new Set()).add(op));
    });
    // Held since before the span, and sent in it: what that was stands in front of it.
    for (const [session, ops] of earlier) {
      const whole = copiedEvents(context, { ...from, session }, { ...span, since: 0 });
      for await (const one of sentOperations(whole, unread)) if (ops.has(one.op)) yield one;
    }
  }
}

/** Operations, their reviews and results. */
async function* copiedEvents(
  context: Context,
  {
    data,
    connections,
    session,
    reason,
    identity,
    config,
  }: Source & Pick<Reached, 'connections'> & CopyWanted & { readonly session?: string },
  span: Span,
): AsyncGenerator<CopiedEvent> {
  const iso = (ms: number) => new Date(ms).toISOString();
  const connection = connections.join(',');
  const api = reasoned(context, reason);
  const reader = readerFrom(identity, context);
  if (data === undefined && reader === undefined) {
    const one = session === undefined ? {} : { session };
    const query = { since: iso(span.since), until: iso(span.until), kinds: KINDS.join(','), connection, ...one };
    yield* (await api.api()).lines<CopiedEvent>('audit/export', { query, signal: context.signal });
    return;
  }
  const directory = data === undefined ? undefined : resolve(context.io.cwd, data);
  const objects = directory === undefined || config === undefined ? undefined : await objectsIn(context, config);
  const keys = directory === undefined ? await remoteKeys(api) : localKeys(directory, objects);
  const openers = reader && new Openers(reader, keys);
  const note = { what: 'reconciled', connection, reason, since: iso(span.since), until: iso(span.until) };
  const { source, product } =
    directory === undefined
      ? await remoteRecord(api, openers!)
      : await localSide(directory, context, note, { openers, objects });
  const selection = { kinds: KINDS, labels: {}, connections, session };
  const copy = copyOf({ source, span, selection, rows: false, format: 'jsonl', product, hostname: hostname() });
  for await (const piece of copy) {
    for (const line of piece.split('\n')) if (line !== '') yield JSON.parse(line) as CopiedEvent;
  }
}

async function localSide(
  directory: string,
  { io }: Context,
  note: Readonly<Record<string, unknown>>,
  from: { readonly openers: Openers | undefined; readonly objects: ObjectReader | undefined },
) {
  const { source, datastore } = await localRecord(directory, io, note, from);
  return { source, product: { version: io.version, gateway: undefined, datastore } };
}

/** Errors: usage. */
export function logBytes(context: Context, file: string): AsyncIterable<Uint8Array> {
  if (file === '-') return context.io.stdin as AsyncIterable<Uint8Array>;
  const path = resolve(context.io.cwd, file);
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    throw userError('usage', `there is no file '${file}'`);
  }
  return createReadStream(path);
}
