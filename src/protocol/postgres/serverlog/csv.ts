// Rows of a CSV log (RFC 4180 as PostgreSQL writes it): fields in quotes may have line breaks. Refuses to know: columns.

import type { TextLine } from './lines.ts';

export interface CsvRow {
  readonly fields: readonly string[];
  /** Of its first line. */
  readonly line: number;
}

export async function* csvRows(source: AsyncIterable<TextLine>): AsyncGenerator<CsvRow> {
  /** Lines of the row that is not whole: a statement may have as many as it likes. */
  let open: string[] = [];
  let quoted = false;
  let first = 0;
  for await (const { text, line } of source) {
    if (open.length === 0) first = line;
    open.push(text);
    for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) quoted = !quoted;
    if (quoted) continue;
    yield { fields: fieldsOf(open.join('\n')), line: first };
    open = [];
  }
}

function fieldsOf(row: string): string[] {
  return [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
  );
}
