// Message numbers (RFC 4250 §4.1) and the reading and writing of what messages are made of (RFC 4251 §5).

import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';

export const Message = {
  DISCONNECT: 1,
  DEBUG: 4,
  SERVICE_REQUEST: 5,
  SERVICE_ACCEPT: 6,
  EXT_INFO: 7,
  USERAUTH_REQUEST: 50,
  USERAUTH_FAILURE: 51,
  USERAUTH_SUCCESS: 52,
  USERAUTH_BANNER: 53,
  /** Also PASSWD_CHANGEREQ and INFO_REQUEST, by the method under way. */
  USERAUTH_PK_OK: 60,
  USERAUTH_INFO_REQUEST: 60,
  USERAUTH_INFO_RESPONSE: 61,
  GLOBAL_REQUEST: 80,
  REQUEST_SUCCESS: 81,
  REQUEST_FAILURE: 82,
  CHANNEL_OPEN: 90,
  CHANNEL_OPEN_CONFIRMATION: 91,
  CHANNEL_OPEN_FAILURE: 92,
  CHANNEL_WINDOW_ADJUST: 93,
  CHANNEL_DATA: 94,
  CHANNEL_EXTENDED_DATA: 95,
  CHANNEL_EOF: 96,
  CHANNEL_CLOSE: 97,
  CHANNEL_REQUEST: 98,
  CHANNEL_SUCCESS: 99,
  CHANNEL_FAILURE: 100,
} as const;

/** RFC 4253 §11.1. */
export const Disconnect = {
  PROTOCOL_ERROR: 2,
  SERVICE_NOT_AVAILABLE: 7,
  BY_APPLICATION: 11,
  NO_MORE_AUTH_METHODS: 14,
} as const;

/** RFC 4254 §5.1. */
export const OpenFailure = { PROHIBITED: 1, CONNECT_FAILED: 2, UNKNOWN_TYPE: 3, RESOURCE_SHORTAGE: 4 } as const;

/** RFC 4254 §5.2. */
export const STDERR = 1;

/** `string`, `name-list` and `boolean` on top of the common fields. */
export class SshReader extends Reader {
  static of(payload: Buffer, what: string, from = 1): SshReader {
    return new SshReader(payload, from, payload.length, what);
  }

  blob(): Buffer {
    return this.bytes(this.uint32());
  }

  text(): string {
    return this.blob().toString();
  }

  boolean(): boolean {
    return this.uint8() !== 0;
  }
}

export class SshWriter extends Writer {
  blob(bytes: Uint8Array): this {
    return this.uint32(bytes.length).bytes(bytes);
  }

  text(text: string): this {
    return this.blob(Buffer.from(text));
  }

  boolean(value: boolean): this {
    return this.uint8(value ? 1 : 0);
  }

  /** A positive number from its bytes. */
  mpint(bytes: Uint8Array): this {
    let from = 0;
    while (from < bytes.length && bytes[from] === 0) from++;
    const digits = bytes.subarray(from);
    const sign = (digits[0] ?? 0) & 0x80 ? 1 : 0;
    return this.uint32(digits.length + sign)
      .bytes(new Uint8Array(sign))
      .bytes(digits);
  }
}

/** A message that begins with its number. */
export function message(number: number, capacity = 128): SshWriter {
  return new SshWriter(capacity).uint8(number);
}
