// The client's side of SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677), channel binding tls-server-end-point (RFC 5929 §4).
// Refuses to know: where a password comes from. Nothing of it is ever in an error.

import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { peerError } from '../../../core/errors.ts';

const derive = promisify(pbkdf2);

/** PostgreSQL's default is 4096; a server that asks for far more is asking for our time. */
const MAX_ITERATIONS = 1_000_000;

interface Keys {
  readonly client: Buffer;
  readonly server: Buffer;
}

/**
 * Salted passwords by what they were made from, so that a new connection does not pay PBKDF2 again. Keyed by a digest,
 * so that no password is kept; bounded.
 */
const cache = new Map<string, Keys>();
const CACHE_ENTRIES = 256;

async function keysFor(password: string, salt: Buffer, iterations: number): Promise<Keys> {
  const id = createHash('sha256')
    .update(`${iterations}:${salt.toString('base64')}:`)
    .update(prepared(password))
    .digest('base64');
  let keys = cache.get(id);
  if (keys === undefined) {
    const salted = await derive(prepared(password), salt, iterations, 32, 'sha256');
    keys = { client: hmac(salted, 'Client Key'), server: hmac(salted, 'Server Key') };
    if (cache.size >= CACHE_ENTRIES) cache.delete(cache.keys().next().value!);
    cache.set(id, keys);
  }
  return keys;
}

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** SASLprep (RFC 4013) as far as passwords need it: spaces to space, invisible ones to nothing, NFKC. */
export function prepared(password: string): string {
  if (/^[\x20-\x7e]*$/.test(password)) return password;
  return password
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ')
    .replace(/\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g, '')
    .normalize('NFKC');
}

/** The hash of the server's certificate that binds the login to the channel; undefined where none is defined for it. */
export function endPoint(certificate: Buffer): Buffer | undefined {
  const { signatureAlgorithm } = new X509Certificate(certificate);
  const digest = digestOf(signatureAlgorithm ?? '');
  return digest === undefined ? undefined : createHash(digest).update(certificate).digest();
}

/** RFC 5929 §4.1: the signature's own hash, but SHA-256 instead of MD5 and SHA-1. Ed25519 and RSA-PSS define none here. */
export function digestOf(signatureAlgorithm: string): string | undefined {
  const match = /(md5|sha-?1|sha-?224|sha-?256|sha-?384|sha-?512)(?![0-9])/i.exec(signatureAlgorithm);
  const name = match?.[1]?.toLowerCase().replace('-', '');
  return name === 'md5' || name === 'sha1' ? 'sha256' : name;
}

export interface Scram {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS';
  readonly first: string;
  /** server-first → client-final. */
  final(serverFirst: string): Promise<string>;
  /** server-final: throws unless the server knows the password too. */
  verify(serverFinal: string): void;
}

const refused = (why: string) =>
  peerError('target_refused_credentials', `the login to the target failed: ${why}`, {
    fix: "check the connection's credentials in the gateway's configuration",
  });

function attributes(message: string): Map<string, string> {
  return new Map(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}

/**
 * `binding`: `endPoint` of the certificate when the server offers -PLUS. Over TLS without a binding that we could use
 * the flag is `n` (not supported), never `y`: `y` would claim that the server did not offer one.
 */
export function scram(
  password: string,
  binding: Buffer | undefined,
  nonce = randomBytes(18).toString('base64'),
  // PostgreSQL takes the user from the startup packet and ignores it here.
  user = '',
): Scram {
  const header = binding === undefined ? 'n,,' : 'p=tls-server-end-point,,';
  const bare = `n=${user},r=${nonce}`;
  let serverSignature: Buffer | undefined;
  return {
    mechanism: binding === undefined ? 'SCRAM-SHA-256' : 'SCRAM-SHA-256-PLUS',
    first: header + bare,
    async final(serverFirst) {
      const told = attributes(serverFirst);
      const both = told.get('r') ?? '';
      const salt = Buffer.from(told.get('s') ?? '', 'base64');
      const iterations = Number(told.get('i'));
      if (!both.startsWith(nonce) || both.length === nonce.length)
        throw refused("the server's nonce is not ours continued");
      if (salt.length === 0 || !Number.isInteger(iterations) || iterations < 1 || iterations > MAX_ITERATIONS) {
        throw refused(`the server asks for a salt of ${salt.length} bytes and ${told.get('i')} iterations`);
      }
      const keys = await keysFor(password, salt, iterations);
      const channel = Buffer.concat([Buffer.from(header), binding ?? Buffer.alloc(0)]).toString('base64');
      const withoutProof = `c=${channel},r=${both}`;
      const authMessage = `${bare},${serverFirst},${withoutProof}`;
      const signature = hmac(createHash('sha256').update(keys.client).digest(), authMessage);
      const proof = Buffer.from(keys.client.map((byte, i) => byte ^ signature[i]!));
      serverSignature = hmac(keys.server, authMessage);
      return `${withoutProof},p=${proof.toString('base64')}`;
    },
    verify(serverFinal) {
      const told = attributes(serverFinal);
      if (told.has('e')) throw refused(`the server says "${told.get('e')}"`);
      const signature = Buffer.from(told.get('v') ?? '', 'base64');
      const known = serverSignature !== undefined && signature.length === serverSignature.length;
      if (!known || !timingSafeEqual(signature, serverSignature!))
        throw refused('the server does not prove that it knows the password');
    },
  };
}
