// Lines of a recording as a text that a person reads top to bottom: who, when, statement, verdict, what came back.
// Holds what is shown of one operation until its outcome is known. Refuses to know: where the lines come from.

import { Transcript } from '../session/output/transcript.ts';
import { decodeBytes } from '../session/recorder/line.ts';
import type { Line } from '../session/recorder/reader.ts';
import { readingOf, valueLines } from './operation-text.ts';
import type { Paint } from './paint.ts';
import { byteSize, localTime, oneLine, plural, printable, table } from './text.ts';

type Fields = Readonly<Record<string, unknown>>;

interface Kept {
  columns: readonly string[];
  readonly rows: string[][];
}

/** Characters of one cell that are shown; results can carry whole documents. */
const CELL = 60;

/** Of the name of a column: every row is made as wide. */
const NAME = 200;

/** Of a line that is none of ours. */
const STRANGE = 400;

export class Timeline {
  readonly #paint: Paint;
  readonly #width: number | undefined;
  readonly #showRows: boolean;
  readonly #kept = new Map<string, Kept>();
  /** The operation whose decision came last. */
  #decided: unknown;
  readonly #masked = new Map<string, string[]>();
  readonly #shown = new Map<string, string[]>();
  /** What is being read of each stream of each operation. */
  readonly #transcripts = new Map<string, Transcript>();

  constructor(options: { paint: Paint; width: number | undefined; rows: boolean }) {
    this.#paint = options.paint;
    this.#width = options.width;
    this.#showRows = options.rows;
  }

  /** The text of one line, empty where it only adds to a later one. Ends with a newline. */
  text(written: Line): string {
    try {
      return this.#text(tamed(written));
    } catch (thrown) {
      // Somebody made it by hand, or changed it: it is told as it stands, and the rest goes on.
      if (!(thrown instanceof TypeError)) throw thrown;
      return `${this.#paint('error', `not as lines are written: ${oneLine(JSON.stringify(written), STRANGE)}`)}\n`;
    }
  }

