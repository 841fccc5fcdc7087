// The record of a gateway, read through its API on the reader's machine: for what the gateway itself cannot read.
// Refuses to know: formats.

import { asHoopctlError } from '../core/errors.ts';
import { datastores } from '../gateway/exports/compose.ts';
import type { Product } from '../session/export/event.ts';
import type { LogFollowing } from '../session/recorder/follow-source.ts';
import { openedLines } from '../session/recorder/opened.ts';
import { route } from './api.ts';
import { logAt } from './audit/source.ts';
import type { Context } from './context.ts';
import { type Openers, recordedKey } from './encrypted.ts';

/** The key files at the gateway. */
export async function remoteKeys(context: Context): Promise<(session: string) => Promise<Uint8Array | undefined>> {
  const api = await context.api();
  return (session) =>
    unless(['key_erased', 'key_missing', 'not_found'], () => recordedKey(api, session, context.signal));
}

export async function remoteRecord(
  context: Context,
  openers: Openers,
): Promise<{ readonly source: LogFollowing; readonly product: Product }> {
  const api = await context.api();
  const { signal } = context;
  const log = await logAt(context, undefined);
  async function* lines(session: string): ReturnType<LogFollowing['lines']> {
    const opener = await openers.of(session);
    const bytes = api.bytes(route`sessions/${session}/recording`, { signal });
    try {
      for await (const piece of openedLines(bytes, async () => opener)) {
        // A position to go on from: there is none, each is read from its beginning.
        for (const line of piece) yield { line, end: 0 };
      }
    } catch (thrown) {
      if (asHoopctlError(thrown).code !== 'not_found') throw thrown;
    }
  }
  const names = await datastores();
  const datastore = (protocol: string) => names.includes(protocol);
  const product = { version: context.io.version, gateway: api.access.url, datastore };
  return { source: { entries: (from) => log.entries(from), lines }, product };
}

async function unless<T>(codes: readonly string[], ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (thrown) {
    if (codes.includes(asHoopctlError(thrown).code)) return undefined;
    throw thrown;
  }
}
