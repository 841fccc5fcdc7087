// Whether a host key is the one that is expected: pinned keys and fingerprints, host certificates of pinned authorities, and
// files as of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". Refuses to know: how a key was shown. A host of which nothing is known
// is refused: never blind.

import { createHash, createHmac } from 'node:crypto';
import { isCertificate, readCertificate, whyNot } from './certificate.ts';

export interface Known {
  /** Key blobs. */
  readonly keys: readonly Buffer[];
  /** `SHA256:…`, without padding. */
  readonly fingerprints: readonly string[];
  /** Keys of authorities that sign host certificates. */
  readonly authorities: readonly Buffer[];
  readonly revoked: readonly Buffer[];
}

/** As `ssh-keygen -l` prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The algorithm's name that a key blob begins with. */
export function kindOf(key: Buffer): string {
  const length = key.length < 4 ? 0 : key.readUInt32BE(0);
  return key.toString('latin1', 4, 4 + Math.min(length, 64));
}

export type Verdict =
  | { readonly known: true; readonly key: Buffer }
  /** `why`: of a certificate. */
  | {
      readonly known: false;
      readonly reason: 'unknown' | 'changed' | 'revoked' | 'certificate';
      readonly why?: string;
    };

/** `name`: the host's, as a certificate has to have it. A certificate that does not count may still be about a known key. */
export function check(shown: Buffer, known: Known, name: string, now: number): Verdict {
  const has = (list: readonly Buffer[], key: Buffer) => list.some((one) => one.equals(key));
  if (!isCertificate(kindOf(shown))) return checkPlain(shown, known);
  const certificate = readCertificate(shown);
  if (certificate === undefined) return { known: false, reason: 'certificate', why: 'cannot be read' };
  const { key, authority } = certificate;
  if (has(known.revoked, key) || has(known.revoked, authority)) return { known: false, reason: 'revoked' };
  const plain = checkPlain(key, known);
  if (plain.known) return plain;
  const why = has(known.authorities, authority)
    ? whyNot(certificate, { type: 'host', principal: (one) => one.toLowerCase() === name.toLowerCase(), now })
    : `is signed by another authority, ${fingerprint(authority)}`;
  return why === undefined ? { known: true, key } : { known: false, reason: 'certificate', why };
}

function checkPlain(key: Buffer, known: Known): Verdict {
  if (known.revoked.some((one) => one.equals(key))) return { known: false, reason: 'revoked' };
  if (known.keys.some((one) => one.equals(key)) || known.fingerprints.includes(fingerprint(key))) {
    return { known: true, key };
  }
  return { known: false, reason: known.keys.length + known.fingerprints.length === 0 ? 'unknown' : 'changed' };
}

/** One pinned key: `ssh-ed25519 AAAA…`, or its fingerprint; undefined when it is neither. */
export function parsePinned(text: string): { key: Buffer } | { fingerprint: string } | undefined {
  const trimmed = text.trim();
  if (/^SHA256:[A-Za-z0-9+/]{43}$/.test(trimmed)) return { fingerprint: trimmed };
  const [kind, encoded] = trimmed.split(/\s+/);
  if (kind === undefined || encoded === undefined) return undefined;
  const key = Buffer.from(encoded, 'base64');
  return kindOf(key) === kind && !isCertificate(kind) ? { key } : undefined;
}

/** The lines of a known_hosts file that are of this host. Lines that cannot be read are passed over, as OpenSSH does. */
export function knownHosts(text: string, host: string, port: number): Known {
  const name = port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
  const found = { keys: [] as Buffer[], authorities: [] as Buffer[], revoked: [] as Buffer[] };
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined;
    const [hosts, kind, encoded] = words;
    if (hosts === undefined || hosts.startsWith('#') || kind === undefined || encoded === undefined) continue;
    const key = Buffer.from(encoded, 'base64');
    // A pattern without a port is about every port where an authority is named, as OpenSSH reads it.
    const about = names(hosts, name) || (marker === '@cert-authority' && names(hosts, host.toLowerCase()));
    const list = listOf(found, marker);
    if (list !== undefined && kindOf(key) === kind && about) list.push(key);
  }
  return { ...found, fingerprints: [] };
}

/** A marker that is not known makes the line say something else than a plain one. */
function listOf<T>(found: { keys: T; authorities: T; revoked: T }, marker: string | undefined): T | undefined {
  if (marker === undefined) return found.keys;
  if (marker === '@cert-authority') return found.authorities;
  return marker === '@revoked' ? found.revoked : undefined;
}

function names(field: string, name: string): boolean {
  if (field.startsWith('|1|')) {
    const [, , salt, hash] = field.split('|');
    if (salt === undefined || hash === undefined) return false;
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  }
  let found = false;
  for (const pattern of field.split(',')) {
    const negated = pattern.startsWith('!');
    if (!wildcard(negated ? pattern.slice(1) : pattern).test(name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

function wildcard(pattern: string): RegExp {
  const source = pattern
    .toLowerCase()
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`);
}
