// A terminal that is nowhere: what a host showed is put into its cells, and nothing but its cells comes out again. So whatever the
// bytes ask of a terminal (clipboard, titles, reports, links) ends here. Refuses to know: where bytes come from, who looks.

import type { IBufferCell, Terminal } from '@xterm/headless';
import type { Scene } from '../session/output/scenes.ts';
import type { TerminalSize } from '../session/output/terminal-size.ts';

/** Whatever size a client said that it had. */
const LARGEST = 500;
/** What repeats something (REP, IL, DL, SU, SD, CHT, CBT): the library does it as often as it is told, were it two billion times. */
const REPEATING = 'bLMSTIZ';
/** Links and colours of the palette, which no cell has: the library takes the square of the time that it takes to send them. */
const UNUSED = [4, 8, 10, 11, 12, 104, 110, 111, 112];
/** Of a cell: a character with its marks. A host may put millions of them into one, to be drawn each time anew. */
const MARKS = 32;
/** Lines above the screen that are kept, for finding what a piece scrolled by. */
const SCROLLBACK = 2000;

/** Lazily: the library is for those who look at shells. */
export async function newEmulator(size: TerminalSize): Promise<Emulator> {
  const { default: xterm } = await import('@xterm/headless');
  const { columns, rows } = bounded(size);
  return new Emulator(new xterm.Terminal({ cols: columns, rows, scrollback: SCROLLBACK, allowProposedApi: true }));
}

export class Emulator {
  readonly #terminal: Terminal;
  #cursorShown = true;
  #fed = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    const shows = (on: boolean) => (params: (number | number[])[]) => {
      if (params.includes(25)) this.#cursorShown = on;
      return false;
    };
    terminal.parser.registerCsiHandler({ prefix: '?', final: 'h' }, shows(true));
    terminal.parser.registerCsiHandler({ prefix: '?', final: 'l' }, shows(false));
    // No program asks for more than a screen has; what does so asks the reader's machine to stand still.
    for (const final of REPEATING) {
      terminal.parser.registerCsiHandler({ final }, ([count]) => Number(count) > LARGEST);
    }
    for (const code of UNUSED) terminal.parser.registerOscHandler(code, () => true);
    terminal.onLineFeed(() => {
      this.#fed += 1;
    });
  }

  get size(): TerminalSize {
    return { columns: this.#terminal.cols, rows: this.#terminal.rows };
  }

  /** From 0, of the screen; undefined: it is not shown. */
  get cursor(): { readonly x: number; readonly y: number } | undefined {
    const { cursorX: x, cursorY: y } = this.#terminal.buffer.active;
    return this.#cursorShown ? { x: Math.min(x, this.#terminal.cols - 1), y } : undefined;
  }

  /** Line feeds since it was made: no more lines than these, and those that wrapped, can have left the screen. */
  get fed(): number {
    return this.#fed;
  }

  /** All of them, in one go where their terminal stays the same. */
  async show(scenes: readonly Scene[]): Promise<void> {
    let text = '';
    for (const scene of scenes) {
      if (scene.size !== undefined) {
        await this.#write(text);
        text = '';
        const { columns, rows } = bounded(scene.size);
        if (scene.begins) this.reset();
        this.#terminal.resize(columns, rows);
      }
      text += scene.text;
    }
    await this.#write(text);
  }

  reset(): void {
    this.#terminal.reset();
    this.#cursorShown = true;
  }

  dispose(): void {
    this.#terminal.dispose();
  }

  /** The texts of the screen's lines and of so many above it; what wraps is one line. */
  texts(above = 0): string[] {
    const buffer = this.#terminal.buffer.active;
    const texts: string[] = [];
    for (let y = Math.max(0, buffer.baseY - above); y < buffer.baseY + this.#terminal.rows; y++) {
      const line = buffer.getLine(y);
      const text = line?.translateToString(true) ?? '';
      if (line?.isWrapped === true && texts.length > 0) texts[texts.length - 1] += text;
      else texts.push(text);
    }
    return texts;
  }

  /** A row of the screen, with escapes of ours alone; at most so many cells from `left` on. */
  painted(y: number, left: number, columns: number, colours: boolean): string {
    const buffer = this.#terminal.buffer.active;
    const line = buffer.getLine(buffer.baseY + y);
    if (line === undefined) return '';
    let out = '';
    let style = '';
    let blank = '';
    const cell = buffer.getNullCell();
    for (let x = left; x < Math.min(line.length, left + columns); x++) {
      line.getCell(x, cell);
      const width = cell.getWidth();
      // The second half of a wide character, or one that the edge cuts.
      if (width === 0) {
        if (x === left) blank += ' ';
        continue;
      }
      const text = x + width > left + columns ? ' ' : textOf(cell);
      const wanted = styleOf(cell, colours);
      if (text === ' ' && wanted === '' && style === '') {
        blank += ' ';
        continue;
      }
      if (wanted !== style) {
        out += `${blank}\u001b[0${wanted}m`;
        style = wanted;
      } else out += blank;
      blank = '';
      out += text;
    }
    return style === '' ? out : `${out}\u001b[0m`;
  }

  #write(text: string): Promise<void> {
    if (text === '') return Promise.resolve();
    return new Promise((resolve) => this.#terminal.write(text, resolve));
  }
}

/** Control characters, and those that turn the direction of writing: a terminal may heed them anywhere. */
const UNRULY = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

function textOf(cell: IBufferCell): string {
  const text = cell.isInvisible() ? '' : cell.getChars().slice(0, MARKS).toWellFormed().replace(UNRULY, '');
  return text === '' ? ' '.repeat(cell.getWidth()) : text;
}

/** Parameters of SGR behind a reset. */
function styleOf(cell: IBufferCell, colours: boolean): string {
  let style = '';
  if (cell.isBold()) style += ';1';
  if (cell.isDim()) style += ';2';
  if (cell.isItalic()) style += ';3';
  if (cell.isUnderline()) style += ';4';
  if (cell.isInverse()) style += ';7';
  if (cell.isStrikethrough()) style += ';9';
  if (!colours) return style;
  if (cell.isFgPalette()) style += `;38;5;${cell.getFgColor()}`;
  else if (cell.isFgRGB()) style += `;38;2;${rgb(cell.getFgColor())}`;
  if (cell.isBgPalette()) style += `;48;5;${cell.getBgColor()}`;
  else if (cell.isBgRGB()) style += `;48;2;${rgb(cell.getBgColor())}`;
  return style;
}

function rgb(colour: number): string {
  return `${(colour >> 16) & 255};${(colour >> 8) & 255};${colour & 255}`;
}

function bounded({ columns, rows }: TerminalSize): TerminalSize {
  return { columns: Math.min(Math.max(2, columns), LARGEST), rows: Math.min(rows, LARGEST) };
}
