// For whom a recording is encrypted, and what became of its key: there, erased by somebody's order, or lost. Refuses to know:
// who may ask.

import { asHoopctlError, userError } from '../../core/errors.ts';
import { keyErasedError, keyMissingError, purgedError } from '../../session/custody/purge.ts';
import { findErasure } from '../../session/log/receipts.ts';
import { encryptionOf } from '../../session/recorder/encryption.ts';
import { readLines } from '../../session/recorder/reader.ts';
import { readRecording } from '../../session/recorder/stored.ts';
import type { PurgeOrder, SessionRecord } from '../../session/records.ts';
import type { Parts } from '../parts.ts';
import { iso } from './shapes.ts';

type KeyParts = Pick<Parts, 'audit' | 'sink'>;

/** Who had a key erased; times in words. */
interface Erasure {
  readonly at: string;
  readonly by: string;
  readonly reason: string;
}

export interface ShownEncryption {
  readonly recipients: string[];
  readonly erased: boolean;
  readonly lost: boolean;
  readonly order?: Erasure;
}

/** Undefined: it is not encrypted, or is not here. */
export async function encryptionHere(parts: KeyParts, session: SessionRecord): Promise<ShownEncryption | undefined> {
  const recipients = await recipientsOf(parts, session.id);
  if (recipients === undefined) return undefined;
  const order = await erasureOf(parts, session);
  if (order !== undefined) return { recipients, erased: true, lost: false, order };
  return { recipients, erased: false, lost: (await parts.sink.key(session.id)) === undefined };
}

/** Why there is no key to hand out. */
export async function withoutKey(parts: KeyParts, session: SessionRecord): Promise<Error> {
  const { id, purge } = session;
  if ((await recipientsOf(parts, id)) === undefined) {
    return userError('not_found', `the recording of ${id} has no key: it is not encrypted`);
  }
  if (purge !== undefined && purge.only === undefined && purge.state !== 'ordered') return purgedError(session);
  const order = await erasureOf(parts, session);
  return order === undefined ? keyMissingError(id) : keyErasedError(id, order);
}

async function recipientsOf({ sink }: KeyParts, id: string): Promise<string[] | undefined> {
  try {
    for await (const line of readLines(readRecording(sink, id))) {
      const encryption = encryptionOf(line);
      return encryption === undefined ? undefined : [...encryption.recipients];
    }
  } catch (thrown) {
    // Damaged or gone: other routes tell.
    if (asHoopctlError(thrown).fault === 'ours') throw thrown;
  }
  return undefined;
}

/**
 * The order by which its key went. The store has it; where the store was lost or put back, the tombstone in the log. A key
 * that is merely gone has neither.
 */
async function erasureOf({ audit, sink }: KeyParts, session: SessionRecord): Promise<Erasure | undefined> {
  const ordered = orderIn(session);
  if (ordered !== undefined) return { at: iso(ordered.at), by: ordered.by, reason: ordered.reason };
  if ((await sink.key(session.id)) !== undefined) return undefined;
  const { at, fields } = (await findErasure(audit, session.id, session.endedAt ?? session.startedAt)) ?? {};
  if (fields === undefined) return undefined;
  const text = (value: unknown, or: string) => (typeof value === 'string' ? value : or);
  return { at: text(fields.ordered, at!), by: text(fields.by, '?'), reason: text(fields.reason, '?') };
}

function orderIn({ purge }: SessionRecord): PurgeOrder | undefined {
  if (purge?.before !== undefined) return purge.before;
  return purge?.only === 'key' && purge.state !== 'ordered' ? purge : undefined;
}
