// Recipients and identities of age: X25519 keys, public and secret, as their texts (https://age-encryption.org/v1).
// Refuses to know: files, what is encrypted. An identity's text stands in no message.

import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { userError } from '../../../core/errors.ts';
import { decodeBech32, encodeBech32 } from './bech32.ts';

const RECIPIENT = 'age';
const IDENTITY = 'age-secret-key-';

export interface Recipient {
  /** `age1…` */
  readonly text: string;
  readonly bytes: Buffer;
}

export interface Identity {
  readonly recipient: Recipient;
  readonly key: KeyObject;
}

const EXPECTED = 'expected an age X25519 recipient: age1 and 58 more characters';

/** What is expected in place of a text that is no recipient; undefined where it is one. Does not have the text itself in it. */
export function recipientProblem(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (lower.startsWith(IDENTITY)) {
    return 'which is secret: expected its recipient, age1…, which "age-keygen -y FILE" prints';
  }
  const bytes = decodeBech32(RECIPIENT, text);
  if (bytes === undefined && lower.startsWith(`${RECIPIENT}1`) && lower.length === 62) {
    return 'expected a recipient whose checksum holds: a character of this one is wrong';
  }
  if (bytes?.length !== 32) return `${EXPECTED}; SSH keys and recipients of plugins cannot be used`;
  try {
    shared(generateKeyPairSync('x25519').privateKey, bytes);
  } catch {
    return 'expected a recipient of somebody: this one is a point that shares no secret with anybody';
  }
  return undefined;
}

/** Of a text that has no problem. */
export function parseRecipient(text: string): Recipient {
  return { text: text.toLowerCase(), bytes: decodeBech32(RECIPIENT, text)! };
}

/** The secret that two keys share. Throws for a point of low order. */
export function shared(key: KeyObject, theirs: Uint8Array): Buffer {
  const x = Buffer.from(theirs).toString('base64url');
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
  return diffieHellman({ privateKey: key, publicKey });
}

/** A new pair, the public half as bytes. */
export function newPair(): { readonly key: KeyObject; readonly bytes: Buffer } {
  const { privateKey } = generateKeyPairSync('x25519');
  return { key: privateKey, bytes: publicBytes(privateKey) };
}

/** An identity file as `age-keygen` writes it, and the recipient to it. */
export function newIdentity(now: Date): { readonly file: string; readonly recipient: string } {
  const { key, bytes } = newPair();
  const recipient = encodeBech32(RECIPIENT, bytes);
  const secret = encodeBech32(IDENTITY, Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url')).toUpperCase();
  const created = `${now.toISOString().slice(0, 19)}Z`;
  return { file: `# created: ${created}\n# public key: ${recipient}\n${secret}\n`, recipient };
}

/** The identities of a file: one a line, `#` begins a comment. Errors: config_unreadable. */
export function parseIdentities(text: string, name: string): Identity[] {
  const refuse = (why: string, fix?: string) =>
    userError('config_unreadable', `'${name}' is no age identity file: ${why}`, fix === undefined ? {} : { fix });
  if (text.startsWith('age-encryption.org/') || text.startsWith('-----BEGIN AGE ENCRYPTED FILE-----')) {
    throw refuse('it is itself encrypted', `give what is in it: --identity <(age -d '${name}')`);
  }
  const identities: Identity[] = [];
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    const written = line.trim();
    if (written === '' || written.startsWith('#')) continue;
    const bytes = decodeBech32(IDENTITY, written);
    if (bytes?.length !== 32) {
      const public_ = recipientProblem(written) === undefined;
      const why = public_ ? 'a recipient, the public half' : 'no whole AGE-SECRET-KEY-1… (not shown)';
      throw refuse(`line ${at + 1} is ${why}`);
    }
    identities.push(identityOf(bytes));
  }
  if (identities.length === 0) throw refuse('no line of it is an identity, AGE-SECRET-KEY-1…');
  return identities;
}

/** PKCS #8 around the 32 bytes of an X25519 key (RFC 8410): a JWK would need the public half too. */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

function identityOf(secret: Uint8Array): Identity {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, secret]), format: 'der', type: 'pkcs8' });
  const bytes = publicBytes(key);
  return { key, recipient: { text: encodeBech32(RECIPIENT, bytes), bytes } };
}

function publicBytes(key: KeyObject): Buffer {
  return Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x!, 'base64url');
}
