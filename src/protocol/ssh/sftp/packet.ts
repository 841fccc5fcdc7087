// Packets of SFTP version 3 (draft-ietf-secsh-filexfer-02, as OpenSSH speaks it, with the extensions of its PROTOCOL §4).

import { peerError } from '../../../core/errors.ts';
import { type Limit, limitExceeded } from '../../../core/limits.ts';
import { SshReader, SshWriter } from '../wire/message.ts';

export const Fxp = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  FSTAT: 8,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
} as const;

/** The version that is read here. */
const VERSION = 3;

export const Status = { OK: 0, EOF: 1, PERMISSION_DENIED: 3, FAILURE: 4, UNSUPPORTED: 8 } as const;

/** Bits of OPEN's pflags. */
export const Open = { READ: 1, WRITE: 2, APPEND: 4, CREATE: 8, TRUNCATE: 16 } as const;

/** Cuts a stream into packets (`uint32 length`, then as many bytes); what is not whole waits, each byte copied once or twice. */
export class Packets {
  readonly #bound: Limit;
  #held: Buffer = Buffer.alloc(0);
  /** Bytes in `#held`. */
  #length = 0;

  constructor(bound: Limit) {
    this.#bound = bound;
  }

  /** The whole packets that are here now, each with its length in front. Throws limit_exceeded. */
  *take(chunk: Buffer): Generator<Buffer> {
    let all = chunk;
    if (this.#length > 0) {
      this.#hold(chunk);
      all = this.#held.subarray(0, this.#length);
    }
    let at = 0;
    while (all.length - at >= 5) {
      const length = all.readUInt32BE(at);
      if (length > this.#bound.value) throw limitExceeded(this.#bound, length);
      if (all.length - at < 4 + length) break;
      const packet = all.subarray(at, at + 4 + length);
      at += 4 + length;
      yield packet;
    }
    if (all !== chunk && at === 0) return;
    const rest = all.subarray(at);
    this.#held = Buffer.alloc(0);
    this.#length = 0;
    if (rest.length > 0) this.#hold(rest);
  }

  #hold(bytes: Buffer): void {
    const length = this.#length + bytes.length;
    if (length > this.#held.length) {
      // Twice as much: small pieces of a large packet cost no more than large ones.
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#held.length));
      this.#held.copy(larger, 0, 0, this.#length);
      this.#held = larger;
    }
    bytes.copy(this.#held, this.#length);
    this.#length = length;
  }
}

/** What comes after the packet's type. */
export function fieldsOf(packet: Buffer): SshReader {
  return new SshReader(packet, 5, packet.length, `SFTP packet ${packet[4]}`);
}

export function packet(type: number, fill: (out: SshWriter) => unknown): Buffer {
  const body = new SshWriter().uint8(type);
  fill(body);
  return new SshWriter(body.length + 4).blob(body.finish()).finish();
}

export function status(id: number, code: number, text: string): Buffer {
  return packet(Fxp.STATUS, (out) => out.uint32(id).uint32(code).text(text).text(''));
}

/** INIT for the version that is read here, where it asks for a later one: in those, requests of the same numbers say other things. */
export function versionOf(raw: Buffer): Buffer {
  if (fieldsOf(raw).uint32() <= VERSION) return raw;
  const out = Buffer.from(raw);
  out.writeUInt32BE(VERSION, 5);
  return out;
}

/** VERSION of a host. Throws protocol_violation for one that was not asked for. */
export function understood(raw: Buffer): Buffer {
  const version = fieldsOf(raw).uint32();
  if (version <= VERSION) return raw;
  throw peerError('protocol_violation', `the host speaks version ${version} of SFTP, and was asked for ${VERSION}`);
}

/** The same attributes with another size, where they have one. */
export function resized(raw: Buffer, size: number): Buffer {
  if (raw[4] !== Fxp.ATTRS || raw.length < 21 || (raw.readUInt32BE(9) & 1) === 0) return raw;
  const out = Buffer.from(raw);
  out.writeBigUInt64BE(BigInt(size), 13);
  return out;
}
