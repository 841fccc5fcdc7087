// A server's log file → its records: csvlog, jsonlog (from version 15 on) or stderr with its log_line_prefix. Streams: one
// record at a time. Refuses to know: what a record is about (statements.ts).

import { userError } from '../../../core/errors.ts';
import { csvRows } from './csv.ts';
import { lines } from './lines.ts';
import { prefixed } from './prefix.ts';
import type { LogForm, LogRecord } from './record.ts';

/** Errors: `usage` where a plain log's prefix is not given or leaves out what is needed. */
export async function* logRecords(bytes: AsyncIterable<Uint8Array>, form: LogForm): AsyncGenerator<LogRecord> {
  const source = lines(bytes)[Symbol.asyncIterator]();
  const first = await source.next();
  if (first.done === true) return;
  async function* all() {
    yield first.value as { text: string; line: number };
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
  }
  const { text } = first.value;
  const mine = (record: LogRecord) => form.accounts.includes(record.user);
  if (text.startsWith('{')) {
    for await (const one of all()) {
      const record = jsonRecord(one.text, one.line);
      if (record !== undefined && mine(record)) yield record;
    }
  } else if (/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^\s,"]+,/.test(text)) {
    for await (const { fields, line } of csvRows(all())) {
      const record = csvRecord(fields, line);
      if (record !== undefined && mine(record)) yield record;
    }
  } else {
    if (form.prefix === undefined) {
      throw userError('usage', 'the log is plain text, so its prefix has to be told', {
        fix: "give --log-prefix, as 'show log_line_prefix' says it; it needs %u and one of %m, %t, %n",
      });
    }
    yield* prefixed(all(), form.prefix, form.accounts);
  }
}

/** config.sgml, "Using JSON-Format Log Output". */
function jsonRecord(text: string, line: number): LogRecord | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const string = (key: string) => (typeof value[key] === 'string' ? (value[key] as string) : '');
  return {
    ...{ time: string('timestamp'), user: string('user'), database: string('dbname'), line },
    backend: `${String(value.pid)} ${string('session_id')}`,
    ...{ application: string('application_name'), severity: string('error_severity'), message: string('message') },
  };
}

const [TIME, USER, DATABASE, PROCESS, SESSION, SEVERITY, MESSAGE, APPLICATION] = [0, 1, 2, 3, 5, 11, 13, 22];

/** config.sgml, "Using CSV-Format Log Output". */
function csvRecord(fields: readonly string[], line: number): LogRecord | undefined {
  if (fields.length <= APPLICATION!) return undefined;
  const at = (index: number | undefined) => fields[index!] ?? '';
  return {
    ...{ time: at(TIME), user: at(USER), database: at(DATABASE), line },
    backend: `${at(PROCESS)} ${at(SESSION)}`,
    ...{ application: at(APPLICATION), severity: at(SEVERITY), message: at(MESSAGE) },
  };
}
