// Text for people: tables, times, and the taming of what others wrote before it meets a terminal.

import { formatDuration } from '../core/clock.ts';
import { escapeUnseen, printable } from '../core/visible.ts';

export { printable };

/** A value as a line of JSON; on a terminal with what would steer it, or could not be seen, escaped: JSON itself does that of ASCII alone. */
export function jsonLine(value: unknown, terminal: boolean): string {
  const json = JSON.stringify(value);
  const unit = (text: string) => `\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return `${terminal ? escapeUnseen(json, (character) => character.split('').map(unit).join('')) : json}\n`;
}

/** A text that is bound by its bytes: on a terminal with what would steer it made visible, elsewhere as it is. */
export function verbatim(text: string, terminal: boolean): string {
  return terminal ? printable(text) : text;
}

/** Tamed, on one line, at most `width` characters, with an ellipsis where it was cut. */
export function oneLine(text: string, width = Number.POSITIVE_INFINITY): string {
  const line = printable(text.replace(/[ \t\r\n\f\v]+/g, ' ').replace(/^ | $/g, ''));
  return line.length <= width ? line : `${line.slice(0, Math.max(0, width - 1))}…`;
}

export interface TableOptions {
  /** The last column is cut so that lines fit this width; unlimited when not given. */
  readonly width?: number;
  /** Headers as they are instead of in capitals. */
  readonly plain?: boolean;
  /** Colours a cell after it has been padded. */
  readonly paint?: (cell: string, column: number, row: number) => string;
}

/** Aligned columns, two spaces apart, headers in capitals; ends with a newline. Cells are tamed and put on one line. */
export function table(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string {
  const cells = rows.map((row) => headers.map((_, i) => oneLine(row[i] ?? '')));
  const widths = headers.map((header, i) =>
    cells.reduce((width, row) => Math.max(width, row[i]!.length), oneLine(header).length),
  );
  const titles = headers.map((header) => (options.plain ? oneLine(header) : header.toUpperCase()));
  const last = headers.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + 2, 0);
  const room = options.width === undefined ? Number.POSITIVE_INFINITY : Math.max(20, options.width - before);
  const render = (row: readonly string[], y: number): string =>
    row
      .map((cell, x) => {
        const fitted = x === last ? oneLine(cell, room) : cell.padEnd(widths[x]!);
        return options.paint && y >= 0 ? options.paint(fitted, x, y) : fitted;
      })
      .join('  ')
      .trimEnd();
  return `${[render(titles, -1), ...cells.map(render)].join('\n')}\n`;
}

/** `key  value` lines, aligned; undefined values are left out; ends with a newline. */
export function facts(pairs: readonly (readonly [string, string | undefined])[]): string {
  const shown = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined && pair[1] !== '');
  const width = Math.max(0, ...shown.map(([key]) => key.length));
  return shown
    .map(([key, value]) => `${key.padEnd(width)}  ${printable(value).replaceAll('\n', '\n'.padEnd(width + 3))}\n`)
    .join('');
}

/** `2026-11-20 07:13:05` in local time. */
export function localTime(iso: string | number | undefined): string {
  if (iso === undefined) return '';
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return String(iso);
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `in 14m`, `3h ago`: the two largest units. */
export function relativeTime(iso: string | number, now: number): string {
  const distance = new Date(iso).getTime() - now;
  if (Number.isNaN(distance)) return String(iso);
  const words = coarse(Math.abs(distance));
  return distance >= 0 ? `in ${words}` : `${words} ago`;
}

function coarse(ms: number): string {
  const parts = formatDuration(ms < 1000 ? 1000 : ms).match(/\d+[a-z]+/g) ?? ['0s'];
  return parts.slice(0, 2).join('');
}

export function byteSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
