// The messages that a server sends, one place each, named and laid out as in PostgreSQL's "Message Formats".
// Decoders get a frame that is wholly here and throw protocol_violation; encoders return the whole message.
// Refuses to know: when a message may be sent. ErrorResponse and NoticeResponse are in notice.ts.

import { isRead } from '../../contract.ts';
import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import type { Field } from '../analysis.ts';
import { formatAt, shown } from './frontend.ts';
import { Back, HEADER } from './types.ts';

export function begin(type: number): Writer {
  return new Writer().uint8(type).int32(0);
}

export function finish(writer: Writer): Buffer {
  return writer.setInt32(1, writer.length - 1).finish();
}

// AuthenticationOk: Byte1('R') Int32(8) Int32(0) · AuthenticationCleartextPassword: … Int32(3)

export const AUTHENTICATION_OK = finish(begin(Back.Authentication).int32(0));
export const AUTHENTICATION_CLEARTEXT_PASSWORD = finish(begin(Back.Authentication).int32(3));

/** What the server asks for; the rest of the message is for the method. */
export const Auth = {
  Ok: 0,
  KerberosV5: 2,
  CleartextPassword: 3,
  MD5Password: 5,
  GSS: 7,
  GSSContinue: 8,
  SSPI: 9,
  SASL: 10,
  SASLContinue: 11,
  SASLFinal: 12,
} as const;

// Authentication…: Byte1('R') Int32 Int32(method) Byte(n)

export function decodeAuthentication(message: Buffer): { method: number; data: Buffer } {
  const reader = new Reader(message, HEADER, message.length, 'Authentication');
  return { method: reader.int32(), data: reader.rest() };
}

/** AuthenticationSASL's data: { String(mechanism) }… Byte1(0) */
export function saslMechanisms(data: Buffer): string[] {
  return data
    .toString('latin1')
    .split('\0')
    .filter((name) => name !== '');
}

// BackendKeyData: Byte1('K') Int32 Int32(process id) Byte(secret)

export function backendKeyData(process: number, secret: Buffer): Buffer {
  return finish(begin(Back.BackendKeyData).int32(process).bytes(secret));
}

export function decodeBackendKeyData(message: Buffer): { process: number; secret: Buffer } {
  const reader = new Reader(message, HEADER, message.length, 'BackendKeyData');
  return { process: reader.int32(), secret: Buffer.from(reader.rest()) };
}

// ParameterStatus: Byte1('S') Int32 String(name) String(value)

export function decodeParameterStatus(buffer: Buffer, start: number, end: number): { name: string; value: string } {
  const reader = new Reader(buffer, start + HEADER, end, 'ParameterStatus');
  const status = { name: reader.string(), value: reader.string() };
  reader.done();
  return status;
}

export function parameterStatus(name: string, value: string): Buffer {
  return finish(begin(Back.ParameterStatus).string(name).string(value));
}

// NegotiateProtocolVersion: Byte1('v') Int32 Int32(newest version) Int32(n) String[n](options not known)

export function negotiateProtocolVersion(version: number, options: readonly string[]): Buffer {
  const writer = begin(Back.NegotiateProtocolVersion).int32(version).int32(options.length);
  for (const option of options) writer.string(option);
  return finish(writer);
}

export function decodeNegotiateProtocolVersion(message: Buffer): number {
  return new Reader(message, HEADER, message.length, 'NegotiateProtocolVersion').int32();
}

// ReadyForQuery: Byte1('Z') Int32(5) Byte1('I' idle | 'T' in a transaction | 'E' in a failed one)

export const IDLE = 0x49;
export const IN_TRANSACTION = 0x54;

export function transactionStatus(buffer: Buffer, start: number, end: number): number {
  const reader = new Reader(buffer, start + HEADER, end, 'ReadyForQuery');
  const status = reader.uint8();
  reader.done();
  return status;
}

// CommandComplete: Byte1('C') Int32 String(tag)

export function commandTag(buffer: Buffer, start: number, end: number): string {
  return buffer.toString('latin1', start + HEADER, Math.max(start + HEADER, end - 1));
}

