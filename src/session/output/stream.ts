// Output on its way to the client: what masks find in it is replaced, what a rule is about stops it, and the end of it that may
// still become a find is held for a bounded time. Reads it line by line, as a terminal shows it; forwards the very bytes.
// No I/O: bytes and the time in, bytes out. Refuses to know: policy, reviews, the wire.
// INVARIANT: however the bytes are cut into pieces, what comes out is the same, as long as nothing is held to its limit.

import type { RE2JS } from 're2js';
import { FULL } from '../masking/actions.ts';
import type { Finder, Found } from '../masking/finder.ts';
import { UNREADABLE } from '../masking/scanner.ts';
import { type Line, NO_BYTES } from './line.ts';
import { Marks } from './marks.ts';
import { beginsKey, PrivateKey } from './private-key.ts';
import { Reader } from './reader.ts';
import { Screen, WINDOW } from './screen.ts';

/** A rule that looks at output. */
export interface Watch {
  readonly name: string;
  readonly pattern: RE2JS;
}

/** What is looked for now; the same objects as long as nothing changes. */
export interface Guards {
  readonly finder: Finder | undefined;
  readonly watches: readonly Watch[];
}

export interface StreamOptions {
  readonly guards: () => Guards;
  /** A terminal reads it: a value keeps its width, and a line may go on in the next row. */
  readonly terminal: boolean;
  /** How long a byte is held at most, ms. */
  readonly holdMs: number;
  /** Rules match, and nothing of it has gone out: false stops it until `release`, or for good. `shown`: the line as masked. */
  readonly matched: (names: readonly string[], shown: string) => boolean;
  /** Masks would change what is no text: nothing more goes out. */
  readonly spoiled: (masks: readonly string[]) => void;
}

/** Of a line longer than the window so many characters are kept back, and so many of those before them are remembered. */
const TAIL = 1024;
const REMEMBERED = 64;
/** Bytes that are held at most, whatever they are. */
const MOST_HELD = 64 * 1024;

const EMPTY = Buffer.alloc(0);
const DASH = 45;

