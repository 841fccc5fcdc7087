// What else the log tells: refusals at the door, what went wrong or was made an exception of, who administered, who read the
// record. Refuses to know: sessions' lines but for how they end.

import type { LogEntry } from '../log/audit.ts';
import type { Line } from '../recorder/reader.ts';
import { Capped } from './capped.ts';
import { asTable, type Collector, type SessionFacts } from './collector.ts';
import { cut, number, text, whoOf } from './fields.ts';
import type { Row } from './types.ts';

export class Happenings implements Collector {
  readonly #refused: Capped<Row>;
  readonly #exceptions: Capped<Row>;
  readonly #administration: Capped<Row>;
  readonly #reading: Capped<Row>;
  leftOut = 0;
  logins = 0;

  constructor(rows: number) {
    this.#refused = new Capped(rows);
    this.#exceptions = new Capped(rows);
    this.#administration = new Capped(rows);
    this.#reading = new Capped(rows);
  }

  get refused(): number {
    return this.#refused.total + this.leftOut;
  }

  get exceptions(): number {
    return this.#exceptions.total;
  }

  get readings(): number {
    return this.#reading.total;
  }

  get cited(): readonly string[] {
    return this.#exceptions.kept.flatMap(({ session }) => (typeof session === 'string' ? [session] : []));
  }

  entry(entry: LogEntry, within: boolean): void {
    if (!within) return;
    const { kind, fields } = entry;
    if (kind === 'login' || kind === 'access') this.#door(entry);
    else if (kind === 'failure') this.#exception(entry, 'failure', told(fields));
    else if (kind === 'grant' && fields.action === 'break-glass')
      this.#exception(entry, 'the glass was broken', text(fields.reason));
    else if (kind === 'recording' && fields.salvaged !== undefined)
      this.#exception(entry, 'recording sealed by a later start', told(fields));
    else if (kind === 'purge')
      this.#exception(entry, fields.what === 'key' ? 'key of a recording erased' : 'recording purged', told(fields));
    else if (kind === 'export' && fields.what === 'receiver takes events again')
      this.#exception(entry, 'export receiver takes events again', told(fields));
    else if (kind === 'policy' && fields.what === 'refused')
      this.#exception(entry, 'a configuration was refused', told(fields));
    else if (kind === 'admin' || kind === 'token' || kind === 'start' || kind === 'stop' || kind === 'session')
      this.#admin(entry);
    else if (kind === 'log') this.#admin(entry);
    else if (kind === 'playback' || kind === 'export') this.#read(entry);
  }

  over({ ran, opening, who, connection }: SessionFacts, lines: number): void {
    const row = { at: ran.letIn.at, who, connection, session: ran.session, entry: ran.letIn.index };
    const tell = (what: string, how?: string) => this.#exceptions.add(() => ({ ...row, what, told: how }));
    if (opening?.onFailure === 'best-effort') tell('best-effort recording', 'it could have gone on unrecorded');
    const due = number(ran.sealed?.fields.lines) ?? 0;
    if (lines < due) tell('lines of the recording are not there', `${lines} of ${due}; purged, or lost`);
    if (ran.sealed === undefined && lines === 0) tell('there is no recording');
  }

  line(line: Line, { ran, who, connection }: SessionFacts): void {
    if (line.kind !== 'seal' || line.interrupted === undefined) return;
    const row = { at: line.at, who, connection, session: ran.session, entry: ran.sealed?.index };
    this.#exceptions.add(() => ({ ...row, what: 'recording interrupted', told: text(line.interrupted) }));
  }

  #door({ index, at, kind, fields }: LogEntry): void {
    const bad = kind === 'login' ? fields.ok === false : fields.verdict === 'deny';
    // The embedded issuer has an entry of its own, of the name alone: who comes from there has another here.
    if (kind === 'login' && fields.ok === true && fields.principal !== undefined) this.logins += 1;
    if (fields.what === 'first seen') {
      const told = JSON.stringify(fields.relations);
      const row = {
        at,
        who: whoOf(fields.principal),
        connection: text(fields.connection),
        session: text(fields.session),
      };
      this.#exceptions.add(() => ({
        ...row,
        what: `touched for the first time (${text(fields.rule) ?? ''})`,
        told,
        entry: index,
      }));
    }
    if (!bad) return;
    this.leftOut += number(fields.leftOut) ?? 0;
    this.#refused.add(() => ({
      at,
      what: kind,
      who: whoOf(fields.principal) ?? text(fields.user),
      address: text(fields.address) ?? text(fields.client),
      connection: text(fields.connection),
      code: text(fields.code),
      leftOut: number(fields.leftOut),
      entry: index,
    }));
  }

  #exception({ index, at, fields }: LogEntry, what: string, how: string | undefined): void {
    const { session, connection } = fields;
    const who = whoOf(fields.principal);
    this.#exceptions.add(() => ({
      ...{ at, who, connection: text(connection), session: text(session), what, told: how, entry: index },
    }));
  }

  #admin({ index, at, kind, fields }: LogEntry): void {
    this.#administration.add(() => ({ at, kind, by: whoOf(fields.by), told: told(fields), entry: index }));
  }

  #read({ index, at, kind, fields }: LogEntry): void {
    const { what, by, ...rest } = fields;
    this.#reading.add(() => ({ at, what: text(what) ?? kind, by: whoOf(by), told: told(rest), entry: index }));
  }

  sections() {
    return {
      refused: asTable(this.#refused),
      exceptions: asTable(this.#exceptions),
      administration: asTable(this.#administration),
      reading: asTable(this.#reading),
    };
  }
}

/** All else that an entry says, on one line. */
function told(fields: LogEntry['fields']): string | undefined {
  const { by, reviewer, document, endorsement, entry, noted, connection, session, principal, ...rest } = fields;
  const words = Object.entries(rest)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return cut(words.join(', ')) || undefined;
}
