// The size of a shell's terminal, as its recording tells it. Refuses to know: what is drawn there.

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A terminal that nobody told the size of. */
const USUAL: TerminalSize = { columns: 80, rows: 24 };

export function terminalSize(told: Readonly<Record<string, unknown>>): TerminalSize {
  return { columns: size(told.columns, USUAL.columns), rows: size(told.rows, USUAL.rows) };
}

function size(told: unknown, usual: number): number {
  return Number.isInteger(told) && Number(told) > 0 ? Number(told) : usual;
}
