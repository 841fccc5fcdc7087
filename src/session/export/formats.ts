// The formats by name, for whatever takes events one by one. Refuses to know: where they go.

import { cef } from './cef.ts';
import { CSV_HEADER, csv } from './csv.ts';
import { document, type ExportEvent, type Product } from './event.ts';
import { ocsf } from './ocsf.ts';

/** What one event is written as. */
export const FORMATS = ['json', 'ocsf', 'cef', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

export interface Writer {
  /** What stands before the first event. */
  readonly head: string;
  /** The event with its end of line. */
  line(event: ExportEvent): string;
  /** The event alone, on one line. */
  text(event: ExportEvent): string;
  readonly contentType: string;
}

export function writerOf(format: Format, product: Product): Writer {
  if (format === 'csv') {
    const line = (event: ExportEvent) => csv(event, product);
    return { head: CSV_HEADER, line, text: line, contentType: 'text/csv; charset=utf-8; header=present' };
  }
  const text = textOf(format, product);
  const contentType = format === 'cef' ? 'text/plain; charset=utf-8' : 'application/x-ndjson';
  return { head: '', line: (event) => `${text(event)}\n`, text, contentType };
}

function textOf(format: Exclude<Format, 'csv'>, product: Product): (event: ExportEvent) => string {
  if (format === 'cef') return (event) => cef(event, product);
  if (format === 'ocsf') return (event) => ocsf(event, product);
  return (event) => JSON.stringify(document(event, product));
}
