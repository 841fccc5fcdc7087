// A session that decides as a test tells it and remembers everything, for tests of a protocol alone.

import type {
  Decision,
  Facts,
  Hold,
  Mask,
  Operation,
  Outcome,
  ResultColumn,
  Session,
  SessionEnd,
  Verdict,
} from '../../../src/protocol/contract.ts';

export interface FakeSessionOptions {
  readonly ruled?: boolean;
  readonly reaching?: boolean;
  readonly masking?: { columns: boolean; values: boolean };
  /** Texts (or their facts) to refuse; the rule's name, or undefined to allow. */
  readonly deny?: (operation: { text: string; parts: readonly Facts[] }) => string | undefined;
  readonly hold?: (operation: Operation) => boolean;
  readonly mask?: (column: ResultColumn) => Mask | null;
  readonly rows?: number;
  /** When `recorded` calls back: at once, or in a later turn of the event loop. */
  readonly later?: boolean;
  /** Records nothing: `recorded` never calls back and the session ends. */
  readonly broken?: boolean;
  /** Keeps nothing, for load. */
  readonly forgetful?: boolean;
}

export const fullMask = (name: string): Mask => ({ name, by: 'column', text: (value) => '*'.repeat(value.length) });

export class FakeSession implements Session {
  readonly id = 's-test';
  readonly principal = 'alice@example.com';
  readonly ruled: boolean;
  readonly reaching: boolean;
  readonly masking: { columns: boolean; values: boolean };
  readonly operations: (Operation & { id: number; verdict: string })[] = [];
  readonly outcomes: (Outcome & { id: number })[] = [];
  readonly rows: { id: number; part: number; values: readonly (string | null)[] }[] = [];
  readonly notes: { kind: string; fields: object }[] = [];
  readonly holds: { settle: (verdict: Verdict) => void; cancelled: string | undefined }[] = [];
  readonly planned: (readonly ResultColumn[])[] = [];
  ended: SessionEnd | undefined;
  readonly #abort = new AbortController();
  readonly #options: FakeSessionOptions;
  #rowsWanted: number;
  #next = 1;

  constructor(options: FakeSessionOptions = {}) {
    this.#options = options;
    this.ruled = options.ruled ?? false;
    this.reaching = options.reaching ?? false;
    this.masking = options.masking ?? { columns: false, values: false };
    this.#rowsWanted = options.rows ?? 0;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  kill(reason: SessionEnd): void {
    this.#abort.abort(reason);
  }

  foresee(parts: readonly Facts[], text: string): Verdict {
    const rule = this.#options.deny?.({ text, parts });
    return rule === undefined ? { verdict: 'allow' } : this.#refusal(rule);
  }

  #refusal(rule: string): Verdict {
    const refusal = {
      code: 'denied',
      message: `refused by rule "${rule}"`,
      rule,
      next: 'use a migration',
      session: this.id,
    } as const;
    return { verdict: 'deny', refusal };
  }

  decide(operation: Operation): { id: number; decision: Decision } {
    const id = this.#next++;
    const rule = this.#options.deny?.(operation);
    let decision: Decision = { verdict: 'allow' };
    if (rule !== undefined) decision = this.#refusal(rule);
    else if (this.#options.hold?.(operation) === true) decision = this.#hold();
    if (this.#options.forgetful !== true) this.operations.push({ ...operation, id, verdict: decision.verdict });
    return { id, decision };
  }

  #hold(): Hold {
    const { promise, resolve } = Promise.withResolvers<Verdict>();
    const hold = { settle: resolve, cancelled: undefined as string | undefined };
    this.holds.push(hold);
    return {
      verdict: 'hold',
      review: 'r-1',
      rule: 'careful',
      notice: ['held for review r-1 by rule "careful"', 'approve with: hoopctl reviews approve r-1'],
      settled: promise,
      cancel: (why) => {
        hold.cancelled = why;
        const refusal = {
          code: 'review_cancelled',
          message: `cancelled: ${why}`,
          next: 'run it again',
          session: this.id,
        } as const;
        resolve({ verdict: 'deny', refusal });
      },
    };
  }

  recorded(then: () => void): void {
    if (this.#options.broken === true)
      this.kill({ code: 'recording_failed', message: 'the recording cannot be written' });
    else if (this.#options.later === true) setImmediate(then);
    else then();
  }

  masks(_id: number, _part: number, columns: readonly ResultColumn[]): readonly (Mask | null)[] {
    this.planned.push(columns);
    return columns.map((column) => this.#options.mask?.(column) ?? null);
  }

  wantsRows(): boolean {
    return this.#rowsWanted > 0;
  }

  row(id: number, part: number, values: readonly (string | null)[]): boolean {
    this.#rowsWanted--;
    this.rows.push({ id, part, values });
    return true;
  }

  result(id: number, outcome: Outcome): void {
    if (this.#options.forgetful !== true) this.outcomes.push({ id, ...outcome });
  }

  note(kind: string, fields: object): void {
    this.notes.push({ kind, fields });
  }

  traffic(): void {}

  end(reason: SessionEnd): void {
    this.ended ??= reason;
  }
}
