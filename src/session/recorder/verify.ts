// Says whether a recording is what was written, and if not, what is wrong and where, in words.
// Refuses to know: where the bytes come from. Trusts nothing in them but the chain, and the digest that the caller has.

import { type ChainState, GENESIS, lineDigest } from './line.ts';
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

/** Follows a chain line by line. After a problem it goes on from the line it has, to name the next one too. */
export class ChainChecker {
  readonly problems: Problem[] = [];
  readonly warnings: string[] = [];
  /** Bytes up to the end of the last line before the first problem, and the state of the chain there. */
  goodBytes = 0;
  goodState: ChainState = { seq: 0, head: GENESIS };
  seal: Line | undefined;
  first: Line | undefined;
  last: Line | undefined;
  lines = 0;
  #seq = 0;
  #head = GENESIS;

  line(raw: RawLine): void {
    if (!raw.whole) {
      this.problem('cut', raw, `line ${raw.number} is cut: it has no end ("${preview(raw.bytes)}")`);
      return;
    }
    this.lines += 1;
    const line = parseLine(raw.bytes);
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
    this.last = line;
    if (this.problems.length === 0) {
      this.goodBytes = raw.offset + raw.bytes.length + 1;
      this.goodState = { seq: this.#seq, head: this.#head };
    }
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
    if (this.last !== undefined && line.at < this.last.at) {
      this.warnings.push(`line ${raw.number}: the clock went back from ${this.last.at} to ${line.at}`);
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

  problem(what: ProblemKind, at: { number: number; offset: number }, message: string): void {
    if (this.problems.length >= MAX_PROBLEMS) return;
    this.problems.push({ what, line: at.number, offset: at.offset, message: `${message} (byte ${at.offset})` });
  }
}

/** Whether `,"prev":"…"}` are the line's last bytes: a second `prev` further in could otherwise hide. */
function endsWithPrev(bytes: Buffer, prev: string): boolean {
  return bytes.toString('latin1', Math.max(0, bytes.length - 75)) === `,"prev":"${prev}"}`;
}

/** Reads all of it in constant memory. Errors: those of the source. */
export async function verify(source: AsyncIterable<Uint8Array>, expected: Expected = {}): Promise<Verification> {
  const splitter = new LineSplitter();
  const checker = new ChainChecker();
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    for (const raw of splitter.push(chunk)) checker.line(raw);
    if (splitter.tooLong !== undefined) break;
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
  if (expected.session !== undefined && session !== expected.session) {
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
    lastAt: checker.last?.at,
    opening: first,
    wholeBytes: checker.goodBytes,
    state: checker.goodState,
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
