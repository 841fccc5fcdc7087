// A file whose text goes to the client masked: read from the host as a whole, up to a limit, so that its length and what stands
// at an offset are those of what the client gets. Refuses to know: what masks find, who asked.

import type { Limit } from '../../../core/limits.ts';
import type { Operation, OperationId, Session } from '../../contract.ts';
import { Fxp, fieldsOf, packet, Status } from './packet.ts';

export interface MaskedReading {
  readonly session: Session;
  readonly limit: Limit;
  readonly id: OperationId;
  readonly operation: Operation;
  readonly handle: Buffer;
  /** A request of ours to the host. */
  ask(request: (id: number) => Buffer, own: (reply: Buffer) => void): void;
  /** Room for so many bytes more to be held; otherwise why there is none. */
  take(bytes: number): string | undefined;
  /** What the client may have of it, which was so long before. */
  done(bytes: Buffer, read: number): void;
  /** Why it may have nothing; so many bytes had been taken. */
  failed(why: string, read: number): void;
}

const BLOCK = 32_768;

export function readMasked(reading: MaskedReading): void {
  const { limit, handle, ask, take } = reading;
  const blocks: Buffer[] = [];
  let length = 0;
  const failed = (why: string) => reading.failed(why, length);
  const next = () => {
    ask(
      (id) => packet(Fxp.READ, (out) => out.uint32(id).blob(handle).bytes(offsetOf(length)).uint32(BLOCK)),
      (reply) => {
        const reader = fieldsOf(reply);
        reader.uint32();
        if (reply[4] === Fxp.DATA) {
          const block = Buffer.from(reader.blob());
          const full = take(block.length);
          if (full !== undefined) return void failed(full);
          blocks.push(block);
          length += block.length;
          if (length <= limit.value) next();
          else failed(`masks apply to it, and it has more than ${limit.value} bytes (${limit.name})`);
        } else if (reply[4] === Fxp.STATUS && reader.uint32() === Status.EOF) masked(reading, Buffer.concat(blocks));
        else failed('the host could not read it');
      },
    );
  };
  next();
}

function masked({ session, id, operation, ...reading }: MaskedReading, bytes: Buffer): void {
  const failed = (why: string) => reading.failed(why, bytes.length);
  if (!isText(bytes)) return void failed('masks apply to it, and it is no text');
  let refused = false;
  const filter = session.output?.(id, operation, {
    stream: 'out',
    holdMs: 0,
    tell: () => {},
    released: () => {},
    refused: () => {
      refused = true;
    },
  });
  if (filter === undefined) return void failed('masks apply to it, and nothing here can mask it');
  const shown = Buffer.concat([Buffer.from(filter.push(bytes, 0)), Buffer.from(filter.end())]);
  if (!refused && !filter.held) return void reading.done(shown, bytes.length);
  filter.cancel('a file is not held');
  failed('a rule about output does not let it through');
}

function offsetOf(at: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(at));
  return bytes;
}

function isText(bytes: Buffer): boolean {
  if (bytes.includes(0)) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
