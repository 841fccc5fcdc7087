// Tells of something that fails again and again: when it begins, once a minute while it lasts, and when it is over.
// Refuses to know: what fails.

import { asHoopctlError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

const REPEAT_MS = 60_000;

export class Outage {
  readonly #log: Log;
  readonly #what: string;
  #since: number | undefined;
  #toldAt = 0;

  /** `what`: as in "cannot …". */
  constructor(log: Log, what: string) {
    this.#log = log;
    this.#what = what;
  }

  failed(thrown: unknown): void {
    const now = performance.now();
    if (this.#since !== undefined && now - this.#toldAt < REPEAT_MS) return;
    this.#since ??= now;
    this.#toldAt = now;
    this.#log.error({}, `cannot ${this.#what}: ${asHoopctlError(thrown).message}`);
  }

  worked(): void {
    if (this.#since === undefined) return;
    const seconds = Math.round((performance.now() - this.#since) / 1000);
    this.#since = undefined;
    this.#log.warn({ seconds }, `can ${this.#what} again`);
  }
}
