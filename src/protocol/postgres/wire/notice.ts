// ErrorResponse and NoticeResponse: Byte1('E' | 'N') Int32 { Byte1(field) String(value) }… Byte1(0)
// Fields by their letter, as in "Error and Notice Message Fields". Refuses to know: which error is right when.

import { Reader } from '../../wire/reader.ts';
import { begin, finish } from './backend.ts';
import { Back, HEADER } from './types.ts';

export interface Notice {
  readonly severity: 'ERROR' | 'FATAL' | 'NOTICE' | 'WARNING';
  /** SQLSTATE, five characters. */
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  /** In characters from 1 in the statement's text. */
  readonly position?: number;
}

export function encodeNotice(type: typeof Back.ErrorResponse | typeof Back.NoticeResponse, notice: Notice): Buffer {
  const fields = new Map([
    ['S', notice.severity],
    ['V', notice.severity],
    ['C', notice.code],
    ['M', notice.message],
  ]);
  if (notice.detail !== undefined) fields.set('D', notice.detail);
  if (notice.hint !== undefined) fields.set('H', notice.hint);
  if (notice.position !== undefined) fields.set('P', String(notice.position));
  return encodeFields(type, fields);
}

export const errorResponse = (notice: Notice): Buffer => encodeNotice(Back.ErrorResponse, notice);
export const noticeResponse = (notice: Notice): Buffer => encodeNotice(Back.NoticeResponse, notice);

export function encodeFields(type: number, fields: ReadonlyMap<string, string>): Buffer {
  const writer = begin(type);
  for (const [letter, value] of fields) writer.uint8(letter.charCodeAt(0)).string(value);
  return finish(writer.uint8(0));
}

/**
 * Bytes. What is longer is known by its beginning and its length: a RAISE says what it likes, and to read, keep and write down
 * tens of megabytes would keep the gateway from everybody else meanwhile.
 */
const LONG_FIELD = 64 * 1024;

function fieldText(bytes: Buffer): string {
  if (bytes.length <= LONG_FIELD) return bytes.toString();
  let end = LONG_FIELD;
  // Not in the middle of a character.
  while (end > LONG_FIELD - 4 && (bytes[end]! & 0xc0) === 0x80) end--;
  return `${bytes.toString('utf8', 0, end)}… (${bytes.length} bytes)`;
}

/** As text; of a field that is very long only the beginning. */
export function decodeFields(buffer: Buffer, start: number, end: number): Map<string, string> {
  const reader = new Reader(buffer, start + HEADER, end, 'ErrorResponse');
  const fields = new Map<string, string>();
  for (let letter = reader.uint8(); letter !== 0; letter = reader.uint8()) {
    fields.set(String.fromCharCode(letter), fieldText(reader.zeroTerminated()));
  }
  reader.done();
  return fields;
}
