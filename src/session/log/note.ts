// Signed notes (C2SP signed-note): text, a blank line, signatures by named keys; Ed25519 alone, and the timestamped Ed25519
// cosignatures of witnesses (C2SP tlog-cosignature). Refuses to know: what the text says, where keys are kept.

import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';

/** Signature type bytes of signed-note, "Signature types". */
export const ED25519 = 1;
export const COSIGNATURE = 4;

const SIGNATURE_BYTES = 64;
const TIMESTAMP_BYTES = 8;
/** A verifier must take 16 and should have a bound (signed-note, "Format"). */
const MAX_SIGNATURES = 64;
const MAX_NOTE_BYTES = 1024 * 1024;

/** A key that verifies: name, four bytes that tell it from others of the name, 32 bytes of Ed25519. */
export interface VerifierKey {
  readonly name: string;
  /** Eight lower-case hexadecimal digits. */
  readonly id: string;
  readonly type: typeof ED25519 | typeof COSIGNATURE;
  readonly publicKey: Buffer;
}

export interface SignerKey {
  readonly verifier: VerifierKey;
  readonly privateKey: KeyObject;
}

export interface NoteSignature {
  readonly name: string;
  readonly id: string;
  /** What follows the key's id: for a cosignature the timestamp too. */
  readonly bytes: Buffer;
  /** The line as it stands in the note, with its newline. */
  readonly line: string;
}

export interface Note {
  /** With its last newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** SHA-256(name || 0x0A || type || public key)[:4] */
function keyId(name: string, type: number, publicKey: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([type]), publicKey]), 'hex').slice(0, 8);
}

/** Whether a name may name a key: not empty, no space, no plus, no control character. */
export function isKeyName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused
  return name !== '' && !/[\s+\u0000-\u001f\u007f]/u.test(name);
}

export function verifierKey(name: string, type: VerifierKey['type'], publicKey: Buffer): VerifierKey {
  return { name, id: keyId(name, type, publicKey), type, publicKey };
}

/** `<name>+<hex id>+<base64(type || public key)>` (signed-note, "Verifier keys"). */
export function formatVkey({ name, id, type, publicKey }: VerifierKey): string {
  return `${name}+${id}+${Buffer.concat([Buffer.from([type]), publicKey]).toString('base64')}`;
}

/** Undefined for what is none, is of a type that is not known here, or has another key's id. */
export function parseVkey(text: string): VerifierKey | undefined {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim()) ?? [];
  if (name === undefined || !isKeyName(name)) return undefined;
  const bytes = decodeBase64(encoded!);
  const type = bytes?.[0];
  if (bytes?.length !== 1 + HASH_KEY_BYTES || (type !== ED25519 && type !== COSIGNATURE)) return undefined;
  const key = verifierKey(name, type, bytes.subarray(1));
  return key.id === id ? key : undefined;
}

const HASH_KEY_BYTES = 32;

/** Base64 of RFC 4648 §4 with its padding, and no other spelling of the same bytes. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** A signer from the 32 bytes of an Ed25519 seed (RFC 8032 §5.1.5). */
export function signerOf(name: string, type: VerifierKey['type'], seed: Uint8Array): SignerKey {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  const privateKey = createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' });
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  return { verifier: verifierKey(name, type, Buffer.from(x!, 'base64url')), privateKey };
}

function line({ name, id }: VerifierKey, signature: Uint8Array): string {
  return `— ${name} ${Buffer.concat([Buffer.from(id, 'hex'), signature]).toString('base64')}\n`;
}

/** The signature's line over a text that ends in a newline. `seconds`: when a witness cosigns. */
export function signatureLine(text: string, { verifier, privateKey }: SignerKey, seconds = 0): string {
  if (verifier.type === ED25519) return line(verifier, sign(null, Buffer.from(text), privateKey));
  const timestamp = Buffer.alloc(TIMESTAMP_BYTES);
  timestamp.writeBigUInt64BE(BigInt(seconds));
  const signed = sign(null, cosigned(text, seconds), privateKey);
  return line(verifier, Buffer.concat([timestamp, signed]));
}

/** tlog-cosignature, "Ed25519 signed message". */
function cosigned(text: string, seconds: number | bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
}

export function signNote(text: string, signers: readonly SignerKey[]): string {
  return `${text}\n${signers.map((signer) => signatureLine(text, signer)).join('')}`;
}

/** Undefined for what is no signed note by the letter of the specification. */
export function parseNote(bytes: Uint8Array | string): Note | undefined {
  if (bytes.length > MAX_NOTE_BYTES) return undefined;
  const buffer = Buffer.from(bytes as Uint8Array);
  const whole = buffer.toString('utf8');
  if (!Buffer.from(whole).equals(buffer)) return undefined;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused
  if (/[\u0000-\u0009\u000b-\u001f]/.test(whole)) return undefined;
  const blank = whole.lastIndexOf('\n\n');
  if (blank < 0 || !whole.endsWith('\n')) return undefined;
  const lines = whole
    .slice(blank + 2)
    .split('\n')
    .slice(0, -1);
  if (lines.length === 0 || lines.length > MAX_SIGNATURES) return undefined;
  const signatures: NoteSignature[] = [];
  for (const one of lines) {
    const [, name, encoded] = /^— (\S+) ([A-Za-z0-9+/=]+)$/u.exec(one) ?? [];
    const signed = encoded === undefined ? undefined : decodeBase64(encoded);
    if (name === undefined || !isKeyName(name) || signed === undefined || signed.length < 5) return undefined;
    signatures.push({ name, id: signed.toString('hex', 0, 4), bytes: signed.subarray(4), line: `${one}\n` });
  }
  return { text: whole.slice(0, blank + 1), signatures };
}

/** When the witness signed, in seconds since the epoch; undefined for what cannot be a cosignature. */
export function cosignatureTime({ bytes }: NoteSignature): number | undefined {
  if (bytes.length !== TIMESTAMP_BYTES + SIGNATURE_BYTES) return undefined;
  const seconds = bytes.readBigUInt64BE();
  return seconds > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(seconds);
}

/** `absent`: no signature carries this key's name and id. `broken`: one does, and is not by this key over this text. */
export function signatureBy({ text, signatures }: Note, key: VerifierKey): 'valid' | 'broken' | 'absent' {
  const due = signatures.filter(({ name, id }) => name === key.name && id === key.id);
  if (due.length === 0) return 'absent';
  return due.every((one) => holds(text, one, key)) ? 'valid' : 'broken';
}

function holds(text: string, signature: NoteSignature, { type, publicKey }: VerifierKey): boolean {
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: publicKey.toString('base64url') },
    format: 'jwk',
  });
  if (type === ED25519) return verify(null, Buffer.from(text), key, signature.bytes);
  const seconds = cosignatureTime(signature);
  if (seconds === undefined) return false;
  return verify(null, cosigned(text, seconds), key, signature.bytes.subarray(TIMESTAMP_BYTES));
}
