// A bounded map from texts to what is known of them: two generations, so that a hit costs one lookup and no list.

export class TextCache<Value> {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();
  #youngBytes = 0;

  /** Keeps between half and all of `maxEntries` texts and `maxBytes` characters of them, whichever is less. */
  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries / 2;
    this.#maxBytes = maxBytes / 2;
  }

  get(text: string): Value | undefined {
    const value = this.#young.get(text);
    if (value !== undefined) return value;
    const aged = this.#old.get(text);
    if (aged !== undefined) {
      this.#old.delete(text);
      this.set(text, aged);
    }
    return aged;
  }

  set(text: string, value: Value): void {
    // A text that alone is a good part of the cache would push out everything else.
    if (text.length > this.#maxBytes / 4) return;
    if (this.#young.size >= this.#maxEntries || this.#youngBytes + text.length > this.#maxBytes) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    if (!this.#young.has(text)) this.#youngBytes += text.length;
    this.#young.set(text, value);
  }

  /** Texts kept now, both generations. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }
}

/**
 * Which texts were seen lately: what comes once is not worth keeping. Kept analyses of statements that never come again
 * cost more, by the collector that has to carry them about, than reading them did. May forget, and may (once in four
 * billion) take one text for another, which is then kept a turn too early.
 */
export class Doorkeeper {
  readonly #seen: Uint32Array;

  /** `slots`: a power of two. */
  constructor(slots: number) {
    this.#seen = new Uint32Array(slots);
  }

  /** Whether the text was here before; from now on it was. */
  knows(text: string): boolean {
    // FNV-1a
    let hash = 0x811c9dc5;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (this.#seen.length - 1);
    if (this.#seen[slot] === hash >>> 0) return true;
    this.#seen[slot] = hash;
    return false;
  }
}
