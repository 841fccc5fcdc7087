// What detectors and patterns find in a text, and what is put in its place. Pure.
// Refuses to know: where the text comes from, what is done with the answer.

import type { RE2JS } from 're2js';
import { type Action, type Apply, applyAction, compareActions } from './actions.ts';
import type { Detector } from './detectors/detector.ts';
import { Scanner, UNREADABLE } from './scanner.ts';

/** What a mask looks for in values: built-in detectors, the user's own patterns (linear time), and what it then does. */
export interface Detection {
  readonly name: string;
  readonly action: Action;
  readonly detectors: readonly Detector[];
  readonly patterns: readonly RE2JS[];
}

/** What takes the place of a find. */
export interface Replacement {
  readonly action: Action;
  readonly apply: Apply;
  /** The mask. */
  readonly name: string;
}

export interface Found {
  /** UTF-16 offsets into the text, or offsets of bytes; `end` is excluded. */
  readonly start: number;
  readonly end: number;
  readonly tag: Replacement;
}

export class Finder {
  /** The names of the masks that look. */
  readonly names: readonly string[];
  readonly #scanner: Scanner<Replacement>;
  readonly #patterns: readonly { readonly pattern: RE2JS; readonly tag: Replacement }[];
  readonly #scans: boolean;
  /** What takes the place of a private key, where one is looked for: it goes on over lines. */
  readonly key: Replacement | undefined;

  constructor(detections: readonly Detection[], key: Uint8Array) {
    const tagged = detections.map(({ name, action, ...rest }) => ({
      tag: { action, apply: applyAction(action, key), name },
      ...rest,
    }));
    const entries = tagged.flatMap(({ tag, detectors }) => detectors.map((detector) => ({ detector, tag })));
    this.names = detections.map(({ name }) => name).sort();
    this.#scanner = new Scanner(entries);
    this.#scans = entries.length > 0;
    this.#patterns = tagged.flatMap(({ tag, patterns }) => patterns.map((pattern) => ({ pattern, tag })));
    this.key = entries.find(({ detector }) => detector.name === 'pem-private-key')?.tag;
  }

  /** Whether `clean` can say anything: nobody knows of a pattern without trying it. */
  get quick(): boolean {
    return this.#patterns.length === 0;
  }

  /** Whether for certain nothing is found in `from`‥`to` of a text in UTF-8. */
  clean(bytes: Uint8Array, from: number, to: number): boolean {
    return this.quick && this.#scanner.clean(bytes, from, to);
  }

  /** In their order, none over another: of finds that overlap all becomes one, with the strictest of their actions. */
  find(text: string): readonly Found[] | undefined {
    let finds: Found[] | undefined = this.#scans ? this.#scanner.scan(text) : undefined;
    for (const { pattern, tag } of this.#patterns) {
      for (const match of pattern.matchAll(text)) {
        if (match[0].length === 0) continue;
        finds ??= [];
        finds.push({ start: match.index!, end: match.index! + match[0].length, tag });
      }
    }
    return finds === undefined ? undefined : merged(finds);
  }

  /** The same in the code units of a text; UNREADABLE: only its text can tell. */
  findUnits(units: readonly number[]): readonly Found[] | undefined | typeof UNREADABLE {
    if (!this.quick) return UNREADABLE;
    const finds = this.#scanner.scanUnits(units);
    return finds === undefined ? undefined : merged(finds);
  }

  /** The same in `from`‥`to` of a text in UTF-8, by offsets of bytes from `from`; UNREADABLE: only its text can tell. */
  findBytes(bytes: Uint8Array, from: number, to: number): readonly Found[] | undefined | typeof UNREADABLE {
    if (!this.quick) return UNREADABLE;
    const finds = this.#scanner.scanBytes(bytes, from, to);
    return finds === undefined || finds === UNREADABLE ? finds : merged(finds);
  }
}

function merged(finds: Found[]): readonly Found[] {
  if (apart(finds)) return finds;
  finds.sort((a, b) => a.start - b.start || b.end - a.end);
  const out: Found[] = [];
  for (let i = 0; i < finds.length; ) {
    const { start } = finds[i]!;
    let { end, tag } = finds[i]!;
    for (i++; i < finds.length && finds[i]!.start < end; i++) {
      const other = finds[i]!;
      end = Math.max(end, other.end);
      if ((compareActions(other.tag.action, tag.action) || (other.tag.name < tag.name ? -1 : 1)) < 0) tag = other.tag;
    }
    out.push({ start, end, tag });
  }
  return out;
}

/** The usual case: one find, or some that are in order. */
function apart(finds: readonly Found[]): boolean {
  for (let i = 1; i < finds.length; i++) if (finds[i]!.start < finds[i - 1]!.end) return false;
  return true;
}
