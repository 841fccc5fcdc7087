// Object storage for a thread that has neither its address nor its credentials: a port on which it asks the thread that has,
// piece by piece. Refuses to know: what reads, what is read.

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { ourError } from '../core/errors.ts';
import { type Elsewhere, isMissing, MISSING, type ObjectFile, type ObjectReader } from './elsewhere.ts';

/** What is asked for at once. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** Reads at most so much. */
export interface PieceReader {
  read(where: Elsewhere, file: ObjectFile, from: number, length?: number): AsyncIterable<Uint8Array>;
}

interface Asked {
  readonly id: number;
  readonly where: Elsewhere;
  readonly file: ObjectFile;
  readonly from: number;
}

type Answered =
  | { readonly id: number; readonly piece: Uint8Array }
  | { readonly id: number; readonly problem: string; readonly missing: boolean };

/** Of a thread in the background, MiB: beyond, it would trade the gateway's memory for a speed that nobody waits for. */
const YOUNG_MIB = 8;

/** What a thread in the background is made with that gets these data and, as `objects`, a port to that reader. */
export function withObjects<Data extends object>(objects: PieceReader, data: Data) {
  const { port1, port2 } = new MessageChannel();
  serve(port1, objects);
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MIB };
  return { workerData: { ...data, objects: port2 }, transferList: [port2], resourceLimits };
}

function serve(port: MessagePort, objects: PieceReader): void {
  port.on('message', ({ id, where, file, from }: Asked) => {
    void (async () => {
      try {
        const chunks: Uint8Array[] = [];
        for await (const chunk of objects.read(where, file, from, PIECE_BYTES)) chunks.push(chunk);
        const piece = new Uint8Array(Buffer.concat(chunks));
        port.postMessage({ id, piece } satisfies Answered, [piece.buffer]);
      } catch (thrown) {
        const problem = thrown instanceof Error ? thrown.message : String(thrown);
        port.postMessage({ id, problem, missing: isMissing(thrown) } satisfies Answered);
      }
    })();
  });
  port.unref();
}

/** At the other end. */
export function objectsOver(port: MessagePort): ObjectReader {
  const waiting = new Map<number, PromiseWithResolvers<Uint8Array>>();
  let next = 1;
  port.on('message', (answer: Answered) => {
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('piece' in answer) asked?.resolve(answer.piece);
    else asked?.reject(ourError('store_failed', answer.problem, answer.missing ? { details: MISSING } : {}));
  });
  port.unref();
  return {
    async *read(where, file, from) {
      for (let at = from; at < file.bytes; ) {
        const id = next++;
        const asked = Promise.withResolvers<Uint8Array>();
        waiting.set(id, asked);
        // A thread that does nothing but wait for it must not end meanwhile.
        port.ref();
        port.postMessage({ id, where, file, from: at } satisfies Asked);
        const piece = await asked.promise.finally(() => waiting.size === 0 && port.unref());
        if (piece.length === 0) throw ourError('store_failed', `${file.key} ends at byte ${at} of ${file.bytes}`);
        at += piece.length;
        yield piece;
      }
    },
  };
}