  #text(line: Line): string {
    switch (line.kind) {
      case 'open':
        return this.#open(line);
      case 'intent':
        return this.#intent(line);
      case 'review':
        return `${this.#stamp(line)} #${line.op} review ${line.review} ${this.#paint(String(line.state))}${by(line)}\n`;
      case 'masks':
        this.#masks(line);
        return '';
      case 'unmask':
        return `${this.#stamp(line)} ${this.#paint('error', unmasking(line))}\n`;
      case 'rows':
        this.#keep(line);
        return '';
      case 'data':
        return this.#data(line);
      case 'result':
        this.#keep(line);
        return this.#rest(line.op) + this.#result(line);
      case 'note':
        return `${this.#stamp(line)} ${this.#paint('quiet', `note: ${within(String(line.note))} ${pairs(line.fields)}`)}\n`;
      case 'policy':
        return `${this.#stamp(line)} ${this.#paint('quiet', `policy ${short(line.version)} is in force`)}\n`;
      case 'end':
        return this.#unanswered(line) + this.#end(line);
      case 'seal':
        if (line.interrupted === undefined) return '';
        return `${this.#unanswered(line)}${this.#stamp(line)} the record ends here: ${within(String(line.interrupted))}\n`;
      default:
        return '';
    }
  }

  /** Which columns of a result are masked, and which are shown though a mask is on them. */
  #masks(line: Line): void {
    // Of a command there is one for each of its streams.
    const add = (to: Map<string, string[]>, list: unknown, word: string) => {
      const named = ((list ?? []) as Fields[]).map((one) => `${one.column}${word} ${one.mask}`);
      to.set(keyOf(line), [...new Set([...(to.get(keyOf(line)) ?? []), ...named])]);
    };
    add(this.#masked, line.columns, ' by');
    add(this.#shown, line.shown, ' in spite of');
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
      ...(line.exempt === undefined ? [] : [`masks that do not apply: ${exemptions(line.exempt)}`]),
    ];
    return `${parts.map((part, i) => this.#paint(i === 0 ? 'heading' : '', within(part))).join('\n')}\n\n`;
  }

  #intent(line: Line): string {
    const verdict = this.#paint(String(line.verdict));
    const rule = line.rule === undefined ? '' : ` by ${within(String(line.rule))}`;
    const review = line.review === undefined ? '' : ` (review ${line.review})`;
    const why = line.message === undefined ? '' : `\n  ${within(String(line.message))}`;
    const head = `${this.#stamp(line)} #${line.op} ${verdict}${rule}${review}${why}\n`;
    // Decided once more, by what masks make of it: what it says stands above.
    if (this.#decided === line.op) return head;
    this.#decided = line.op;
    const text = printable(String(line.text)).replace(/^/gm, '    ');
    const reading = readingOf(String(line.text), line.bytes);
    const below = [...(reading === '' ? [] : [reading]), ...valueLines(line.params, line.forms)];
    const lines = below.map((one) => `\n${one.replace(/^/gm, '    ')}`).join('');
    return `${head}${text}${lines}\n`;
  }

  #keep(line: Line): void {
    const values = line.values as (string | null)[][] | undefined;
    const key = keyOf(line);
    const kept: Kept = this.#kept.get(key) ?? { columns: [], rows: [] };
    if (Array.isArray(line.columns)) kept.columns = line.columns as string[];
    if (this.#showRows)
      for (const row of values ?? []) kept.rows.push(row.map((value) => (value === null ? 'NULL' : clip(value))));
    this.#kept.set(key, kept);
  }

  /** What a command or shell wrote, each line under its operation. */
  #data(line: Line): string {
    if (!this.#showRows) return '';
    const { op, stream, withheld } = line;
    if (withheld === true) return `    < ${this.#paint('quiet', '(typed, and not shown)')}\n`;
    const bytes = decodeBytes(line);
    // Keys are not what a terminal shows.
    if (stream === 'in') return signed('<', `${printable(bytes.toString().replace(/[\r\n]+$/, ''))}\n`);
    const key = `${op}.${stream}`;
    const transcript = this.#transcripts.get(key) ?? new Transcript();
    this.#transcripts.set(key, transcript);
    return outputLines(stream, transcript.push(bytes));
  }

  /** The lines of an operation that did not end. */
  #rest(op: unknown): string {
    return Object.entries(SIGNS)
      .map(([stream, sign]) => {
        const key = `${op}.${stream}`;
        const rest = this.#transcripts.get(key)?.end() ?? '';
        this.#transcripts.delete(key);
        return signed(sign, rest);
      })
      .join('');
  }

  #result(line: Line): string {
    const key = keyOf(line);
    const kept = this.#kept.get(key);
    const masked = this.#masked.get(key) ?? [];
    const shown = this.#shown.get(key) ?? [];
    this.#kept.delete(key);
    this.#masked.delete(key);
    this.#shown.delete(key);
    const error = line.error as Fields | undefined;
    const facts = [
      error === undefined
        ? within(String(line.tag ?? line.status))
        : `${this.#paint('error')} ${within(`${error.code}: ${error.message}`)}`,
      line.rows === undefined ? undefined : plural(Number(line.rows), 'row'),
      line.bytes === undefined ? undefined : byteSize(Number(line.bytes)),
      line.us === undefined ? undefined : `${(Number(line.us) / 1000).toFixed(1)} ms`,
      masked.length === 0 ? undefined : `masked: ${within(masked.join(', '))}`,
      shown.length === 0 ? undefined : this.#paint('error', `shown: ${within(shown.join(', '))}`),
    ].filter((fact) => fact !== undefined);
    const head = `${this.#unkept(line)}${this.#stamp(line)} #${line.op} ${this.#paint('quiet', '→')} ${facts.join(', ')}\n${more(error)}`;
    if (kept === undefined || kept.rows.length === 0) return `${head}\n`;
    const total = Number(line.rows ?? kept.rows.length);
    const unkept = total > kept.rows.length ? `    … ${total - kept.rows.length} more rows were not kept\n` : '';
    return `${head}${this.#table(kept)}${unkept}\n`;
  }

  /** What it put out and got behind what is in the recording; of rows that is said with them. */
  #unkept({ rest, input, rows }: Line): string {
    if (!this.#showRows) return '';
    const more = (of: unknown, what: string) =>
      of === undefined ? '' : `    … ${byteSize(Number((of as Fields).bytes))} more ${what} not kept\n`;
    return (rows === undefined ? more(rest, 'that it put out were') : '') + more(input, 'that it got were');
  }

  #table({ columns, rows }: Kept): string {
    const headers = columns.length > 0 ? columns.map((name) => clip(name, NAME)) : rows[0]!.map((_, i) => `${i + 1}`);
    const width = this.#width === undefined ? {} : { width: this.#width - 4 };
    return table(headers, rows, { ...width, plain: true }).replace(/^(?=.)/gm, '    ');
  }

  /** What is on record of operations whose outcome is not. */
  #unanswered(line: Line): string {
    const rows = [...this.#kept].filter(([, kept]) => kept.rows.length > 0);
    this.#kept.clear();
    const tables = rows.map(([key, kept]) => {
      const facts = `no outcome, ${plural(kept.rows.length, 'row')} kept`;
      return `${this.#stamp(line)} #${key.split('.')[0]} ${this.#paint('quiet', '→')} ${facts}\n${this.#table(kept)}\n`;
    });
    const open = new Set([...this.#transcripts.keys()].map((key) => key.split('.')[0]));
    return [...open].map((op) => this.#rest(op)).join('') + tables.join('');
  }

  #end(line: Line): string {
    const counts = `${line.operations ?? 0} operations, ${line.denied ?? 0} denied`;
    const without = Array.isArray(line.unfinished) ? `; without an outcome: ${numbers(line.unfinished)}` : '';
    return `${this.#stamp(line)} ended: ${within(String(line.message ?? line.code))} (${line.code}); ${counts}${without}\n`;
  }
}

/** How lines of a stream are marked. */
const SIGNS: Readonly<Record<string, string>> = { out: '|', err: '!' };

/** Lines that an operation put out, marked as being of that stream. */
export function outputLines(stream: unknown, lines: string): string {
  return signed(SIGNS[String(stream)] ?? '|', lines);
}

function signed(sign: string, lines: string): string {
  return lines === '' ? '' : lines.replace(/^(?!$(?![\s\S]))/gm, `    ${sign} `);
}

/** `pii (unless), card (unmask by g-1)` */
function exemptions(exempt: unknown): string {
  const one = ({ mask, by, grant }: Fields) => `${mask} (${by}${grant === undefined ? '' : ` by ${grant}`})`;
  return (exempt as Fields[]).map(one).join(', ');
}

function unmasking({ state, masks, grant, until, why }: Line): string {
  const names = `mask ${within((masks as string[]).join(', '))}`;
  if (state === 'on') return `${names} is lifted by ${grant} until ${localTime(String(until))} at most`;
  return `${names} applies again: ${within(String(why))}`;
}

/** Members that are put into a text as they stand: numbers, or one string. */
const PLAIN: ReadonlySet<string> = new Set([
  ...['op', 'part', 'verdict', 'rule', 'review', 'state', 'message', 'status', 'tag', 'rows', 'bytes', 'us', 'code'],
  ...['session', 'connection', 'client', 'via', 'reason', 'grant', 'operations', 'denied', 'version', 'interrupted'],
]);

/** Further lines of what others wrote stand further in: none of them can pass for one of ours. */
function within(text: string): string {
  return printable(text).replace(/\n(?! {6})/g, '\n      ');
}

/** Whoever changed a recording may have put anything anywhere. Its text is tamed where it is shown. */
function tamed(line: Line): Line {
  const unruly: [string, unknown][] = [];
  for (const [key, value] of Object.entries(line)) {
    if (key === 'text') continue;
    if (typeof value === 'string' && within(value) !== value) unruly.push([key, within(value)]);
    else if (typeof value === 'object' && PLAIN.has(key)) unruly.push([key, within(JSON.stringify(value))]);
  }
  return unruly.length === 0 ? line : { ...line, ...Object.fromEntries(unruly) };
}

/** What an error said beside its message, a line each. */
function more(error: Fields | undefined): string {
  return ['detail', 'hint', 'where']
    .filter((name) => error?.[name] !== undefined)
    .map((name) => `    ${name}: ${within(String(error![name]))}\n`)
    .join('');
}

/** Operations that are named at the end. */
const NAMED = 20;

function numbers(unfinished: readonly unknown[]): string {
  const named = unfinished.slice(0, NAMED).map((op) => within(`#${op}`));
  return named.join(', ') + (unfinished.length > NAMED ? ` and ${unfinished.length - NAMED} more` : '');
}

function keyOf(line: Line): string {
  return `${line.op}.${line.part}`;
}

function clip(value: string, max = CELL): string {
  return value.length > max ? `${value.slice(0, max - 1)}…` : value;
}

function short(version: unknown): string {
  return String(version).slice(0, 12);
}

/** One name, or those of all who approved. */
function by(line: Line): string {
  if (line.by === undefined) return '';
  const names = Array.isArray(line.by) ? line.by : [line.by];
  return ` by ${within(names.map((name) => (typeof name === 'string' ? name : JSON.stringify(name))).join(', '))}`;
}

function pairs(fields: unknown): string {
  return Object.entries((fields ?? {}) as Fields)
    .map(([key, value]) => within(`${key}=${value}`))
    .join(' ');
}
