// The record of a span of time → a report. One pass over the log, one over each recording; holds what a report lists.
// Refuses to know: files, pages, how a policy is read.

import type { LogEntry } from '../log/audit.ts';
import type { LogFollowing } from '../recorder/follow-source.ts';
import type { Line } from '../recorder/reader.ts';
import { WhoHadAccess } from './access.ts';
import type { Collector, SessionFacts } from './collector.ts';
import { CONTROLS, sectionsOf } from './controls.ts';
import { text, whoOf } from './fields.ts';
import { Happenings } from './happenings.ts';
import { Operations } from './operations.ts';
import { Policies } from './policies.ts';
import { Reviews } from './reviews.ts';
import { Sessions } from './sessions.ts';
import type { ReadPolicy, Report, ReportRequest, SectionName, Table, Verified } from './types.ts';
import { type RanSession, walkRecord } from './walk.ts';

/** Recordings that tables name come into the bundle up to this size, all together; sampled ones always do. */
const CITED_BYTES = 256 * 1024 * 1024;

/** A recording that belongs into the bundle, with what the log says of it. */
export interface WantedRecording {
  readonly session: string;
  readonly digest: string;
}

export interface BuildOptions {
  readonly source: LogFollowing;
  readonly request: ReportRequest;
  readonly read: ReadPolicy;
  /** Checks the log and the recordings that are wanted, as a stranger would. */
  readonly verify: (wanted: readonly WantedRecording[]) => Promise<Verified>;
  /** Called now and then with how many sessions were read. */
  readonly progress?: (sessions: number) => void;
}

export interface Built {
  readonly report: Report;
  /** By session. */
  readonly recordings: readonly WantedRecording[];
}

export async function buildReport(options: BuildOptions): Promise<Built> {
  const { source, request } = options;
  const { rows } = request;
  const policies = new Policies(rows, options.read);
  const access = new WhoHadAccess(policies, rows);
  const sessions = new Sessions(request);
  const operations = new Operations(rows);
  const reviews = new Reviews(rows);
  const happenings = new Happenings(rows);
  const collectors: readonly Collector[] = [policies, access, sessions, operations, reviews, happenings];
  const span = { first: -1, last: -1, origin: '' };
  for await (const walked of walkRecord(source, request)) {
    if ('entry' in walked) {
      noteEntry(span, walked.entry, walked.within);
      for (const one of collectors) one.entry?.(walked.entry, walked.within);
      continue;
    }
    await readSession(source, walked.ran, request, collectors);
    options.progress?.(sessions.total);
  }
  const all: Partial<Record<SectionName, Table>> = {};
  for (const one of collectors) Object.assign(all, await one.sections());
  const cited = new Set([...operations.cited, ...reviews.cited, ...happenings.cited]);
  const recordings = await wantedOf(source, sessions.chosen, cited);
  const verification = await options.verify(recordings);
  const report: Report = {
    report: 1,
    controls: request.controls.map((id) => ({ id, title: CONTROLS[id].title })),
    ...{ from: new Date(request.from).toISOString(), to: new Date(request.to).toISOString() },
    ...{ seed: request.seed, sample: request.sample, rowsListed: rows },
    log: { origin: span.origin, entries: span.first < 0 ? 'none' : `${span.first} to ${span.last}` },
    summary: {
      sessions: sessions.total,
      'sessions without a seal': sessions.unsealed,
      'sessions to sample from': sessions.population,
      principals: access.principals,
      operations: operations.total,
      'operations that are encrypted: verdict and outcome alone are in this report': operations.encrypted,
      'operations denied or held back': operations.denied,
      'operations that failed at the target': operations.failed,
      'results with masked columns': operations.masks,
      reviews: reviews.total,
      'versions of the policy': policies.inForce.length + policies.unread,
      'logins and renewals of them': happenings.logins,
      'refused at the door': happenings.refused,
      exceptions: happenings.exceptions,
      'readings of the record': happenings.readings,
    },
    days: operations.days,
    matrix: access.matrix,
    stretches: reviews.stretches,
    versions: policies.versions,
    verification,
    sections: Object.fromEntries(sectionsOf(request.controls).map((name) => [name, all[name]!])),
  };
  return { report, recordings: recordings.filter(({ session }) => !verification.missing.includes(session)) };
}

function noteEntry(span: { first: number; last: number; origin: string }, entry: LogEntry, within: boolean): void {
  if (entry.index === 0) span.origin = text(entry.fields.origin) ?? '';
  if (!within) return;
  if (span.first < 0) span.first = entry.index;
  span.last = entry.index;
}

async function readSession(
  source: LogFollowing,
  ran: RanSession,
  { from, to }: ReportRequest,
  collectors: readonly Collector[],
): Promise<void> {
  const { fields } = ran.letIn;
  const said = { ran, who: whoOf(fields.principal) ?? 'unknown', connection: text(fields.connection) ?? 'unknown' };
  let facts: SessionFacts = { ...said, opening: undefined };
  let lines = 0;
  for await (const { line } of source.lines(ran.session, { seq: 0, byte: 0 })) {
    lines += 1;
    if (line.kind === 'open') facts = { ...said, opening: line };
    const at = Date.parse(line.at);
    if (at >= from && at < to) tell(collectors, line, facts);
  }
  for (const one of collectors) one.over?.(facts, lines);
}

function tell(collectors: readonly Collector[], line: Line, facts: SessionFacts): void {
  for (const one of collectors) one.line?.(line, facts);
}

/** The sampled ones, and those that tables name as far as they are sealed and there is room. */
async function wantedOf(
  source: Pick<LogFollowing, 'entries'>,
  chosen: readonly WantedRecording[],
  cited: ReadonlySet<string>,
): Promise<readonly WantedRecording[]> {
  const wanted = new Map(chosen.map((one) => [one.session, one]));
  let room = CITED_BYTES;
  for await (const { kind, fields } of source.entries(0)) {
    const { session, digest, bytes } = fields;
    if (kind !== 'recording' || typeof session !== 'string' || typeof digest !== 'string') continue;
    if (!cited.has(session) || wanted.has(session) || (typeof bytes === 'number' && bytes > room)) continue;
    room -= typeof bytes === 'number' ? bytes : 0;
    wanted.set(session, { session, digest });
  }
  return [...wanted.values()].sort((a, b) => (a.session < b.session ? -1 : 1));
}
