// Where the log is kept, as an interface; `store/` implements it. Refuses to know: what the files say.

import type { RecordingTarget } from '../recorder/sink.ts';
import type { TreeHead } from './checkpoint.ts';
import type { SignerKey, VerifierKey } from './note.ts';
import type { LogSource } from './tiles.ts';

export interface LogFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Entries on their way into the tree, in files of chained lines. */
export interface JournalSource {
  /** The number of the first entry of each, in order. */
  journals(): Promise<readonly number[]>;
  /** Empty when there is none of that number (any more). */
  readJournal(first: number): Promise<Buffer>;
}

export interface LogStorage extends LogSource, JournalSource {
  /** Whether an entry is to survive a loss of power when it is taken. */
  readonly synced: boolean;
  /** Replaces the file whole or not at all; durable when it resolves. */
  put(path: string, bytes: Uint8Array): Promise<void>;
  /** Many, in any order; all durable when it resolves. */
  putAll(files: readonly LogFile[]): Promise<void>;
  /** The same in this call, for what stands beside an entry; does nothing where it is there already. */
  putNow(path: string, bytes: Uint8Array): void;
  /** A folder below the log, with what is in it; nothing where there is none. */
  removeFolder(path: string): Promise<void>;
  createJournal(first: number): RecordingTarget;
  /** For appending, cut to its first `length` bytes. */
  reopenJournal(first: number, length: number): RecordingTarget;
  removeJournal(first: number): Promise<void>;
  /** Takes a damaged journal out of the way; returns where it is now. */
  quarantineJournal(first: number): Promise<string>;
  /** Takes the whole log out of the way, untouched, for somebody to look at; returns where it is now. */
  quarantine(): Promise<string>;
}

/** The log's keys and what they signed last; kept apart from the log, with the gateway's other keys. */
export interface LogKeys {
  /** The log's own name, in each checkpoint. */
  readonly origin: string;
  /** Signs now. */
  readonly signer: SignerKey;
  /** Every key that ever signed under this origin, oldest first. */
  readonly verifiers: readonly VerifierKey[];
  /** The greatest head that was, or was about to be, signed under this origin; undefined before the first. */
  readonly signed: TreeHead | undefined;
  /** By a key that signs no more, for the one that does: an entry of the log has to say so. Undefined once one does. */
  readonly endorsement: string | undefined;
  /** Notes by which each key under this origin, as far as they were kept, vouched for the next one; oldest first. */
  readonly vouched: readonly string[];
  /** Durable when it resolves: called before a checkpoint is signed, so that no second tree of that size ever is. */
  signing(head: TreeHead): Promise<void>;
  /** The digests of entries that were taken since some checkpoint, in order; undefined: they were not kept so far. */
  taken(): Promise<readonly string[] | undefined>;
  /** Those, and no others, from here on. */
  beginTaken(digests: readonly string[]): void;
  /** One is about to be written to the journal. `durable`: it is to survive a loss of power. */
  take(digest: string, durable: boolean): void;
  /** It could not be written. */
  drop(): void;
  /** All that were taken survive a loss of power when it resolves. */
  syncTaken(): Promise<void>;
  /** Nothing more is taken. */
  close(): void;
  /** A new key under the same origin, with its endorsement. */
  rotate(): Promise<void>;
  /** The endorsement is in the log. */
  endorsed(): Promise<void>;
  /** A new origin with a new key: after damage the old name must not stand for another tree. */
  renew(): Promise<void>;
}
