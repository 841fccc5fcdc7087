// Masks that do not apply in one session: by their own `unless`, or lifted by a review for a time. What applies is asked
// anew whenever that changes, and everything of it is on record. Refuses to know: what a mask does, who approves.

import type { Clock } from '../core/clock.ts';
import type { UnmaskChange, Unmasked, Unmasks } from './approvals/unmasks.ts';
import type { Principal } from './identity/principal.ts';
import type { Exemption } from './policy/types.ts';

/** One exemption as a session's own facts tell it. Times are milliseconds since the epoch. */
export interface ExemptRecord extends Exemption {
  /** `unmask` only: the grant that lifts it, and until when at most. */
  readonly grant?: string;
  readonly until?: number;
}

export interface ExemptionsOptions {
  readonly unmasks: Unmasks | undefined;
  readonly principal: Principal;
  readonly connection: string;
  readonly clock: Clock;
  /** Told of each mask that is lifted, and of each that is put back, before anything else is decided. */
  readonly changed: (change: UnmaskChange) => void;
}

const NOTHING: readonly Unmasked[] = [];

export class Exemptions {
  readonly #options: ExemptionsOptions;
  readonly #records: ExemptRecord[] = [];
  readonly #stricter: (() => void)[] = [];
  readonly #stop: () => void;
  #lifted = NOTHING;
  #until = Number.POSITIVE_INFINITY;

  constructor(options: ExemptionsOptions) {
    this.#options = options;
    const { unmasks, principal, connection } = options;
    this.#refresh();
    this.#stop = unmasks?.watch(principal, connection, (change) => this.#change(change)) ?? (() => {});
  }

  /** What reviews lift now; the same array as long as nothing changes. */
  lifted(): readonly Unmasked[] {
    // The timer that ends one may be late, its end is not.
    if (this.#until !== Number.POSITIVE_INFINITY && this.#options.clock.now() >= this.#until) this.#refresh();
    return this.#lifted;
  }

  /** Calls the listener when a mask is put back: what was decided by its absence counts no more. */
  onStricter(listener: () => void): void {
    this.#stricter.push(listener);
  }

  /** What the policy in force makes of it, as the record says it. */
  named(exempt: readonly Exemption[] = []): readonly ExemptRecord[] {
    const named = exempt.map((one): ExemptRecord => {
      const lifted = one.by === 'unmask' ? this.#lifted.find(({ mask }) => mask === one.mask) : undefined;
      return lifted === undefined ? one : { ...one, grant: lifted.grant, until: lifted.until };
    });
    for (const one of named) {
      const known = this.#records.some(
        ({ mask, by, grant }) => mask === one.mask && by === one.by && grant === one.grant,
      );
      if (!known) this.#records.push(one);
    }
    return named;
  }

  /** Everything that was ever exempt in this session. */
  get records(): readonly ExemptRecord[] | undefined {
    return this.#records.length === 0 ? undefined : this.#records;
  }

  stop(): void {
    this.#stop();
  }

  #change(change: UnmaskChange): void {
    this.#refresh();
    try {
      this.#options.changed(change);
    } finally {
      // Whatever cannot be recorded or asked: the mask is back.
      if (change.state === 'off') for (const listener of this.#stricter) listener();
    }
  }

  #refresh(): void {
    const { unmasks, principal, connection } = this.#options;
    const lifted = unmasks?.of(principal, connection) ?? NOTHING;
    this.#lifted = lifted.length === 0 ? NOTHING : lifted;
    this.#until = Math.min(...lifted.map(({ until }) => until), Number.POSITIVE_INFINITY);
  }
}
