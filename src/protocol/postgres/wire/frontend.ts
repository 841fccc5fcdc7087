// The messages that a client sends, one place each, named and laid out as in PostgreSQL's "Message Formats".
// Decoders get a frame that is wholly here and throw protocol_violation; encoders return the whole message.
// Refuses to know: when a message may be sent.

import { isUtf8 } from 'node:buffer';
import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import { Front, HEADER } from './types.ts';

/** A value as the recording shows it: text as it is, binary as `\x…` hex. */
export function shown(bytes: Buffer, binary: boolean): string {
  return binary ? `\\x${bytes.toString('hex')}` : bytes.toString();
}

function begin(type: number): Writer {
  return new Writer().uint8(type).int32(0);
}

function finish(writer: Writer): Buffer {
  return writer.setInt32(1, writer.length - 1).finish();
}

/** Of a statement or portal. Decoded otherwise than as UTF-8, two that the server tells apart might be one here. */
function nameIn(reader: Reader): string {
  const bytes = reader.zeroTerminated();
  if (bytes.length === 0) return '';
  if (!isUtf8(bytes)) throw reader.wrong('a name is not UTF-8');
  return bytes.toString();
}

// Query: Byte1('Q') Int32 String(query)

/** The text of a Query without its terminator. A NUL inside, or none at the end, is a violation, as in PostgreSQL. */
export function queryText(buffer: Buffer, start: number, end: number): Buffer {
  const reader = new Reader(buffer, start + HEADER, end, 'Query');
  const text = reader.zeroTerminated();
  reader.done();
  return text;
}

export function query(text: string): Buffer {
  return finish(begin(Front.Query).string(text));
}

// Parse: Byte1('P') Int32 String(statement) String(query) Int16(n) Int32[n](type oid)

export interface Parse {
  readonly name: string;
  readonly text: Buffer;
  /** Declared types of the parameters, 0 where it is left to the server; there may be fewer than parameters. */
  readonly types: readonly number[];
}

export function decodeParse(buffer: Buffer, start: number, end: number): Parse {
  const reader = new Reader(buffer, start + HEADER, end, 'Parse');
  const name = nameIn(reader);
  const text = reader.zeroTerminated();
  const types: number[] = [];
  for (let left = reader.uint16(); left > 0; left--) types.push(reader.uint32());
  reader.done();
  return { name, text, types };
}

export function parse(name: string, text: string): Buffer {
  return finish(begin(Front.Parse).string(name).string(text).int16(0));
}

// Bind: Byte1('B') Int32 String(portal) String(statement) Int16(f) Int16[f](parameter format)
//       Int16(n) n × { Int32(length, -1 for NULL) Byte(length) } Int16(r) Int16[r](result format)

/** Values that a request brings along. */
export interface Values {
  /** As the recording shows them. */
  readonly params: readonly (string | null)[];
  /** How each is shown where that is not as the text that it is; left out: all are. */
  readonly marks: readonly (string | null)[] | undefined;
}

export interface Bind extends Values {
  readonly portal: string;
  readonly statement: string;
  /** Where in the buffer everything behind the names begins: formats, values, result formats. */
  readonly from: number;
  /** Result formats as sent: none (all text), one (for all) or one a column. */
  readonly formats: readonly number[];
}

const NONE: readonly never[] = [];

function formatCodes(reader: Reader): readonly number[] {
  const count = reader.uint16();
  if (count === 0) return NONE;
  const codes: number[] = [];
  for (let i = 0; i < count; i++) codes.push(reader.int16());
  return codes;
}

/** The format that applies to column `index`: the rule of Bind's and of its result formats. */
export function formatAt(codes: readonly number[], index: number): number {
  if (codes.length === 0) return 0;
  return codes.length === 1 ? codes[0]! : (codes[index] ?? 0);
}

export function decodeBind(buffer: Buffer, start: number, end: number): Bind {
  const reader = new Reader(buffer, start + HEADER, end, 'Bind');
  const portal = nameIn(reader);
  const statement = nameIn(reader);
  const from = reader.at;
  const values = valuesOf(reader);
  const formats = formatCodes(reader);
  reader.done();
  return { portal, statement, ...values, from, formats };
}

/** Formats, and values in them. */
function valuesOf(reader: Reader): Values {
  const inputs = formatCodes(reader);
  const count = reader.uint16();
  const params: (string | null)[] = [];
  let marks: (string | null)[] | undefined;
  for (let i = 0; i < count; i++) {
    const length = reader.int32();
    if (length === -1) {
      params.push(null);
      continue;
    }
    const bytes = reader.bytes(length);
    const mark = formatAt(inputs, i) === 1 ? 'binary' : isUtf8(bytes) ? undefined : 'text that is not UTF-8, as hex';
    params.push(shown(bytes, mark !== undefined));
    if (mark === undefined) continue;
    marks ??= new Array<string | null>(count).fill(null);
    marks[i] = mark;
  }
  return { params, marks };
}

