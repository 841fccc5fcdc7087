// The output of one operation, held against the policy in force at each moment: what masks find, what rules say of a line.
// Refuses to know: how bytes are read (stream.ts), wire formats.

import {
  type Decision,
  digestOf,
  type Hold,
  type Operation,
  type OperationId,
  type OutputFilter,
  type OutputOptions,
} from '../../protocol/contract.ts';
import type { Decider } from '../decision.ts';
import type { OutputGuards } from '../policy/types.ts';
import type { Recording } from '../recorder/recording.ts';
import { guardFailed, outputSpoiled } from '../refusals.ts';
import { OutputStream } from './stream.ts';

/** Of a line that a rule matches so much is shown and recorded. */
const SHOWN = 200;
const OUTPUT = { does: ['output'], relations: [], functions: [], unbounded: false };

export interface OutputContext {
  readonly decider: Decider;
  readonly recording: Recording;
  /** ms since the epoch */
  readonly now: () => number;
}

export class GuardedOutput implements OutputFilter {
  readonly #context: OutputContext;
  readonly #operation: Operation;
  readonly #options: OutputOptions;
  readonly #stream: OutputStream;
  #hold: Hold | undefined;
  #ended = false;
  /** Of the last call: a review comes out when it does. */
  #now = 0;

  constructor(context: OutputContext, id: OperationId, operation: Operation, options: OutputOptions) {
    this.#context = context;
    this.#operation = operation;
    this.#options = options;
    const { decider } = context;
    const name = options.stream === 'err' ? 'stderr' : 'output';
    // On record with the operation: which masks look at what it puts out.
    if (decider.masking.values && options.unmasked !== true) {
      decider.masks(id, 0, [{ name, origins: [], textual: true }]);
    }
    this.#stream = new OutputStream({
      guards: () => this.#guards(),
      terminal: options.terminal !== undefined,
      holdMs: options.holdMs,
      matched: (names, shown) => this.#matched(names, shown),
      // Not from within the stream: what came before goes first.
      spoiled: (masks) =>
        this.#later(() => {
          const refusal = decider.cut(operation, (session) => outputSpoiled(session, masks));
          options.refused(refusal, false);
        }),
    });
    if (options.terminal !== undefined) this.#stream.resize(options.terminal.columns);
  }

  push(bytes: Buffer, now: number, echo = false): Buffer {
    this.#now = now;
    return this.#stream.push(bytes, now, echo);
  }

  get due(): number | undefined {
    return this.#stream.due;
  }

  tick(now: number): Buffer {
    this.#now = now;
    return this.#stream.tick(now);
  }

  get held(): boolean {
    return this.#stream.stopped;
  }

  end(): Buffer {
    this.#ended = true;
    return this.#stream.end();
  }

  resize(columns: number): void {
    this.#stream.resize(columns);
  }

  cancel(why: string): void {
    this.#hold?.cancel(why);
  }

  /** Throws where the policy cannot be asked: nothing may then go out. */
  #guards(): OutputGuards {
    const { parts, text } = this.#operation;
    const guards = this.#context.decider.inForce.current().output(parts, text);
    return this.#options.unmasked === true ? { ...guards, finder: undefined } : guards;
  }

  #matched(names: readonly string[], line: string): boolean {
    const { decider, now } = this.#context;
    const verdict = decider.inForce.current().outputVerdict(names, this.#operation.text, now());
    if (verdict.verdict === 'allow') return true;
    // An operation of its own, as far as the record goes. It is about all of the line, and what puts it out.
    const { text, exact: of, params = [] } = this.#operation;
    const exact = digestOf(line, text, of, JSON.stringify(params));
    const operation = { kind: 'output', text: line.trim().slice(0, SHOWN), exact, parts: [OUTPUT] };
    const { id, decision } = decider.judged(operation, verdict);
    if (decision.verdict === 'allow') {
      this.#released(id);
      return true;
    }
    this.#later(() => this.#stopped(id, names, decision));
    return false;
  }

  #released(id: OperationId): void {
    this.#context.recording.result(id, { part: 0, status: 'ok' });
  }

  #stopped(id: OperationId, names: readonly string[], decision: Exclude<Decision, { verdict: 'allow' }>): void {
    if (decision.verdict === 'deny') {
      this.#stream.discard();
      // Whoever gave it up is not there any more.
      this.#options.refused(decision.refusal, decision.refusal.code !== 'review_cancelled');
      return;
    }
    this.#hold = decision;
    this.#options.tell(decision.notice);
    decision.onNotice?.((lines) => this.#options.tell(lines));
    void decision.settled.then((verdict) => {
      this.#hold = undefined;
      this.#guarded(() => {
        if (verdict.verdict === 'deny') {
          this.#stopped(id, names, verdict);
          return;
        }
        this.#released(id);
        const bytes = this.#stream.release(names, this.#now);
        this.#options.released(this.#ended ? Buffer.concat([bytes, this.#stream.end()]) : bytes);
      });
    });
  }

  #later(action: () => void): void {
    queueMicrotask(() => this.#guarded(action));
  }

  /** Nobody calls, so that nobody would catch it: what fails refuses, and nothing more goes out. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch {
      this.#stream.discard();
      this.#options.refused(this.#context.decider.cut(this.#operation, guardFailed), true);
    }
  }
}
