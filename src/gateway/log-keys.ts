// The key that signs the gateway's log, what it signed last, and what was taken since: DATA/keys/log.json, log-signed.json and
// log-taken. Apart from the log, so that a log that was set back, or added to by somebody else, is noticed. Refuses to know: trees, when something is signed.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ourError } from '../core/errors.ts';
import type { TreeHead } from '../session/log/checkpoint.ts';
import {
  ED25519,
  formatVkey,
  parseVkey,
  type SignerKey,
  signerOf,
  signNote,
  type VerifierKey,
} from '../session/log/note.ts';
import { endorsementText } from '../session/log/rotation.ts';
import type { LogKeys } from '../session/log/storage.ts';
import { putFile } from '../store/log-directory.ts';
import { readIfThere, writePrivate } from './files.ts';
import { TakenFile } from './log-taken.ts';

/** The URL that its tiles are served under, without the scheme (C2SP tlog-checkpoint, "origin"); one of its own a gateway. */
export function logName(publicUrl: string | undefined, gateway: string): string {
  return `${publicUrl === undefined ? 'hoopctl' : new URL(publicUrl).host}/log/${gateway}`;
}

interface Stored {
  readonly origin: string;
  /** base64url of the Ed25519 seed. */
  readonly seed: string;
  /** vkeys of those that signed before it. */
  readonly before: readonly string[];
  readonly endorsement?: string;
  /** What each of them said of the one after it, oldest first; of those that versions before this made, not. */
  readonly vouched?: readonly string[];
}

interface Signed {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
}

export class LogKeyFile implements LogKeys {
  readonly #path: string;
  readonly #signedPath: string;
  readonly #taken: TakenFile;
  #stored: Stored;
  #signer: SignerKey;
  signed: TreeHead | undefined;

  private constructor(directory: string, stored: Stored) {
    this.#path = join(directory, 'log.json');
    this.#signedPath = join(directory, 'log-signed.json');
    this.#taken = new TakenFile(join(directory, 'log-taken'));
    this.#stored = stored;
    this.#signer = signerFor(stored);
    this.signed = readSigned(this.#signedPath, stored.origin);
  }

  /** `name`: the log's, where it is made now. Errors: store_failed. */
  static open(directory: string, name: () => string): LogKeyFile {
    const path = join(directory, 'log.json');
    const text = readIfThere(path);
    if (text !== undefined) return new LogKeyFile(directory, parse(text, path));
    const stored: Stored = { origin: name(), seed: newSeed(), before: [] };
    writePrivate(path, json(stored));
    return new LogKeyFile(directory, stored);
  }

  get origin(): string {
    return this.#stored.origin;
  }

  get signer(): SignerKey {
    return this.#signer;
  }

  get verifiers(): readonly VerifierKey[] {
    const before = this.#stored.before.map(parseVkey).filter((key) => key !== undefined);
    return [...before, this.#signer.verifier];
  }

  get endorsement(): string | undefined {
    return this.#stored.endorsement;
  }

  get vouched(): readonly string[] {
    return this.#stored.vouched ?? [];
  }

  async signing(head: TreeHead): Promise<void> {
    const signed: Signed = { origin: this.origin, size: head.size, root: head.root.toString('base64') };
    await putFile(this.#signedPath, Buffer.from(json(signed)));
    this.signed = head;
  }

  taken(): Promise<readonly string[] | undefined> {
    return this.#taken.read();
  }

  beginTaken(digests: readonly string[]): void {
    this.#taken.begin(digests);
  }

  take(digest: string, durable: boolean): void {
    this.#taken.take(digest, durable);
  }

  drop(): void {
    this.#taken.drop();
  }

  syncTaken(): Promise<void> {
    return this.#taken.sync();
  }

  close(): void {
    this.#taken.close();
  }

  async rotate(): Promise<void> {
    const { origin, before } = this.#stored;
    const seed = newSeed();
    const { vouched } = this;
    const next = formatVkey(signerFor({ origin, seed }).verifier);
    const endorsement = signNote(endorsementText(origin, next), [this.#signer]);
    const signed = [...before, formatVkey(this.#signer.verifier)];
    await this.#keep({ origin, seed, before: signed, endorsement, vouched: [...vouched, endorsement] });
  }

  async endorsed(): Promise<void> {
    const { endorsement: _, ...rest } = this.#stored;
    await this.#keep(rest);
  }

  async renew(): Promise<void> {
    const { origin } = this.#stored;
    const [, name, count] = /^(.*?)(?:\/again-(\d+))?$/.exec(origin)!;
    this.signed = undefined;
    await this.#keep({ origin: `${name}/again-${Number(count ?? 0) + 1}`, seed: newSeed(), before: [] });
  }

  async #keep(stored: Stored): Promise<void> {
    await putFile(this.#path, Buffer.from(json(stored)));
    this.#stored = stored;
    this.#signer = signerFor(stored);
  }
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function newSeed(): string {
  return randomBytes(32).toString('base64url');
}

function signerFor({ origin, seed }: Pick<Stored, 'origin' | 'seed'>): SignerKey {
  return signerOf(origin, ED25519, Buffer.from(seed, 'base64url'));
}

function readSigned(path: string, origin: string): TreeHead | undefined {
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const signed = JSON.parse(text) as Signed;
    if (signed.origin !== origin) return undefined;
    if (Number.isSafeInteger(signed.size)) return { size: signed.size, root: Buffer.from(signed.root, 'base64') };
  } catch {
    // Told below.
  }
  throw damaged(path, 'what the log signed last');
}

function parse(text: string, path: string): Stored {
  try {
    const stored = JSON.parse(text) as Stored;
    const { origin, seed, before } = stored;
    if (typeof origin === 'string' && Array.isArray(before) && Buffer.from(seed, 'base64url').length === 32)
      return stored;
  } catch {
    // Told below; what the file holds is a secret.
  }
  throw damaged(path, "the log's signing key");
}

function damaged(path: string, what: string): Error {
  return ourError('store_failed', `cannot read ${what} from "${path}": it is damaged`, {
    fix: 'restore the file from a backup; without its key the log cannot go on under its name',
  });
}
