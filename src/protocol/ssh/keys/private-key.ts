// A private key from a file's text: OpenSSH's own format, and PEM (PKCS #1, PKCS #8, SEC 1), with or without passphrase.
// Refuses to know: where the text came from, what is signed.

import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { ssh2 } from '../transport/guarded-ssh2.ts';
import { SshWriter } from '../wire/message.ts';
import { blobOf, SIGNATURES } from './public-key.ts';

export interface Signer {
  /** Algorithms to sign with, best first. */
  readonly algorithms: readonly string[];
  readonly blob: Buffer;
  /** `string algorithm, string signature`. */
  sign(algorithm: string, data: Buffer): Buffer;
}

/** The signer, or in words why there is none; never with anything of the text in them. */
export function readPrivateKey(text: string, passphrase: string | undefined): Signer | string {
  let key: KeyObject;
  try {
    key = keyOf(`${text.trim()}\n`, passphrase);
  } catch (error) {
    return whyNot(text, passphrase, error);
  }
  const known = blobOf(createPublicKey(key));
  if (known === undefined) return 'is of a kind that is not used: DSA, RSA of less than 2048 bits, another curve';
  const { kind, blob } = known;
  return {
    algorithms: kind === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [kind],
    blob,
    sign: (algorithm, data) =>
      new SshWriter()
        .text(algorithm)
        .blob(signature(key, algorithm, data))
        .finish(),
  };
}

function keyOf(text: string, passphrase: string | undefined): KeyObject {
  if (!text.startsWith('-----BEGIN OPENSSH')) {
    return createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) });
  }
  const parsed = ssh2.utils.parseKey(text, passphrase);
  const first = Array.isArray(parsed) ? parsed[0] : parsed;
  if (first === undefined || first instanceof Error) throw first ?? new Error('no key');
  return createPrivateKey(first.getPrivatePEM());
}

function whyNot(text: string, passphrase: string | undefined, error: unknown): string {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    return 'is no private key: neither PEM nor as ssh-keygen writes it';
  if (passphrase === undefined) {
    // PEM says it in its head; of OpenSSH's format the parser does.
    const encrypted = /ENCRYPTED/.test(text) || /passphrase|encrypted/i.test((error as Error).message);
    return encrypted ? 'is encrypted, and "passphrase" is not given' : 'cannot be read';
  }
  return 'cannot be read with the "passphrase" that is given';
}

function signature(key: KeyObject, algorithm: string, data: Buffer): Buffer {
  const hash = SIGNATURES[algorithm]!;
  if (!algorithm.startsWith('ecdsa-')) return sign(hash, data, key);
  const both = sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
  const half = both.length / 2;
  return new SshWriter().mpint(both.subarray(0, half)).mpint(both.subarray(half)).finish();
}
