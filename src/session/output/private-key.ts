// A private key in PEM goes on over lines: which of them belong to it. Refuses to know: what is done with them.

const BEGIN = /-----BEGIN [A-Z0-9 ]{0,64}PRIVATE KEY(?: BLOCK)?-----/;
const END = '-----END ';
const BEGINS = Buffer.from('-----BEGIN ');
/** What stands between: base 64 in lines, the headers of old formats, PGP's checksum. */
const BODY =
  /^\s*(?:[A-Za-z0-9+/=]{0,256}|(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|MessageID): [^\n]{0,200})\s*$/;
/** One of 16,384 bits has 200. */
const MOST_LINES = 1000;

/** Whether a line may be the first of one. */
export function beginsKey(bytes: Buffer, from: number, to: number): boolean {
  return bytes.subarray(from, to).includes(BEGINS);
}

export class PrivateKey {
  #lines = 0;

  get open(): boolean {
    return this.#lines > 0;
  }

  /** Whether a line, or what is there of it, is of one that began before. */
  covers(text: string): boolean {
    return this.open && (BODY.test(text) || text.includes(END));
  }

  /** A line is over. */
  line(text: string, wanted: boolean): void {
    if (!wanted || (this.open && text.includes(END))) {
      this.#lines = 0;
      return;
    }
    if (this.open && BODY.test(text)) {
      this.#lines = this.#lines >= MOST_LINES ? 0 : this.#lines + 1;
      return;
    }
    const begin = BEGIN.exec(text);
    this.#lines = begin !== null && !text.includes(END, begin.index) ? 1 : 0;
  }
}
