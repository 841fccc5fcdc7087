// Says whether a recording is what was written, and if not, what is wrong and where, in words.
// Refuses to know: where the bytes come from. Trusts nothing in them but the chain, and the digest that the caller has.

import { HoopctlError } from '../../core/errors.ts';
import { type ChainState, FORMAT_VERSION, GENESIS, lineDigest } from './line.ts';
import { type Line, LineSplitter, parseLine, preview, type RawLine } from './reader.ts';

export type ProblemKind =
  | 'unreadable'
  | 'changed'
  | 'missing'
  | 'repeated'
  | 'cut'
  | 'not_sealed'
  | 'after_seal'
  | 'seal_broken'
  | 'other_recording';

export interface Problem {
  readonly what: ProblemKind;
  /** From 1. */
  readonly line: number;
  /** Byte in the file. */
  readonly offset: number;
  /** One line for a person, with the place. */
  readonly message: string;
}

export interface Verification {
  /** No problem at all; a recording that was interrupted and sealed so is fine. */
  readonly ok: boolean;
  readonly sealed: boolean;
  /** Why it was sealed by somebody else than its session, where it was. */
  readonly interrupted: string | undefined;
  /** Whole lines seen. */
  readonly lines: number;
  readonly bytes: number;
  readonly session: string | undefined;
  /** The seal's digest: compare it with the one in the gateway's log. */
  readonly digest: string | undefined;
  readonly problems: readonly Problem[];
  /** Oddities that no tampering needs to explain: the clock went back. */
  readonly warnings: readonly string[];
  /** Time of the last whole line. */
  readonly lastAt: string | undefined;
  /** The first line. */
  readonly opening: Line | undefined;
  /** Bytes up to the end of the last whole line before any problem, and what a line after it would begin with. */
  readonly wholeBytes: number;
  readonly state: ChainState;
}

/** What the caller knows from elsewhere (the log, the store): then a forged chain is found too. */
export interface Expected {
  readonly session?: string;
  readonly digest?: string;
  /** A file still being written: its missing end is no problem. */
  readonly open?: boolean;
}

const MAX_PROBLEMS = 20;

/** Longer lines are read by how they begin and end: what says something of the recording as a whole is shorter. */
const MEMBERS_BYTES = 1024 * 1024;
const HEAD_BYTES = 128;

/** `,"prev":"…"}` */
const PREV_BYTES = 75;
const SEQ = Buffer.from('{"seq":');
const AT = Buffer.from(',"at":"');
const AT_BYTES = 24;
const KIND = Buffer.from('","kind":"');
const PREV = Buffer.from(',"prev":"');
const [ZERO, NINE, LOWER_A, LOWER_Z, QUOTE] = [0x30, 0x39, 0x61, 0x7a, 0x22];
/** What `seal` and `segment` begin with: the kinds that say something of the recording as a whole. */
const [S, E] = [0x73, 0x65];
/** No line of ours is shorter, as far as it is looked at byte by byte. */
const LEAST_BYTES = SEQ.length + 1 + AT.length + AT_BYTES + KIND.length + 2 + PREV_BYTES;

/** Follows a chain line by line. After a problem it goes on from the line it has, to name the next one too. */
export class ChainChecker {
  readonly problems: Problem[] = [];
  readonly warnings: string[] = [];
  /** Bytes up to the end of the last line before the first problem, and the state of the chain there. */
  goodBytes = 0;
  seal: Line | undefined;
  first: Line | undefined;
  /** Time of the last line. */
  lastAt: string | undefined;
  lines = 0;
  /** Files that it consists of, as far as its lines are good. */
  segments = 1;
  #seq = 0;
  #head = GENESIS;
  #goodSeq = 0;
  #goodHead = GENESIS;

