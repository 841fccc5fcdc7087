// What a witness keeps: its key, and of each log the key it trusts and the checkpoint it cosigned last. One private file.
// Refuses to know: logs, how anything is cosigned.

import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { userError } from '../../core/errors.ts';
import { readIfThere, writePrivate } from '../../gateway/files.ts';
import { COSIGNATURE, isKeyName, type SignerKey, signerOf } from '../../session/log/note.ts';

interface Seen {
  readonly vkeys: readonly string[];
  readonly size: number;
  /** Base64. */
  readonly root: string;
}

interface Stored {
  readonly name: string;
  /** base64url of the Ed25519 seed. */
  readonly seed: string;
  readonly logs: Readonly<Record<string, Seen>>;
}

export class WitnessState {
  readonly #path: string;
  #stored: Stored;

  private constructor(path: string, stored: Stored) {
    this.#path = path;
    this.#stored = stored;
  }

  /** Makes the key at first use. `name`: of the witness; needed then. Errors: usage, config_unreadable. */
  static open(folder: string, name: string | undefined): WitnessState {
    const path = join(folder, 'witness.json');
    const text = readIfThere(path);
    if (text !== undefined) {
      const stored = parse(text, path);
      if (name !== undefined && name !== stored.name) {
        throw userError('usage', `the witness in '${folder}' is ${stored.name}, not ${name}`);
      }
      return new WitnessState(path, stored);
    }
    if (name === undefined || !isKeyName(name)) {
      throw userError('usage', `a new witness needs a name without spaces and "+", such as witness.example.com/w1`, {
        fix: `--name NAME makes its key in '${folder}'`,
      });
    }
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const state = new WitnessState(path, { name, seed: randomBytes(32).toString('base64url'), logs: {} });
    state.#write();
    return state;
  }

  get signer(): SignerKey {
    return signerOf(this.#stored.name, COSIGNATURE, Buffer.from(this.#stored.seed, 'base64url'));
  }

  log(origin: string): { vkeys: readonly string[]; size: number; root: Buffer } | undefined {
    const seen = Object.hasOwn(this.#stored.logs, origin) ? this.#stored.logs[origin] : undefined;
    return seen === undefined ? undefined : { ...seen, root: Buffer.from(seen.root, 'base64') };
  }

  /** Durable when it returns: before a cosignature leaves (tlog-witness, "add-checkpoint"). */
  keep(origin: string, vkeys: readonly string[], { size, root }: { size: number; root: Buffer }): void {
    const logs = { ...this.#stored.logs, [origin]: { vkeys, size, root: root.toString('base64') } };
    this.#stored = { ...this.#stored, logs };
    this.#write();
  }

  #write(): void {
    writePrivate(this.#path, `${JSON.stringify(this.#stored, null, 2)}\n`);
  }
}

function parse(text: string, path: string): Stored {
  try {
    const stored = JSON.parse(text) as Stored;
    if (isKeyName(stored.name) && Buffer.from(stored.seed, 'base64url').length === 32 && stored.logs) return stored;
  } catch {
    // Told below; what the file holds is a secret.
  }
  throw userError('config_unreadable', `'${path}' is no witness's state: it is damaged`);
}
