// What the host has been asked and not answered yet, and what its answer will be for. Refuses to know: how either looks.

import type { Operation, OperationId } from '../../contract.ts';
import type { Transfer } from './transfer.ts';

export type Asked =
  /** A request of ours. */
  | { readonly own: (reply: Buffer) => void }
  | {
      readonly operation: OperationId;
      /** What a handle will be for. */
      readonly opens: Buffer | undefined;
      readonly reads?: Operation | undefined;
    }
  /** The attributes of an open file that is masked. */
  | { readonly size: number }
  | { readonly transfer: Transfer; readonly offset: bigint }
  /** An open file is closed by it. */
  | { readonly closes: Transfer }
  /** Its answer is the client's as it is. */
  | 'passed';

/** Ours begin here. No client counts so far, and none may use them: it would get our answers, and we its. */
export const FIRST_OWN = 0xf000_0000;
