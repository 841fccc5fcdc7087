// What an operation of a recording showed, as plain lines. Refuses to know: where the recording's lines come from.

import { decodeBytes } from '../recorder/line.ts';
import type { Line } from '../recorder/reader.ts';
import { Transcript } from './transcript.ts';

export class ShownText {
  #operation: number | undefined;
  readonly #transcripts = { out: new Transcript(), err: new Transcript() };
  found = false;

  /** `operation` left out: the first that shows something. */
  constructor(operation: number | undefined) {
    this.#operation = operation;
  }

  /** What a line of the recording adds, whole lines only. */
  line(line: Line): string {
    const { kind, op, stream } = line;
    if (kind === 'data' && stream !== 'in') this.#operation ??= Number(op);
    if (op === undefined || op !== this.#operation) return kind === 'end' ? this.#end() : '';
    if (kind === 'result') return this.#end();
    if (kind !== 'data' || stream === 'in') return '';
    this.found = true;
    return this.#transcripts[stream === 'err' ? 'err' : 'out'].push(decodeBytes(line));
  }

  #end(): string {
    return this.#transcripts.out.end() + this.#transcripts.err.end();
  }
}
