// Where each destination stands, in the store: read with care, because what it says decides what is never sent. Refuses to
// know: what is sent, how.

import type { KeyValue } from '../../session/identity/stores.ts';
import type { Cursor } from '../../session/recorder/follow.ts';
import type { Position } from '../../session/recorder/follow-source.ts';
import type { Kept } from './exporter.ts';

export interface CursorOptions {
  readonly keep: Pick<KeyValue, 'get' | 'set'>;
  /** The gateway's id: others may use the same store. */
  readonly gateway: string;
  /** The log's name, its entries by now, and the sessions that are open: where a destination that begins now begins. */
  readonly now: () => { readonly log: string; readonly index: number; readonly open: readonly string[] };
  /** Of a destination that has no cursor yet. */
  readonly from: (name: string) => 'beginning' | 'now';
  readonly began: (name: string, index: number) => void;
  /** The cursor cannot be gone on from, and everything is exported again; on record. */
  readonly again: (name: string, what: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** As it is stored. */
type Stored = Kept & {
  /** Of which log `cursor.index` is. Left out by versions that did not know that there may be another. */
  readonly log?: string;
};

export class Cursors {
  readonly #options: CursorOptions;

  constructor(options: CursorOptions) {
    this.#options = options;
  }

  /** Kept at once where it is a new one: a failure before the first delivery must not move the beginning. Errors: `store_failed`. */
  async load(name: string): Promise<Kept> {
    const { keep, now, from, began, again } = this.#options;
    const text = await keep.get(this.#key(name));
    const { log, index: size, open } = now();
    const beginning = (sequence: number, sessions: Cursor['open'] = {}): Promise<Kept> =>
      this.#begin(name, { cursor: { index: 0, open: sessions }, sequence });
    if (text === undefined) {
      const here = { index: size, open: Object.fromEntries(open.map((session) => [session, { seq: 0, byte: 0 }])) };
      const kept = from(name) === 'now' ? await this.#begin(name, { cursor: here, sequence: 0 }) : await beginning(0);
      began(name, kept.cursor.index);
      return kept;
    }
    const stored = parse(text);
    if (stored === undefined) {
      again(name, 'export cursor is damaged', {});
      return beginning(0);
    }
    const { log: of, ...kept } = stored;
    const { index } = kept.cursor;
    if (of !== undefined && of !== log) {
      // The log before it was damaged or set back. Of sessions that it let in, what was not sent yet is still there.
      again(name, 'export cursor is of another log', { index, log: of });
      return beginning(kept.sequence, kept.cursor.open);
    }
    if (index > size) {
      // An older log was put back: what it lacks was sent once, what comes has numbers that were.
      again(name, 'export cursor is ahead of the log', { index });
      return beginning(kept.sequence, kept.cursor.open);
    }
    return kept;
  }

  /** Errors: `store_failed`. */
  async keep(name: string, kept: Kept): Promise<void> {
    const stored: Stored = { ...kept, log: this.#options.now().log };
    await this.#options.keep.set(this.#key(name), JSON.stringify(stored));
  }

  async #begin(name: string, kept: Kept): Promise<Kept> {
    await this.keep(name, kept);
    return kept;
  }

  #key(name: string): string {
    return `export:${this.#options.gateway}:${name}`;
  }
}

function parse(text: string): Stored | undefined {
  let value: Partial<Stored>;
  try {
    value = JSON.parse(text) as Partial<Stored>;
  } catch {
    return undefined;
  }
  const whole = (one: unknown) => Number.isSafeInteger(one) && (one as number) >= 0;
  const place = ({ seq, byte }: Partial<Position>) => whole(seq) && whole(byte);
  const { cursor, sequence } = value ?? {};
  const open = Object.values(cursor?.open ?? { none: {} });
  const good = whole(sequence) && whole(cursor?.index) && open.every((one) => place(one ?? {}));
  return good ? (value as Stored) : undefined;
}
