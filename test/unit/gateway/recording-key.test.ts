// What became of the key of an encrypted recording: erased by somebody's order, as the store or the log alone has it, or lost.

import { expect, it } from 'vitest';
import { encryptionHere, withoutKey } from '../../../src/gateway/api/recording-key.ts';
import type { LogEntry } from '../../../src/session/log/audit.ts';
import { sourceOf } from '../../../src/session/recorder/reader.ts';
import type { SessionRecord } from '../../../src/session/records.ts';
import { alice } from '../session/world.ts';

const AT = Date.UTC(2026, 10, 29);
const ORDER = { at: '2026-11-29T00:00:00.000Z', by: 'root', reason: 'asked by who is in it' };

const session = (purge?: SessionRecord['purge']): SessionRecord => ({
  ...{ id: 's-1', principal: alice, connection: 'app', protocol: 'line', client: 'c', startedAt: AT, endedAt: AT },
  ...{ state: 'ended', operations: 0, denied: 0, fromClient: 0, toClient: 0, bytes: 1, sealed: true },
  ...(purge === undefined ? {} : { purge }),
});

function parts(key: string | undefined, entries: readonly LogEntry[] = []) {
  const opening = { seq: 0, at: ORDER.at, kind: 'open', prev: '0'.repeat(64) };
  const line = JSON.stringify({ ...opening, encryption: { cipher: 'c', recipients: ['age1x'], key: 'k' } });
  const sink = {
    files: () => [{ name: 'file', bytes: () => sourceOf(`${line}\n`) }],
    key: async () => (key === undefined ? undefined : Buffer.from(key)),
  };
  const audit = {
    size: entries.length,
    async *entries(from: number) {
      yield* entries.slice(from);
    },
  };
  return { sink, audit } as unknown as Parameters<typeof encryptionHere>[0];
}

const tombstone = (fields: Record<string, unknown>): LogEntry => ({
  ...{ index: 0, at: ORDER.at, kind: 'purge' },
  fields: { session: 's-1', by: ORDER.by, reason: ORDER.reason, ordered: ORDER.at, ...fields },
});

it('tells a key that was erased from one that is lost, by who ordered it', async () => {
  const { at: _, ...words } = ORDER;
  const order = { ...words, at: AT, only: 'key' } as const;
  const erased = { recipients: ['age1x'], erased: true, lost: false, order: ORDER };
  expect(await encryptionHere(parts('k'), session())).toEqual({ recipients: ['age1x'], erased: false, lost: false });
  expect(await encryptionHere(parts(undefined), session({ ...order, state: 'erased' }))).toEqual(erased);
  // All of it is to go now, and may yet stay.
  const more = { ...order, only: undefined, reason: 'more', state: 'ordered', before: order } as never;
  expect(await encryptionHere(parts(undefined), session(more))).toEqual(erased);
  // A store that was put back knows nothing of it: the log does.
  expect(await encryptionHere(parts(undefined, [tombstone({ what: 'key' })]), session())).toEqual(erased);
  const lost = { recipients: ['age1x'], erased: false, lost: true };
  const others = [tombstone({}), tombstone({ what: 'key', session: 's-2' })];
  expect(await encryptionHere(parts(undefined, others), session())).toEqual(lost);
  expect(await encryptionHere(parts(undefined), session({ ...order, state: 'ordered' }))).toEqual(lost);
  // Put there again from a backup: that it was to be erased stays true.
  expect(await encryptionHere(parts('k'), session({ ...order, state: 'erased' }))).toEqual(erased);
});

it('says so to who asks for it', async () => {
  const order = { at: AT, by: 'root', reason: 'r', only: 'key', state: 'erased' } as const;
  expect(await withoutKey(parts(undefined), session(order))).toMatchObject({ code: 'key_erased' });
  expect(await withoutKey(parts(undefined), session())).toMatchObject({
    code: 'key_missing',
    message: expect.stringContaining('nobody ordered that'),
  });
});
