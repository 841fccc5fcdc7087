// The options of COPY as PostgreSQL reads them (commands/copy.c, ProcessCopyOptions), defaults filled in.

import type { CopyOptions } from '../analysis.ts';
import type { Tree } from './parser.ts';
import { as, list, text, unwrap } from './tree.ts';

const HEADER: Readonly<Record<string, boolean>> = {
  ...{ true: true, on: true, '1': true, match: true },
  ...{ false: false, off: false, '0': false },
};

function optionText(element: Tree): string | undefined {
  const [type, value] = unwrap(element.arg) ?? ['', {}];
  if (typeof value.sval === 'string') return value.sval;
  // The tree leaves zero and false out.
  if (type === 'Integer') return typeof value.ival === 'number' ? String(value.ival) : '0';
  if (type === 'Boolean') return String(value.boolval === true);
  return undefined;
}

/**
 * The options of a CopyStmt to or from the client; undefined for a file or program, and for options that this program
 * does not know (the caller must then treat the statement as one it cannot follow).
 */
export function copyOptions(node: Tree): CopyOptions | 'unknown' | undefined {
  if (node.filename !== undefined || node.is_program === true) return undefined;
  const given = new Map<string, Tree>();
  for (const option of list(node, 'options')) {
    const element = as(option, 'DefElem');
    const name = text(element, 'defname');
    if (element === undefined || name === undefined) return 'unknown';
    given.set(name, element);
  }
  const read = (name: string) => {
    const element = given.get(name);
    return element === undefined ? undefined : optionText(element);
  };
  const format = read('format') ?? 'text';
  if (format !== 'text' && format !== 'csv' && format !== 'binary') return 'unknown';
  const csv = format === 'csv';
  const quote = read('quote') ?? '"';
  // What is taken for a header is not masked: no spelling is guessed at.
  const header = given.has('header') ? HEADER[(read('header') ?? 'true').toLowerCase()] : false;
  if (header === undefined) return 'unknown';
  return {
    direction: node.is_from === true ? 'in' : 'out',
    format,
    delimiter: read('delimiter') ?? (csv ? ',' : '\t'),
    null: read('null') ?? (csv ? '' : '\\N'),
    quote,
    escape: read('escape') ?? quote,
    header,
    ...(given.has('encoding') ? { encoding: read('encoding') ?? '' } : {}),
  };
}

/**
 * What a foreign table's options make of it: file_fdw reads a file of the server as COPY does, or runs a program there at every
 * scan. What options are dropped makes nothing.
 */
export function foreignSource(options: readonly unknown[]): readonly ('copy-program' | 'copy-file')[] {
  const found: ('copy-program' | 'copy-file')[] = [];
  for (const option of options) {
    const element = as(option, 'DefElem');
    if (element === undefined || text(element, 'defaction') === 'DEFELEM_DROP') continue;
    const name = text(element, 'defname');
    if (name === 'program') found.push('copy-program');
    if (name === 'filename') found.push('copy-file');
  }
  return found;
}
