// How much all channels of a conversation may have under way together: a window is what its sender may make us keep, so
// that many channels get smaller ones. Refuses to know: channels.

import type { Limit } from '../../../core/limits.ts';
import { PACKET } from './leg.ts';

export class Windows {
  readonly #each: Limit;
  #left: number;

  /** `all`: bytes for all of them; when they are spent each further one still gets a packet. */
  constructor(each: Limit, all: Limit) {
    this.#each = each;
    this.#left = all.value;
  }

  take(): Limit {
    const value = Math.max(Math.min(this.#each.value, Math.floor(this.#left / 8)), PACKET);
    this.#left -= value;
    return { ...this.#each, value };
  }

  give(granted: Limit): void {
    this.#left += granted.value;
  }
}
