// A copy of the record in one format, as text in pieces. Refuses to know: files, HTTP, who asks.

import { setImmediate as turn } from 'node:timers/promises';
import type { LogFollowing } from '../recorder/follow-source.ts';
import { recordBetween, type Span } from './between.ts';
import { type ExportEvent, type Product, timeOf } from './event.ts';
import { type Format, writerOf } from './formats.ts';
import { Openings } from './openings.ts';
import { otlpRequest } from './otlp.ts';
import { type Selection, selects } from './select.ts';
import { syslogMessage } from './syslog.ts';

export const COPY_FORMATS = ['jsonl', 'ocsf', 'cef', 'syslog', 'otlp', 'csv'] as const;
export type CopyFormat = (typeof COPY_FORMATS)[number];

/** Events in one line of OTLP, and characters in one piece. */
const REQUEST = 500;
const PIECE = 64 * 1024;

export interface CopyOptions {
  readonly source: LogFollowing;
  readonly span: Span;
  readonly selection: Selection;
  readonly rows: boolean;
  readonly format: CopyFormat;
  readonly product: Product;
  /** For the names of machines in syslog. */
  readonly hostname: string;
}

/** Text in whole lines; nothing at all when there is nothing, but for what a format begins with. */
export async function* copyOf(options: CopyOptions): AsyncGenerator<string> {
  const { format, product, hostname } = options;
  const plain: Format = format === 'jsonl' || format === 'syslog' || format === 'otlp' ? 'json' : format;
  const writer = writerOf(plain, product);
  if (format === 'otlp') {
    yield* requests(options);
    return;
  }
  // In a file nothing has to fit: a message has all of its event.
  const syslog = { facility: 13, hostname, maxBytes: Number.POSITIVE_INFINITY, mark: false, write: writer.text };
  const line = format === 'syslog' ? (event: ExportEvent) => `${syslogMessage(event, syslog)}\n` : writer.line;
  let piece = writer.head;
  for await (const event of selected(options)) {
    piece += line(event);
    if (piece.length < PIECE) continue;
    yield piece;
    piece = '';
    // A gateway has sessions to serve meanwhile.
    await turn();
  }
  if (piece !== '') yield piece;
}

async function* requests(options: CopyOptions): AsyncGenerator<string> {
  let batch: ExportEvent[] = [];
  // A copy made twice is the same: the time of observation is that of the newest event.
  const line = () => `${otlpRequest(batch, options.product, Math.max(...batch.map(timeOf)))}\n`;
  for await (const event of selected(options)) {
    batch.push(event);
    if (batch.length < REQUEST) continue;
    yield line();
    batch = [];
    await turn();
  }
  if (batch.length > 0) yield line();
}

async function* selected({ source, span, selection, rows }: CopyOptions): AsyncGenerator<ExportEvent> {
  const openings = new Openings(source);
  let sequence = 0;
  const { kinds, session } = selection;
  const any = kinds.length === 0 || kinds.some((kind) => !kind.startsWith('log.'));
  const wanted = (one: string) => any && (session === undefined || session === one);
  for await (const followed of recordBetween(source, span, wanted)) {
    const event = await openings.event(followed, rows);
    if (event === undefined || !selects(selection, event)) continue;
    sequence += 1;
    yield { ...event, sequence };
  }
}
