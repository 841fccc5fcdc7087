// One place that `audit verify` was given → what is wrong with it. Joins the checks of the log, of recordings, of proofs and
// receipts. Refuses to know: options as text, how findings are printed (commands/audit/verify.ts).

import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoopctlError, userError } from '../../core/errors.ts';
import type { LogEntry } from '../../session/log/audit.ts';
import { BUNDLE, checkBundle, isSelection, parseBundle, Vouchers } from '../../session/log/check/bundle.ts';
import { Findings } from '../../session/log/check/findings.ts';
import { type CheckedRecording, Ledger } from '../../session/log/check/ledger.ts';
import { type CheckedLog, checkLog } from '../../session/log/check/log.ts';
import { checkProof, checkReceipt } from '../../session/log/check/proof.ts';
import type { ListingSource } from '../../session/log/check/tree.ts';
import type { Trust } from '../../session/log/check/trust.ts';
import { readEntries } from '../../session/log/reader.ts';
import type { ObjectReader } from '../../store/elsewhere.ts';
import { isLocked } from '../../store/lock.ts';
import { LogFolder, SegmentDirectory } from '../../store/log-directory.ts';
import {
  type FoundElsewhere,
  type FoundRecording,
  findElsewhere,
  findRecordings,
  foundAway,
  keyFile,
  localFiles,
  parseName,
  recordingStem,
  stemOf,
  storedKey,
} from '../../store/recording-files.ts';
import type { Reader } from '../encrypted.ts';
import { Contents, isEncrypted } from './contents.ts';
import type { Place } from './place.ts';
import { checkAll, checkOne } from './recordings.ts';

export interface CheckOptions {
  readonly trust: Trust;
  readonly since: readonly { readonly name: string; readonly text: string }[];
  /** False: the log alone, where there are recordings beside it. */
  readonly recordings: boolean;
  /** For a receipt: the recording that it should be of. */
  readonly recording: string | undefined;
  /** Left out: encrypted recordings are checked as they are stored, which needs no key. */
  readonly reader?: Reader;
  /** Reads recordings that are in object storage; undefined: they cannot be read. */
  readonly objects?: ObjectReader | undefined;
  /** A log behind a URL. */
  remote(url: URL): Promise<ListingSource>;
}

export interface Checked {
  readonly findings: Findings;
  readonly log?: CheckedLog | undefined;
  /** Recordings that were read, and how long that took. */
  readonly recordings?: { readonly count: number; readonly bytes: number; readonly ms: number };
  /** What the identity that was given opened. */
  readonly contents?: Contents;
}

/** How long after its seal a recording may not be in the log of a gateway that is busy; how often is looked, how many times. */
const JUST_SEALED_MS = 10_000;
const TURN_MS = 200;
const TURNS = 5;

type Checkable = Exclude<Place, { kind: 'recordings' }>;

/** Errors: recording_invalid for what cannot be read as what it should be; those of a URL. */
export async function checkPlace(place: Checkable, options: CheckOptions): Promise<Checked> {
  try {
    return await check(place, options);
  } catch (thrown) {
    // Files and folders in each other's places, sizes beyond all bounds: of whoever handed it over, and no fault of ours.
    const given = thrown instanceof RangeError || typeof (thrown as { code?: unknown }).code === 'string';
    // A call of ours with the wrong kind of value has a code as well.
    if (thrown instanceof HoopctlError || thrown instanceof TypeError || !given) throw thrown;
    const message = `'${place.path}' cannot be checked: ${(thrown as Error).message}`;
    throw userError('recording_invalid', message, {
      fix: 'it is damaged, or not as a gateway wrote it',
      cause: thrown,
    });
  }
}

async function check(place: Checkable, options: CheckOptions): Promise<Checked> {
  const findings = new Findings();
  if (place.kind === 'proof') {
    const entry = checkProof(place.text, place.path, options.trust, findings);
    if (entry !== undefined)
      findings.note(`entry ${entry.index}: ${entry.kind} at ${entry.at}: ${JSON.stringify(entry.fields)}`);
    return { findings };
  }
  if (place.kind === 'receipt') {
    const recording = options.recording === undefined ? undefined : await oneRecording(options.recording);
    if (typeof recording === 'string') findings.problem('recording_unreadable', options.recording!, recording);
    const checked = typeof recording === 'string' ? undefined : recording;
    checkReceipt(place.receipt, place.path, options.trust, checked, findings);
    return { findings };
  }
  if (place.kind === 'url') return { findings, log: await checkRemote(place.url, options, findings) };
  return place.data === undefined || !options.recordings
    ? { findings, log: await checkFolder(place.log, { ledger: new Ledger() }, options, findings) }
    : checkData(place.log, place.data, options, findings);
}

