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
  let rest = '';
  let line = 0;
  for await (const chunk of bytes) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop()!.slice(0, MAX_CHARS);
    for (const text of parts) yield { text, line: ++line };
  }
  rest += decoder.decode();
  if (rest !== '') yield { text: rest, line: ++line };
}
