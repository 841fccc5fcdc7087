// The reviews that somebody watches: those that wait, in the order in which they came, and the last that were decided. And
// a statement as lines to read. Refuses to know: the terminal, the gateway.

import type { ReviewItem } from './shapes.ts';
import { printable } from './text.ts';

const DECIDED_KEPT = 5;

export class Inbox {
  readonly #reviews = new Map<string, ReviewItem>();
  #decided: string[] = [];
  /** Counts changes. */
  version = 0;

  apply(review: ReviewItem): void {
    this.version += 1;
    const before = this.#reviews.get(review.id);
    this.#reviews.set(review.id, review);
    this.#decided = this.#decided.filter((id) => id !== review.id);
    if (review.state === 'pending') return;
    // What was over before it was ever seen here is of no interest.
    if (before === undefined) {
      this.#reviews.delete(review.id);
      return;
    }
    this.#decided.unshift(review.id);
    for (const id of this.#decided.splice(DECIDED_KEPT)) this.#reviews.delete(id);
  }

  /** The gateway was away: what waited may not wait any more; those that do are told of anew. */
  clear(): void {
    this.#reviews.clear();
    this.#decided = [];
    this.version += 1;
  }

  get waiting(): readonly ReviewItem[] {
    return [...this.#reviews.values()]
      .filter((review) => review.state === 'pending')
      .sort((a, b) => time(a) - time(b) || (a.id < b.id ? -1 : 1));
  }

  /** The latest first. */
  get decided(): readonly ReviewItem[] {
    return this.#decided.flatMap((id) => this.#reviews.get(id) ?? []);
  }

  get(id: string | undefined): ReviewItem | undefined {
    return id === undefined ? undefined : this.#reviews.get(id);
  }
}

function time(review: ReviewItem): number {
  return new Date(review.createdAt).getTime();
}

export interface Word {
  readonly text: string;
  /** It is what the operation does or touches. */
  readonly marked: boolean;
}

/**
 * A statement as lines of at most `width` characters, nothing left out: what it does and touches is marked. Any language:
 * words are looked up, nothing is parsed.
 */
export function statementLines(review: ReviewItem, width: number): readonly (readonly Word[])[] {
  const marks = marksOf(review);
  const lines: Word[][] = [];
  for (const line of printable(review.text ?? '').split('\n')) {
    let words: Word[] = [];
    let room = width;
    const add = (text: string, marked: boolean) => {
      for (let rest = text; rest !== ''; ) {
        if (room === 0) {
          lines.push(words);
          words = [];
          room = width;
        }
        const piece = rest.slice(0, room);
        words.push({ text: piece, marked });
        room -= piece.length;
        rest = rest.slice(piece.length);
      }
    };
    for (const text of line.replaceAll('\t', '  ').match(/[\p{L}\p{N}_]+|[^\p{L}\p{N}_]+/gu) ?? []) {
      add(text, marks.has(text.toLowerCase()));
    }
    lines.push(words);
  }
  return lines;
}

function marksOf({ touches }: ReviewItem): Set<string> {
  if (touches === undefined) return new Set();
  const names = [...touches.does, ...touches.reads, ...touches.writes, ...touches.functions];
  return new Set(names.flatMap((name) => name.toLowerCase().split(/[.-]/)));
}
