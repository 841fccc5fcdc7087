// Public keys as they go over the wire (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709) and signatures by them, never SHA-1.
// Refuses to know: whose a key is, what was signed.

import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { SshReader, SshWriter } from '../wire/message.ts';

/** What may sign: algorithm → hash. Also what a client is told (`server-sig-algs`). */
export const SIGNATURES: Readonly<Record<string, string | null>> = {
  'ssh-ed25519': null,
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
  'rsa-sha2-512': 'sha512',
  'rsa-sha2-256': 'sha256',
};

/** Name of the curve in SSH, in JWK, in OpenSSL; bytes of a coordinate. */
export const CURVES = [
  { ssh: 'nistp256', jwk: 'P-256', openssl: 'prime256v1', size: 32 },
  { ssh: 'nistp384', jwk: 'P-384', openssl: 'secp384r1', size: 48 },
  { ssh: 'nistp521', jwk: 'P-521', openssl: 'secp521r1', size: 66 },
] as const;

/** As OpenSSH's RequiredRSASize has to be for anything that is new. */
export const RSA_BITS = 2048;

/** The fields of a key behind its name, as blobs: the same in a certificate. Undefined: a kind that is not known. */
export function keyFields(kind: string, reader: SshReader): Buffer[] | undefined {
  if (kind === 'ssh-ed25519') return [reader.blob()];
  if (kind === 'ssh-rsa' || /^ecdsa-sha2-nistp(256|384|521)$/.test(kind)) return [reader.blob(), reader.blob()];
  return undefined;
}

/** Undefined where it is none that counts: of another kind, malformed, too short. */
export function publicKey(blob: Buffer): { readonly kind: string; readonly key: KeyObject } | undefined {
  try {
    const reader = SshReader.of(blob, 'a public key', 0);
    const kind = reader.text();
    const fields = keyFields(kind, reader);
    if (fields === undefined || reader.left > 0) return undefined;
    const key = createPublicKey({ key: jwkOf(kind, fields), format: 'jwk' });
    if (kind === 'ssh-rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < RSA_BITS) return undefined;
    return { kind, key };
  } catch {
    return undefined;
  }
}

function jwkOf(kind: string, [first, second]: readonly Buffer[]): Record<string, string> {
  const encoded = (bytes: Buffer) => bytes.toString('base64url');
  if (kind === 'ssh-ed25519') return { kty: 'OKP', crv: 'Ed25519', x: encoded(first!) };
  if (kind === 'ssh-rsa') return { kty: 'RSA', e: encoded(unsigned(first!)), n: encoded(unsigned(second!)) };
  const curve = CURVES.find(({ ssh }) => ssh === first!.toString())!;
  // Uncompressed, as every implementation writes it (RFC 5656 §3.1).
  if (kind !== `ecdsa-sha2-${curve.ssh}` || second![0] !== 4 || second!.length !== 1 + 2 * curve.size)
    throw new Error();
  const point = second!.subarray(1);
  return {
    kty: 'EC',
    crv: curve.jwk,
    x: encoded(point.subarray(0, curve.size)),
    y: encoded(point.subarray(curve.size)),
  };
}

function unsigned(mpint: Buffer): Buffer {
  return mpint[0] === 0 ? mpint.subarray(1) : mpint;
}

/** Whether `signature` (`string algorithm, string bytes`) is the key's over `data`; `algorithm`: only by that one. */
export function verifySignature(blob: Buffer, data: Buffer, signature: Buffer, algorithm?: string): boolean {
  try {
    const known = publicKey(blob);
    const reader = SshReader.of(signature, 'a signature', 0);
    const name = reader.text();
    const bytes = reader.blob();
    const hash = SIGNATURES[name];
    if (known === undefined || hash === undefined || reader.left > 0) return false;
    if (algorithm !== undefined && algorithm !== name) return false;
    if (known.kind !== (name.startsWith('rsa-sha2-') ? 'ssh-rsa' : name)) return false;
    if (!name.startsWith('ecdsa-')) return verify(hash, data, known.key, bytes);
    const { size } = CURVES.find(({ ssh }) => name.endsWith(ssh))!;
    const numbers = SshReader.of(bytes, 'an ECDSA signature', 0);
    const both = Buffer.concat([padded(numbers.blob(), size), padded(numbers.blob(), size)]);
    return verify(hash, data, { key: known.key, dsaEncoding: 'ieee-p1363' }, both);
  } catch {
    return false;
  }
}

/** An mpint as `size` bytes. Throws where it does not fit. */
function padded(mpint: Buffer, size: number): Buffer {
  const bytes = unsigned(mpint);
  return Buffer.concat([Buffer.alloc(size - bytes.length), bytes]);
}

/** The blob of a key of ours. Undefined: a kind that SSH does not have, or that is too weak. */
export function blobOf(key: KeyObject): { readonly kind: string; readonly blob: Buffer } | undefined {
  const jwk = key.export({ format: 'jwk' });
  const bytes = (name: 'x' | 'y' | 'e' | 'n') => Buffer.from(jwk[name]!, 'base64url');
  if (jwk.kty === 'OKP' && jwk.crv === 'Ed25519') {
    return { kind: 'ssh-ed25519', blob: new SshWriter().text('ssh-ed25519').blob(bytes('x')).finish() };
  }
  if (jwk.kty === 'RSA' && key.asymmetricKeyDetails!.modulusLength! >= RSA_BITS) {
    return { kind: 'ssh-rsa', blob: new SshWriter().text('ssh-rsa').mpint(bytes('e')).mpint(bytes('n')).finish() };
  }
  const curve = jwk.kty === 'EC' ? CURVES.find((one) => one.jwk === jwk.crv) : undefined;
  if (curve === undefined) return undefined;
  const kind = `ecdsa-sha2-${curve.ssh}`;
  const point = Buffer.concat([Buffer.of(4), bytes('x'), bytes('y')]);
  return { kind, blob: new SshWriter().text(kind).text(curve.ssh).blob(point).finish() };
}