function oneRecording(path: string) {
  const [found] = findRecordings(path);
  return checkOne(found?.files ?? [], undefined);
}

async function checkRemote(url: URL, options: CheckOptions, findings: Findings): Promise<CheckedLog | undefined> {
  const ledger = new Ledger();
  const log = await checkLog({ ...options, source: await options.remote(url), ledger }, findings);
  ledger.checkItself(findings);
  findings.note('recordings were not checked: only their digests are in the log');
  return log;
}

interface Taking {
  readonly ledger: Ledger;
  readonly vouchers?: Vouchers;
  /** Of a bundle with a report: the log's old segments stay with the gateway. */
  readonly bundle?: boolean;
}

async function checkFolder(
  folder: string,
  { ledger, vouchers, bundle = false }: Taking,
  options: CheckOptions,
  findings: Findings,
): Promise<CheckedLog | undefined> {
  const segments = bundle ? {} : { segments: new SegmentDirectory(folder) };
  const entry = (one: LogEntry) => vouchers?.entry(one);
  const source = new LogFolder(folder);
  const log = await checkLog({ ...options, source, ...segments, ledger, entry, now: Date.now() }, findings);
  ledger.checkItself(findings);
  return log;
}

/** What stands in a directory beside its log and its recordings. */
function filesBeside(data: string) {
  return {
    names: readdirSync(data).filter((name) => name !== 'log' && name !== 'recordings'),
    // What somebody handed over may have a pipe, a device or a folder where a file is due: that is none.
    read: (name: string) =>
      lstatSync(join(data, name), { throwIfNoEntry: false })?.isFile() === true
        ? readFileSync(join(data, name))
        : undefined,
  };
}

async function checkData(folder: string, data: string, options: CheckOptions, findings: Findings): Promise<Checked> {
  const root = join(data, 'recordings');
  const beside = filesBeside(data);
  const said = beside.read(BUNDLE);
  const bundle = said === undefined ? undefined : parseBundle(said.toString('utf8'));
  const all = existsSync(root) ? findRecordings(root) : [];
  // After they were looked for: the mark of one that is found was there before it, and goes when it is sealed.
  const open = new Set(existsSync(join(root, 'open')) ? readdirSync(join(root, 'open')) : []);
  const damaged = all.filter(({ path }) => path.startsWith(join(root, 'damaged') + sep));
  // Those of which a part is in object storage are checked with that part, once.
  const elsewhere = existsSync(root) ? findElsewhere(root) : [];
  const away = new Set(elsewhere.map(({ session }) => session));
  const found = all.filter((one) => !damaged.includes(one) && !away.has(parseName(basename(one.path))?.session ?? ''));
  if (damaged.length > 0) findings.note(`${damaged.length} damaged recordings lie in ${join(root, 'damaged')}`);
  const ledger = new Ledger();
  const vouchers = new Vouchers();
  const log = await checkFolder(folder, { ledger, vouchers, bundle: bundle?.files !== undefined }, options, findings);
  const jobs = found.map(({ path, files }) => ({
    files: files.map(({ name }) => name),
    session: parseName(basename(path))?.session,
  }));
  const bytes = jobs.flatMap(({ files }) => files).reduce((sum, file) => sum + sizeOf(file), 0);
  const started = performance.now();
  const outcomes = await checkAll(jobs, bytes);
  const ms = performance.now() - started;
  const here: Looked[] = outcomes.map((result, at) => {
    const [one, { session }] = [found[at]!, jobs[at]!];
    return { found: one, checked: { path: one.path, session, result } };
  });
  const looked = await withKeys([...here, ...(await checkElsewhere(elsewhere, options, ledger, findings))], options);
  const checked = looked.map((one) => one.checked);
  const marked = looked.filter((one) => open.has(one.checked.session ?? ''));
  const sealing = new Set(marked.filter(justNow).map((one) => one.checked.session ?? ''));
  if (log !== undefined) await takeLater(folder, log, looked, sealing, ledger);
  const has = (session: string) => away.has(session) || isThere(root, session);
  const whole = said === undefined || !isSelection(bundle, beside.names);
  const named = log?.borne !== true ? 'none' : whole ? 'all' : 'some';
  ledger.compare(checked, { open, sealing, has, named, atWork: isLocked(data) }, findings);
  const contents = options.reader && (await checkContents(looked, options.reader, options.objects, findings));
  const names = jobs.flatMap(({ session }) => session ?? []);
  checkBundle(bundle, beside, names, vouchers, findings);
  const read = new Set(checked.map(({ session }) => session));
  for (const session of bundle?.sessions ?? []) {
    if (read.has(session)) continue;
    findings.problem('recording_missing', session, `the recording of ${session} is missing: bundle.json lists it`);
  }
  const plainBytes = checked.reduce((sum, { result }) => sum + (typeof result === 'string' ? 0 : result.bytes), 0);
  const recordings = { count: checked.length, bytes: plainBytes, ms };
  return { findings, log, recordings, ...(contents === undefined ? {} : { contents }) };
}

