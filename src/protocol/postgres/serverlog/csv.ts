// Rows of a CSV log (RFC 4180 as PostgreSQL writes it): fields in quotes may have line breaks. Refuses to know: columns.

import type { TextLine } from './lines.ts';

export interface CsvRow {
  readonly fields: readonly string[];
  /** Of its first line. */
  readonly line: number;
}

export async function* csvRows(source: AsyncIterable<TextLine>): AsyncGenerator<CsvRow> {
  let open = '';
  let first = 0;
  for await (const { text, line } of source) {
    if (open === '') first = line;
    open = open === '' ? text : `${open}\n${text}`;
    // In quotes: an odd number of them so far.
    if (((open.match(/"/g)?.length ?? 0) & 1) === 1) continue;
    yield { fields: fieldsOf(open), line: first };
    open = '';
  }
}

function fieldsOf(row: string): string[] {
  return [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
  );
}