// Describe: Byte1('D') Int32 Byte1('S' statement | 'P' portal) String(name)
// Close:    Byte1('C') Int32 Byte1('S' statement | 'P' portal) String(name)

/** Without parameters, results in text. */
export function bindPortal(portal: string, statement: string): Buffer {
  return finish(begin(Front.Bind).string(portal).string(statement).int16(0).int16(0).int16(0));
}

export interface Named {
  readonly portal: boolean;
  readonly name: string;
}

const STATEMENT = 0x53;
const PORTAL = 0x50;

export function decodeNamed(buffer: Buffer, start: number, end: number, what: 'Describe' | 'Close'): Named {
  const reader = new Reader(buffer, start + HEADER, end, what);
  const kind = reader.uint8();
  const name = nameIn(reader);
  if (kind !== STATEMENT && kind !== PORTAL) {
    throw reader.wrong(`subtype ${kind} is neither a statement nor a portal`);
  }
  reader.done();
  return { portal: kind === PORTAL, name };
}

export function describePortal(name: string): Buffer {
  return finish(begin(Front.Describe).uint8(PORTAL).string(name));
}

// Close: Byte1('C') Int32 Byte1('S'|'P') String(name)

export function closeNamed(what: 'statement' | 'portal', name: string): Buffer {
  return finish(
    begin(Front.Close)
      .uint8(what === 'portal' ? PORTAL : 0x53)
      .string(name),
  );
}

// Execute: Byte1('E') Int32 String(portal) Int32(row limit, 0: none)

export function executeAll(portal: string): Buffer {
  return finish(begin(Front.Execute).string(portal).int32(0));
}

export function executePortal(buffer: Buffer, start: number, end: number): string {
  const reader = new Reader(buffer, start + HEADER, end, 'Execute');
  const portal = nameIn(reader);
  reader.int32();
  reader.done();
  return portal;
}

// FunctionCall: Byte1('F') Int32 Int32(function oid) Int16(f) Int16[f](format)
//               Int16(n) n × { Int32(length, -1 for NULL) Byte(length) } Int16(result format)

export interface FunctionCall extends Values {
  readonly oid: number;
  /** Where in the buffer everything behind the function begins. */
  readonly from: number;
  /** Of the result. */
  readonly format: number;
}

export function decodeFunctionCall(buffer: Buffer, start: number, end: number): FunctionCall {
  const reader = new Reader(buffer, start + HEADER, end, 'FunctionCall');
  const oid = reader.uint32();
  const from = reader.at;
  const values = valuesOf(reader);
  const format = reader.int16();
  reader.done();
  return { oid, from, format, ...values };
}

// Flush: Byte1('H') Int32(4) · Sync: Byte1('S') Int32(4) · Terminate: Byte1('X') Int32(4)

export const FLUSH = Buffer.from([Front.Flush, 0, 0, 0, 4]);
export const SYNC = Buffer.from([Front.Sync, 0, 0, 0, 4]);
export const TERMINATE = Buffer.from([Front.Terminate, 0, 0, 0, 4]);

// CopyFail: Byte1('f') Int32 String(why)

export function copyFail(why: string): Buffer {
  return finish(begin(Front.CopyFail).string(why));
}

// CopyData: Byte1('d') Int32 Byte(n)

/** A CopyData of either side. */
export function copyData(payload: Buffer): Buffer {
  return finish(new Writer(payload.length + HEADER).uint8(Front.CopyData).int32(0).bytes(payload));
}

// PasswordMessage: Byte1('p') Int32 String(password)

export function password(secret: string): Buffer {
  return finish(begin(Front.Password).string(secret));
}

export function decodePassword(message: Buffer): string {
  const reader = new Reader(message, HEADER, message.length, 'PasswordMessage');
  const secret = reader.string();
  reader.done();
  return secret;
}

// SASLInitialResponse: Byte1('p') Int32 String(mechanism) Int32(length) Byte(length)
// SASLResponse:        Byte1('p') Int32 Byte(n)

export function saslInitialResponse(mechanism: string, data: string): Buffer {
  const bytes = Buffer.from(data);
  return finish(begin(Front.Password).string(mechanism).int32(bytes.length).bytes(bytes));
}

export function saslResponse(data: string): Buffer {
  return finish(begin(Front.Password).bytes(Buffer.from(data)));
}