/**
 * Of recordings that were sealed since the log was read, the entries are there by now, or a moment later: the seal is durable
 * first. What was not sealed yet when it was read is left at that.
 */
async function takeLater(
  folder: string,
  { checkpoint, waiting }: CheckedLog,
  looked: readonly Looked[],
  sealing: ReadonlySet<string>,
  ledger: Ledger,
): Promise<void> {
  const sealed = ({ checked: { result } }: Looked) => typeof result !== 'string' && result.sealed;
  const early = new Set(looked.filter((one) => !sealed(one)).map(({ checked }) => checked.session));
  const unknown = (one: Looked) => sealed(one) && !ledger.names(one.checked.session ?? '');
  const due = (one: Looked) => unknown(one) && justNow(one) && !sealing.has(one.checked.session ?? '');
  let next = checkpoint.size + waiting;
  for (let turn = 0; looked.some(turn === 0 ? unknown : due) && turn <= TURNS; turn++) {
    if (turn > 0) await sleep(TURN_MS);
    for await (const entry of readEntries(new LogFolder(folder), next)) {
      next = entry.index + 1;
      if (entry.kind === 'recording' && early.has(String(entry.fields.session))) continue;
      ledger.waiting(entry, `entry ${entry.index}`, Date.now());
    }
  }
}

/** Whether it was written to a moment ago: by now, not when it was found. A moment to come is nobody's: anybody can set it. */
function justNow({ found }: Looked): boolean {
  const now = Date.now();
  const changed = (name: string) => statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return found?.files.some(({ name }) => Math.abs(now - changed(name)) < JUST_SEALED_MS) === true;
}

interface Looked {
  readonly checked: CheckedRecording;
  /** Left out where its list cannot be read. */
  readonly found?: FoundRecording;
}

/** Not being able to look is a problem, not a remark: a list of objects is easily written. */
async function checkElsewhere(
  all: readonly FoundElsewhere[],
  { objects }: Pick<CheckOptions, 'objects'>,
  ledger: Ledger,
  findings: Findings,
): Promise<Looked[]> {
  const looked: Looked[] = [];
  for (const one of all) {
    const { session, address, problem } = one;
    const told = ledger.going(session) === undefined ? problem : 'it is being purged';
    if (told !== undefined) looked.push({ checked: { path: address, session, result: told } });
    else if (objects === undefined) {
      const message = `the recording of ${session} is in object storage (${address}) and was not checked: name the gateway's configuration with --config, or put a copy of the bucket into recordings/`;
      findings.problem('recording_elsewhere', session, message);
    } else {
      const found = foundAway(one, objects);
      looked.push({ found, checked: { path: address, session, result: await checkOne(found.files, session) } });
    }
  }
  return looked;
}

/** Of those that are encrypted, whether their keys are there: beside them, or in object storage as far as that is read. */
async function withKeys(all: readonly Looked[], { objects }: Pick<CheckOptions, 'objects'>): Promise<Looked[]> {
  const looked: Looked[] = [];
  for (const one of all) {
    const { found, checked } = one;
    if (found === undefined || !isEncrypted(checked.result)) looked.push(one);
    else {
      const stem = stemOf(found.path);
      // A storage that does not answer has not shown that it is there.
      const key = existsSync(keyFile(stem)) || (await storedKey(stem, objects).catch(() => undefined)) !== undefined;
      looked.push({ found, checked: { ...checked, key } });
    }
  }
  return looked;
}

async function checkContents(
  looked: readonly Looked[],
  reader: Reader,
  objects: ObjectReader | undefined,
  findings: Findings,
): Promise<Contents> {
  const contents = new Contents(reader, objects);
  for (const { found, checked } of looked) {
    if (found === undefined || checked.key !== true) continue;
    const problem = await contents.check(found);
    if (problem !== undefined) findings.problem('content_unreadable', checked.path, `${checked.path}: ${problem}`);
  }
  findings.note(contents.note());
  return contents;
}

/** As `findRecordings` would find it: what is no file, or a link to one, was not read. */
function isThere(root: string, session: string): boolean | 'no file' {
  for (let tries = 0; tries < 3; tries++) {
    const [path] = localFiles(join(root, stemOrId(session)));
    if (path === undefined) return false;
    try {
      return lstatSync(path).isFile() ? true : 'no file';
    } catch {
      // Packed, or moved to object storage, since it was looked for.
    }
  }
  return false;
}

function stemOrId(session: string): string {
  try {
    return recordingStem(session);
  } catch {
    return session;
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
