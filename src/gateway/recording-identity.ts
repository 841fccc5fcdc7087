// The gateway's own age identity, for recordings that the configuration lets it read (`encrypt: { gatewayReads: true }`): its
// search index, exports and copies then have what is said. No other recording is encrypted for it.
// Refuses to know: which recordings those are.

import { join } from 'node:path';
import { newIdentity, parseIdentities, type Recipient } from '../session/recorder/age/keys.ts';
import { type LineOpener, openerOf } from '../session/recorder/encryption.ts';
import type { Line } from '../session/recorder/reader.ts';
import type { ObjectReader } from '../store/elsewhere.ts';
import { recordingStem, storedKey } from '../store/recording-files.ts';
import { readIfThere, writePrivate } from './files.ts';

const fileIn = (keys: string): string => join(keys, 'recordings.age');

/** Whom to encrypt for; made at first use. Errors: store_failed. */
export function ownRecipient(keys: string): Recipient {
  const path = fileIn(keys);
  let text = readIfThere(path);
  if (text === undefined) {
    text = newIdentity(new Date()).file;
    writePrivate(path, text);
  }
  return parseIdentities(text, path)[0]!.recipient;
}

/**
 * Of a data directory, by session, with the keys that are in object storage; undefined for one that is not the gateway's to
 * read. What was changed stays as it is stored: `audit verify` tells, and whoever follows the record goes on.
 */
export function ownOpeners(data: string, objects?: ObjectReader): (session: string) => Promise<LineOpener | undefined> {
  const path = fileIn(join(data, 'keys'));
  return async (session) => {
    const text = readIfThere(path);
    const key =
      text === undefined ? undefined : await storedKey(join(data, 'recordings', recordingStem(session)), objects);
    if (text === undefined || key === undefined) return undefined;
    const opener = attempt(() => openerOf(session, key, parseIdentities(text, path)));
    return opener && { open: (bytes: Buffer, line: Line) => attempt(() => opener.open(bytes, line)) ?? line };
  };
}

function attempt<T>(job: () => T): T | undefined {
  try {
    return job();
  } catch {
    return undefined;
  }
}
