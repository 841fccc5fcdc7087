// What goes to the host, in the order in which it was decided: behind a request that waits for its record everything waits.
// Otherwise a handle could be closed and given anew, or a link made, between what was asked about and what is done.
// Refuses to know: what the requests say.

import type { Session } from '../../contract.ts';

export class InOrder {
  readonly #session: Session;
  readonly #send: (bytes: Buffer, count: number) => void;
  #waiting = 0;

  /** `send`: to the host; `count` bytes that came are done with when it has gone. */
  constructor(session: Session, send: (bytes: Buffer, count: number) => void) {
    this.#session = session;
    this.#send = send;
  }

  /** Once its intent is on record. */
  recorded(bytes: Buffer, count: number): void {
    this.#waiting += 1;
    this.#session.recorded(() => {
      this.#waiting -= 1;
      this.#send(bytes, count);
    });
  }

  /** Needs no record of its own. The buffer is not ours to keep. */
  behind(bytes: Buffer, count: number): void {
    if (this.#waiting === 0) this.#send(bytes, count);
    else this.recorded(Buffer.from(bytes), count);
  }
}