/** `SELECT 3`, `INSERT 0 3`, `COPY 3` → 3; undefined where the tag counts nothing. */
export function taggedRows(tag: string): number | undefined {
  const match = / (\d+)$/.exec(tag);
  return match === null ? undefined : Number(match[1]);
}

// RowDescription: Byte1('T') Int32 Int16(n) n × { String(name) Int32(table) Int16(column) Int32(type) Int16(size)
//                 Int32(modifier) Int16(format) }

/** `formats` are those of the Bind, for a description of a statement, which cannot know them. */
export function decodeRowDescription(buffer: Buffer, start: number, end: number, formats?: readonly number[]): Field[] {
  const reader = new Reader(buffer, start + HEADER, end, 'RowDescription');
  const count = reader.uint16();
  const fields: Field[] = [];
  for (let i = 0; i < count; i++) {
    const name = reader.string();
    const tableOid = reader.uint32();
    const attnum = reader.int16();
    const typeOid = reader.uint32();
    const typeSize = reader.int16();
    const typmod = reader.int32();
    const told = reader.int16();
    const format = (formats === undefined ? told : formatAt(formats, i)) === 0 ? 0 : 1;
    fields.push({ name, tableOid, attnum, typeOid, typeSize, typmod, format });
  }
  reader.done();
  return fields;
}

export interface Described {
  readonly names: readonly string[];
  /** One a column; those of a statement's description are all 0. */
  readonly formats: readonly number[];
}

/** What the recording needs of it. */
export function described(message: Buffer): Described {
  const reader = new Reader(message, HEADER, message.length, 'RowDescription');
  const names: string[] = [];
  const formats: number[] = [];
  for (let left = reader.uint16(); left > 0; left--) {
    names.push(reader.string());
    reader.bytes(16);
    formats.push(reader.int16());
  }
  return { names, formats };
}

// DataRow: Byte1('D') Int32 Int16(n) n × { Int32(length, -1 for NULL) Byte(length) }

/** The values as the recording shows them; `formats` as in Bind. */
export function rowValues(buffer: Buffer, start: number, end: number, formats: readonly number[]): (string | null)[] {
  const reader = new Reader(buffer, start + HEADER, end, 'DataRow');
  const count = reader.uint16();
  const values: (string | null)[] = [];
  for (let i = 0; i < count; i++) values.push(shownValue(reader, buffer, formatAt(formats, i)));
  reader.done();
  return values;
}

function shownValue(reader: Reader, buffer: Buffer, format: number): string | null {
  const length = reader.int32();
  if (length === -1) return null;
  if (format === 1) return shown(reader.bytes(length), true);
  const { at } = reader;
  const text = reader.utf8(length);
  return isRead(text, buffer, at, at + length) ? text : shown(buffer.subarray(at, at + length), true);
}

// FunctionCallResponse: Byte1('V') Int32 Int32(length, -1 for NULL) Byte(length)

/** The value as `rowValues` shows it. */
export function functionValue(buffer: Buffer, start: number, end: number, formats: readonly number[]): string | null {
  const reader = new Reader(buffer, start + HEADER, end, 'FunctionCallResponse');
  const value = shownValue(reader, buffer, formatAt(formats, 0));
  reader.done();
  return value;
}

// CopyInResponse, CopyOutResponse: Byte1('G' | 'H') Int32 Int8(0 text | 1 binary) Int16(n) Int16[n](format)

export function copyColumnCount(buffer: Buffer, start: number, end: number): number {
  const reader = new Reader(buffer, start + HEADER, end, 'CopyResponse');
  reader.uint8();
  return reader.uint16();
}

// NotificationResponse: Byte1('A') Int32 Int32(process id) String(channel) String(payload)

/** The same notification without its payload. */
export function withoutPayload(buffer: Buffer, start: number, end: number): Buffer {
  const reader = new Reader(buffer, start + HEADER, end, 'NotificationResponse');
  return finish(begin(Back.NotificationResponse).int32(reader.int32()).string(reader.string()).string(''));
}
