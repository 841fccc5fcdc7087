// Begins recordings: one for each session, all sharing one schedule of writes. Refuses to know: what a session is.

import type { HoopctlError } from '../../core/errors.ts';
import { DEFAULT_ROW_LIMITS, type Header, Recording, type RowLimits } from './recording.ts';
import { FlushScheduler } from './scheduler.ts';
import type { RecordingSink } from './sink.ts';

export interface RecordingHooks {
  readonly failed: (error: HoopctlError) => void;
  readonly faulted: (error: HoopctlError) => void;
}

export interface RecorderOptions {
  readonly sink: RecordingSink;
  readonly now: () => number;
  /** For durations, ms with fractions. */
  readonly ticks?: () => number;
  /** The gateway's version. */
  readonly version?: string;
}

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #scheduler = new FlushScheduler();

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** The recording with its first line noted. Throws `recording_failed`: then there is no session. */
  begin(header: Header, limits: RowLimits | undefined, hooks: RecordingHooks): Recording {
    const recording = new Recording({
      target: this.#options.sink.create(header.session),
      scheduler: this.#scheduler,
      now: this.#options.now,
      ticks: this.#options.ticks ?? (() => performance.now()),
      limits: limits ?? DEFAULT_ROW_LIMITS,
      ...hooks,
    });
    recording.begin({ ...header, gateway: this.#options.version });
    return recording;
  }
}