export class OutputStream {
  readonly #options: StreamOptions;
  readonly #screen: Screen;
  #reader: Reader;
  readonly #marks = new Marks();
  readonly #key = new PrivateKey();
  #guards: Guards;
  /** What is not sent or not read yet; `#base` is its place in the stream. */
  #held: Buffer = EMPTY;
  #base = 0;
  #read = 0;
  #sent = 0;
  /** Bytes before it are as they will be. */
  #settled = 0;
  #since: number | undefined;
  /** A find that was longer than the window goes on until a blank. */
  #within = false;
  /** Rules that have nothing more to say. */
  readonly #passed = new Set<string>();
  #stopped = false;
  /** Nothing goes out any more. */
  #over = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#guards = options.guards();
    this.#screen = new Screen({
      taken: (unit, start, size) => this.#taken(unit, start, size),
      overwriting: () => {
        this.#look();
        this.#marks.settle();
      },
      hidden: () => {
        this.#marks.begin();
        this.#examine(this.#screen.unseen);
        this.#marks.settle();
      },
    });
    this.#reader = new Reader(this.#screen);
  }

  /** Finds that were replaced so far. */
  get masked(): number {
    return this.#marks.finds;
  }

  /** A rule has stopped it. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** When what is held has to go on; undefined: nothing is. */
  get due(): number | undefined {
    return this.#since === undefined || this.#stopped ? undefined : this.#since + this.#options.holdMs;
  }

  resize(columns: number): void {
    this.#screen.resize(this.#options.terminal && columns > 0 ? columns : undefined);
  }

  /** `echo`: it is what the client typed itself; there is nothing to wait for. */
  push(bytes: Buffer, now: number, echo = false): Buffer {
    if (this.#over) return EMPTY;
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    if (!this.#stopped) return this.#go(now, echo);
    // The buffer is not ours to keep.
    this.#held = Buffer.from(this.#held);
    return EMPTY;
  }

  tick(now: number): Buffer {
    const { due } = this;
    return due === undefined || now < due ? EMPTY : this.#go(now, true);
  }

  /** Nothing more comes. */
  end(): Buffer {
    return this.#stopped ? EMPTY : this.#go(0, true);
  }

  /** What stopped it was approved: these rules have nothing more to say of it. */
  release(names: readonly string[], now: number): Buffer {
    if (this.#over) return EMPTY;
    for (const name of names) this.#passed.add(name);
    this.#stopped = false;
    return this.#go(now, true);
  }

  /** Nothing of what is here or comes goes out. */
  discard(): void {
    this.#over = true;
    this.#stopped = true;
    this.#held = EMPTY;
  }

  // -------------------------------------------------------------------------------------------------------------------

  #go(now: number, all: boolean): Buffer {
    this.#guards = this.#options.guards();
    const { finder, watches } = this.#guards;
    const end = this.#base + this.#held.length;
    if (finder === undefined && watches.length === 0) {
      this.#forget(end);
      return this.#emit(end);
    }
    const from = this.#settled;
    this.#advance();
    if (!this.#stopped) this.#look();
    if (this.#stopped) return this.#emit(Math.max(this.#settled, this.#sent));
    const out = this.#emit(all || end - this.#settled > MOST_HELD ? end : this.#settled);
    if (this.#sent < end && (this.#since === undefined || this.#settled > from)) this.#since = now;
    return out;
  }

  /** Nothing is looked for: nothing of what was is of use. */
  #forget(end: number): void {
    this.#marks.clear();
    this.#screen.lost();
    this.#reader = new Reader(this.#screen);
    this.#read = end;
    this.#settled = end;
    this.#within = false;
  }

  #advance(): void {
    const screen = this.#screen;
    while (!this.#stopped) {
      if (screen.ended && !this.#endLine()) return;
      const at = this.#read - this.#base;
      if (at >= this.#held.length) return;
      if (this.#plainLine(at)) continue;
      this.#read = this.#base + this.#reader.read(this.#held, at, this.#base);
      if (screen.full) this.#shift();
      else if (!screen.ended) return;
    }
  }

  /** A whole line without anything but text, which most are: no cells are made for it. */
  #plainLine(at: number): boolean {
    const { line, columns } = this.#screen;
    if (line.length > 0 || !this.#reader.plain || this.#key.open || this.#within) return false;
    const bytes = this.#held;
    const limit = Math.min(bytes.length, at + Math.min(WINDOW, columns ?? WINDOW));
    let end = at;
    let high = 0;
    while (end < limit && PLAIN[bytes[end]!] === 1) high |= bytes[end++]!;
    const stop = bytes[end] === 13 ? end + 1 : end;
    if (end >= limit || bytes[stop] !== 10) return false;
    const { finder, watches } = this.#guards;
    const found = finder?.findBytes(bytes, at, end);
    if (watches.length === 0 && found === undefined && (finder?.key === undefined || !beginsKey(bytes, at, end))) {
      this.#pass(stop + 1);
      return true;
    }
    const text = bytes.toString(high < 128 ? 'latin1' : 'utf8', at, end);
    // Bytes that are no text are told apart one by one.
    if (high >= 128 && text.includes('\ufffd')) return false;
    // Where a character is a byte, a place in the bytes is one in the text.
    const finds = (high < 128 && found !== UNREADABLE ? found : finder?.find(text)) ?? [];
    if (!this.#allowed(text, finds)) return true;
    const place = (index: number) => this.#base + at + (high < 128 ? index : Buffer.byteLength(text.slice(0, index)));
    for (const find of finds) {
      const start = place(find.start);
      this.#marks.found();
      this.#marks.put(start, place(find.end) - start, this.#fit(find, text));
    }
    this.#key.line(text, finder?.key !== undefined);
    this.#marks.settle();
    this.#pass(stop + 1);
    return true;
  }

  #pass(to: number): void {
    this.#read = this.#base + to;
    this.#settled = this.#read;
    this.#screen.fresh();
  }

  /** Whether rules let the line through. */
  #allowed(text: string, finds: readonly Found[]): boolean {
    const names = this.#guards.watches
      .filter(({ name, pattern }) => !this.#passed.has(name) && pattern.test(text))
      .map(({ name }) => name);
    if (names.length === 0) return true;
    if (this.#options.matched(names, masked(text, finds))) {
      for (const name of names) this.#passed.add(name);
      return true;
    }
    this.#stopped = true;
    return false;
  }

  #fit({ start, end, tag }: Found, text: string): string {
    const value = text.slice(start, end);
    const replaced = tag.apply.text(value) ?? '';
    return this.#options.terminal ? widened(replaced, value.length) : replaced;
  }

  /** Looks at what is there of the line: what it finds counts until the next look. False: a rule stops it. */
  #look(): boolean {
    const { line, unseen } = this.#screen;
    this.#marks.begin();
    this.#examine(unseen);
    return this.#examine(line);
  }

  #examine(line: Line): boolean {
    if (line.length === 0) return true;
    const { finder, watches } = this.#guards;
    const found = this.#key.open || watches.length > 0 ? UNREADABLE : finder?.findUnits(line.units);
    if (found === undefined) return true;
    const text = line.text();
    if (this.#key.covers(text)) {
      this.#replace(line, 0, line.length, this.#options.terminal ? '*'.repeat(line.length) : FULL);
      return true;
    }
    const finds = (found === UNREADABLE ? finder?.find(text) : found) ?? [];
    if (line === this.#screen.line && !this.#allowed(text, finds)) return false;
    for (const find of finds) this.#replace(line, find.start, find.end, this.#fit(find, text));
    return true;
  }

  #finds(line: Line): readonly Found[] | undefined {
    const { finder } = this.#guards;
    const found = finder?.findUnits(line.units);
    return found === UNREADABLE ? finder?.find(line.text()) : found;
  }

  /** Puts the text in the place of cells; where some of them have gone already, nothing of the rest may show. */
  #replace(line: Line, from: number, to: number, text: string): void {
    const gone = Math.max(this.#sent, this.#settled);
    let late = false;
    for (let i = from; i < to && !late; i++) late = line.starts[i] !== NO_BYTES && line.starts[i]! < gone;
    const { terminal } = this.#options;
    let rest = late ? FULL : text;
    this.#marks.found();
    for (let i = from; i < to; i++) {
      const start = line.starts[i]!;
      const own = terminal ? (late ? '*' : (text[i - from] ?? '')) : rest;
      const under = line.under[i] ?? [];
      for (let k = 0; k < under.length; k += 2) {
        if (under[k]! >= gone) this.#marks.put(under[k]!, under[k + 1]!, terminal ? own : '');
      }
      if (start === NO_BYTES || start < gone || line.sizes[i] === 0) continue;
      this.#marks.put(start, line.sizes[i]!, own);
      rest = '';
    }
  }

  /** The line is over; false: a rule stops it. */
  #endLine(): boolean {
    if (!this.#look()) return false;
    const { line } = this.#screen;
    // Without a dash no key begins.
    if (line.length > 0 && (this.#key.open || line.units.includes(DASH))) {
      this.#key.line(line.text(), this.#guards.finder?.key !== undefined);
    }
    this.#marks.settle();
    this.#settled = this.#read;
    this.#within = false;
    this.#screen.begin();
    return true;
  }

  /** A line longer than the window: its beginning may go, but for a find that reaches into what is kept. */
  #shift(): void {
    const { line, unseen } = this.#screen;
    if (unseen.length >= WINDOW) {
      this.#screen.cut();
      return;
    }
    if (!this.#look()) return;
    let cut = line.length - TAIL;
    const over = this.#finds(line)?.find(({ start, end }) => start < cut && end > cut);
    if (over !== undefined && over.start > REMEMBERED) cut = over.start;
    else if (over !== undefined) {
      // It fills the window: what comes behind it belongs to it.
      cut = over.end;
      this.#within = cut === line.length;
    }
    const kept = line.starts.find((start, i) => i >= cut && start !== NO_BYTES) ?? this.#read;
    this.#marks.settleBefore(kept);
    this.#settled = Math.max(this.#settled, kept);
    line.drop(Math.max(0, cut - REMEMBERED));
  }

  /** A character of a find that goes on. */
  #taken(unit: number, start: number, size: number): boolean {
    this.#within &&= unit > 32;
    if (this.#within && size > 0) {
      this.#marks.put(start, size, this.#options.terminal ? '*' : '');
      this.#marks.settle();
    }
    return this.#within;
  }

  #emit(to: number): Buffer {
    const from = this.#sent;
    if (to > from) this.#marks.settleBefore(to);
    const spoiled = this.#screen.notText && !this.#options.terminal ? this.#marks.first(from, to) : undefined;
    const until = spoiled ?? to;
    const bytes = this.#held.subarray(from - this.#base, Math.max(from, until) - this.#base);
    const out = this.#marks.apply(bytes, from);
    if (spoiled !== undefined) {
      this.discard();
      this.#options.spoiled(this.#guards.finder?.names ?? []);
      return out;
    }
    this.#sent = Math.max(from, to);
    const keep = Math.min(this.#sent, this.#read);
    const end = this.#base + this.#held.length;
    // The buffer is not ours to keep.
    this.#held = keep === end ? EMPTY : Buffer.from(this.#held.subarray(keep - this.#base));
    this.#base = keep;
    if (this.#sent >= end) this.#since = undefined;
    return out;
  }
}

/** Bytes of text. */
const PLAIN = new Uint8Array(256).fill(1, 32);
PLAIN[127] = 0;
PLAIN[9] = 1;

/** A replacement that is as wide as what it replaces. */
function widened(text: string, width: number): string {
  return text.length <= width ? text.padStart(width, '*') : text.slice(0, width);
}

function masked(text: string, finds: readonly Found[]): string {
  let out = '';
  let copied = 0;
  for (const { start, end, tag } of finds) {
    out += text.slice(copied, start) + (tag.apply.text(text.slice(start, end)) ?? '');
    copied = end;
  }
  return out + text.slice(copied);
}
