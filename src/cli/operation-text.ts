// What runs, for a reader's eyes: what is no plain text says so, and nothing in it can pass for a line of ours.
// Refuses to know: where it is shown.

import { printable } from './text.ts';

/** Said of a text that shows bytes that are not UTF-8. */
export const ESCAPED = 'not UTF-8: \\xNN is a byte, \\\\ is a backslash';

/** Said of a text in which what a terminal would obey is made visible. */
const TAMED = 'control characters are shown as \\xNN or \\uNNNN';

/** How a text is to be read where it is not as it stands, in brackets; otherwise nothing. */
export function readingOf(text: string, bytes: unknown): string {
  const notes = [...(bytes === undefined ? [] : [ESCAPED]), ...(printable(text) === text ? [] : [TAMED])];
  return notes.length === 0 ? '' : `(${notes.join('; ')})`;
}

/** Values as lines. What is not plain text says how it is to be read; further lines of one begin with a bar. */
export function valueLines(values: unknown, forms: unknown): readonly string[] {
  const known = Array.isArray(forms) ? forms : [];
  return (Array.isArray(values) ? values : []).map((value: string | null, i) => {
    const form = typeof known[i] === 'string' ? ` (${printable(known[i])})` : '';
    return `$${i + 1}${form} = ${value === null ? 'NULL' : printable(String(value)).replace(/\n/g, '\n  | ')}`;
  });
}
