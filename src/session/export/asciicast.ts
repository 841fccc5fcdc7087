// What a shell or command of a recording showed, as an asciicast: version 2 (asciinema 2) or 3 (asciinema 3), JSON Lines.
// https://docs.asciinema.org/manual/asciicast/v3/  Refuses to know: where lines come from, how it is played.

import { StringDecoder } from 'node:string_decoder';
import { type TerminalSize, terminalSize } from '../output/terminal-size.ts';
import { decodeBytes } from '../recorder/line.ts';
import type { Line } from '../recorder/reader.ts';

export interface CastOptions {
  readonly version: 2 | 3;
  /** Which operation; left out: the first that shows something. */
  readonly operation?: number;
}

type Fields = Readonly<Record<string, unknown>>;

export class Cast {
  readonly #options: CastOptions;
  readonly #decoders = new Map<unknown, StringDecoder>();
  readonly #intents = new Map<unknown, Line>();
  readonly #terminals = new Map<unknown, Fields>();
  #opening: Line | undefined;
  #operation: number | undefined;
  #began = 0;
  #last = 0;
  /** The header is out. */
  #open = false;
  #over = false;

  constructor(options: CastOptions) {
    this.#options = options;
    this.#operation = options.operation;
  }

  /** Whether there was anything to show. */
  get found(): boolean {
    return this.#open;
  }

  /** What a line of the recording becomes, each with its newline; empty for most. */
  line(line: Line): string {
    if (this.#over) return '';
    if (line.kind === 'open') this.#opening = line;
    if (line.kind === 'intent') return this.#intent(line);
    if (line.kind === 'note') return this.#note(line, (line.fields ?? {}) as Fields);
    if (line.kind === 'data') return this.#data(line);
    return line.kind === 'result' && line.op === this.#operation ? this.#result(line) : '';
  }

  #intent(line: Line): string {
    this.#intents.set(line.op, line);
    // A command that the shell asked for: a place to jump to.
    return line.how === 'command' && this.#open ? this.#event(line, 'm', String(line.text)) : '';
  }

  #note(line: Line, fields: Fields): string {
    const known = this.#terminals.get(fields.operation);
    if (line.note === 'terminal') this.#terminals.set(fields.operation, fields);
    if (line.note !== 'resize') return '';
    // Before anything is shown it begins with that size.
    if (known !== undefined) this.#terminals.set(fields.operation, { ...known, ...fields });
    if (fields.operation !== this.#operation || !this.#open) return '';
    return this.#event(line, 'r', sizeText(terminalSize(fields)));
  }

  #data(line: Line): string {
    const { op, stream, withheld } = line;
    this.#operation ??= stream === 'in' ? undefined : Number(op);
    if (op !== this.#operation || withheld === true) return '';
    const decoder = this.#decoders.get(stream) ?? new StringDecoder('utf8');
    this.#decoders.set(stream, decoder);
    const text = decoder.write(decodeBytes(line));
    const head = this.#header();
    if (text === '') return head;
    // Without a terminal nobody made a line end of a newline.
    const shown = this.#terminals.has(op) ? text : text.replace(/(?<!\r)\n/g, '\r\n');
    return head + (stream === 'in' ? this.#event(line, 'i', text) : this.#event(line, 'o', shown));
  }

  #result(line: Line): string {
    if (!this.#open) return '';
    this.#over = true;
    const code = /^exit (\d+)$/.exec(String(line.tag))?.[1];
    return this.#options.version === 3 && code !== undefined ? this.#event(line, 'x', code) : '';
  }

  #header(): string {
    if (this.#open) return '';
    this.#open = true;
    const intent = this.#intents.get(this.#operation);
    const terminal = this.#terminals.get(this.#operation) ?? {};
    this.#began = Date.parse(intent?.at ?? this.#opening?.at ?? '') || 0;
    this.#last = this.#began;
    const { columns, rows } = terminalSize(terminal);
    const type = typeof terminal.term === 'string' && terminal.term !== '' ? terminal.term : undefined;
    const common = {
      timestamp: Math.floor(this.#began / 1000),
      ...(intent?.how === 'exec' ? { command: String(intent.text) } : {}),
      title: `${this.#opening?.session ?? ''} ${this.#opening?.connection ?? ''}`.trim(),
    };
    const header =
      this.#options.version === 3
        ? { version: 3, term: { cols: columns, rows, ...(type === undefined ? {} : { type }) }, ...common }
        : {
            version: 2,
            width: columns,
            height: rows,
            ...common,
            ...(type === undefined ? {} : { env: { TERM: type } }),
          };
    return `${JSON.stringify(header)}\n`;
  }

  /** Version 3 tells how long after the event before, version 2 after the beginning. */
  #event({ at }: Line, code: string, text: string): string {
    const now = Math.max(Date.parse(at) || 0, this.#last);
    const since = this.#options.version === 3 ? this.#last : this.#began;
    this.#last = now;
    return `${JSON.stringify([(now - since) / 1000, code, text])}\n`;
  }
}

function sizeText({ columns, rows }: TerminalSize): string {
  return `${columns}x${rows}`;
}
