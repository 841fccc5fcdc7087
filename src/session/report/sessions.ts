// The sessions of the span, and those of them that are sampled. Refuses to know: what was run in them.

import { Capped } from './capped.ts';
import { asTable, type Collector, type SessionFacts } from './collector.ts';
import { brief, number, text } from './fields.ts';
import { Sample } from './sample.ts';
import type { ReportRequest, Row } from './types.ts';

type SessionRow = Row & { readonly session: string; readonly digest: string | undefined };

export class Sessions implements Collector {
  readonly #listed: Capped<SessionRow>;
  readonly #sample: Sample<SessionRow>;
  total = 0;
  unsealed = 0;

  constructor({ rows, seed, sample }: Pick<ReportRequest, 'rows' | 'seed' | 'sample'>) {
    this.#listed = new Capped(rows);
    this.#sample = new Sample(seed, sample);
  }

  over(facts: SessionFacts): void {
    this.total += 1;
    const row = rowOf(facts);
    this.#listed.add(() => row);
    // One without a seal has nothing yet to hold its recording against.
    if (row.digest === undefined) this.unsealed += 1;
    else this.#sample.offer(row);
  }

  /** Sessions whose recordings belong into the bundle. */
  get chosen(): readonly { readonly session: string; readonly digest: string }[] {
    return this.#sample.chosen.map(({ session, digest }) => ({ session, digest: digest! }));
  }

  get population(): number {
    return this.#sample.population;
  }

  sections() {
    const rows = [...this.#sample.chosen];
    return { sessions: asTable(this.#listed), sample: { rows, total: rows.length } };
  }
}

function rowOf({ ran, who, connection, opening }: SessionFacts): SessionRow {
  const { letIn, sealed, session } = ran;
  const { fields } = letIn;
  return {
    began: letIn.at,
    ...{ session, who, connection },
    client: text(fields.client),
    via: text(fields.via),
    reason: text(fields.reason),
    grant: text(fields.grant),
    policy: brief(text(opening?.policy)),
    letIn: letIn.index,
    sealed: sealed?.index ?? 'not over',
    lines: number(sealed?.fields.lines),
    digest: text(sealed?.fields.digest),
  };
}
