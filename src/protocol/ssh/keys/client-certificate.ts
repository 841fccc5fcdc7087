// Certificates with which clients log in to the gateway's native listener: for the client's own key, signed by an authority
// of its own (never the one that hosts trust), with the gateway's word for who it is inside.
// Refuses to know: what that word says, tokens, sockets.

import { userError } from '../../../core/errors.ts';
import type { KeyCredential, Services } from '../../contract.ts';
import {
  certifiedName,
  isCertificate,
  issueUserCertificate,
  optionText,
  plainName,
  readCertificate,
  whyNot,
} from './certificate.ts';
import { Ed25519Key } from './ed25519.ts';
import { fingerprint, kindOf } from './host-keys.ts';
import { publicKey, SIGNATURES } from './public-key.ts';

/** A vendor's extension, as OpenSSH wants them named. */
const ASSERTION = 'assertion@hoopctl';
/** Clocks differ. s */
const TOLERANCE_S = 60;

/** Hosts trust another: what this one signs gets nobody past the gateway. */
export function clientAuthority(services: Pick<Services, 'key'>): Ed25519Key {
  return new Ed25519Key(services.key('ssh-client-authority'));
}

/** The certificate as a line of a `-cert.pub` file. Errors: usage. */
export async function certifyClient(asked: KeyCredential, services: Pick<Services, 'key'>): Promise<string> {
  const [kind = '', encoded = ''] = asked.publicKey.trim().split(/\s+/);
  const blob = Buffer.from(encoded, 'base64');
  if (kindOf(blob) !== kind || publicKey(blob)?.kind !== kind) {
    throw userError('usage', `"${kind.slice(0, 50)} …" is no public key that can be certified`, {
      fix: 'give a line such as that of id_ed25519.pub: ed25519, ecdsa, or rsa of 2048 bits and more',
    });
  }
  const certificate = issueUserCertificate(blob, clientAuthority(services), {
    keyId: asked.label,
    principals: [asked.name],
    validAfter: asked.from / 1000 - TOLERANCE_S,
    validBefore: asked.until / 1000,
    extensions: { 'permit-pty': '', [ASSERTION]: await asked.assertion(fingerprint(blob)) },
  });
  return `${certifiedName(kind)} ${certificate.toString('base64')}`;
}

/** What a certificate says that counts here; in words why it does not; undefined where it is none of this gateway's. */
export type Vouched =
  | { readonly key: Buffer; readonly name: string; readonly assertion: string; readonly algorithm: string }
  | string
  | undefined;

/** `algorithm`: as the client names it. */
export function vouchedFor(blob: Buffer, algorithm: string, authority: Buffer, now: number): Vouched {
  const certificate = isCertificate(kindOf(blob)) ? readCertificate(blob) : undefined;
  if (certificate === undefined || !certificate.authority.equals(authority)) return undefined;
  if (!isCertificate(algorithm) || SIGNATURES[plainName(algorithm)] === undefined) {
    return `cannot be used with the algorithm ${algorithm.replace(/[^\x20-\x7e]/g, '?').slice(0, 60)}`;
  }
  const why = whyNot(certificate, { type: 'user', principal: () => true, now });
  if (why !== undefined) return why;
  const assertion = optionText(certificate.extensions.get(ASSERTION));
  const [name, ...more] = certificate.principals;
  if (assertion === undefined || more.length > 0) return 'is none that "hoopctl ssh --certificate" gives';
  return { key: certificate.key, name: name!, assertion, algorithm: plainName(algorithm) };
}
