// The user's terminal, all of it: rows are drawn where they changed, keys come one by one, and afterwards it is as it was.
// Refuses to know: what is drawn, what keys mean.

import { userError } from '../core/errors.ts';
import type { Emulator } from './emulator.ts';
import type { Io } from './io.ts';

/** Another screen, cursor hidden; and back, with everything that was set here unset. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[2J';
const LEAVE = '\u001b[0m\u001b[?25h\u001b[?1049l';

/** Both ways a terminal that can draw. */
export function canDraw({ interactive, terminal, env }: Io): boolean {
  return interactive && terminal.stdout && env.TERM !== 'dumb';
}

export class Stage {
  readonly #io: Io;
  readonly #stdout: NodeJS.WriteStream;
  readonly #listener: (key: Buffer) => void;
  readonly #resized: () => void;
  #drawn: string[] = [];
  #closed = false;

  /** Errors: no_terminal. */
  constructor(io: Io, events: { key(key: string): void; resized(): void }) {
    if (!canDraw(io)) throw userError('no_terminal', 'this needs a terminal that can draw');
    this.#io = io;
    this.#stdout = io.stdout as NodeJS.WriteStream;
    this.#listener = (bytes) => {
      for (const key of keysOf(bytes.toString())) events.key(key);
    };
    this.#resized = () => {
      this.#drawn = [];
      this.#stdout.write('\u001b[2J');
      events.resized();
    };
    this.#stdout.write(ENTER);
    io.stdin.setRawMode?.(true);
    io.stdin.on('data', this.#listener);
    io.stdin.resume();
    this.#stdout.on('resize', this.#resized);
  }

  /** Its last row is for `status`. */
  get columns(): number {
    return this.#io.columns;
  }

  get rows(): number {
    return Math.max(2, this.#stdout.rows || 24);
  }

  /** The screen, as much of it as there is room for around its cursor, and a line of ours below. */
  draw(screen: Emulator, status: string): void {
    // A terminal that is slow sees less of what was in between, never something old.
    if (this.#closed || this.#stdout.writableNeedDrain) return;
    const room = this.rows - 1;
    const { cursor, size } = screen;
    const top = Math.max(0, Math.min((cursor?.y ?? 0) - room + 1, size.rows - room));
    const left = Math.max(0, Math.min((cursor?.x ?? 0) - this.columns + 1, size.columns - this.columns));
    const colours = this.#io.color.stdout;
    const rows: string[] = [];
    for (let y = 0; y < room; y++) rows.push(screen.painted(top + y, left, this.columns, colours));
    rows.push(`\u001b[0;7m${status.slice(0, this.columns).padEnd(Math.min(this.columns, 4096))}\u001b[0m`);
    let out = '';
    for (const [y, row] of rows.entries()) {
      if (this.#drawn[y] !== row) out += `\u001b[${y + 1};1H\u001b[0m\u001b[K${row}`;
    }
    this.#drawn = rows;
    const at = cursor === undefined ? undefined : `\u001b[${cursor.y - top + 1};${cursor.x - left + 1}H\u001b[?25h`;
    this.#stdout.write(`\u001b[?25l${out}${at ?? ''}`);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { stdin } = this.#io;
    stdin.off('data', this.#listener);
    this.#stdout.off('resize', this.#resized);
    stdin.setRawMode?.(false);
    stdin.pause();
    this.#stdout.write(LEAVE);
  }
}

/** What was typed, key by key: a sequence of a key that has no character is one. */
export function keysOf(typed: string): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: keys begin with one.
  return typed.match(/\u001b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|[\s\S]/gu) ?? [];
}
