// What comes from the host in command mode, cut into reports. Refuses to know: what they are about.

import { type Limit, limitExceeded } from '../../../core/limits.ts';

export interface Report {
  /** Empty: the helper's own. */
  readonly key: string;
  readonly kind: string;
  readonly id: string;
  /** Which reader gets the answer. */
  readonly to: string;
  readonly text: string;
  /** Of the text. */
  readonly bytes: Buffer;
}

const FIELDS = 5;

export class Reports {
  readonly #bound: Limit;
  #held: Buffer = Buffer.alloc(0);

  constructor(bound: Limit) {
    this.#bound = bound;
  }

  /** Throws limit_exceeded for one that is too long. */
  *take(chunk: Buffer): Generator<Report> {
    let rest: Buffer = Buffer.concat([this.#held, chunk]);
    for (;;) {
      const ends: number[] = [];
      for (let at = rest.indexOf(0); at >= 0 && ends.length < FIELDS; at = rest.indexOf(0, at + 1)) ends.push(at);
      if (ends.length < FIELDS) break;
      const bytesOf = (i: number) => rest.subarray(i === 0 ? 0 : ends[i - 1]! + 1, ends[i]!);
      const field = (i: number) => bytesOf(i).toString();
      const bytes = bytesOf(4);
      const report = { key: field(0), kind: field(1), id: field(2), to: field(3), text: bytes.toString(), bytes };
      rest = rest.subarray(ends[FIELDS - 1]! + 1);
      this.#held = rest;
      yield report;
      rest = this.#held;
    }
    if (rest.length > this.#bound.value) throw limitExceeded(this.#bound, rest.length);
    this.#held = Buffer.from(rest);
  }
}
