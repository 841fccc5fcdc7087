// The number of an operation, as options give it.

import { userError } from '../core/errors.ts';

/** Errors: usage. */
export function operationNumber(written: string | undefined): number | undefined {
  if (written === undefined) return undefined;
  const number = Number(written);
  if (Number.isInteger(number) && number > 0) return number;
  throw userError('usage', `--operation is '${written}', expected the number of one, from 1`);
}
