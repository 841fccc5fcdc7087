// The versions of the configuration: which were in force when, which were refused, who changed them by their own word.
// Refuses to know: how a document is read.

import type { LogEntry } from '../log/audit.ts';
import { Capped } from './capped.ts';
import { asTable, type Collector } from './collector.ts';
import { brief, list, text } from './fields.ts';
import type { PolicyView, ReadPolicy, Report, Row } from './types.ts';

/** Versions whose documents are read; of more in one span the number is told. */
const MAX_VERSIONS = 100;

export interface VersionInForce {
  readonly version: string;
  readonly entry: number;
  readonly from: string;
  to: string | undefined;
  readonly document: string;
}

export class Policies implements Collector {
  readonly #rows: Capped<Row & { readonly version?: string }>;
  /** In force at some time of the span, oldest first. */
  readonly #inForce: VersionInForce[] = [];
  readonly #read: ReadPolicy;
  /** The newest, and how many were in force in the span behind those that are read. */
  #newest: string | undefined;
  unread = 0;
  #views: Promise<ReadonlyMap<string, PolicyView | string>> | undefined;

  constructor(rows: number, read: ReadPolicy) {
    this.#rows = new Capped(rows);
    this.#read = read;
  }

  entry({ index, at, kind, fields }: LogEntry, within: boolean): void {
    if (kind !== 'policy') return;
    const { what, document } = fields;
    const version = text(fields.version);
    if (within) {
      const refused = list(fields.problems).join('; ') || text(fields.problems);
      this.#rows.add(() => ({
        at,
        what: text(what),
        version,
        before: brief(text(fields.before)),
        entry: index,
        ...(refused === undefined ? {} : { problem: refused }),
      }));
    }
    if (version === undefined || typeof document !== 'string') return;
    if (this.#newest === version) return;
    this.#newest = version;
    const last = this.#inForce.at(-1);
    if (last !== undefined) last.to ??= at;
    // Before the span only the last one counts.
    if (!within) this.#inForce.length = 0;
    if (this.#inForce.length < MAX_VERSIONS) {
      this.#inForce.push({ version, entry: index, from: at, to: undefined, document });
    } else this.unread += 1;
  }

  get inForce(): readonly VersionInForce[] {
    return this.#inForce;
  }

  get versions(): Report['versions'] {
    return this.#inForce.map(({ version, from, to }) => ({ version, from, to }));
  }

  /** Each version that was in force, read once. */
  views(): Promise<ReadonlyMap<string, PolicyView | string>> {
    this.#views ??= this.#readAll();
    return this.#views;
  }

  async #readAll(): Promise<ReadonlyMap<string, PolicyView | string>> {
    const views = new Map<string, PolicyView | string>();
    for (const { version, document } of this.#inForce) {
      if (!views.has(version)) views.set(version, await this.#read(document));
    }
    return views;
  }

  async sections() {
    const views = await this.views();
    const rows = this.#rows.kept.map(({ version, ...row }) => {
      const view = version === undefined ? undefined : views.get(version);
      const change = typeof view === 'object' ? view.change : undefined;
      return {
        ...row,
        version,
        changedBy: change?.by,
        approvedBy: change?.approvedBy,
        reference: change?.reference,
        ...(typeof view === 'string' ? { problem: `cannot be read any more: ${view}` } : {}),
        ...(change?.by !== undefined && change.by === change.approvedBy
          ? { problem: 'approved by who changed it' }
          : {}),
      };
    });
    return { policies: asTable({ kept: rows, total: this.#rows.total }) };
  }
}
