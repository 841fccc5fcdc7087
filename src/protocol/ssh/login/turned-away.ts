// A client at a local port that does not get as far as the gateway: told why before any keys are exchanged, because the key
// that it expects to see is the gateway's. Refuses to know: why.

import { randomBytes } from 'node:crypto';
import type { HoopctlError } from '../../../core/errors.ts';
import type { ByteStream } from '../../../core/stream.ts';
import { Disconnect, Message, message } from '../wire/message.ts';

/** How long the client may take to read it and leave, ms. */
const LINGER_MS = 5000;
/** RFC 4253 §6: at least 4 bytes of padding, and a multiple of 8 in all. */
const BLOCK = 8;
const PADDING = 4;

/** Resolves when it is said; never rejects; closes the stream. */
export async function turnAway(stream: ByteStream, { message: text, fix }: HoopctlError): Promise<void> {
  const late = setTimeout(() => stream.destroy(), LINGER_MS);
  stream.onClose = () => clearTimeout(late);
  const told = fix === undefined ? text : `${text}; next: ${fix}`;
  // In one piece with the version: nothing of the client's is needed for it.
  stream.write(Buffer.concat([Buffer.from('SSH-2.0-hoopctl\r\n'), disconnection(`hoopctl: ${told}`)]));
  stream.end();
  // Reads on into nothing, so that the farewell is not lost in a reset.
  stream.onData = () => {};
  stream.resume();
}

/** A packet as it is before there are keys. */
function disconnection(text: string): Buffer {
  const payload = message(Message.DISCONNECT, 256).uint32(Disconnect.BY_APPLICATION).text(text).text('').finish();
  const padding = BLOCK - ((5 + payload.length + PADDING) % BLOCK) + PADDING;
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + payload.length + padding);
  head[4] = padding;
  return Buffer.concat([head, payload, randomBytes(padding)]);
}
