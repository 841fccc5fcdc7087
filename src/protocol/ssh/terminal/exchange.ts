// What goes to and fro between a client and the program that it runs: filtered, recorded as it then is, and sent in its order.
// Refuses to know: how the program was started, what the filter looks for.

import type { Operation, OperationId, OutputFilter, Refusal, Session } from '../../contract.ts';
import { Credit } from '../channels/credit.ts';
import type { Leg } from '../channels/leg.ts';
import type { Limits } from '../limits.ts';
import { STDERR } from '../wire/message.ts';
import { Typed } from './typed.ts';

/** What a client says of its terminal (RFC 4254 §6.2). */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ExchangeOptions {
  readonly session: Session;
  readonly id: OperationId;
  readonly operation: Operation;
  readonly limits: Limits;
  readonly client: Leg;
  readonly target: Leg;
  readonly terminal: TerminalSize | undefined;
  /** Masks are not put to what it puts out. */
  readonly unmasked: boolean;
  /** Runs what comes by itself: what goes wrong in it ends the conversation. */
  guard(action: () => void): void;
  tell(lines: readonly string[]): void;
  refused(refusal: Refusal, ends: boolean): void;
  /** What was held is on its way: what had to wait for it may follow. */
  resumed(): void;
}

interface Output {
  readonly kind: number;
  readonly name: 'out' | 'err';
  readonly filter: OutputFilter | undefined;
  /** Bytes of the host that are not accounted for yet. */
  owed: number;
  readonly credit: Credit;
}

const now = (): number => performance.now();

export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #typed: Typed;
  readonly #outputs = new Map<number, Output>();
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;
  /** Bytes recorded so far. */
  #recorded = 0;
  /** Bytes that went to the client. */
  bytes = 0;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#typed = new Typed(options.terminal !== undefined, {
      record: (bytes) => this.#record('in', bytes),
      withhold: () => options.session.withheld?.(options.id),
    });
  }

  /** A rule holds what the host says. */
  get held(): boolean {
    return [...this.#outputs.values()].some(({ filter }) => filter?.held === true);
  }

  /** Bytes of the client, on their way to the host. */
  typed(bytes: Buffer): void {
    this.#typed.type(bytes, now());
    this.#arm();
  }

  /** Bytes of the host. `kind`: 0 for what a program writes, otherwise the code of extended data. */
  wrote(kind: number, bytes: Buffer): void {
    const output = this.#output(kind);
    output.owed += bytes.length;
    const at = now();
    const echo = kind === 0 ? this.#typed.shown(bytes, at) : { bytes: 0, secret: false };
    if (echo.bytes > 0 && echo.secret) {
      this.#secret(output, bytes.subarray(0, echo.bytes), at);
      if (echo.bytes < bytes.length) this.#push(output, bytes.subarray(echo.bytes), at, false);
    } else this.#push(output, bytes, at, echo.bytes === bytes.length);
    this.#arm();
  }

  resize({ columns }: TerminalSize): void {
    for (const { filter } of this.#outputs.values()) filter?.resize(columns);
  }

  /** Nothing more comes of the host. */
  end(): void {
    for (const output of this.#outputs.values()) {
      if (output.filter !== undefined) this.#send(output, output.filter.end());
    }
    this.#typed.end();
    this.#arm();
  }

  /** It is over, for whatever reason. */
  close(why: string): void {
    this.#typed.end();
    for (const { filter } of this.#outputs.values()) filter?.cancel(why);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = Number.NEGATIVE_INFINITY;
  }

  // -------------------------------------------------------------------------------------------------------------------

  #output(kind: number): Output {
    const known = this.#outputs.get(kind);
    if (known !== undefined) return known;
    const { session, id, operation, limits, target, terminal, unmasked, guard, tell, refused, resumed } = this.#options;
    const name = kind === STDERR ? 'err' : 'out';
    const output: Output = {
      kind,
      name,
      owed: 0,
      credit: new Credit(target.took),
      filter: session.output?.(id, operation, {
        stream: name,
        ...(terminal === undefined ? {} : { terminal }),
        unmasked,
        holdMs: (terminal === undefined ? limits.holdPlain : limits.hold).value,
        tell: (lines) => guard(() => tell(lines)),
        refused: (refusal, ends) => guard(() => refused(refusal, ends)),
        released: (bytes) =>
          guard(() => {
            this.#send(output, bytes);
            this.#arm();
            if (!this.held) resumed();
          }),
      }),
    };
    this.#outputs.set(kind, output);
    return output;
  }

  #push(output: Output, bytes: Buffer, at: number, echo: boolean): void {
    this.#send(output, output.filter === undefined ? bytes : output.filter.push(bytes, at, echo));
  }

  /** What the client typed for a secret, and the host shows: the client sees it, the record does not. */
  #secret(output: Output, bytes: Buffer, at: number): void {
    const out = output.filter === undefined ? bytes : output.filter.push(bytes, at, true);
    const hidden = Buffer.from(out);
    for (let i = Math.max(0, out.length - bytes.length); i < hidden.length; i++) if (hidden[i]! > 32) hidden[i] = 42;
    this.#send(output, out, hidden);
  }

  #send(output: Output, out: Buffer, recorded = out): void {
    const { session, id, client, refused } = this.#options;
    const cut = out.length === 0 ? undefined : session.spend?.(id, 0, out.length);
    if (cut !== undefined) {
      refused(cut, false);
      return;
    }
    this.#record(output.name, recorded);
    this.bytes += out.length;
    // What is held by a rule is not taken from the host; what waits for its time is.
    if (out.length === 0 && output.filter?.held === true) return;
    output.credit.owe(out.length, output.owed);
    output.owed = 0;
    if (out.length > 0) client.data(out, output.kind, output.credit.went);
  }

  #record(stream: 'in' | 'out' | 'err', bytes: Buffer): void {
    if (bytes.length === 0) return;
    const { session, id, limits, terminal } = this.#options;
    this.#recorded += bytes.length;
    session.data?.(id, stream, bytes, terminal !== undefined && this.#recorded <= limits.recorded.value);
  }

  #tick(): void {
    this.#due = Number.POSITIVE_INFINITY;
    this.#timer = undefined;
    const at = now();
    for (const output of this.#outputs.values()) {
      if (output.filter?.due !== undefined && output.filter.due <= at) this.#send(output, output.filter.tick(at));
    }
    this.#typed.tick(at);
    this.#arm();
  }

  /** One timer for all that waits. */
  #arm(): void {
    let due = this.#typed.due ?? Number.POSITIVE_INFINITY;
    for (const { filter } of this.#outputs.values()) due = Math.min(due, filter?.due ?? due);
    // One that is too early asks again.
    if (due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.#options.guard(() => this.#tick()), Math.max(0, Math.floor(due - now())));
  }
}
