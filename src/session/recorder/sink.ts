// Where recordings are kept, as an interface; `store/` implements it (a directory, which sealed ones may leave for object storage).
// Refuses to know: what is in a recording. Handed whole lines only.

import type { RecordingFiles } from './stored.ts';

/** A file, or a row of files, being appended to: of the gateway's log, or of one recording. */
export interface LineTarget {
  /** For messages: where it is. */
  readonly name: string;
  /**
   * Appends all of it, in this call. Throws when it could not; then nothing of it counts, and what is left of it is cut
   * away at once or by the salvage at the next start.
   */
  write(bytes: Uint8Array): void;
  /** Durable, closed, no longer listed as unfinished. Call once, last. */
  finish(): Promise<void>;
  /** Closed but still listed as unfinished, for the salvage at the next start. Never throws. */
  abandon(): void;
}

/** Of the gateway's log. */
export interface RecordingTarget extends LineTarget {
  /** Makes what was written survive a power loss. */
  sync(): Promise<void>;
}

/** One recording being written. Its bytes are a prefix of whole lines at every moment that a write was done. */
export interface SegmentedTarget extends LineTarget {
  /** True: `write` might be a long wait for everybody, so `append` is to be used. Never mixed while an `append` is under way. */
  readonly slow: boolean;
  /** Bytes in the segment that is being written. */
  readonly segmentBytes: number;
  /** As `write`, elsewhere. `durable`: when it resolves, all written so far survives a power loss. One at a time. */
  append(bytes: Uint8Array, durable: boolean | undefined): Promise<void>;
  /** How many bytes a segment is to have at most, before `next` is due. */
  readonly maxSegment: number;
  /** The number of the one that is being written, from 1. */
  readonly segment: number;
  /** Begins the next segment; the one before is made durable and closed meanwhile. Throws where it cannot be made. */
  next(): void;
  /** Its file is gone: nothing of what was written is safe. Told at most once. */
  onLost: ((error: Error) => void) | undefined;
  /**
   * After a failure: puts the file, where it was removed, back with all that was written, so that it can be sealed.
   * Errors: those of the place.
   */
  restore(): void;
}

/** How the place does. `ok`: sessions may begin. */
export interface DiskHealth {
  /** `low`: no new sessions. `critical`: recorded ones end. `stalled`: it does not answer. `gone`: it is not there. */
  readonly state: 'ok' | 'low' | 'critical' | 'stalled' | 'gone';
  /** One line for a person. */
  readonly message: string;
  /** Bytes. */
  readonly free: number;
}

export interface RecordingSink extends RecordingFiles {
  /**
   * A new, empty recording. `key`: what its content is encrypted with, wrapped; it lies beside it, durable before the first
   * line is written. Throws `recording_failed`, also where one of that id exists or `health` is not `ok`.
   */
  create(session: string, key?: Uint8Array): SegmentedTarget;
  /** The wrapped key; undefined: it has none (any more). Errors: those of the place. */
  key(session: string): Promise<Uint8Array | undefined>;
  /**
   * Removes the key for good: nobody reads the content any more, and everything that proves what was written stays. False
   * where there was none. Errors: `conflict` for a recording that is being written; those of the place.
   */
  eraseKey(session: string): Promise<boolean>;
  readonly health: DiskHealth;
  /** Something failed lately, and nothing has shown since that it works again. */
  readonly suspect: boolean;
  /** Told whenever the state of `health` changes. */
  onHealth(listener: (health: DiskHealth) => void): void;
  /** Recordings that were begun and never finished, by a process that is gone. Call before the first `create`. */
  unfinished(): Promise<readonly string[]>;
  /** Those of this process that could not be finished; each is told once. */
  abandoned(): readonly string[];
  /**
   * Cuts one, over all its segments, to its first `length` bytes, appends `tail`, makes it durable and finished.
   * Segments of which nothing is left are removed.
   */
  repair(session: string, length: number, tail: string): Promise<void>;
  /** Takes a damaged one out of the way, untouched, with its key, for somebody to look at; returns where it is now. */
  quarantine(session: string): Promise<string>;
}
