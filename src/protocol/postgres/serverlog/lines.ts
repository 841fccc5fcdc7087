// Bytes → lines, without their ends. Refuses to know: what is in them.

/** Longer than any statement that a server takes (1 GiB of message) is not read at once: such a line is cut. */
const MAX_CHARS = 64 * 1024 * 1024;

export interface TextLine {
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

export async function* lines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<TextLine> {
  const decoder = new TextDecoder();
  /** Of the line that is not whole. */
  let open: string[] = [];
  let length = 0;
  let line = 0;
  const add = (part: string) => {
    const kept = part.slice(0, MAX_CHARS - length);
    if (kept !== '') open.push(kept);
    length += kept.length;
  };
  const take = (): TextLine => {
    const text = open.join('');
    open = [];
    length = 0;
    return { text, line: ++line };
  };
  for await (const chunk of bytes) {
    const parts = decoder.decode(chunk, { stream: true }).split('\n');
    const rest = parts.pop()!;
    for (const part of parts) {
      add(part);
      yield take();
    }
    add(rest);
  }
  add(decoder.decode());
  if (length > 0) yield take();
}
