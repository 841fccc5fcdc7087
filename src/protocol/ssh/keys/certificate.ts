// Certificates (OpenSSH PROTOCOL.certkeys): those that the gateway's authorities sign, and whether one of somebody else's
// counts. Refuses to know: which authorities are trusted, sockets, the time.

import { randomBytes } from 'node:crypto';
import { SshReader, SshWriter } from '../wire/message.ts';
import { ED25519, type Ed25519Key } from './ed25519.ts';
import { keyFields, publicKey, verifySignature } from './public-key.ts';

const SUFFIX = '-cert-v01@openssh.com';
const NUMBERS = { user: 1, host: 2 } as const;

export interface Certificate {
  /** The key that it is about, as a blob of its own. */
  readonly key: Buffer;
  readonly type: number;
  readonly keyId: string;
  readonly principals: readonly string[];
  /** Seconds since the epoch. */
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly critical: ReadonlyMap<string, Buffer>;
  readonly extensions: ReadonlyMap<string, Buffer>;
  readonly authority: Buffer;
  /** Whether the authority signed it. */
  readonly signed: boolean;
}

export interface CertificateRequest {
  /** Shown in the log of whoever lets it in. */
  readonly keyId: string;
  readonly principals: readonly string[];
  /** Seconds since the epoch. */
  readonly validAfter: number;
  readonly validBefore: number;
  /** What it permits: `permit-pty`, …; with a text where there is one. */
  readonly extensions: Readonly<Record<string, string>>;
}

export function isCertificate(kind: string): boolean {
  return kind.endsWith(SUFFIX);
}

/** The name of a kind of key, or of a signature's algorithm, in a certificate. */
export function certifiedName(kind: string): string {
  return kind + SUFFIX;
}

/** `ssh-ed25519-cert-v01@openssh.com` → `ssh-ed25519`. */
export function plainName(kind: string): string {
  return kind.slice(0, -SUFFIX.length);
}

/** A certificate for `key` (a blob), signed by `authority`; the blob that takes the place of the key's. */
export function issueUserCertificate(key: Buffer, authority: Ed25519Key, request: CertificateRequest): Buffer {
  const reader = SshReader.of(key, 'a key', 0);
  const kind = reader.text();
  const principals = new SshWriter();
  for (const principal of request.principals) principals.text(principal);
  const extensions = new SshWriter();
  // In lexical order; the value, where there is one, is a string in the string.
  for (const [name, value] of Object.entries(request.extensions).sort(([a], [b]) => (a < b ? -1 : 1))) {
    extensions.text(name).blob(value === '' ? Buffer.alloc(0) : new SshWriter().text(value).finish());
  }
  const body = new SshWriter(1024)
    .text(certifiedName(kind))
    .blob(randomBytes(32))
    .bytes(reader.rest())
    .bytes(uint64(0))
    .uint32(NUMBERS.user)
    .text(request.keyId)
    .blob(principals.finish())
    .bytes(uint64(request.validAfter))
    .bytes(uint64(request.validBefore))
    .text('')
    .blob(extensions.finish())
    .text('')
    .blob(authority.blob)
    .finish();
  const signature = new SshWriter().text(ED25519).blob(authority.sign(body)).finish();
  return Buffer.concat([body, new SshWriter().blob(signature).finish()]);
}

/** Undefined where it is none, or of a key that does not count. */
export function readCertificate(blob: Buffer): Certificate | undefined {
  try {
    return read(blob);
  } catch {
    return undefined;
  }
}

function read(blob: Buffer): Certificate | undefined {
  const reader = SshReader.of(blob, 'a certificate', 0);
  const name = reader.text();
  if (!isCertificate(name)) return undefined;
  const kind = plainName(name);
  reader.blob();
  const fields = keyFields(kind, reader);
  if (fields === undefined) return undefined;
  const writer = new SshWriter().text(kind);
  for (const field of fields) writer.blob(field);
  const key = writer.finish();
  reader.bytes(8);
  const type = reader.uint32();
  const keyId = reader.text();
  const principals = listed(reader.blob(), (one) => one.text());
  const [validAfter, validBefore] = [reader.bytes(8).readBigUInt64BE(), reader.bytes(8).readBigUInt64BE()];
  const [critical, extensions] = [options(reader.blob()), options(reader.blob())];
  reader.blob();
  const authority = reader.blob();
  const body = blob.subarray(0, blob.length - reader.left);
  const signature = reader.blob();
  // An authority's certificate does not sign (PROTOCOL.certkeys: no chains), nor does a key that does not count.
  if (reader.left > 0 || publicKey(key) === undefined) return undefined;
  const signed = verifySignature(authority, body, signature);
  return { key, type, keyId, principals, validAfter, validBefore, critical, extensions, authority, signed };
}

function listed<T>(bytes: Buffer, one: (reader: SshReader) => T): T[] {
  const reader = SshReader.of(bytes, 'a list in a certificate', 0);
  const found: T[] = [];
  while (reader.left > 0) found.push(one(reader));
  return found;
}

function options(bytes: Buffer): Map<string, Buffer> {
  return new Map(listed(bytes, (reader) => [reader.text(), reader.blob()] as const));
}

/** The text of an option; undefined where it has none. */
export function optionText(value: Buffer | undefined): string | undefined {
  if (value === undefined || value.length === 0) return undefined;
  const reader = SshReader.of(value, 'an option of a certificate', 0);
  const text = reader.text();
  return reader.left > 0 ? undefined : text;
}

/**
 * Why it does not count, in words that go behind "the certificate"; undefined where it does. The authority has to be one
 * that is trusted: that is for the caller to know. A certificate for nobody in particular (no principals) does not count, and
 * nor does one with a critical option: there is none that means something here.
 */
export function whyNot(
  one: Certificate,
  wanted: { readonly type: keyof typeof NUMBERS; readonly principal: (name: string) => boolean; readonly now: number },
): string | undefined {
  const now = BigInt(Math.floor(wanted.now / 1000));
  if (!one.signed) return 'is not signed by the authority that it names';
  if (one.type !== NUMBERS[wanted.type]) return `is no certificate of a ${wanted.type}`;
  if (now < one.validAfter) return `is not valid before ${moment(one.validAfter)}`;
  if (now >= one.validBefore) return `expired at ${moment(one.validBefore)}`;
  const [option] = one.critical.keys();
  if (option !== undefined) return `has the critical option "${printable(option)}", which is not honoured here`;
  if (one.principals.some(wanted.principal)) return undefined;
  const names = one.principals.slice(0, 5).map(printable).join(', ');
  return one.principals.length === 0 ? 'names nobody' : `is for ${names}`;
}

function moment(seconds: bigint): string {
  const ms = Number(seconds) * 1000;
  return ms > 8.64e15 ? 'the end of time' : new Date(ms).toISOString();
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(Math.floor(value)));
  return bytes;
}
