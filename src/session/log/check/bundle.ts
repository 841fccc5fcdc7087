// A bundle: what bundle.json says of the report and the recordings beside it, against what is there, and against the entry of
// the log that vouches for it. Refuses to know: files, what a report says.

import { hash } from 'node:crypto';
import type { LogEntry } from '../audit.ts';
import type { Findings } from './findings.ts';

export interface BundleNames {
  /** Those of which the recordings are here. */
  readonly sessions: ReadonlySet<string>;
  /** SHA-256 by name; undefined: a bundle without a report. */
  readonly files: ReadonlyMap<string, string> | undefined;
}

/** What stands beside the log and the recordings. */
export interface BundleFiles {
  /** Names on the bundle's highest level, but for `log` and `recordings`. */
  readonly names: readonly string[];
  read(name: string): Uint8Array | undefined;
}

export const BUNDLE = 'bundle.json';
/** What only a bundle with a report has. */
const OF_A_REPORT: ReadonlySet<string> = new Set(['report.html', 'report.json']);

/** What only a gateway's own data directory has. */
const OF_A_GATEWAY: ReadonlySet<string> = new Set(['gateway.json', 'keys', 'store.db']);

/**
 * Whether not all recordings that the log names have to be here. A gateway's own directory has all of them, and a bundle.json
 * that somebody puts there excuses none.
 */
export function isSelection(bundle: BundleNames | undefined, names: readonly string[]): boolean {
  return bundle?.files !== undefined || !names.some((name) => OF_A_GATEWAY.has(name));
}

/** Undefined for what is no bundle.json. */
export function parseBundle(text: string): BundleNames | undefined {
  try {
    const { sessions, files } = JSON.parse(text) as { sessions?: unknown; files?: unknown };
    if (!Array.isArray(sessions) || !sessions.every((one) => typeof one === 'string')) return undefined;
    if (files === undefined) return { sessions: new Set(sessions), files: undefined };
    const named = Object.entries(files as Record<string, unknown>);
    const good = named.every(([name, digest]) => /^[\w.-]+$/.test(name) && /^[0-9a-f]{64}$/.test(String(digest)));
    return good ? { sessions: new Set(sessions), files: new Map(named as [string, string][]) } : undefined;
  } catch {
    return undefined;
  }
}

/** The entries that vouch for reports: collect them while the log is read. */
export class Vouchers {
  readonly #entries: LogEntry[] = [];

  entry(entry: LogEntry): void {
    if (entry.kind === 'export' && entry.fields.what === 'report') this.#entries.push(entry);
  }

  for(digest: string): LogEntry | undefined {
    return this.#entries.find(({ fields }) => fields.bundle === digest);
  }

  get count(): number {
    return this.#entries.length;
  }
}

/** The report and what binds it. `recordings`: the sessions whose recordings are here. */
export function checkBundle(
  bundle: BundleNames | undefined,
  { names, read }: BundleFiles,
  recordings: readonly string[],
  vouchers: Vouchers,
  findings: Findings,
): void {
  const text = read(BUNDLE);
  if (text === undefined) {
    for (const name of names.filter((one) => OF_A_REPORT.has(one))) {
      findings.problem('bundle_unsigned', name, `nothing says what ${name} belongs to: ${BUNDLE} is missing`);
    }
    return;
  }
  if (bundle === undefined) {
    findings.problem('bundle_unreadable', BUNDLE, `${BUNDLE} is none: it was changed or cut`);
    return;
  }
  checkNames(bundle, names, recordings, findings);
  if (bundle.files === undefined) return;
  for (const [name, due] of bundle.files) {
    const bytes = read(name);
    if (bytes === undefined) findings.problem('bundle_missing', name, `${name} is missing: ${BUNDLE} names it`);
    else if (hash('sha256', bytes, 'hex') !== due) {
      findings.problem('bundle_changed', name, `${name} was changed: its SHA-256 is not the one that ${BUNDLE} says`);
    }
  }
  tellWho(hash('sha256', text, 'hex'), vouchers, findings);
}

function checkNames(
  { sessions, files }: BundleNames,
  names: readonly string[],
  recordings: readonly string[],
  findings: Findings,
): void {
  const extra = (name: string) => (files === undefined ? OF_A_REPORT.has(name) : name !== BUNDLE && !files.has(name));
  for (const name of names.filter(extra)) {
    findings.problem('bundle_extra', name, `${name} does not belong to this bundle: ${BUNDLE} does not name it`);
  }
  // Without a report it may be somebody's own selection of a larger directory.
  if (files === undefined) {
    if (isSelection({ sessions, files }, names)) {
      findings.note(`${BUNDLE} says that ${sessions.size} recordings belong here: others of the log were not missed`);
    } else {
      const message = `${BUNDLE} does not belong into a gateway's data directory: by its word recordings could be missing`;
      findings.problem('bundle_extra', BUNDLE, message);
    }
    return;
  }
  for (const session of recordings.filter((one) => !sessions.has(one))) {
    const message = `the recording of ${session} does not belong to this bundle: ${BUNDLE} does not name it`;
    findings.problem('bundle_extra', session, message);
  }
}

function tellWho(digest: string, vouchers: Vouchers, findings: Findings): void {
  const entry = vouchers.for(digest);
  if (entry === undefined) {
    const message = `no entry of the log vouches for this report: ${BUNDLE} was changed, or the report was made of a copy of the record, by whoever had it`;
    findings.problem('bundle_unsigned', BUNDLE, message);
    return;
  }
  const { by, controls, from, to, seed, local } = entry.fields;
  const where = local === true ? ', on the gateway’s machine' : '';
  findings.note(
    `the report on ${String(controls)} from ${String(from)} to ${String(to)} was made at ${entry.at} for ${String(by)}${where}, seed ${JSON.stringify(seed)} (entry ${entry.index})`,
  );
  if (vouchers.count > 1) findings.note(`${vouchers.count} reports are on record in this log`);
}
