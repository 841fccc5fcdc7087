// What delivers events to one receiver, as an interface, and its errors. Refuses to know: cursors, when it is tried again.

import type { ExportEvent } from '../../session/export/event.ts';

export interface Destination {
  /**
   * Where what is about to be sent has to be known after a kill: `mark` is kept once this resolves, and `send` with the same
   * events comes next. Errors: DeliveryError.
   */
  intend?(events: readonly ExportEvent[]): Promise<void>;
  /**
   * Resolves when the receiver has them for good, or, where there is a `confirm`, when that may be asked.
   * Errors: DeliveryError; some of them may have got there.
   */
  send(events: readonly ExportEvent[], signal: AbortSignal): Promise<void>;
  /** Resolves when everything sent is with the receiver. Errors: DeliveryError; all since the last confirmation is sent again. */
  confirm?(signal: AbortSignal): Promise<void>;
  /** What has to be known to go on after a restart; kept with the cursor. */
  readonly mark?: Readonly<Record<string, string | number>> | undefined;
  /** Lets go of the receiver. Never rejects. */
  close(): Promise<void>;
}

export class DeliveryError extends Error {
  /** The receiver will never take this: fewer at a time, or none of it. */
  readonly refused: boolean;
  readonly retryAfterMs: number;

  constructor(message: string, { refused = false, retryAfterMs = 0 } = {}) {
    super(message);
    this.refused = refused;
    this.retryAfterMs = retryAfterMs;
  }
}
