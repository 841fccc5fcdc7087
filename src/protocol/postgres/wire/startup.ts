// The messages before protocol 3's messages: no type byte, a length and a code. As in "Message Formats".
// Refuses to know: what is answered.

import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';

/** The int32 after the length. */
export const Code = {
  CancelRequest: 80877102,
  SSLRequest: 80877103,
  GSSENCRequest: 80877104,
  v30: 196608,
  v32: 196610,
} as const;

export const major = (code: number): number => code >>> 16;
export const minor = (code: number): number => code & 0xffff;

// SSLRequest: Int32(8) Int32(80877103)

export const SSL_REQUEST = new Writer(8).int32(8).int32(Code.SSLRequest).finish();

// StartupMessage: Int32 Int32(version) { String(name) String(value) }… Byte1(0)

export function startupMessage(version: number, parameters: ReadonlyMap<string, string>): Buffer {
  const writer = new Writer(256).int32(0).int32(version);
  for (const [name, value] of parameters) writer.string(name).string(value);
  writer.uint8(0);
  return writer.setInt32(0, writer.length).finish();
}

/** The parameters of a whole StartupMessage. A name given twice keeps its last value, as in PostgreSQL. */
export function startupParameters(packet: Buffer): Map<string, string> {
  const reader = new Reader(packet, 8, packet.length, 'StartupMessage');
  const parameters = new Map<string, string>();
  for (;;) {
    const name = reader.string();
    if (name === '') break;
    parameters.set(name, reader.string());
  }
  reader.done();
  return parameters;
}

// CancelRequest: Int32 Int32(80877102) Int32(process id) Byte(secret; 4 bytes in 3.0, up to 256 in 3.2)

export interface CancelKey {
  readonly process: number;
  readonly secret: Buffer;
}

export function decodeCancelRequest(packet: Buffer): CancelKey {
  const reader = new Reader(packet, 8, packet.length, 'CancelRequest');
  const process = reader.int32();
  const secret = reader.rest();
  if (secret.length < 4 || secret.length > 256) throw reader.wrong(`a key of ${secret.length} bytes`);
  return { process, secret };
}

export function cancelRequest(key: CancelKey): Buffer {
  const writer = new Writer(16).int32(0).int32(Code.CancelRequest).int32(key.process).bytes(key.secret);
  return writer.setInt32(0, writer.length).finish();
}
