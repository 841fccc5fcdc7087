// Where recordings are kept, as an interface; `store/` implements it (a directory now, object storage later).
// Refuses to know: what is in a recording. Handed whole lines only.

/** One recording being written. Its bytes are a prefix of whole lines at every moment that `write` returned. */
export interface RecordingTarget {
  /** For messages: where it is. */
  readonly name: string;
  /**
   * Appends all of it, in this call. Throws when it could not; then nothing of it counts, and what is left of it is cut
   * away at once or by the salvage at the next start.
   */
  write(bytes: Uint8Array): void;
  /** Makes what was written survive a power loss. */
  sync(): Promise<void>;
  /** Durable, closed, no longer listed as unfinished. Call once, last. */
  finish(): Promise<void>;
  /** Closed but still listed as unfinished, for the salvage at the next start. Never throws. */
  abandon(): void;
}

export interface RecordingSink {
  /** A new, empty recording. Throws `recording_failed`, also where one of that id exists. */
  create(session: string): RecordingTarget;
  /** The bytes as stored. Errors: `not_found`. */
  read(session: string): AsyncIterable<Uint8Array>;
  /** Recordings that were begun and never finished, by a process that is gone. Call before the first `create`. */
  unfinished(): Promise<readonly string[]>;
  /** Cuts one to its first `length` bytes, appends `tail`, makes it durable and finished. */
  repair(session: string, length: number, tail: string): Promise<void>;
  /** Takes a damaged one out of the way, untouched, for somebody to look at; returns where it is now. */
  quarantine(session: string): Promise<string>;
}
