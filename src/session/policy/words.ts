// Words without which no text names what a pattern is about: a text that has none of them cannot be about it.
// Refuses to know: SQL. A text that puts a name together from pieces is not noticed here.

import { fold, nameParts } from './pattern.ts';

/** A piece of a name, and whether the name begins and ends with it. */
export interface Word {
  readonly piece: string;
  readonly begins: boolean;
  readonly ends: boolean;
}

/** PostgreSQL cuts names to 63 bytes, at a character: from so many on a text may go on behind what it names. */
const CUT_BYTES = 60;

/** Of patterns of columns; undefined: one of them is about names that no text need have. */
export function wordsOf(patterns: readonly string[]): readonly Word[] | undefined {
  const found = new Map<string, Word>();
  for (const pattern of patterns) {
    const words = (nameParts(pattern) ?? []).map(wordOf).filter(({ piece }) => piece.length >= 2);
    if (words.length === 0) return undefined;
    for (const word of words) found.set(JSON.stringify(word), word);
  }
  return [...found.values()];
}

/** The longest piece between wildcards. */
function wordOf(part: string): Word {
  const pieces = part.split(/[*?]/);
  const at = pieces.reduce((best, piece, index) => (piece.length > pieces[best]!.length ? index : best), 0);
  const piece = pieces[at]!;
  const whole = Buffer.byteLength(piece) < CUT_BYTES;
  return { piece, begins: at === 0, ends: at === pieces.length - 1 && whole };
}

export function isNamed(words: readonly Word[], text: string): boolean {
  const folded = fold(text);
  return words.some((word) => isIn(folded, word));
}

/** `hr` is in `create table hr.t`, and not in `three`. */
function isIn(text: string, { piece, begins, ends }: Word): boolean {
  for (let at = text.indexOf(piece); at >= 0; at = text.indexOf(piece, at + 1)) {
    const behind = at + piece.length;
    if ((!begins || startsAt(text, at)) && (!ends || !isPart(text, behind))) return true;
  }
  return false;
}

/** `E'\thr'` is a tab and `hr`. */
const startsAt = (text: string, at: number): boolean => !isPart(text, at - 1) || text[at - 2] === '\\';

/** Whether a character may be one of a longer name. */
function isPart(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x80 || /^[\w$]$/.test(text[at] ?? '');
}
