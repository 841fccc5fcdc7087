// What a client sends on a channel before the host may have it, in its order: a host keeps what comes before the program that
// it is for, and gives it that. Likewise what a host sends behind output that is held. Refuses to know: what is waited for, what the messages say.

import { type Limit, limitExceeded } from '../../../core/limits.ts';
import { Message } from '../wire/message.ts';

export class Early {
  readonly #most: Limit;
  readonly #largest: Limit;
  #messages: Buffer[] = [];
  /** Of those that no window bounds. */
  #bytes = 0;
  /** Before anything is asked for, what sets the channel up goes on, and what is for the program waits. */
  #waits: 'input' | 'all' | 'nothing' = 'input';
  #before: 'input' | 'all' | 'nothing' = 'input';

  /** So many messages at most, and so many bytes of requests. */
  constructor(most: Limit, largest: Limit) {
    this.#most = most;
    this.#largest = largest;
  }

  /** Keeps a copy of it; false: it need not wait. Throws limit_exceeded. */
  keeps(payload: Buffer): boolean {
    const input = payload[0] === Message.CHANNEL_DATA || payload[0] === Message.CHANNEL_EOF;
    if (this.#waits === 'nothing' || (this.#waits === 'input' && !input)) return false;
    this.keep(payload);
    return true;
  }

  /** Keeps a copy of it, whatever waits. Throws limit_exceeded. */
  keep(payload: Buffer): void {
    if (this.#messages.length >= this.#most.value) throw limitExceeded(this.#most, this.#messages.length + 1);
    if (payload[0] !== Message.CHANNEL_DATA) this.#bytes += payload.length;
    if (this.#bytes > this.#largest.value) throw limitExceeded(this.#largest, this.#bytes);
    this.#messages.push(Buffer.from(payload));
  }

  /** Everything waits from here on. */
  hold(): void {
    this.#before = this.#waits;
    this.#waits = 'all';
  }

  /** What waits again is what did before `hold`; what waited since. */
  goOn(): Buffer[] {
    this.#waits = this.#before;
    return this.#take();
  }

  /** Nothing has to wait any more: what did. */
  end(): Buffer[] {
    this.#waits = 'nothing';
    return this.#take();
  }

  #take(): Buffer[] {
    this.#bytes = 0;
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }
}
