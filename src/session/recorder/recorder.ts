// Begins recordings: one for each session, all sharing one schedule of writes, and ends them when their place runs out.
// Refuses to know: what a session is.

import { asHoopctlError, type HoopctlError, ourError } from '../../core/errors.ts';
import type { Limit } from '../../core/limits.ts';
import type { Recipient } from './age/keys.ts';
import { type Encryption, newKey } from './encryption.ts';
import { DEFAULT_ROW_LIMITS, type Header, Recording, type RowLimits } from './recording.ts';
import { FlushScheduler } from './scheduler.ts';
import type { RecordingSink, SegmentedTarget } from './sink.ts';
import type { Durability, OnFailure } from './writer.ts';

export interface RecordingHooks {
  readonly failed: (error: HoopctlError) => void;
  readonly faulted: (error: HoopctlError) => void;
}

/** How the sessions of a connection are recorded. */
export interface RecordingPolicy extends RowLimits {
  readonly durability: Durability;
  readonly onFailure: OnFailure;
  readonly encrypt: Encryption;
}

export const DEFAULT_RECORDING: RecordingPolicy = {
  ...DEFAULT_ROW_LIMITS,
  durability: 'buffered',
  onFailure: 'end-session',
  encrypt: null,
};

export interface RecorderOptions {
  readonly sink: RecordingSink;
  readonly now: () => number;
  /** For durations, ms with fractions. */
  readonly ticks?: () => number;
  /** The gateway's version. */
  readonly version?: string;
  /** The gateway's own recipient, for recordings that it may read. */
  readonly own?: () => Recipient;
  /** The limit in force; left out: the declared one. */
  readonly limit?: (bound: Limit) => Limit;
}

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #scheduler = new FlushScheduler();
  readonly #open = new Set<Recording>();

  constructor(options: RecorderOptions) {
    this.#options = options;
    options.sink.onHealth(({ state, message }) => {
      // While there is room for the seals.
      if (state !== 'critical' && state !== 'gone') return;
      for (const recording of [...this.#open]) recording.fail(new Error(message));
    });
  }

  /** The recording with its first line noted. Throws `recording_failed`: then there is no session. */
  begin(header: Header, policy: RecordingPolicy = DEFAULT_RECORDING, hooks: RecordingHooks): Recording {
    const { durability, onFailure, rows, bytes, encrypt } = policy;
    const key = encrypt === null ? undefined : newKey(header.session, this.#readers(encrypt));
    const recording: Recording = new Recording({
      target: this.#target(header.session, onFailure, key?.file),
      ...(key === undefined ? {} : { cipher: key.cipher }),
      session: header.session,
      scheduler: this.#scheduler,
      now: this.#options.now,
      ticks: this.#options.ticks ?? (() => performance.now()),
      limits: { rows, bytes },
      durability,
      bestEffort: onFailure === 'best-effort',
      limit: this.#options.limit ?? ((bound) => bound),
      ended: () => this.#open.delete(recording),
      ...hooks,
    });
    this.#open.add(recording);
    recording.begin({
      ...header,
      gateway: this.#options.version,
      ...(durability === 'buffered' ? {} : { durability }),
      ...(onFailure === 'end-session' ? {} : { onFailure }),
      ...(key === undefined ? {} : { encryption: key.fields }),
    });
    return recording;
  }

  #readers({ recipients, gatewayReads }: NonNullable<Encryption>): readonly Recipient[] {
    const own = gatewayReads ? this.#options.own?.() : undefined;
    return own === undefined ? recipients : [...recipients, own];
  }

  #target(session: string, onFailure: OnFailure, key: Uint8Array | undefined): SegmentedTarget {
    const { sink } = this.#options;
    try {
      if (onFailure === 'refuse-new' && sink.suspect) {
        throw ourError(
          'recording_failed',
          'a recording has failed, and nothing has shown yet that recording works again',
          {
            fix: 'free space or repair the disk of the recordings; it is tried again every second',
          },
        );
      }
      return sink.create(session, key);
    } catch (thrown) {
      if (onFailure !== 'best-effort') throw thrown;
      return new NoTarget(asHoopctlError(thrown));
    }
  }
}

/** For a session that goes on unrecorded from its beginning: fails as soon as it is written to. */
class NoTarget implements SegmentedTarget {
  readonly name = 'nowhere';
  readonly slow = false;
  readonly segment = 1;
  readonly segmentBytes = 0;
  readonly maxSegment = Number.POSITIVE_INFINITY;
  onLost: ((error: Error) => void) | undefined;
  readonly #error: HoopctlError;

  constructor(error: HoopctlError) {
    this.#error = error;
  }

  write(): void {
    throw this.#error;
  }

  async append(): Promise<void> {
    throw this.#error;
  }

  next(): void {
    throw this.#error;
  }

  restore(): void {
    throw this.#error;
  }

  async finish(): Promise<void> {
    throw this.#error;
  }

  abandon(): void {}
}
