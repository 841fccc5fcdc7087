// Comma-separated values by RFC 4180: CRLF, a header, every text quoted, quotes doubled. A text that a spreadsheet would take
// for a formula gets one apostrophe in front, and so does one that begins with an apostrophe: take one away to have it back.

import { type ExportEvent, gistOf, type Product } from './event.ts';

const COLUMNS = [
  'sequence',
  'id',
  'at',
  'kind',
  'session',
  'operation',
  'principal',
  'subject',
  'issuer',
  'actor',
  'connection',
  'protocol',
  'client',
  'verdict',
  'outcome',
  'rule',
  'review',
  'reason',
  'text',
  'rows',
  'microseconds',
  'code',
  'message',
  'gateway',
  'data',
] as const;

export const CSV_HEADER = `${COLUMNS.map(quoted).join(',')}\r\n`;

export function csv(event: ExportEvent, { gateway }: Product): string {
  const gist = gistOf(event);
  const { principal, client } = gist;
  const { text: _, ...data } = event.fields;
  const values: Record<(typeof COLUMNS)[number], string | number | undefined> = {
    sequence: event.sequence,
    id: event.id,
    at: event.at,
    kind: event.name,
    session: gist.session,
    operation: gist.operation,
    principal: gist.who,
    subject: principal.subject,
    issuer: principal.issuer,
    actor: principal.actor,
    connection: gist.connection,
    protocol: gist.protocol,
    client: client === undefined ? undefined : [client.ip, client.port].filter((part) => part !== undefined).join(' '),
    verdict: gist.verdict,
    outcome: gist.outcome,
    rule: gist.rule,
    review: gist.review,
    reason: gist.reason,
    text: gist.text,
    rows: gist.rows,
    microseconds: gist.microseconds,
    code: gist.code,
    message: gist.message,
    gateway,
    // The whole line but its text, which has its column.
    data: JSON.stringify(data),
  };
  return `${COLUMNS.map((column) => cell(values[column])).join(',')}\r\n`;
}

export function cell(value: string | number | undefined): string {
  if (value === undefined) return '';
  return typeof value === 'number' ? String(value) : quoted(guarded(value));
}

function guarded(text: string): string {
  return /^[=+\-@＝＋－＠\t\r\n']/.test(text) ? `'${text}` : text;
}

/** NUL has no place in text/csv, and no reader agrees on one: it stands as U+FFFD, as half a surrogate pair does. */
function quoted(text: string): string {
  return `"${text.toWellFormed().replaceAll('\0', '\ufffd').replaceAll('"', '""')}"`;
}
