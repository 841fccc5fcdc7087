// What a client sends on a channel before the host may have it, in its order: a host keeps what comes before the program that
// it is for, and gives it that. Refuses to know: what is waited for, what the messages say.

import { type Limit, limitExceeded } from '../../../core/limits.ts';
import { Message } from '../wire/message.ts';

export class Early {
  readonly #most: Limit;
  readonly #messages: Buffer[] = [];
  /** Before anything is asked for, what sets the channel up goes on, and what is for the program waits. */
  #waits: 'input' | 'all' | 'nothing' = 'input';

  constructor(most: Limit) {
    this.#most = most;
  }

  /** Keeps a copy of it; false: it need not wait. Throws limit_exceeded. */
  keeps(payload: Buffer): boolean {
    const input = payload[0] === Message.CHANNEL_DATA || payload[0] === Message.CHANNEL_EOF;
    if (this.#waits === 'nothing' || (this.#waits === 'input' && !input)) return false;
    if (this.#messages.length >= this.#most.value) throw limitExceeded(this.#most, this.#messages.length + 1);
    this.#messages.push(Buffer.from(payload));
    return true;
  }

  /** Everything waits from here on. */
  hold(): void {
    this.#waits = 'all';
  }

  /** Nothing has to wait any more: what did. */
  end(): Buffer[] {
    this.#waits = 'nothing';
    return this.#messages.splice(0);
  }
}
