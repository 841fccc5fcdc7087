// Bytes of a recording → its lines, put together again where they are encrypted. Refuses to know: where the key is, whose
// identities open it.

import type { LineOpener } from './encryption.ts';
import { type Line, LineSplitter, parseLine, type RawLine } from './reader.ts';

/** Given the first line: how to open what follows; undefined: as it is. */
export type OpenerFor = (opening: Line) => Promise<LineOpener | undefined>;

/**
 * As many at a time as come in one piece; what is no line is left out. `raw` sees each before it is opened. Errors: those of the
 * source and of opening.
 */
export async function* openedLines(
  source: AsyncIterable<Uint8Array>,
  openerFor: OpenerFor,
  raw: (line: RawLine) => void = () => {},
): AsyncGenerator<readonly Line[]> {
  const splitter = new LineSplitter();
  let opener: LineOpener | undefined;
  for await (const chunk of source) {
    const lines: Line[] = [];
    for (const found of splitter.push(chunk)) {
      raw(found);
      const line = parseLine(found.bytes);
      if (line === undefined) continue;
      if (line.kind === 'open') opener = await openerFor(line);
      lines.push(opener?.open(found.bytes, line) ?? line);
    }
    if (lines.length > 0) yield lines;
  }
}
