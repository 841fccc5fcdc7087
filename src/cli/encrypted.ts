// Reading encrypted recordings on the reader's own machine: identities from a file, keys from the gateway or from beside the
// recording. Neither the identity nor what is read goes back to the gateway. Refuses to know: how anything is encrypted.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { userError } from '../core/errors.ts';
import { keyErasedError, keyMissingError } from '../session/custody/purge.ts';
import { type Identity, parseIdentities } from '../session/recorder/age/keys.ts';
import { encryptionOf, type LineOpener, openerOf } from '../session/recorder/encryption.ts';
import { openedLines } from '../session/recorder/opened.ts';
import type { Line, RawLine } from '../session/recorder/reader.ts';
import { recordingBytes } from '../session/recorder/stored.ts';
import type { ObjectReader } from '../store/elsewhere.ts';
import { type FoundRecording, stemOf, storedKey } from '../store/recording-files.ts';
import { type Api, route } from './api.ts';
import type { Context } from './context.ts';
import { fileTrouble } from './files.ts';
import type { SessionItem } from './shapes.ts';

export const IDENTITY_OPTION = {
  identity: { value: 'FILE', trusted: true, help: 'an age identity file, for recordings that are encrypted' },
} as const;

/** What somebody can open, and what to call it by. */
export interface Reader {
  readonly file: string;
  readonly identities: readonly Identity[];
}

/** Undefined: no file is given. Errors: config_unreadable; usage for an identity in place of a file's name. */
export function readerFrom(file: string | undefined, context: Context): Reader | undefined {
  if (file === undefined) return undefined;
  // Told as a file that is not there it would be in the terminal, or in the log of a job.
  if (/^\s*AGE-SECRET-KEY-/i.test(file)) {
    throw userError(
      'usage',
      '--identity (HOOPCTL_IDENTITY) is an identity itself (not shown), expected the name of a file',
      {
        fix: 'put it into a file that only you can read, or give --identity <(command that prints it)',
      },
    );
  }
  let text: string;
  try {
    text = readFileSync(resolve(context.io.cwd, file), 'utf8');
  } catch (error) {
    throw userError('config_unreadable', `cannot read the identities in '${file}': ${fileTrouble(error)}`, {
      fix: 'name an age identity file: --identity FILE',
      cause: error,
    });
  }
  return { file, identities: parseIdentities(text, file) };
}

/**
 * How to open the recording that begins with this line; undefined for one that is not encrypted. `key`: gives its key file.
 * Errors: recording_encrypted, without an identity or with another's; those of the key.
 */
export async function openerFor(
  opening: Line,
  reader: Reader | undefined,
  key: () => Promise<Uint8Array>,
): Promise<LineOpener | undefined> {
  const encryption = encryptionOf(opening);
  if (encryption === undefined) return undefined;
  const session = String(opening.session);
  const whom = encryption.recipients.join(', ');
  if (reader === undefined) {
    throw userError('recording_encrypted', `the recording of ${session} is encrypted for ${whom}`, {
      fix: 'pass --identity FILE with the age identity of one of them',
    });
  }
  const opener = openerOf(session, await key(), reader.identities);
  if (opener !== undefined) return opener;
  const mine = reader.identities.map(({ recipient }) => recipient.text).join(', ');
  throw userError(
    'recording_encrypted',
    `the recording of ${session} is encrypted for ${whom}, '${reader.file}' has the identity of ${mine}`,
    { fix: 'pass --identity FILE with the age identity of one of the recipients' },
  );
}

/** The lines of a session's recording at the gateway. Errors: those of the API and of `openerFor`; key_erased, key_missing; recording_invalid. */
export async function* recordedLines(
  api: Api,
  session: string,
  { reader, signal, raw }: { reader: Reader | undefined; signal: AbortSignal; raw?: (line: RawLine) => void },
): AsyncGenerator<readonly Line[]> {
  const bytes = api.bytes(route`sessions/${session}/recording`, { signal });
  const key = () => recordedKey(api, session, signal);
  const opener = async (opening: Line) => {
    // Nobody needs to look for an identity that would not help.
    if (reader === undefined && encryptionOf(opening) !== undefined) await requireKey(api, session, signal);
    return openerFor(opening, reader, key);
  };
  yield* openedLines(bytes, opener, raw);
}

/** The lines of a recording among files, each; its key lies beside it, or in object storage. Errors: those of the files and of `openerFor`. */
export async function* foundLines(
  { path, files }: Pick<FoundRecording, 'path' | 'files'>,
  reader: Reader | undefined,
  objects?: ObjectReader,
): AsyncGenerator<Line> {
  const key = async () => {
    const found = await storedKey(stemOf(path), objects);
    if (found !== undefined) return found;
    throw userError(
      'key_missing',
      `the key of the recording ${path} is not there: nobody can read what was said in it`,
      {
        fix: "if it was erased, the gateway's log says when and why: hoopctl audit export --kind log.purge",
      },
    );
  };
  const opener = async (opening: Line) => {
    if (reader === undefined && encryptionOf(opening) !== undefined) await key();
    return openerFor(opening, reader, key);
  };
  const pieces = openedLines(recordingBytes(files), opener);
  for await (const lines of pieces) yield* lines;
}

/** Its key file. Errors: key_erased, key_missing, not_found for one that is not encrypted. */
export async function recordedKey(api: Api, session: string, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of api.bytes(route`sessions/${session}/key`, { signal })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Errors: key_erased, with who had it erased, when and why; key_missing; those of the API. */
async function requireKey(api: Api, session: string, signal: AbortSignal): Promise<void> {
  const { recording } = await api.call<SessionItem>(route`sessions/${session}`, { signal });
  const gone = keyGone(session, recording?.encryption);
  if (gone !== undefined) throw gone;
}

/** Why nobody can read what was said; undefined: its key is there. */
export function keyGone(session: string, encryption: Encryption | undefined): Error | undefined {
  if (encryption?.order !== undefined) return keyErasedError(session, encryption.order);
  return encryption?.lost === true ? keyMissingError(session) : undefined;
}

type Encryption = NonNullable<NonNullable<SessionItem['recording']>['encryption']>;

/** Openers for many recordings: those that this reader cannot open stay as they are, and are counted. */
export class Openers {
  unread = 0;
  readonly #reader: Reader;
  readonly #keyOf: (session: string) => Promise<Uint8Array | undefined>;
  readonly #counted = new Set<string>();

  constructor(reader: Reader, keyOf: (session: string) => Promise<Uint8Array | undefined>) {
    this.#reader = reader;
    this.#keyOf = keyOf;
  }

  /** Errors: recording_invalid for a key that is not the recording's; those of the key's place. */
  async of(session: string): Promise<LineOpener | undefined> {
    const key = await this.#keyOf(session);
    const opener = key === undefined ? undefined : openerOf(session, key, this.#reader.identities);
    return opener ?? { open: (_, line) => this.#pass(session, line) };
  }

  #pass(session: string, line: Line): Line {
    if (line.enc !== undefined) this.#counted.add(session);
    this.unread = this.#counted.size;
    return line;
  }
}
