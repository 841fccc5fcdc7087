// One line of a recording or of the gateway's log: its encoding and the chain that binds it to the one before.
// Refuses to know: what kinds of line there are, files, when a line is written. FORMAT.md says the same in words.

import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { ourError } from '../../core/errors.ts';

/** `prev` of the first line. */
export const GENESIS = '0'.repeat(64);

/** The version of the format, in every `open` line. */
export const FORMAT_VERSION = 1;

/** Hides members of lines. Holds the key for as long as it is held. */
export interface LineCipher {
  /** The member `enc` of the line that begins with `front`. `members`: as `encodeFields` makes them. Once for each `seq`. */
  encrypt(seq: number, front: string, members: string): string;
  /** Nothing more is hidden by it: the key is gone from memory. */
  forget(): void;
}

/** Where a chain stands: what the next line's `seq` and `prev` will be. */
export interface ChainState {
  readonly seq: number;
  readonly head: string;
}

const RESERVED = new Set(['seq', 'at', 'kind', 'prev']);

let lastMs = Number.NaN;
let lastIso = '';
let lastSecond = Number.NaN;
/** Up to the point before the milliseconds. */
let secondIso = '';

/**
 * Milliseconds → ISO 8601 UTC. Remembered for the millisecond, and but for its last digits for the second: the engine
 * takes longer to make it than all else in a line.
 */
export function isoTime(ms: number): string {
  if (ms === lastMs) return lastIso;
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    secondIso = new Date(second * 1000).toISOString().slice(0, -4);
    lastSecond = second;
  }
  lastMs = ms;
  lastIso = `${secondIso}${String(Math.trunc(ms) - second * 1000).padStart(3, '0')}Z`;
  return lastIso;
}

/**
 * An object's members as they stand inside a line: `,"a":1,"b":"x"`; empty for none. Undefined members are left out.
 * Throws where a member has a name that the line itself uses.
 */
export function encodeFields(fields: Readonly<Record<string, unknown>>): string {
  for (const key in fields) {
    if (RESERVED.has(key)) throw ourError('internal', `cannot encode a line: field name "${key}" is reserved`);
  }
  const json = JSON.stringify(fields);
  return json === '{}' ? '' : `,${json.slice(1, -1)}`;
}

/** Longer ones are looked through by JSON itself: it is quicker there. */
const SHORT_CHARS = 24;

/** A JSON string. Most are short and plain, and then quotes are all that is missing: calling JSON for them costs more than they. */
export function quoted(text: string): string {
  if (text.length > SHORT_CHARS) return JSON.stringify(text);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c) return JSON.stringify(text);
  }
  return `"${text}"`;
}

/** A JSON array of strings and nulls. */
export function quotedAll(values: readonly (string | null)[]): string {
  let out = '';
  for (const value of values) out += `${out === '' ? '' : ','}${value === null ? 'null' : quoted(value)}`;
  return `[${out}]`;
}

/**
 * Bytes as members of a line: as text where they are UTF-8, unless most of it is what JSON has six characters for. A program
 * that prints zeros would otherwise be six times what it is, and keep the gateway from everybody else while it is encoded.
 */
export function encodeBytes(bytes: Buffer): { readonly text: string } | { readonly base64: string } {
  const readable = isUtf8(bytes) && !mostlyEscaped(bytes);
  return readable ? { text: bytes.toString() } : { base64: bytes.toString('base64') };
}

/** As a sample of it tells. */
function mostlyEscaped(bytes: Buffer): boolean {
  const step = Math.ceil(bytes.length / SAMPLE);
  let looked = 0;
  let escaped = 0;
  for (let at = 0; at < bytes.length; at += step) {
    const byte = bytes[at]!;
    looked += 1;
    // \b \t \n \f \r have two.
    if (byte < 32 && (byte < 8 || byte > 13 || byte === 11)) escaped += 1;
  }
  return escaped * 2 > looked;
}

const SAMPLE = 1024;

export function decodeBytes(members: object): Buffer {
  const { text, base64 } = members as { readonly text?: unknown; readonly base64?: unknown };
  return text === undefined ? Buffer.from(String(base64 ?? ''), 'base64') : Buffer.from(String(text));
}

/** One encoding area for all: lines are written before others are encoded. Three bytes of UTF-8 a UTF-16 unit at most. */
const scratch = Buffer.allocUnsafeSlow(3 * 128 * 1024);

/** The beginnings of it of so many bytes that were asked for: making one takes as long as filling it. */
const beginnings: (Uint8Array | undefined)[] = [];
const SHORT_BYTES = 4096;

/** Lines as bytes, valid until the next call. */
export function utf8(lines: string): Uint8Array {
  if (lines.length * 3 > scratch.length) return Buffer.from(lines, 'utf8');
  const length = scratch.write(lines);
  if (length >= SHORT_BYTES) return scratch.subarray(0, length);
  beginnings[length] ??= scratch.subarray(0, length);
  return beginnings[length];
}

/** SHA-256 of a line's UTF-8 bytes without the newline, lower-case hex. */
export function lineDigest(line: string | Uint8Array): string {
  return hash('sha256', line, 'hex');
}

/** Makes lines, each bound to the one before. */
export class Chain {
  #seq: number;
  #head: string;

  constructor(state: ChainState = { seq: 0, head: GENESIS }) {
    this.#seq = state.seq;
    this.#head = state.head;
  }

  get state(): ChainState {
    return { seq: this.#seq, head: this.#head };
  }

  get seq(): number {
    return this.#seq;
  }

  /** Back to an earlier state: the lines since then were never written. */
  rewind(state: ChainState): void {
    this.#seq = state.seq;
    this.#head = state.head;
  }

  /**
   * The next line with its newline. `fields`, and `secret`, which a cipher hides: as `encodeFields` makes them; `kind` needs no
   * escaping.
   */
  next(at: number, kind: string, fields: string, secret = '', cipher?: LineCipher): string {
    const front = `{"seq":${this.#seq},"at":"${isoTime(at)}","kind":"${kind}"${fields}`;
    const behind =
      cipher === undefined || secret === '' ? secret : `,"enc":"${cipher.encrypt(this.#seq, front, secret)}"`;
    const line = `${front}${behind},"prev":"${this.#head}"}`;
    this.#seq += 1;
    this.#head = hash('sha256', line, 'hex');
    return `${line}\n`;
  }

  /**
   * The seal: the last line. Its `digest` is the SHA-256 of the line itself with 64 zeros in the digest's place, so that
   * every byte of the file is covered, and the digest stands for the whole recording.
   */
  seal(at: number, fields: string): { line: string; digest: string; lines: number } {
    const lines = this.#seq + 1;
    const front = `{"seq":${this.#seq},"at":"${isoTime(at)}","kind":"seal","lines":${lines}${fields},"digest":"`;
    const back = `","prev":"${this.#head}"}`;
    const digest = hash('sha256', front + GENESIS + back, 'hex');
    const line = front + digest + back;
    this.#seq += 1;
    this.#head = hash('sha256', line, 'hex');
    return { line: `${line}\n`, digest, lines };
  }
}
