// Errors and notices of a masked connection: the server quotes values in its texts, so of a text only what is known to
// be made from names and from the client's own statement is kept. SQLSTATE and severity always are.
// Refuses to know: which columns are masked; here any value may be of one.

import { encodeFields } from '../wire/notice.ts';

/**
 * The server's source files (field F) whose messages speak of names, syntax and state, never of stored values. The field
 * is set by the server's C code: a RAISE is told as pl_exec.c whatever SQLSTATE it claims.
 */
const NAMES_ONLY = new Set([
  'aclchk.c',
  'catalog.c',
  'gram.y',
  'namespace.c',
  'lock.c',
  'portalcmds.c',
  'postgres.c',
  'prepare.c',
  'proc.c',
  'scan.l',
  'scansup.c',
  'tablecmds.c',
  'user.c',
  'xact.c',
]);

/** Severity, SQLSTATE, position, names of objects, and where in the server's source: no values. */
const KEPT = 'SVCPFLRstcn';

function speaksOfNames(fields: ReadonlyMap<string, string>): boolean {
  const file = fields.get('F') ?? '';
  // A context (W) or an inner query (q) means that a function was running: its text may have been made from values.
  if (fields.has('W') || fields.has('q')) return false;
  return NAMES_ONLY.has(file) || /^parse_[a-z]+\.c$/.test(file);
}

/** The fields that may leave: a generic message where the server's own may carry a value. */
export function scrub(fields: ReadonlyMap<string, string>): Map<string, string> {
  const names = speaksOfNames(fields);
  const kept = new Map<string, string>();
  for (const [letter, value] of fields) {
    if (KEPT.includes(letter)) kept.set(letter, value);
    else if (letter === 'M') {
      kept.set(
        'M',
        names ? value : `SQLSTATE ${fields.get('C') ?? 'unknown'}: the server's text is withheld, masks apply here`,
      );
    } else if (letter === 'H' && names) kept.set('H', value);
  }
  return kept;
}

export function scrubbed(type: number, fields: ReadonlyMap<string, string>): Buffer {
  return encodeFields(type, scrub(fields));
}
