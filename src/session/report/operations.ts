// What was run: operations by day and verdict, those that were denied, those that change a target, what was masked.
// Refuses to know: any protocol; words of `does` are compared, not understood.

import type { Line } from '../recorder/reader.ts';
import { Capped, Counts } from './capped.ts';
import { asTable, type Collector, type SessionFacts } from './collector.ts';
import { cut, list, number, objects, text } from './fields.ts';
import type { Day, Row } from './types.ts';

/** What changes a target itself rather than what it holds. */
const CHANGES: ReadonlySet<string> = new Set([
  ...['create', 'create-definer', 'alter', 'drop', 'truncate', 'grant', 'revoke', 'security-label', 'import', 'load'],
  ...['sftp-write', 'sftp-remove', 'sftp-rename', 'sftp-setstat'],
]);
const MAX_MASKED = 10_000;

export class Operations implements Collector {
  readonly #days = new Map<string, Day>();
  readonly #denied: Capped<Row>;
  readonly #changes: Capped<Row>;
  readonly #masked = new Counts(MAX_MASKED);
  readonly #rows: number;
  /** The last intent of the session that goes by. */
  #last: { readonly line: Line; readonly facts: SessionFacts } | undefined;
  total = 0;
  failed = 0;
  /** Of which only verdict and outcome can be read here. */
  encrypted = 0;
  masks = 0;

  constructor(rows: number) {
    this.#rows = rows;
    this.#denied = new Capped(rows);
    this.#changes = new Capped(rows);
  }

  line(line: Line, facts: SessionFacts): void {
    if (line.kind === 'intent') {
      // One that masks refuse or hold is decided twice: the last decision counts.
      if (this.#last?.line.op !== line.op) this.#settle();
      this.#last = { line, facts };
    } else if (line.kind === 'review' && line.state !== 'used') this.#heldBack(line, facts);
    else if (line.kind === 'masks') this.#masks(line, facts);
    else if (line.kind === 'result' && line.status === 'error') this.failed += 1;
  }

  over(): void {
    this.#settle();
  }

  #settle(): void {
    if (this.#last !== undefined) this.#intent(this.#last.line, this.#last.facts);
    this.#last = undefined;
  }

  get days(): readonly Day[] {
    return [...this.#days.values()].sort((a, b) => (a.day < b.day ? -1 : 1));
  }

  get denied(): number {
    return this.#denied.total;
  }

  /** Sessions that tables of operations name. */
  get cited(): readonly string[] {
    return [...this.#denied.kept, ...this.#changes.kept].map(({ session }) => String(session));
  }

  #intent(line: Line, facts: SessionFacts): void {
    this.total += 1;
    if (line.enc !== undefined) this.encrypted += 1;
    const day = line.at.slice(0, 10);
    const counts = this.#days.get(day) ?? { day, allow: 0, review: 0, deny: 0 };
    this.#days.set(day, counts);
    const verdict = line.verdict === 'deny' || line.verdict === 'review' ? line.verdict : 'allow';
    counts[verdict] += 1;
    const row = () => ({
      ...place(line, facts),
      rule: text(line.rule),
      text: cut(text(line.text)),
      message: text(line.message),
    });
    if (verdict === 'deny') this.#denied.add(row);
    const does = objects(line.parts).flatMap((part) => list(part.does).filter((word) => CHANGES.has(word)));
    if (does.length === 0) return;
    const words = [...new Set(does)].join(', ');
    const review = text(line.review) ?? text((line.standing as { review?: unknown } | undefined)?.review);
    this.#changes.add(() => ({ ...row(), does: words, verdict, review: review ?? text(line.standing) }));
  }

  /** A review that was not approved: what it held never ran. */
  #heldBack(line: Line, facts: SessionFacts): void {
    this.#denied.add(() => ({
      ...place(line, facts),
      rule: `review ${text(line.review) ?? ''} ${text(line.state) ?? ''}`,
      message: text(line.message),
    }));
  }

  #masks(line: Line, { who, connection }: SessionFacts): void {
    const columns = objects(line.columns);
    if (columns.length > 0) this.masks += 1;
    const keys = [
      ...columns.map(({ column, mask }) => [connection, text(mask), text(column), 'masked', undefined]),
      ...objects(line.shown).map(({ column, mask, by }) => [
        ...[connection, text(mask), text(column), `shown (${text(by) ?? '?'})`, who],
      ]),
    ];
    // Results are counted: one that has a column twice is one.
    for (const key of new Set(keys.map((one) => JSON.stringify(one)))) this.#masked.add(key);
  }

  sections() {
    const masked = this.#masked.sorted().map(([key, results]) => {
      const [connection, mask, column, what, who] = JSON.parse(key) as (string | null)[];
      return { connection: connection!, mask: mask!, column: column!, what: what!, who: who ?? undefined, results };
    });
    return {
      denied: asTable(this.#denied),
      changes: asTable(this.#changes),
      masks: { rows: masked.slice(0, this.#rows), total: masked.length },
    };
  }
}

function place({ at, op }: Line, { ran, who, connection }: SessionFacts): Row & { readonly session: string } {
  return { at, who, connection, session: ran.session, operation: number(op) };
}
