// Sessions that a store knows of and no record that is taken in has: those of other gateways on it, or begun since a copy was
// taken. Refuses to know: what was sent in them, how it is told.

import { resolve } from 'node:path';
import { readPlace } from '../../gateway/place.ts';
import type { Span } from '../../session/export/between.ts';
import type { Context } from '../context.ts';
import { withStore } from '../record-local.ts';
import type { SessionItem } from '../shapes.ts';
import { type Gone, parseDocument, type Told } from './sources.ts';

/** What is not in what is taken in, or not all, and of which gateway. */
export interface Lack {
  readonly connection: string;
  /** `elsewhere`: of a gateway whose record is not taken in; `missing`: not in the record of its gateway, or not to its end. */
  readonly why: Gone | 'elsewhere' | 'missing';
  /** Undefined: the store does not say. */
  readonly gateway?: string;
}

/** Of `SessionRecord`, and of what the gateway answers. */
interface Listed {
  readonly id: string;
  readonly connection: string;
  readonly gateway?: string;
  readonly startedAt: number;
  /** Only of a data directory's store. */
  readonly endedAt?: number;
  readonly state?: string;
  readonly sealed?: boolean;
}

interface Lacking {
  /** By session. */
  readonly gone: ReadonlyMap<string, Lack>;
  /** Gateways whose store is shared by what their configuration says, and nobody could ask one. */
  readonly unasked: readonly string[];
}

/** So many sessions are asked for at once. */
const PAGE = 1000;

/** Errors: those of the store, of the gateway that is asked. */
export async function lacking(
  context: Context,
  told: readonly Told[],
  { connections, span }: { readonly connections: readonly string[]; readonly span: Span },
): Promise<Lacking> {
  const gone = new Map<string, Lack>();
  for (const one of told) {
    for (const [session, lack] of one.gone) {
      if (connections.includes(lack.connection)) gone.set(session, { ...lack, gateway: one.gateway });
    }
  }
  const gateways = told.map(({ gateway }) => gateway);
  for (const { data, gateway: asked } of told) {
    await eachListed(context, data, { connections, span }, (one) => {
      const { id, connection, gateway } = one;
      if (told.some((source) => hasWhole(source, one))) return;
      // What is read of the log of the gateway that is asked ends at its last checkpoint; its sessions are all there.
      if (data === undefined && (gateway === undefined || gateway === asked)) return;
      const here = gateway !== undefined && gateways.includes(gateway);
      gone.set(id, { connection, why: here ? 'missing' : 'elsewhere', ...(gateway === undefined ? {} : { gateway }) });
    });
  }
  return { gone, unasked: storesUnasked(context, told) };
}

/** That a session went on after a copy was taken is seen by its end: the log of its gateway has that before the store does. */
function hasWhole({ sessions, sealed, readAt, data }: Told, one: Listed): boolean {
  if (!sessions.has(one.id)) return false;
  const over = one.state === 'ended' && one.sealed === true && one.endedAt !== undefined && one.endedAt < readAt;
  return data === undefined || !over || sealed.has(one.id);
}

/** Sessions of these connections that were open at any time of the span. */
async function eachListed(
  context: Context,
  data: string | undefined,
  { connections, span }: { readonly connections: readonly string[]; readonly span: Span },
  heard: (one: Listed) => void,
): Promise<void> {
  const all = async (page: (connection: string, before: number) => Promise<readonly Listed[]>) => {
    for (const connection of connections) {
      await eachPage(span.until, (before) => page(connection, before), heard);
    }
  };
  if (data !== undefined) {
    await withStore(resolve(context.io.cwd, data), context.io.env, ({ sessions }) =>
      all((connection, before) => sessions.list({ connection, before, since: span.since, limit: PAGE })),
    );
    return;
  }
  const api = await context.api();
  const iso = (ms: number) => new Date(ms).toISOString();
  await all(async (connection, before) => {
    const query = { connection, before: iso(before), since: iso(span.since), limit: PAGE };
    const answer = await api.call<{ sessions: SessionItem[] }>('sessions', { query, signal: context.signal });
    return answer.sessions.map(({ id, connection: name, gateway, startedAt }) => ({
      ...{ id, connection: name, startedAt: Date.parse(String(startedAt)) },
      ...(gateway === undefined ? {} : { gateway }),
    }));
  });
}

/** `ask`: at most `size` that began before that moment, newest first. Each is told once. */
export async function eachPage<T extends Pick<Listed, 'id' | 'startedAt'>>(
  until: number,
  ask: (before: number) => Promise<readonly T[]>,
  heard: (one: T) => void,
  size = PAGE,
): Promise<void> {
  let known = new Set<string>();
  for (let before = until; ; ) {
    const page = await ask(before);
    const fresh = page.filter(({ id }) => !known.has(id));
    for (const one of fresh) heard(one);
    if (page.length < size || fresh.length === 0) return;
    // Others may have begun in the same millisecond as the last one.
    before = page.at(-1)!.startedAt + 1;
    known = new Set(page.map(({ id }) => id));
  }
}

function storesUnasked({ io }: Context, told: readonly Told[]): readonly string[] {
  const leads = ({ data }: Told) => data === undefined || readPlace(resolve(io.cwd, data))?.store !== undefined;
  if (told.some(leads)) return [];
  const shares = ({ documents }: Told) => documents.some((one) => parseDocument(one).store?.postgres !== undefined);
  return told.filter(shares).map(({ gateway }) => gateway);
}
