// The first lines of recordings, for the lines after them: kept for as many sessions as are busy at once, read again where
// one was forgotten. Refuses to know: what is in them.

import type { RecordEvent } from '../recorder/follow.ts';
import type { LogFollowing } from '../recorder/follow-source.ts';
import { type ExportEvent, exportEvent, type Opening } from './event.ts';

const MAX = 10_000;

export class Openings {
  readonly #source: LogFollowing;
  readonly #known = new Map<string, Opening>();

  constructor(source: LogFollowing) {
    this.#source = source;
  }

  /** The event for export; undefined where there is nothing left of it without rows. */
  async event(event: RecordEvent, rows: boolean): Promise<ExportEvent | undefined> {
    return exportEvent(event, await this.#of(event), rows);
  }

  async #of({ session, kind, fields }: RecordEvent): Promise<Opening | undefined> {
    if (session === undefined) return undefined;
    const known = kind === 'open' ? fields : (this.#known.get(session) ?? (await this.#read(session)));
    if (known === undefined) return undefined;
    this.#known.delete(session);
    if (kind === 'seal') return known;
    if (this.#known.size >= MAX) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(session, known);
    return known;
  }

  async #read(session: string): Promise<Opening | undefined> {
    for await (const { line } of this.#source.lines(session, { seq: 0, byte: 0 })) {
      const { seq, at, kind, prev, ...fields } = line;
      return kind === 'open' ? fields : undefined;
    }
    return undefined;
  }
}
