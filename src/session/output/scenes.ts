// What the shells and commands of a session showed, as a terminal would be told: one after the other, as its recording has it.
// Refuses to know: how it is drawn (cli/emulator.ts), when.

import { StringDecoder } from 'node:string_decoder';
import { decodeBytes } from '../recorder/line.ts';
import type { Line } from '../recorder/reader.ts';
import { type TerminalSize, terminalSize } from './terminal-size.ts';

/** One thing that the terminal is told. */
export interface Scene {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** To be written; may be empty. */
  readonly text: string;
  /** It has this size from here on. */
  readonly size?: TerminalSize;
  /** Another operation shows something: its terminal is a new one. */
  readonly begins?: true;
  /** A command that the shell asked for. */
  readonly command?: string;
}

type Fields = Readonly<Record<string, unknown>>;

export class Scenes {
  readonly #only: number | undefined;
  readonly #terminals = new Map<unknown, TerminalSize>();
  readonly #decoders = new Map<unknown, StringDecoder>();
  #current: unknown;
  /** Operations that were told of, and those of which something was not, as another was on the screen. */
  readonly told = new Set<unknown>();
  readonly missed = new Set<unknown>();
  /** Something had a terminal. */
  terminal = false;

  /** `only`: that operation; left out: whichever shows something, the next when the one before is over. */
  constructor(only?: number) {
    this.#only = only;
  }

  /** What a line of the recording adds; undefined for most. */
  line(line: Line): Scene | undefined {
    if (line.kind === 'note') return this.#note(line, (line.fields ?? {}) as Fields);
    if (line.kind === 'data') return this.#data(line);
    if (line.kind === 'intent' && line.how === 'command' && this.#current !== undefined) {
      return { at: Date.parse(line.at), text: '', command: String(line.text) };
    }
    if (line.kind !== 'result') return undefined;
    this.#terminals.delete(line.op);
    if (line.op === this.#current) this.#current = undefined;
    return undefined;
  }

  #note(line: Line, fields: Fields): Scene | undefined {
    const { operation } = fields;
    const known = this.#terminals.has(operation);
    if (line.note !== 'terminal' && !(line.note === 'resize' && known)) return undefined;
    const size = terminalSize(fields);
    this.terminal = true;
    this.#terminals.set(operation, size);
    return operation === this.#current ? { at: Date.parse(line.at), text: '', size } : undefined;
  }

  #data(line: Line): Scene | undefined {
    const { op, stream, withheld } = line;
    if (stream === 'in' || withheld === true || (this.#only !== undefined && op !== this.#only)) return undefined;
    const begins = this.#current === undefined;
    if (begins) {
      this.#current = op;
      this.told.add(op);
      this.#decoders.clear();
    }
    if (op !== this.#current) {
      this.missed.add(op);
      return undefined;
    }
    const decoder = this.#decoders.get(stream) ?? new StringDecoder('utf8');
    this.#decoders.set(stream, decoder);
    const text = decoder.write(decodeBytes(line));
    const size = this.#terminals.get(op);
    // Without a terminal nobody made a line end of a newline.
    const shown = size === undefined ? text.replace(/(?<!\r)\n/g, '\r\n') : text;
    const at = Date.parse(line.at);
    return begins ? { at, text: shown, size: size ?? terminalSize({}), begins } : { at, text: shown };
  }
}
