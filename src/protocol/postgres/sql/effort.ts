// How much work the reading of one text may be, counted: what is superlinear in some shape of a text ends by a limit's
// name, and not when the gateway has stood still for it. Refuses to know: what the work is.

import type { Limit } from '../../../core/limits.ts';

/** A text costs more steps than the limit allows. */
export class TooMuch extends Error {
  constructor(bound: Limit) {
    super(`reading the statement takes more steps than the limit ${bound.name} of ${bound.value}`);
  }
}

/** Of the text that is being read: reading is sync, so there is one. */
let bound: Limit | undefined;
let left = 0;

/** Reads a text within a limit. What it reads inside of it, as the body of a function, counts to the text around it. */
export function within<T>(limit: Limit, read: () => T): T {
  if (bound !== undefined) return read();
  bound = limit;
  left = limit.value;
  try {
    return read();
  } finally {
    bound = undefined;
  }
}

/** Steps are taken: a step is about a node of the tree looked at. Throws TooMuch. */
export function spend(steps = 1): void {
  left -= steps;
  if (left < 0 && bound !== undefined) throw new TooMuch(bound);
}

/** Bytes of a run of operator characters that the parser's scanner goes over in the time of a step. */
const SCANNED = 16;

/** What operators and comments begin with and are made of (scan.l, op_chars). */
const OPERATOR = new Uint8Array(256);
for (const character of '~!@#^&|`?+-*/%<>=') OPERATOR[character.charCodeAt(0)] = 1;

/**
 * The steps that PostgreSQL's scanner takes at most beside one a byte. Where a comment or an operator begins it goes over
 * the whole run of operator characters, whatever it then takes of it: at each `/*`, after each comment, and at signs, which it
 * takes off the end of an operator one by one. It is a bound for whatever is a string or a comment here, and needs not be
 * told: `--` alone cannot begin more than one token, as the rest of its line is a comment.
 */
export function scanSteps(sql: Uint8Array): number {
  let steps = 0;
  let begins = 1;
  let start = -1;
  for (let i = 0; i <= sql.length; i++) {
    const byte = sql[i] ?? 0;
    if (OPERATOR[byte] === 1) {
      if (start < 0) start = i;
      if (byte === 47 && sql[i + 1] === 42) begins += 2;
      else if (byte === 43 || (byte === 45 && sql[i - 1] !== 45)) begins++;
    } else if (start >= 0) {
      steps += begins * (i - start);
      start = -1;
      begins = 1;
    }
  }
  return Math.ceil(steps / SCANNED);
}
