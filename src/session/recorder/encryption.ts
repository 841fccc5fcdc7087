// Hides what is said in a recording from whoever has only its files: one key a recording, wrapped for some recipients in a
// file of its own, and one encrypted member a line. What FORMAT.md says under "Encryption", in both directions.
// Refuses to know: files, who reads, which members are hidden (recording.ts).

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { ourError, userError } from '../../core/errors.ts';
import { decryptAge, encryptAge } from './age/age.ts';
import type { Identity, Recipient } from './age/keys.ts';
import { type LineCipher, lineDigest } from './line.ts';
import type { Line } from './reader.ts';

const CIPHER = 'aes-256-gcm';
const KEY = 32;
const NONCE = 12;
const TAG = 16;

/** For whom the recordings of a connection are encrypted; `null`: they are not. */
export type Encryption = {
  readonly recipients: readonly Recipient[];
  /** For the gateway too. */
  readonly gatewayReads: boolean;
} | null;

/** What the first line says of it. */
export interface EncryptionFields {
  readonly cipher: string;
  /** `age1…`, as configured. */
  readonly recipients: readonly string[];
  /** SHA-256 of the key, hex: another key is told from this one before anything is read with it. */
  readonly key: string;
}

export interface NewKey {
  readonly cipher: LineCipher;
  readonly fields: EncryptionFields;
  /** The key for its recipients: an age file. */
  readonly file: Uint8Array;
}

export function newKey(session: string, recipients: readonly Recipient[]): NewKey {
  const key = randomBytes(KEY);
  const content = Buffer.from(`${JSON.stringify({ session, key: key.toString('hex') })}\n`);
  const file = encryptAge(content, recipients);
  const fields = { cipher: CIPHER, recipients: recipients.map(({ text }) => text), key: lineDigest(key) };
  const cipher = new Cipher(session, createSecretKey(key));
  for (const secret of [key, content]) secret.fill(0);
  return { file, cipher, fields };
}

class Cipher implements LineCipher {
  readonly #session: string;
  readonly #nonce = Buffer.alloc(NONCE);
  /** As an object: handed over as bytes the same key costs 14 µs more a line. */
  #key: KeyObject | undefined;

  constructor(session: string, key: KeyObject) {
    this.#session = session;
    this.#key = key;
  }

  encrypt(seq: number, front: string, members: string): string {
    if (this.#key === undefined) throw ourError('internal', 'a line was to be encrypted after the key was forgotten');
    setNonce(this.#nonce, seq);
    // Text goes through a decoder of its own in `update`, at four times the price: bytes in, bytes out.
    const plain = Buffer.from(`{${members.slice(1)}}`);
    const cipher = createCipheriv(CIPHER, this.#key, this.#nonce, { authTagLength: TAG });
    cipher.setAAD(bound(this.#session, front));
    const hidden = cipher.update(plain);
    cipher.final();
    return Buffer.concat([hidden, cipher.getAuthTag()]).toString('base64');
  }

  forget(): void {
    this.#key = undefined;
  }
}

/** What a line's hidden part is bound to, beside the key: the session, and all of the line that can be read. */
function bound(session: string, front: string): Buffer {
  return Buffer.from(`${session}\n${front}`);
}

function setNonce(nonce: Buffer, seq: number): void {
  nonce.writeUIntBE(seq, NONCE - 6, 6);
}

/** What the first line of an encrypted recording says of it; undefined for others. */
export function encryptionOf(opening: Line): EncryptionFields | undefined {
  const { encryption } = opening;
  if (typeof encryption !== 'object' || encryption === null) return undefined;
  const { cipher, recipients, key } = encryption as Record<string, unknown>;
  const texts = Array.isArray(recipients) ? recipients.map(String) : [];
  return { cipher: String(cipher), recipients: texts, key: String(key) };
}

/** Puts lines together again. */
export interface LineOpener {
  /** The line with what was hidden in it. Errors: recording_invalid, where that is not what was written. */
  open(bytes: Buffer, line: Line): Line;
}

/** `undefined`: it is for none of these identities. Errors: recording_invalid for a key file that is not this recording's. */
export function openerOf(
  session: string,
  keyFile: Uint8Array,
  identities: readonly Identity[],
): LineOpener | undefined {
  const content = decryptAge(keyFile, identities);
  if (content === undefined) return undefined;
  const said = parseKey(content);
  const wrong = (why: string) =>
    userError('recording_invalid', `the key file of ${session} is not the one that was written: ${why}`);
  if (said === undefined) throw wrong('it holds no key of a recording');
  if (said.session !== session) throw wrong(`it holds the key of ${said.session}`);
  const digest = lineDigest(said.key);
  const key = createSecretKey(said.key);
  return {
    open(bytes, line) {
      const encryption = line.seq === 0 ? encryptionOf(line) : undefined;
      if (encryption !== undefined && encryption.cipher !== CIPHER) {
        throw userError('recording_invalid', `the recording of ${session} is encrypted by "${encryption.cipher}"`, {
          fix: 'use a newer hoopctl',
        });
      }
      if (encryption !== undefined && encryption.key !== digest) throw wrong('it holds another key');
      return opened(session, key, bytes, line);
    },
  };
}

function parseKey(content: Buffer): { session: string; key: Buffer } | undefined {
  try {
    const { session, key } = JSON.parse(content.toString('utf8')) as Record<string, unknown>;
    if (typeof session !== 'string' || typeof key !== 'string' || !/^[0-9a-f]{64}$/.test(key)) return undefined;
    return { session, key: Buffer.from(key, 'hex') };
  } catch {
    return undefined;
  }
}

const MARK = Buffer.from(',"enc":"');

function opened(session: string, key: KeyObject, bytes: Buffer, line: Line): Line {
  const { enc, prev, ...plain } = line;
  if (typeof enc !== 'string') return line;
  const hidden = Buffer.from(enc, 'base64');
  const nonce = Buffer.alloc(NONCE);
  setNonce(nonce, line.seq);
  // The last member but `prev`: what stands further in front may be anybody's text.
  const front = bytes.toString('utf8', 0, bytes.lastIndexOf(MARK));
  try {
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG });
    decipher.setAAD(bound(session, front)).setAuthTag(hidden.subarray(-TAG));
    const members = Buffer.concat([decipher.update(hidden.subarray(0, -TAG)), decipher.final()]).toString('utf8');
    return { ...plain, ...(JSON.parse(members) as object), prev } as Line;
  } catch (cause) {
    throw userError('recording_invalid', `line ${line.seq + 1} of ${session} cannot be decrypted: it was changed`, {
      cause,
    });
  }
}
