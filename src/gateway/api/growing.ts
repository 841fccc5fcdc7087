// A recording as it is being written: whole lines as soon as they are in its file, until nothing more comes.
// Refuses to know: what lines say, who reads them.

import { setTimeout as sleep } from 'node:timers/promises';
import { readRecording } from '../../session/recorder/stored.ts';
import type { Parts } from '../parts.ts';

/** How often it is looked for more, ms: as often as lines of outcomes are written. */
const LOOK_MS = 50;
const NEWLINE = 10;

/** From the byte `from` on; nothing of it is in memory but a line and a chunk. Ends with the session or the signal. */
export async function* growing(
  { live, sink }: Pick<Parts, 'live' | 'sink'>,
  id: string,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let at = from;
  for (;;) {
    // Asked before reading: what a session writes last is there when it lives no more.
    const session = live.get(id);
    if (session === undefined || session.record().bytes > at) {
      for await (const lines of wholeLines(readRecording(sink, id, at))) {
        if (signal.aborted) return;
        at += lines.length;
        yield lines;
      }
    }
    if (session === undefined || signal.aborted) return;
    await Promise.race([sleep(LOOK_MS, undefined, { ref: false }), session.closed]);
  }
}

/** A line of which the end is not there yet is left for the next time. */
async function* wholeLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    const bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    rest = bytes.subarray(end);
    if (end > 0) yield bytes.subarray(0, end);
  }
}