  get goodState(): ChainState {
    return { seq: this.#goodSeq, head: this.#goodHead };
  }

  line(raw: RawLine): void {
    if (!raw.whole) {
      this.problem('cut', raw, `line ${raw.number} is cut: it has no end ("${preview(raw.bytes)}")`);
      return;
    }
    this.lines += 1;
    if (this.#follows(raw)) return;
    const line = raw.bytes.length > MEMBERS_BYTES ? outline(raw.bytes) : parseLine(raw.bytes);
    if (this.seal !== undefined) {
      this.problem('after_seal', raw, `line ${raw.number} stands after the seal: it was added`);
      return;
    }
    if (line === undefined || !endsWithPrev(raw.bytes, line.prev)) {
      const shown = preview(raw.bytes);
      this.problem('unreadable', raw, `line ${raw.number} was changed: it is no line of a recording ("${shown}")`);
      this.#head = lineDigest(raw.bytes);
      this.#seq += 1;
      return;
    }
    this.#checkChain(raw, line);
    this.#checkMeaning(raw, line);
    this.#head = lineDigest(raw.bytes);
    this.#seq = line.seq + 1;
    this.first ??= line;
    this.lastAt = line.at;
    if (this.problems.length > 0) return;
    if (line.kind === 'segment') this.segments += 1;
    this.#good(raw);
  }

  #good({ offset, bytes }: RawLine): void {
    this.goodBytes = offset + bytes.length + 1;
    this.#goodSeq = this.#seq;
    this.#goodHead = this.#head;
  }

  /**
   * Takes a line by its bytes alone where they suffice: it stands in its place, is bound to the one before, and is neither a
   * seal nor the first of a segment. Parsing each would halve the rate; what is between is bound by the next line, or the seal.
   */
  #follows(raw: RawLine): boolean {
    const { bytes } = raw;
    if (this.first === undefined || this.seal !== undefined || this.problems.length > 0) return false;
    if (bytes.length < LEAST_BYTES || !standsAt(bytes, 0, SEQ)) return false;
    let seq = 0;
    let i = SEQ.length;
    for (; bytes[i]! >= ZERO && bytes[i]! <= NINE; i++) seq = seq * 10 + bytes[i]! - ZERO;
    // The first line has 0, and went another way: no other number begins with one.
    if (seq !== this.#seq || bytes[SEQ.length] === ZERO || !standsAt(bytes, i, AT)) return false;
    i += AT.length + AT_BYTES;
    if (!standsAt(bytes, i, KIND)) return false;
    const at = bytes.toString('latin1', i - AT_BYTES, i);
    i += KIND.length;
    const kind = i;
    if (bytes[i] === S && bytes[i + 1] === E) return false;
    while (bytes[i]! >= LOWER_A && bytes[i]! <= LOWER_Z) i++;
    if (i === kind || bytes[i] !== QUOTE || at < this.lastAt!) return false;
    const prev = bytes.length - PREV_BYTES;
    if (!standsAt(bytes, prev, PREV) || bytes[bytes.length - 2] !== QUOTE || bytes[bytes.length - 1] !== 0x7d)
      return false;
    if (bytes.toString('latin1', prev + PREV.length, bytes.length - 2) !== this.#head) return false;
    this.lastAt = at;
    this.#head = lineDigest(bytes);
    this.#seq += 1;
    this.#good(raw);
    return true;
  }

  #checkChain(raw: RawLine, line: Line): void {
    const { number } = raw;
    if (line.seq === this.#seq) {
      if (line.prev === this.#head) return;
      const before = number === 1 ? 'it does not begin a recording' : `line ${number - 1} was changed`;
      this.problem('changed', raw, `line ${number} does not follow the line before it: ${before}`);
    } else if (line.seq > this.#seq) {
      const count = line.seq - this.#seq;
      const missing = count === 1 ? `line with seq ${this.#seq} is` : `${count} lines from seq ${this.#seq} are`;
      this.problem('missing', raw, `${missing} missing before line ${number} (seq ${line.seq})`);
    } else {
      const why = 'it was inserted, repeated or moved';
      this.problem('repeated', raw, `line ${number} has seq ${line.seq} where ${this.#seq} was due: ${why}`);
    }
  }

  #checkMeaning(raw: RawLine, line: Line): void {
    if (raw.number === 1 && line.kind !== 'open' && line.kind !== 'seal') {
      this.problem('missing', raw, `line 1 is "${line.kind}", not "open": the beginning is missing`);
    }
    if (line.kind === 'open' && typeof line.format === 'number' && line.format > FORMAT_VERSION) {
      const known = `this program knows versions up to ${FORMAT_VERSION}`;
      this.problem('unreadable', raw, `the recording has format ${line.format}, ${known}: use a newer one`);
    }
    if (this.lastAt !== undefined && line.at < this.lastAt) {
      this.warnings.push(`line ${raw.number}: the clock went back from ${this.lastAt} to ${line.at}`);
    }
    if (line.kind !== 'seal') return;
    this.seal = line;
    const digest = String(line.digest);
    const blank = raw.bytes.toString('latin1').replace(`"digest":"${digest}","prev"`, `"digest":"${GENESIS}","prev"`);
    if (lineDigest(Buffer.from(blank, 'latin1')) !== digest) {
      this.problem('seal_broken', raw, `the seal (line ${raw.number}) was changed: its digest is not its own`);
    } else if (line.lines !== line.seq + 1) {
      this.problem('seal_broken', raw, `the seal (line ${raw.number}) counts ${String(line.lines)} lines`);
    }
  }

  /** No more problems are listed. */
  get full(): boolean {
    return this.problems.length >= MAX_PROBLEMS;
  }

  problem(what: ProblemKind, at: { number: number; offset: number }, message: string): void {
    if (this.full) return;
    this.problems.push({ what, line: at.number, offset: at.offset, message: `${message} (byte ${at.offset})` });
  }
}

/** A line without its own members, which somebody may have made of what takes all memory. */
function outline(bytes: Buffer): Line | undefined {
  const head = bytes.toString('latin1', 0, HEAD_BYTES);
  const [, seq, at, kind] = /^\{"seq":(\d{1,15}),"at":"([^"\\]{24})","kind":"([a-z]+)"/.exec(head) ?? [];
  const [, prev] = /^,"prev":"([0-9a-f]{64})"\}$/.exec(bytes.toString('latin1', bytes.length - PREV_BYTES)) ?? [];
  return kind === undefined || prev === undefined ? undefined : { seq: Number(seq), at: at!, kind, prev };
}

function standsAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}

/** Whether `,"prev":"…"}` are the line's last bytes: a second `prev` further in could otherwise hide. */
function endsWithPrev(bytes: Buffer, prev: string): boolean {
  return bytes.toString('latin1', Math.max(0, bytes.length - PREV_BYTES)) === `,"prev":"${prev}"}`;
}

/** Reads all of it in constant memory. Errors: those of the source. */
export async function verify(source: AsyncIterable<Uint8Array>, expected: Expected = {}): Promise<Verification> {
  const splitter = new LineSplitter();
  const checker = new ChainChecker();
  let bytes = 0;
  try {
    for await (const chunk of source) {
      bytes += chunk.length;
      for (const raw of splitter.push(chunk)) if (!checker.full) checker.line(raw);
      // Little that is compressed can be endless lines, and what more is wrong is not listed.
      if (splitter.tooLong !== undefined || checker.full) break;
    }
  } catch (thrown) {
    // A segment that cannot be unpacked is a finding about the recording, not about the reading.
    if (!(thrown instanceof HoopctlError) || thrown.code !== 'recording_invalid') throw thrown;
    checker.problem('unreadable', { number: checker.lines + 1, offset: bytes }, thrown.message);
  }
  if (checker.full) {
    checker.warnings.push(`too much is wrong with it: what follows line ${checker.lines} was not looked at`);
    return conclude(checker, bytes, { ...expected, open: true });
  }
  const rest = splitter.tooLong ?? splitter.finish();
  if (splitter.tooLong !== undefined) {
    checker.problem('unreadable', splitter.tooLong, `line ${splitter.tooLong.number} is too long to be one`);
  } else if (rest !== undefined && !(expected.open === true && checker.seal === undefined)) checker.line(rest);
  return conclude(checker, bytes, expected);
}

function conclude(checker: ChainChecker, bytes: number, expected: Expected): Verification {
  const { seal, first } = checker;
  const end = { number: checker.lines + 1, offset: bytes };
  if (seal === undefined && expected.open !== true) {
    const have = checker.lines === 0 ? 'it is empty' : `it ends after line ${checker.lines}`;
    checker.problem('not_sealed', end, `not sealed: ${have}, the end is missing or was never written`);
  }
  const session = textOf(first?.session);
  const digest = textOf(seal?.digest);
  // One without any line says of nobody that it is theirs: it was made a moment ago, or its lines were taken, which is told.
  if (expected.session !== undefined && checker.lines > 0 && session !== expected.session) {
    const message = `this is the recording of "${session ?? '?'}", not of "${expected.session}"`;
    checker.problem('other_recording', { number: 1, offset: 0 }, message);
  }
  if (expected.digest !== undefined && digest !== undefined && digest !== expected.digest) {
    const message = `the seal's digest is ${digest}, the log has ${expected.digest}: the recording was replaced`;
    checker.problem('other_recording', end, message);
  }
  return {
    ok: checker.problems.length === 0,
    sealed: seal !== undefined,
    interrupted: textOf(seal?.interrupted),
    lines: checker.lines,
    bytes,
    session,
    digest,
    problems: checker.problems,
    warnings: checker.warnings,
    lastAt: checker.lastAt,
    opening: first,
    wholeBytes: checker.goodBytes,
    state: checker.goodState,
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
