// Small age files (https://age-encryption.org/v1): bytes for whoever has one of some X25519 keys. Of the format as much as
// that takes: stanzas of other kinds are passed over, and the content is one chunk, at most 64 KiB.
// Refuses to know: what the bytes are, files.

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { userError } from '../../../core/errors.ts';
import { type Identity, newPair, type Recipient, shared } from './keys.ts';

const VERSION = 'age-encryption.org/v1';
const X25519_INFO = `${VERSION}/X25519`;
const CIPHER = 'chacha20-poly1305';
const TAG = 16;
const MAC = 32;
const FILE_KEY = 16;
const PAYLOAD_NONCE = 16;
const CHUNK = 64 * 1024;
/** Of a header with more stanzas than anybody has recipients. */
const MAX_HEADER = 256 * 1024;

/** The whole file. `content`: at most 64 KiB. */
export function encryptAge(content: Uint8Array, recipients: readonly Recipient[]): Buffer {
  if (content.length > CHUNK || recipients.length === 0) throw new RangeError('one chunk for somebody, no more');
  const fileKey = randomBytes(FILE_KEY);
  const stanzas = recipients.map((recipient) => stanzaFor(recipient, fileKey));
  const head = `${VERSION}\n${stanzas.join('')}---`;
  const nonce = randomBytes(PAYLOAD_NONCE);
  const payload = sealed(payloadKey(fileKey, nonce), LAST_CHUNK, content);
  return Buffer.concat([Buffer.from(`${head} ${base64(macOf(fileKey, head))}\n`), nonce, payload]);
}

/** `undefined`: for none of these identities. Errors: recording_invalid for what is no such file, or was changed. */
export function decryptAge(file: Uint8Array, identities: readonly Identity[]): Buffer | undefined {
  const { head, mac, stanzas, rest } = parseFile(Buffer.from(file.buffer, file.byteOffset, file.byteLength));
  for (const stanza of stanzas) {
    for (const identity of identities) {
      const fileKey = fileKeyFrom(stanza, identity);
      if (fileKey === undefined) continue;
      if (mac.length !== MAC || !timingSafeEqual(macOf(fileKey, head), mac)) throw changed('its header was changed');
      const nonce = rest.subarray(0, PAYLOAD_NONCE);
      const content = opened(payloadKey(fileKey, nonce), LAST_CHUNK, rest.subarray(PAYLOAD_NONCE));
      if (content === undefined) throw changed('its content was changed or cut');
      return content;
    }
  }
  return undefined;
}

/** STREAM's nonce of a first chunk that is the last: eleven bytes of counter, one that says so. */
const LAST_CHUNK = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
/** The key of a stanza is used once. */
const ONCE = Buffer.alloc(12);

interface Stanza {
  readonly share: Buffer;
  readonly body: Buffer;
}

function stanzaFor({ bytes }: Recipient, fileKey: Uint8Array): string {
  const ephemeral = newPair();
  const body = sealed(stanzaKey(shared(ephemeral.key, bytes), ephemeral.bytes, bytes), ONCE, fileKey);
  return `-> X25519 ${base64(ephemeral.bytes)}\n${base64(body)}\n`;
}

function fileKeyFrom({ share, body }: Stanza, { key, recipient }: Identity): Buffer | undefined {
  if (share.length !== 32 || body.length !== FILE_KEY + TAG) return undefined;
  try {
    return opened(stanzaKey(shared(key, share), share, recipient.bytes), ONCE, body);
  } catch {
    // A share of low order: nobody's.
    return undefined;
  }
}

function stanzaKey(secret: Uint8Array, share: Uint8Array, recipient: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.concat([share, recipient]), X25519_INFO, 32));
}

function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32));
}

function macOf(fileKey: Uint8Array, head: string): Buffer {
  const key = Buffer.from(hkdfSync('sha256', fileKey, '', 'header', 32));
  return createHmac('sha256', key).update(head, 'latin1').digest();
}

function sealed(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Buffer {
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function opened(key: Uint8Array, nonce: Uint8Array, bytes: Uint8Array): Buffer | undefined {
  if (bytes.length < TAG) return undefined;
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG });
  decipher.setAuthTag(bytes.subarray(-TAG));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(0, -TAG)), decipher.final()]);
  } catch {
    return undefined;
  }
}

interface Parsed {
  /** From the version to the `---`, both included. */
  readonly head: string;
  readonly mac: Buffer;
  /** Those of kind X25519. */
  readonly stanzas: readonly Stanza[];
  readonly rest: Buffer;
}

function parseFile(file: Buffer): Parsed {
  const text = file.toString('latin1', 0, MAX_HEADER);
  const end = /\n--- ([A-Za-z0-9+/]{43})\n/.exec(text);
  if (!text.startsWith(`${VERSION}\n`) || end === null) throw changed('it is no age file');
  const head = text.slice(0, end.index + '\n---'.length);
  const lines = text.slice(VERSION.length + 1, end.index).split('\n');
  const stanzas: Stanza[] = [];
  for (let at = 0; at < lines.length; ) {
    if (!lines[at]!.startsWith('-> ')) throw changed('its header is none');
    const [kind, share = '', more] = lines[at]!.slice(3).split(' ');
    at += 1;
    let body = '';
    // A body ends with the first line that is not full.
    for (let full = true; full && at < lines.length; at += 1) {
      body += lines[at]!;
      full = lines[at]!.length === 64;
    }
    if (kind === 'X25519' && more === undefined) {
      stanzas.push({ share: unbase64(share), body: unbase64(body) });
    }
  }
  return { head, mac: unbase64(end[1]!), stanzas, rest: file.subarray(end.index + end[0].length) };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '');
}

/** Only as `base64` writes it: one text for each sequence of bytes. Empty otherwise. */
function unbase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  return base64(bytes) === text ? bytes : Buffer.alloc(0);
}

function changed(why: string) {
  return userError('recording_invalid', `the key file cannot be read: ${why}`);
}
