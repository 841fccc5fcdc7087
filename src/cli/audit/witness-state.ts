// What a witness keeps: its key, and of each log the key it trusts and the checkpoint it cosigned last. One private file.
// Refuses to know: logs, how anything is cosigned.

import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { userError } from '../../core/errors.ts';
import { readIfThere } from '../../gateway/files.ts';
import { COSIGNATURE, isKeyName, type SignerKey, signerOf } from '../../session/log/note.ts';
import { type DirectoryLock, lockDirectory } from '../../store/lock.ts';
import { putFile } from '../../store/log-directory.ts';

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
  readonly #lock: DirectoryLock;
  /** It was made just now, and has seen no log. */
  readonly made: boolean;
  #stored: Stored;

  private constructor(path: string, lock: DirectoryLock, stored: Stored, made: boolean) {
    this.#path = path;
    this.#lock = lock;
    this.#stored = stored;
    this.made = made;
  }

  /**
   * Makes the key at first use. `folder`: absolute, so that errors name it whole; `name`: of the witness; needed then. Nobody
   * else has it until `close`: two runs at once would cosign two logs that were forked, each having seen the one before.
   * Errors: usage, config_unreadable, conflict.
   */
  static async open(folder: string, name: string | undefined): Promise<WitnessState> {
    const path = join(folder, 'witness.json');
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) {
      throw userError('usage', `--state '${folder}' is no directory`, { fix: "name the witness's own folder" });
    }
    const text = statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readIfThere(path);
    if (text === undefined && (name === undefined || !isKeyName(name))) {
      throw userError(
        'usage',
        `there is no witness in '${folder}', and a new one needs a name without spaces and "+"`,
        {
          fix: `name the folder of the one that there is; --name witness.example.com/w1 makes the key of a new one`,
        },
      );
    }
    const lock = lockDirectory(folder, {
      message: `the witness in '${folder}' is at work: another 'hoopctl audit witness' runs on it`,
      fix: 'try again when that is done',
    });
    try {
      const now = readIfThere(path);
      const stored =
        now === undefined ? { name: name!, seed: randomBytes(32).toString('base64url'), logs: {} } : parse(now, path);
      if (name !== undefined && name !== stored.name) {
        throw userError('usage', `the witness in '${folder}' is ${stored.name}, not ${name}`);
      }
      const state = new WitnessState(path, lock, stored, now === undefined);
      if (state.made) await state.#write();
      return state;
    } catch (thrown) {
      lock.release();
      throw thrown;
    }
  }

  close(): void {
    this.#lock.release();
  }

  get signer(): SignerKey {
    return signerOf(this.#stored.name, COSIGNATURE, Buffer.from(this.#stored.seed, 'base64url'));
  }

  log(origin: string): { vkeys: readonly string[]; size: number; root: Buffer } | undefined {
    const seen = Object.hasOwn(this.#stored.logs, origin) ? this.#stored.logs[origin] : undefined;
    return seen === undefined ? undefined : { ...seen, root: Buffer.from(seen.root, 'base64') };
  }

  /** Durable when it resolves: before a cosignature leaves (tlog-witness, "add-checkpoint"). */
  async keep(origin: string, vkeys: readonly string[], { size, root }: { size: number; root: Buffer }): Promise<void> {
    const logs = { ...this.#stored.logs, [origin]: { vkeys, size, root: root.toString('base64') } };
    this.#stored = { ...this.#stored, logs };
    await this.#write();
  }

  async #write(): Promise<void> {
    await putFile(this.#path, Buffer.from(`${JSON.stringify(this.#stored, null, 2)}\n`));
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
