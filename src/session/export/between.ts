// The record of a span of time, once: for whoever takes a copy. Recordings that were sealed before it are not opened. What
// is not there of the others, or is not what the log says, is an event too: a copy shall not seem whole that is not.
// Refuses to know: formats, who asks.

import { asHoopctlError } from '../../core/errors.ts';
import type { LogEntry } from '../log/audit.ts';
import { begins, ends, eventOf, logEvent, logId, logName, type RecordEvent, sessionOf } from '../recorder/follow.ts';
import type { LogFollowing } from '../recorder/follow-source.ts';
import { lineDigest } from '../recorder/line.ts';

export interface Span {
  /** Milliseconds since the epoch; included. */
  readonly since: number;
  /** Not included. */
  readonly until: number;
}

/** Clocks go back now and then: a minute later it is certain. */
const SLACK_MS = 60_000;

/** `wanted`: whether anything of a session's recording is; it is not opened otherwise. In the order of a follower. Holds the ids of sessions that are open at a time in memory, and one line. */
export async function* recordBetween(
  source: LogFollowing,
  span: Span,
  wanted: (session: string) => boolean = () => true,
): AsyncGenerator<RecordEvent> {
  const { since, until } = span;
  const open = new Set<string>();
  /** Told where a start left them; a later one may seal them all the same. */
  const left = new Map<string, Read>();
  const copied = new Copied(source, span, left);
  let log: string | undefined;
  for await (const entry of source.entries(0)) {
    const at = Date.parse(entry.at);
    // What is open then is read when it is over: its seal says how much there has to be.
    if (at >= until + SLACK_MS && open.size === 0) break;
    const session = sessionOf(entry);
    const mine = session !== undefined && wanted(session);
    if (mine && begins(entry) && at < until) open.add(session);
    const over = mine && ends(entry) && (at < until + SLACK_MS || open.has(session)) ? [session] : [];
    if (entry.kind === 'start') {
      for (const one of open) left.set(one, unread());
      over.push(...open);
    }
    for (const one of over) {
      if (at >= since) yield* copied.lines(one, entry);
      open.delete(one);
    }
    if (at < since || at >= until) continue;
    log ??= logId(await logName(source));
    yield logEvent(log, entry);
  }
  for (const session of open) yield* copied.lines(session, undefined);
}

/** Where the reading of one recording is. */
interface Read {
  /** The line after the last that was read. */
  seq: number;
  /** Digest of the line before; undefined where its bytes are not known. */
  head: string | undefined;
  /** What the seal says of itself. */
  digest: unknown;
  changed: boolean;
  /** A line of behind the span was met: what comes after it is not asked for. */
  beyond: boolean;
  /** From where on lines were told to be missing. */
  gap: number | undefined;
}

function unread(): Read {
  return { seq: 0, head: undefined, digest: undefined, changed: false, beyond: false, gap: undefined };
}

class Copied {
  readonly #source: LogFollowing;
  readonly #span: Span;
  readonly #left: ReadonlyMap<string, Read>;
  #purges: Promise<ReadonlyMap<string, LogEntry>> | undefined;

  constructor(source: LogFollowing, span: Span, left: ReadonlyMap<string, Read>) {
    this.#source = source;
    this.#span = span;
    this.#left = left;
  }

  /** Those in the span. `over`: the entry by which nothing is added any more. */
  async *lines(session: string, over: LogEntry | undefined): AsyncGenerator<RecordEvent> {
    const read = this.#left.get(session) ?? unread();
    const { lines, digest } = over?.fields.session === session ? over.fields : ({} as LogEntry['fields']);
    const due = typeof lines === 'number' ? lines : undefined;
    const at = over?.at ?? new Date(this.#span.since).toISOString();
    try {
      yield* this.#read(session, read);
      // Its files may have been compressed under the reading: once more, by the numbers of the lines.
      if (due !== undefined && read.seq < due && !read.beyond) yield* this.#read(session, read);
    } catch (thrown) {
      if (asHoopctlError(thrown).code !== 'recording_invalid') throw thrown;
      // Of one that nobody sealed nothing says how much is not readable.
      if (due === undefined) yield* this.#gap(session, read, at, undefined);
    }
    if (due === undefined || read.beyond) return;
    if (read.seq < due) yield* this.#gap(session, read, at, due, over!.fields.connection);
    else if (!read.changed && typeof digest === 'string' && read.digest !== digest) {
      yield changed(session, at, due - 1, `the log seals it as ${digest}`);
    }
  }

  async *#read(session: string, read: Read): AsyncGenerator<RecordEvent> {
    const { since, until } = this.#span;
    for await (const { line, bytes } of this.#source.lines(session, { seq: read.seq, byte: 0 })) {
      const at = Date.parse(line.at);
      if (line.seq > read.seq && at >= since) yield* this.#gap(session, read, line.at, line.seq);
      else if (!read.changed && at >= since && read.head !== undefined && line.prev !== read.head) {
        read.changed = true;
        yield changed(session, line.at, line.seq, 'it does not follow the line before it');
      }
      if (at >= until) {
        read.beyond = true;
        return;
      }
      read.seq = Math.max(read.seq, line.seq + 1);
      read.head = bytes && lineDigest(bytes);
      if (line.kind === 'seal') read.digest = line.digest;
      if (at >= since) yield eventOf(session, line);
    }
  }

  /** `due`: the line that is there again, or how many there have to be. */
  async *#gap(
    session: string,
    read: Read,
    at: string,
    due: number | undefined,
    connection?: unknown,
  ): AsyncGenerator<RecordEvent> {
    const { seq } = read;
    if (read.gap === seq) return;
    read.gap = seq;
    this.#purges ??= purgesIn(this.#source);
    const purge = (await this.#purges).get(session);
    const fields = {
      ...(due === undefined ? {} : { lines: due }),
      have: seq,
      ...(connection === undefined ? {} : { connection }),
      ...(purge === undefined ? {} : { purged: purge.at, reason: purge.fields.reason, by: purge.fields.by }),
    };
    yield { id: `${session}:${seq}-missing`, from: 'session', at, kind: 'missing', session, number: seq, fields };
  }
}

function changed(session: string, at: string, seq: number, why: string): RecordEvent {
  return {
    id: `${session}:${seq}-changed`,
    from: 'session',
    at,
    kind: 'changed',
    session,
    number: seq,
    fields: { why },
  };
}

/** Sessions whose recordings went by somebody's order, or are on their way. Asked for once something is not there. */
async function purgesIn(source: LogFollowing): Promise<ReadonlyMap<string, LogEntry>> {
  const purges = new Map<string, LogEntry>();
  for await (const entry of source.entries(0)) {
    const session = sessionOf(entry);
    if (session === undefined || entry.fields.what === 'key') continue;
    if (entry.kind === 'purging' || entry.kind === 'purge') purges.set(session, entry);
    else if (entry.kind === 'admin' && entry.fields.what === 'purge cancelled') purges.delete(session);
  }
  return purges;
}
