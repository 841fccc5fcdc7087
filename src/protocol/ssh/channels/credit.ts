// What a sender gets back of its window for bytes that go on as others: a mask makes fewer or more of them, a packet is written
// anew. One pair of numbers for all that is under way, so that a flood of single bytes costs no more than large pieces do.
// Refuses to know: what becomes of the bytes, where they wait.

export class Credit {
  readonly #taken: (count: number) => void;
  /** Bytes under way, and bytes that came for them. */
  #under = 0;
  #owed = 0;

  /** `taken` is told how many of the bytes that came are done with. */
  constructor(taken: (count: number) => void) {
    this.#taken = taken;
  }

  /** `out` bytes go on for `came` bytes. */
  owe(out: number, came: number): void {
    this.#under += out;
    this.#owed += came;
    if (this.#under === 0) this.went(0);
  }

  /** So many of them have gone: their share is given back, and all of it with the last. One function for all of them. */
  readonly went = (count: number): void => {
    const all = count >= this.#under;
    const share = all ? this.#owed : Math.floor((this.#owed * count) / this.#under);
    this.#under = all ? 0 : this.#under - count;
    this.#owed -= share;
    if (share > 0) this.#taken(share);
  };
}
