// Which bytes of a stream are replaced by what: those of the line that is being read may change with its next character,
// those before are final. Refuses to know: why.

interface Mark {
  readonly size: number;
  readonly text: string;
  /** A find begins here. */
  readonly head: boolean;
}

export class Marks {
  readonly #final = new Map<number, Mark>();
  readonly #current = new Map<number, Mark>();
  #head = true;
  /** How many finds are final. */
  finds = 0;

  clear(): void {
    this.#final.clear();
    this.#current.clear();
  }

  /** The line is looked at anew. */
  begin(): void {
    this.#current.clear();
  }

  /** What is put from here on is another find. */
  found(): void {
    this.#head = true;
  }

  put(start: number, size: number, text: string): void {
    this.#current.set(start, { size, text, head: this.#head });
    this.#head = false;
  }

  settle(): void {
    this.settleBefore(Number.POSITIVE_INFINITY);
  }

  settleBefore(place: number): void {
    for (const [start, mark] of this.#current) {
      if (start >= place) continue;
      if (mark.head && !this.#final.has(start)) this.finds++;
      this.#final.set(start, mark);
      this.#current.delete(start);
    }
  }

  /** Where the first is, of those that are final. */
  first(from: number, to: number): number | undefined {
    let first: number | undefined;
    for (const start of this.#final.keys()) {
      if (start >= from && start < to && (first === undefined || start < first)) first = start;
    }
    return first;
  }

  /** The bytes as they go on; `base`: the place of the first. */
  apply(bytes: Buffer, base: number): Buffer {
    const to = base + bytes.length;
    const due = [...this.#final].filter(([start]) => start < to).sort(([a], [b]) => a - b);
    if (due.length === 0) return bytes;
    const out: Buffer[] = [];
    let copied = base;
    for (const [start, { size, text }] of due) {
      this.#final.delete(start);
      if (start < copied) continue;
      out.push(bytes.subarray(copied - base, start - base));
      if (text !== '') out.push(Buffer.from(text));
      copied = start + size;
    }
    out.push(bytes.subarray(Math.min(bytes.length, copied - base)));
    return Buffer.concat(out);
  }
}
