// What a shell in command mode runs while no line does: the prompt, completion, key bindings, the line editor. What functions
// of the account do there, over and over, is decided once a shell; what the editor runs of the line itself, each time.
// Refuses to know: how it is decided.

import { createHash } from 'node:crypto';

/** Texts that a shell remembers; one more is decided each time. */
const MOST = 4096;

export class Aside {
  /** By their hash: texts may be long. */
  readonly #known = new Map<string, 'allow' | 'deny'>();

  static is(kind: string): boolean {
    return kind === 'own' || kind === 'editor';
  }

  known(kind: string, text: Buffer): 'allow' | 'deny' | undefined {
    return kind === 'own' ? this.#known.get(hash(text)) : undefined;
  }

  learn(kind: string, text: Buffer, verdict: 'allow' | 'deny'): void {
    if (kind === 'own' && this.#known.size < MOST) this.#known.set(hash(text), verdict);
  }
}

const hash = (text: Buffer): string => createHash('sha256').update(text).digest('base64');
