// A plain log by its log_line_prefix (config.sgml, "What to Log"). A name that somebody chose (an application's) may look like
// any other part of the prefix, `a ERROR:  b` like the end of it: a line counts as every record that it can be read as, so that
// nobody talks himself out of it. Refuses to know: what messages say.

import { userError } from '../../../core/errors.ts';
import type { TextLine } from './lines.ts';
import type { LogRecord } from './record.ts';

/** Behind it, where log_error_verbosity is verbose, the SQLSTATE. */
const SEVERITIES =
  /(DEBUG[1-5]?|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC|DETAIL|HINT|QUERY|CONTEXT|LOCATION|STATEMENT): {1,2}(?:[0-9A-Z]{5}: )?/g;
/** No prefix is longer: its names have at most 63 bytes each, which the server may write as `\xNN`. */
const PREFIX_CHARS = 2048;
const DATE = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`;

/** Escapes and what they look like; those without a name here are anything. */
const LOOKS: Readonly<Record<string, string>> = {
  a: '(?<application>.*?)',
  d: '(?<database>.*?)',
  m: String.raw`(?<time>${DATE}\.\d{3} \S+)`,
  t: String.raw`(?<time>${DATE} \S+)`,
  n: String.raw`(?<epoch>\d+\.\d{3})`,
  s: String.raw`${DATE} \S+`,
  p: String.raw`(?<process>\d+)`,
  P: String.raw`\d*`,
  l: String.raw`\d+`,
  c: String.raw`(?<session>[0-9a-f]+\.[0-9a-f]+)`,
  Q: String.raw`-?\d+`,
  q: '',
};

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}

function pattern(prefix: string, account: string): RegExp {
  const looks = { ...LOOKS, u: `(?<user>${literal(account)})` } as Readonly<Record<string, string>>;
  const parts = [...prefix.matchAll(/%(-?\d+)?(.)|([^%]+)/gs)].map(([, padded, letter, text]) => {
    if (text !== undefined) return literal(text);
    if (letter === '%') return '%';
    const look = looks[letter!] ?? '.*?';
    return padded === undefined ? look : ` *${look} *`;
  });
  return new RegExp(`^${parts.join('')}$`, 's');
}

/** Errors: `usage`. */
export async function* prefixed(
  source: AsyncIterable<TextLine>,
  prefix: string,
  accounts: readonly string[],
): AsyncGenerator<LogRecord> {
  const has = (escapes: string) => new RegExp(`%(-?\\d+)?[${escapes}]`).test(prefix.replaceAll('%%', ''));
  if (!has('u') || !has('mtn')) {
    throw userError('usage', `the prefix '${prefix}' tells no account or no time`, {
      fix: "a log that can be compared needs %u and one of %m, %t, %n in log_line_prefix; '%m [%p] %u@%d %a ' is good",
    });
  }
  const patterns = accounts.map((account) => pattern(prefix, account));
  let records: Read[] = [];
  for await (const { text, line } of source) {
    // A line break inside a message is followed by a tab.
    if (text.startsWith('\t')) {
      for (const record of records) record.message += `\n${text.slice(1)}`;
      continue;
    }
    yield* records;
    records = [...readings(text, line, patterns)];
  }
  yield* records;
}

type Read = LogRecord & { message: string };

function* readings(text: string, line: number, patterns: readonly RegExp[]): Generator<Read> {
  for (const { index, 0: all, 1: severity } of text.slice(0, PREFIX_CHARS).matchAll(SEVERITIES)) {
    const before = text.slice(0, index);
    const found = patterns.map((one) => one.exec(before)?.groups).find((groups) => groups !== undefined);
    if (found !== undefined)
      yield { ...recordOf(found), severity: severity!, message: text.slice(index + all.length), line };
  }
}

function recordOf(found: Readonly<Record<string, string | undefined>>) {
  const { process = '', session = '', time, epoch, user = '', database = '', application = '' } = found;
  const at = time ?? `${new Date(Number(epoch) * 1000).toISOString().replace('T', ' ').slice(0, 23)} UTC`;
  return { time: at, user, database, application, backend: `${process} ${session}` };
}
