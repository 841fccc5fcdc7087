// CancelRequest: the gateway gives each client key data of its own, and cancels with the server's real key.
// One registry for the process: a cancel comes on a connection of its own.
// Refuses to know: how the target is reached.

import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import type { CancelKey } from '../wire/startup.ts';

interface Entry {
  readonly secret: Buffer;
  readonly cancel: () => Promise<void>;
}

export interface Registration extends CancelKey {
  release(): void;
}

export class CancelRegistry {
  readonly #entries = new Map<number, Entry>();

  /** Key data for one client: 4 bytes of secret in protocol 3.0, 32 from 3.2 on. */
  register(secretBytes: 4 | 32, cancel: () => Promise<void>): Registration {
    let process = randomInt(1, 0x7fffffff);
    while (this.#entries.has(process)) process = randomInt(1, 0x7fffffff);
    const secret = randomBytes(secretBytes);
    this.#entries.set(process, { secret, cancel });
    return { process, secret, release: () => void this.#entries.delete(process) };
  }

  /** Resolves when the cancel was passed on; false when the key is nobody's. The secret is compared in constant time. */
  async cancel(key: CancelKey): Promise<boolean> {
    const entry = this.#entries.get(key.process);
    if (entry === undefined || entry.secret.length !== key.secret.length) return false;
    if (!timingSafeEqual(entry.secret, key.secret)) return false;
    await entry.cancel();
    return true;
  }
}

export const cancels = new CancelRegistry();
