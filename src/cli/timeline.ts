// Lines of a recording as a text that a person reads top to bottom: who, when, statement, verdict, what came back.
// Holds what is shown of one operation until its outcome is known. Refuses to know: where the lines come from.

import type { Line } from '../session/recorder/reader.ts';
import type { Paint } from './paint.ts';
import { byteSize, localTime, printable, table } from './text.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Characters of one cell that are shown; results can carry whole documents. */
const CELL = 60;

export class Timeline {
  readonly #paint: Paint;
  readonly #width: number | undefined;
  readonly #showRows: boolean;
  readonly #kept = new Map<string, { columns: readonly string[]; rows: string[][] }>();
  readonly #masked = new Map<string, string[]>();

  constructor(options: { paint: Paint; width: number | undefined; rows: boolean }) {
    this.#paint = options.paint;
    this.#width = options.width;
    this.#showRows = options.rows;
  }

  /** The text of one line, empty where it only adds to a later one. Ends with a newline. */
  text(line: Line): string {
    switch (line.kind) {
      case 'open':
        return this.#open(line);
      case 'intent':
        return this.#intent(line);
      case 'review':
        return `${this.#stamp(line)} #${line.op} review ${line.review} ${this.#paint(String(line.state))}${by(line)}\n`;
      case 'masks':
        this.#masked.set(
          keyOf(line),
          (line.columns as Fields[]).map((one) => `${one.column} by ${one.mask}`),
        );
        return '';
      case 'rows':
        this.#keep(line);
        return '';
      case 'result':
        this.#keep(line);
        return this.#result(line);
      case 'note':
        return `${this.#stamp(line)} ${this.#paint('quiet', `note: ${printable(String(line.note))} ${pairs(line.fields)}`)}\n`;
      case 'policy':
        return `${this.#stamp(line)} ${this.#paint('quiet', `policy ${short(line.version)} is in force`)}\n`;
      case 'end':
        return this.#end(line);
      default:
        return '';
    }
  }

  #stamp(line: Line): string {
    return this.#paint('quiet', localTime(line.at).slice(11) + line.at.slice(19, 23));
  }

  #open(line: Line): string {
    const principal = (line.principal ?? {}) as Fields;
    const actor = principal.actor === undefined ? '' : ` (agent: ${principal.actor})`;
    const who = `${principal.email ?? principal.subject}${actor}`;
    const parts = [
      `${line.session}  ${who} on ${line.connection}`,
      `${localTime(line.at)}  from ${line.client}${line.via === undefined ? '' : ` (${line.via})`}`,
      ...(line.reason === undefined ? [] : [`reason: ${line.reason}`]),
    ];
    return `${parts.map((part, i) => this.#paint(i === 0 ? 'heading' : '', printable(part))).join('\n')}\n\n`;
  }

  #intent(line: Line): string {
    const verdict = this.#paint(String(line.verdict));
    const rule = line.rule === undefined ? '' : ` by ${printable(String(line.rule))}`;
    const review = line.review === undefined ? '' : ` (review ${line.review})`;
    const why = line.message === undefined ? '' : `\n  ${printable(String(line.message))}`;
    const text = printable(String(line.text)).replace(/^/gm, '    ');
    const params = ((line.params ?? []) as (string | null)[])
      .map((value, i) => `\n    $${i + 1} = ${value === null ? 'NULL' : printable(value)}`)
      .join('');
    return `${this.#stamp(line)} #${line.op} ${verdict}${rule}${review}${why}\n${text}${params}\n`;
  }

  #keep(line: Line): void {
    const values = line.values as (string | null)[][] | undefined;
    const key = keyOf(line);
    const kept = this.#kept.get(key) ?? { columns: [], rows: [] };
    if (Array.isArray(line.columns)) kept.columns = line.columns as string[];
    if (this.#showRows)
      for (const row of values ?? []) kept.rows.push(row.map((value) => (value === null ? 'NULL' : clip(value))));
    this.#kept.set(key, kept);
  }

  #result(line: Line): string {
    const key = keyOf(line);
    const kept = this.#kept.get(key);
    const masked = this.#masked.get(key);
    this.#kept.delete(key);
    this.#masked.delete(key);
    const error = line.error as { code: string; message: string } | undefined;
    const facts = [
      error === undefined
        ? printable(String(line.tag ?? line.status))
        : `${this.#paint('error')} ${printable(`${error.code}: ${error.message}`)}`,
      line.rows === undefined ? undefined : `${line.rows} rows`,
      line.bytes === undefined ? undefined : byteSize(Number(line.bytes)),
      line.us === undefined ? undefined : `${(Number(line.us) / 1000).toFixed(1)} ms`,
      masked === undefined ? undefined : `masked: ${printable(masked.join(', '))}`,
    ].filter((fact) => fact !== undefined);
    const head = `${this.#stamp(line)} #${line.op} ${this.#paint('quiet', '→')} ${facts.join(', ')}\n`;
    if (kept === undefined || kept.rows.length === 0) return `${head}\n`;
    const headers = kept.columns.length > 0 ? kept.columns : kept.rows[0]!.map((_, i) => `${i + 1}`);
    const width = this.#width === undefined ? {} : { width: this.#width - 4 };
    const rows = table(headers, kept.rows, { ...width, plain: true }).replace(/^(?=.)/gm, '    ');
    const total = Number(line.rows ?? kept.rows.length);
    const more = total > kept.rows.length ? `    … ${total - kept.rows.length} more rows were not kept\n` : '';
    return `${head}${rows}${more}\n`;
  }

  #end(line: Line): string {
    const counts = `${line.operations ?? 0} operations, ${line.denied ?? 0} denied`;
    return `${this.#stamp(line)} ended: ${printable(String(line.message ?? line.code))} (${line.code}); ${counts}\n`;
  }
}

function keyOf(line: Line): string {
  return `${line.op}.${line.part}`;
}

function clip(value: string): string {
  return value.length > CELL ? `${value.slice(0, CELL - 1)}…` : value;
}

function short(version: unknown): string {
  return String(version).slice(0, 12);
}

function by(line: Line): string {
  return line.by === undefined ? '' : ` by ${printable(String(line.by))}`;
}

function pairs(fields: unknown): string {
  return Object.entries((fields ?? {}) as Fields)
    .map(([key, value]) => `${key}=${printable(String(value))}`)
    .join(' ');
}
