// Errors and notices of a masked connection: the server quotes values in its texts, so of a text only what is known to
// be made from names and from the client's own statement is kept. Severity always is, and SQLSTATE unless a RAISE made it.
// Refuses to know: which columns are masked; here any value may be of one.

import { encodeFields } from '../wire/notice.ts';

/**
 * The server's source files (field F) whose messages speak of names, syntax and state, never of stored values; those of
 * constraints have the values in their detail, which is not kept. The field is set by the server's C code: a RAISE is told as
 * pl_exec.c whatever SQLSTATE it claims.
 */
const NAMES_ONLY = new Set([
  ...['aclchk.c', 'catalog.c', 'lock.c', 'portalcmds.c', 'postgres.c', 'prepare.c', 'proc.c', 'tablecmds.c', 'user.c'],
  ...['xact.c', 'execIndexing.c', 'execMain.c', 'execPartition.c', 'nbtinsert.c', 'ri_triggers.c'],
]);

/**
 * Those that look names up, also at run time: `ssn::regclass`, `nextval(ssn)`, `ssn::regtype` say that a relation or type
 * of the value's name does not exist. Of these only what is told of a place in the statement (field P) is about its text.
 */
const LOOKS_UP = /^(?:namespace\.c|gram\.y|scan\.l|parse_[a-z]+\.c)$/;

/**
 * Those that read values of a type from text. Of a stored value they say so while the statement runs, at no place; of a constant
 * they say it while the statement is parsed, at its place in the text (field P).
 */
const READS_VALUES =
  /^(?:arrayfuncs|bool|cash|char|date|datetime|encode|enum|float|geo_ops|int|int8|mac|mac8|multirangetypes|network|numeric|numutils|oid|pg_lsn|rangetypes|rowtypes|tid|timestamp|tsquery|tsvector|tsvector_parser|uuid|varbit|varchar|varlena|xid|xml)\.c$/;

/** What says nothing that SQLSTATE does not say. */
const FIXED = new Set(
  `division by zero; smallint out of range; integer out of range; bigint out of range; interval out of range;
  timestamp out of range; input is out of range; value out of range: overflow; value out of range: underflow;
  numeric field overflow; negative substring length not allowed; cannot take square root of a negative number;
  cannot take logarithm of zero; cannot take logarithm of a negative number;
  zero raised to a negative power is undefined;
  a negative number raised to a non-integer power yields a complex result`.split(/;\s+/),
);

/** Said of a text before anything is looked up: by the scanner and the grammar. */
export function isRaw(fields: ReadonlyMap<string, string>): boolean {
  return /^(?:gram\.y|scan\.l|scansup\.c|parser\.c)$/.test(fields.get('F') ?? '');
}

/** Severity, position, and where in the server's source: no values. */
const KEPT = 'SVPFLR';
/** Schema, table, column, constraint: names, unless a RAISE says what they are. */
const OBJECTS = 'stcn';

/** A RAISE may claim any five characters for its SQLSTATE: those that it claims for what they mean stay. */
const CLAIMED = new Set(
  `00000 01000 P0001 P0002 P0003 P0004 02000 0A000 22000 22003 22007 22008 22012 22023 22P02 23000 23502 23503 23505 23514 23P01 25006
  28000 40001 40P01 42501 42704 55000 55P03 57014 XX000`.split(/\s+/),
);
const RAISED = 'P0001';

/** A function was running (context W, inner query q): its text may have been made from values. */
export function ofFunction(fields: ReadonlyMap<string, string>): boolean {
  return fields.has('W') || fields.has('q') || isRaised(fields);
}

function isRaised(fields: ReadonlyMap<string, string>): boolean {
  return /^pl/.test(fields.get('F') ?? '');
}

function code(fields: ReadonlyMap<string, string>): string {
  const claimed = fields.get('C') ?? RAISED;
  return isRaised(fields) && !CLAIMED.has(claimed) ? RAISED : claimed;
}

function speaksOfNames(fields: ReadonlyMap<string, string>): boolean {
  const file = fields.get('F') ?? '';
  if (ofFunction(fields)) return false;
  return NAMES_ONLY.has(file) || (fields.has('P') && LOOKS_UP.test(file)) || FIXED.has(fields.get('M') ?? '');
}

function speaksOfConstant(fields: ReadonlyMap<string, string>): boolean {
  return fields.has('P') && !ofFunction(fields) && READS_VALUES.test(fields.get('F') ?? '');
}

/** The fields that may leave: a generic message where the server's own may carry a value. */
export function scrub(fields: ReadonlyMap<string, string>): Map<string, string> {
  const constant = speaksOfConstant(fields);
  const names = constant || speaksOfNames(fields);
  const kept = new Map<string, string>();
  for (const [letter, value] of fields) {
    if (KEPT.includes(letter) || (OBJECTS.includes(letter) && !ofFunction(fields))) kept.set(letter, value);
    else if (letter === 'C') kept.set('C', code(fields));
    else if (letter === 'M') {
      kept.set('M', names ? value : `SQLSTATE ${code(fields)}: the server's text is withheld, masks apply here`);
    } else if ((letter === 'H' && names) || (letter === 'D' && constant)) kept.set(letter, value);
  }
  return kept;
}

export function scrubbed(type: number, fields: ReadonlyMap<string, string>): Buffer {
  return encodeFields(type, scrub(fields));
}
