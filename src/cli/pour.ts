// What is read as a stream onto standard output: as it is, and on a terminal with what would steer it made visible. Refuses to
// know: what it is.

import { StringDecoder } from 'node:string_decoder';
import type { Io } from './io.ts';
import { printable } from './text.ts';

export async function pour(io: Io, pieces: AsyncIterable<string | Uint8Array>): Promise<void> {
  const decoder = new StringDecoder('utf8');
  for await (const piece of pieces) {
    if (!io.terminal.stdout) {
      await io.write(piece);
      continue;
    }
    const text = typeof piece === 'string' ? piece : decoder.write(piece);
    await io.write(printable(text.replace(/\r(?=\n|$)/g, '')));
  }
  // A stream that was cut in the middle of a character: that stands there, too.
  const rest = decoder.end();
  if (rest !== '') await io.write(rest);
}
