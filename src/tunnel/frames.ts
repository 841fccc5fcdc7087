// RFC 6455 §5: frames, read as they come and written in one piece. Binary payload is handed on before its frame is
// complete, so a frame's size costs no memory. Refuses to know: sockets, timers, what the bytes and texts mean.

import { type HoopctlError, peerError } from '../core/errors.ts';
import { type Limit, limitExceeded } from '../core/limits.ts';
import { TUNNEL_EVENT_BYTES, TUNNEL_FRAME_BYTES } from './limits.ts';

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** The longest header: 2 bytes, a 64-bit length, a masking key. */
export const MAX_HEADER = 14;

/** Where a reader hands what it finds, in order. */
export interface FrameSink {
  /** Asked before each piece of binary payload: true stops the reader there. */
  readonly stopped: boolean;
  frameBytes(chunk: Buffer): void;
  frameText(payload: string): void;
  framePing(payload: Buffer): void;
  /** `code` is 1005 when the frame carries none (§7.1.5). */
  frameClose(code: number, reason: string): void;
}

/** Bytes of a header whose second byte is `second`. */
function headerSize(second: number): number {
  const length = second & 0x7f;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4);
}

function violation(what: string): HoopctlError {
  return peerError('protocol_violation', `read a tunnel frame: ${what}`);
}

/** A payload that comes in pieces: copied, as a piece of one byte would keep all of the chunk that it came in. */
class Collected {
  #memory = Buffer.alloc(0);
  length = 0;

  add(part: Buffer): void {
    const length = this.length + part.length;
    if (length > this.#memory.length) {
      const memory = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#memory.length));
      this.#memory.copy(memory, 0, 0, this.length);
      this.#memory = memory;
    }
    part.copy(this.#memory, this.length);
    this.length = length;
  }

  take(): Buffer {
    const whole = this.#memory.subarray(0, this.length);
    this.#memory = Buffer.alloc(0);
    this.length = 0;
    return whole;
  }
}

/** Reads one direction of one connection. */
export class FrameReader {
  readonly #sink: FrameSink;
  /** Whether frames have to be masked: those of a client (§5.1). */
  readonly #masked: boolean;
  /** A header torn between chunks. */
  readonly #head = Buffer.allocUnsafeSlow(MAX_HEADER);
  #held = 0;
  #open = false;
  #opcode: number = OPCODE.binary;
  #fin = true;
  #remaining = 0;
  /** The masking key as a 32-bit number; 0 (what our client sends) needs no work. */
  #key = 0;
  #keyAt = 0;
  /** The opcode of a fragmented message whose last fragment is still to come; 0: none. */
  #message = 0;
  readonly #text = new Collected();
  readonly #control = new Collected();

  constructor(sink: FrameSink, masked: boolean) {
    this.#sink = sink;
    this.#masked = masked;
  }

