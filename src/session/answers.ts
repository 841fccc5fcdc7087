// What a protocol asks of a session, handed to the part that knows: decisions, masks, budgets, the recording.
// Refuses to know: any answer.

import type {
  Covering,
  Decision,
  Facts,
  Mask,
  Operation,
  OperationId,
  OutputFilter,
  OutputOptions,
  PredicateUse,
  Refusal,
  ResultColumn,
  Session,
  SessionEnd,
  Verdict,
} from '../protocol/contract.ts';
import type { Decider } from './decision.ts';
import type { Exemptions } from './exemptions.ts';
import { GuardedOutput } from './output/guarded.ts';
import type { Recording } from './recorder/recording.ts';

/** Where a text that is no result comes from. */
const NO_COLUMN: ResultColumn = { name: '', origins: [], textual: true };

/** The questions that neither begin nor end anything. */
export abstract class Answers
  implements Omit<Session, 'id' | 'principal' | 'signal' | 'recorded' | 'result' | 'traffic' | 'end'>
{
  protected abstract readonly recording: Recording;
  protected abstract readonly decider: Decider;
  protected abstract readonly exemptions: Exemptions;

  abstract kill(reason: SessionEnd): void;
  protected abstract now(): number;
  /** Tells whoever watches what an operation put out. */
  protected abstract tellOutput(id: OperationId, stream: 'out' | 'err', bytes: Buffer): void;

  get masking(): { readonly columns: boolean; readonly values: boolean } {
    return this.decider.masking;
  }

  get covering(): Covering | undefined {
    return this.decider.covering;
  }

  get policy(): string {
    return this.decider.inForce.version;
  }

  get ruled(): boolean {
    return this.decider.ruled;
  }

  get reaching(): boolean {
    return this.decider.reaching;
  }

  foresee(parts: readonly Facts[], text: string): Verdict {
    return this.decider.foresee(parts, text);
  }

  decide(operation: Operation): { readonly id: OperationId; readonly decision: Decision } {
    return this.decider.decide(operation);
  }

  masks(id: OperationId, part: number, columns: readonly ResultColumn[], stored?: boolean): readonly (Mask | null)[] {
    return this.decider.masks(id, part, columns, stored);
  }

  masked(text: string): string {
    try {
      const [mask] = this.decider.inForce.current().masks([NO_COLUMN]);
      return mask === null ? text : (mask?.text(text) ?? '');
    } catch {
      return '';
    }
  }

  onStricter(listener: () => void): void {
    this.exemptions.onStricter(listener);
  }

  get metering(): boolean {
    return this.decider.metering;
  }

  spend(id: OperationId, rows: number, bytes: number): Refusal | undefined {
    return this.decider.spend(id, rows, bytes);
  }

  runs(id: OperationId, on: boolean): void {
    this.decider.runs(id, on);
  }

  onTimeUp(listener: (id: OperationId, refusal: Refusal) => void): void {
    this.decider.onTimeUp(listener);
  }

  over(id: OperationId): void {
    this.decider.over(id);
  }

  predicates(id: OperationId, operation: Operation, uses: readonly PredicateUse[]): Decision {
    return this.decider.predicates(id, operation, uses);
  }

  refused(id: OperationId, operation: Operation, refusal: Refusal): void {
    this.decider.refused(id, operation, refusal);
  }

  get masksOutput(): boolean {
    try {
      return this.decider.inForce.current().output([], '').finder !== undefined;
    } catch {
      return true;
    }
  }

  output(id: OperationId, operation: Operation, options: OutputOptions): OutputFilter {
    const { decider, recording } = this;
    return new GuardedOutput({ decider, recording, now: () => this.now() }, id, operation, {
      ...options,
      refused: (refusal, ends) => {
        options.refused(refusal, ends);
        if (ends) this.kill({ code: refusal.code, message: refusal.message });
      },
    });
  }

  columns(id: OperationId, part: number, names: readonly string[]): void {
    this.recording.columns(id, part, names);
  }

  wantsRows(id: OperationId, _part: number): boolean {
    return this.recording.wantsRows(id);
  }

  row(id: OperationId, part: number, values: readonly (string | null)[]): boolean {
    return this.recording.row(id, part, values);
  }

  rest(id: OperationId, part: number, bytes: Uint8Array, rows: number): void {
    this.recording.rest(id, part, bytes, rows);
  }

  data(id: OperationId, stream: 'in' | 'out' | 'err', bytes: Buffer, whole?: boolean): void {
    this.recording.data(id, stream, bytes, whole);
    if (stream !== 'in') this.tellOutput(id, stream, bytes);
  }

  withheld(id: OperationId): void {
    this.recording.withheld(id);
  }

  note(kind: string, fields: Record<string, string | number | boolean | null>): void {
    this.recording.note(kind, fields);
  }
}
