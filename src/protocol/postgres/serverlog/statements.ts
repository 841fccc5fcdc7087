// Records of a server's log → the statements that it says it ran, each once: with log_statement they stand before they run,
// with log_min_duration_statement after. Refuses to know: files, what the gateway recorded.

import { hash } from 'node:crypto';
import { userError } from '../../../core/errors.ts';
import type { Logged } from '../../contract.ts';
import { isOwn } from './own.ts';
import type { LogForm, LogRecord } from './record.ts';
import { logRecords } from './records.ts';

/**
 * postgres.c: `statement: TEXT`; `execute NAME: TEXT`, `execute NAME/PORTAL: TEXT`; with a duration in front where it was not
 * logged before. `execute fetch from NAME/PORTAL: TEXT` goes on with a portal that was told already; `parse` and `bind` run
 * nothing. Names are anybody's choice: a colon, a line break or a `fetch from ` in one hides nothing.
 */
const RAN =
  /^(?:duration: [\d.]+ ms {2})?(?:statement|execute (?<named>[\s\S]*?)|fastpath function call): (?<text>[\s\S]*)$/;
const FETCH = 'fetch from ';

export async function* loggedStatements(bytes: AsyncIterable<Uint8Array>, form: LogForm): AsyncGenerator<Logged> {
  const portals = new Portals();
  for await (const record of logRecords(bytes, form)) {
    const { named, text } = (record.severity === 'LOG' && RAN.exec(record.message)?.groups) || {};
    if (text === undefined || (named !== undefined && portals.goesOn(record.backend, named, text))) continue;
    const { user, database, application, line } = record;
    const who = /\((.*) via hoopctl\)$/.exec(application)?.[1];
    yield {
      ...{ at: timeOf(record), account: user, database, application, text, line, own: isOwn(text) },
      ...(who === undefined ? {} : { who }),
    };
  }
}

/** What was told of each backend: only what it has begun can it go on with. */
class Portals {
  readonly #begun = new Set<string>();

  goesOn(backend: string, named: string, text: string): boolean {
    const key = (name: string) => hash('sha256', `${backend}\0${name}: ${text}`, 'base64').slice(0, 22);
    if (named.startsWith(FETCH) && this.#begun.has(key(named.slice(FETCH.length)))) return true;
    this.#begun.add(key(named));
    return false;
  }
}

/** Errors: `usage` for a zone that names no one time. */
function timeOf({ time, line }: LogRecord): number {
  const [, day, clock, zone = ''] = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) (\S+)$/.exec(time) ?? [];
  const [, hours, minutes = '00'] = /^([+-]\d\d):?(\d\d)?$/.exec(zone) ?? [];
  const offset = /^(?:UTC|GMT|Z|Etc\/UTC)$/.test(zone) ? 'Z' : hours === undefined ? undefined : `${hours}:${minutes}`;
  const at = offset === undefined ? Number.NaN : Date.parse(`${day}T${clock}${offset}`);
  if (!Number.isNaN(at)) return at;
  throw userError('usage', `line ${line} of the log has the time '${time}', whose zone names no one time`, {
    fix: "set log_timezone = 'UTC' at the server",
  });
}