  /**
   * Reads until the chunk is used up or the sink has stopped, and says how many bytes it took; hand in the rest later.
   * Throws protocol_violation or limit_exceeded; the reader is then of no further use.
   */
  push(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length) {
      if (!this.#open) {
        at = this.#header(chunk, at);
        if (!this.#open) return at;
      }
      if (this.#remaining > 0) {
        if (at === chunk.length) return at;
        const binary = this.#opcode === OPCODE.binary;
        if (binary && this.#sink.stopped) return at;
        const end = Math.min(chunk.length, at + this.#remaining);
        const part = chunk.subarray(at, end);
        if (this.#key !== 0) this.#unmask(part);
        this.#remaining -= end - at;
        at = end;
        // Only now, in a consistent state: the sink may stop or close from inside this call.
        if (binary) this.#sink.frameBytes(part);
        else this.#collect(part);
      }
      if (this.#remaining === 0 && this.#open) {
        this.#open = false;
        if (this.#opcode !== OPCODE.binary) this.#complete();
      }
    }
    return at;
  }

  /** Takes header bytes from `at`; opens the frame when they are complete. Returns where the payload starts. */
  #header(chunk: Buffer, at: number): number {
    if (this.#held === 0 && chunk.length - at >= 2) {
      const size = headerSize(chunk[at + 1]!);
      if (chunk.length - at >= size) {
        this.#begin(chunk, at, size);
        return at + size;
      }
    }
    let next = at;
    while (next < chunk.length) {
      this.#head[this.#held++] = chunk[next++]!;
      if (this.#held < 2 || this.#held < headerSize(this.#head[1]!)) continue;
      const size = this.#held;
      this.#held = 0;
      this.#begin(this.#head, 0, size);
      break;
    }
    return next;
  }

  #begin(header: Buffer, at: number, size: number): void {
    const first = header[at]!;
    const second = header[at + 1]!;
    if ((first & 0x70) !== 0) throw violation('reserved bits are set');
    if (((second & 0x80) !== 0) !== this.#masked) throw violation(this.#masked ? 'not masked' : 'masked');
    this.#fin = (first & 0x80) !== 0;
    let opcode = first & 0x0f;
    let length = second & 0x7f;
    if (length === 126) length = header.readUInt16BE(at + 2);
    else if (length === 127) length = header.readUInt32BE(at + 2) * 2 ** 32 + header.readUInt32BE(at + 6);
    if (opcode >= 8) {
      if (opcode > OPCODE.pong) throw violation(`opcode ${opcode} is unknown`);
      if (!this.#fin) throw violation('a control frame is fragmented');
      if (length > 125) throw violation(`a control frame of ${length} bytes`);
    } else {
      if (opcode > OPCODE.binary) throw violation(`opcode ${opcode} is unknown`);
      if ((opcode === OPCODE.continuation) !== (this.#message !== 0)) throw violation('fragments out of order');
      if (opcode === OPCODE.continuation) opcode = this.#message;
      this.#message = this.#fin ? 0 : opcode;
      this.#bound(opcode === OPCODE.text ? TUNNEL_EVENT_BYTES : TUNNEL_FRAME_BYTES, length);
    }
    this.#opcode = opcode;
    this.#remaining = length;
    this.#key = this.#masked ? header.readUInt32BE(at + size - 4) : 0;
    this.#keyAt = 0;
    this.#open = true;
  }

  #bound(bound: Limit, length: number): void {
    const seen = bound === TUNNEL_EVENT_BYTES ? this.#text.length + length : length;
    if (seen > bound.value) throw limitExceeded(bound, seen);
  }

  /** §5.3, in place. A payload may come in pieces: the key's position is kept between them. */
  #unmask(part: Buffer): void {
    const key = [this.#key >>> 24, (this.#key >>> 16) & 255, (this.#key >>> 8) & 255, this.#key & 255];
    let at = this.#keyAt;
    for (let i = 0; i < part.length; i++) part[i]! ^= key[at++ & 3]!;
    this.#keyAt = at & 3;
  }

  #collect(part: Buffer): void {
    if (this.#opcode === OPCODE.text) this.#text.add(part);
    else this.#control.add(part);
  }

  #complete(): void {
    if (this.#opcode === OPCODE.text) {
      if (this.#fin) this.#sink.frameText(this.#text.take().toString('utf8'));
      return;
    }
    const payload = this.#control.take();
    if (this.#opcode === OPCODE.ping) this.#sink.framePing(payload);
    else if (this.#opcode === OPCODE.close) {
      if (payload.length === 1) throw violation('a close frame of 1 byte');
      this.#sink.frameClose(payload.length === 0 ? 1005 : payload.readUInt16BE(0), payload.toString('utf8', 2));
    }
  }
}

/**
 * Writes the header of an unfragmented frame into `target` and returns its size.
 *
 * A client's frames carry the masking key 0, so that the payload need not be rewritten on either side. Every receiver
 * reads that; §5.3 asks for unpredictable keys so that a page cannot make a browser send chosen bytes through a proxy
 * that does not understand WebSocket (§10.3), which inside TLS, from a client that is no browser, there is none of.
 */
export function writeHeader(target: Buffer, at: number, opcode: number, length: number, masked: boolean): number {
  const mask = masked ? 0x80 : 0;
  let size = 2;
  target[at] = 0x80 | opcode;
  if (length < 126) {
    target[at + 1] = mask | length;
  } else if (length < 65_536) {
    target[at + 1] = mask | 126;
    target[at + 2] = length >>> 8;
    target[at + 3] = length & 255;
    size = 4;
  } else {
    target[at + 1] = mask | 127;
    target.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2);
    target.writeUInt32BE(length >>> 0, at + 6);
    size = 10;
  }
  if (!masked) return size;
  target[at + size] = 0;
  target[at + size + 1] = 0;
  target[at + size + 2] = 0;
  target[at + size + 3] = 0;
  return size + 4;
}

/** A whole small frame in one buffer. */
export function frame(opcode: number, payload: Buffer, masked: boolean): Buffer {
  const out = Buffer.allocUnsafe(MAX_HEADER + payload.length);
  const size = writeHeader(out, 0, opcode, payload.length, masked);
  payload.copy(out, size);
  return out.subarray(0, size + payload.length);
}

/** The payload of a close frame: the code and as much of the reason as fits, cut between characters (§5.5.1). */
export function closePayload(code: number, reason: string): Buffer {
  let text = reason;
  while (Buffer.byteLength(text) > 123) text = text.slice(0, -1);
  const payload = Buffer.allocUnsafe(2 + Buffer.byteLength(text));
  payload.writeUInt16BE(code, 0);
  payload.write(text.toWellFormed(), 2);
  return payload;
}
