// One log from files alone: checkpoint, signatures, tree, journal, old segments, and what somebody kept of it elsewhere.
// Refuses to know: files, recordings themselves (ledger.ts).

import { lineDigest } from '../../recorder/line.ts';
import { LineSplitter, readLines } from '../../recorder/reader.ts';
import type { LogEntry } from '../audit.ts';
import { type Checkpoint, parseCheckpoint } from '../checkpoint.ts';
import { followsLine, parseEntry } from '../entry.ts';
import { signatureBy } from '../note.ts';
import { type LogSegments, verifySegments } from '../segments.ts';
import type { JournalSource } from '../storage.ts';
import { Findings } from './findings.ts';
import type { Ledger } from './ledger.ts';
import { checkTree, type ListingSource, type TreeCheck } from './tree.ts';
import { checkSignature, checkWitnesses, KeyChain, type Trust } from './trust.ts';

export interface LogCheckOptions {
  readonly source: ListingSource & Partial<JournalSource>;
  /** Segments from before the log was a tree, where they can be read. */
  readonly segments?: Pick<LogSegments, 'list' | 'read'>;
  readonly trust: Trust;
  /** Checkpoints that were kept elsewhere, with what to call them by. */
  readonly since: readonly { readonly name: string; readonly text: string | Uint8Array }[];
  readonly ledger: Ledger;
  /** Milliseconds since the epoch; left out: no entry was taken a moment ago. */
  readonly now?: number;
  /** Each entry of the tree, for whoever wants more of it. */
  readonly entry?: (entry: LogEntry, bytes: Buffer) => void;
}

export interface CheckedLog {
  readonly checkpoint: Checkpoint;
  /** Entries that were taken but are under no checkpoint yet. */
  readonly waiting: number;
  /** The signature counts, or what is in the files bears the checkpoint out. */
  readonly borne: boolean;
  /** The signature counts and the tree is the one that it signs. */
  readonly genuine: boolean;
  readonly keys: KeyChain;
}

/** Undefined when there is no checkpoint to check anything by. Errors: those of the source. */
export async function checkLog(options: LogCheckOptions, findings: Findings): Promise<CheckedLog | undefined> {
  const { source, trust, ledger } = options;
  // First: what is taken meanwhile is then in the tree or behind it, never in neither.
  const journal = await readJournals(source);
  const text = await source.get('checkpoint');
  const checkpoint = text === undefined ? undefined : parseCheckpoint(text);
  if (checkpoint === undefined) {
    if (text === undefined)
      findings.problem('checkpoint_missing', 'checkpoint', 'there is no checkpoint: nothing is signed');
    else findings.problem('checkpoint_unreadable', 'checkpoint', 'the checkpoint is no signed note of a tree head');
    takeJournal(journal, options);
    return undefined;
  }
  const old = parseSince(options, checkpoint, findings);
  const witnessed = parseCheckpoint((await source.get('witnessed')) ?? '');
  const heads = [...old.map(({ head }) => head), ...(witnessed === undefined ? [] : [witnessed])];
  const keys = new KeyChain();
  let began: LogEntry | undefined;
  const inJournal = new Map(journal.lines.map((line) => [line.index, line.bytes]));
  const inTree = new Findings();
  const tree = await checkTree(
    {
      source,
      head: checkpoint,
      sizes: heads.map(({ size }) => size),
      journal: inJournal,
      entry: (entry, bytes) => {
        const { index } = entry;
        if (index === 0) began = entry;
        keys.entry(entry, String(began?.fields.origin));
        ledger.entry(entry, `entry ${index}`);
        options.entry?.(entry, bytes);
      },
    },
    inTree,
  );
  const signed = checkSignature(checkpoint, keys, { ...trust, entriesGenuine: tree.fits !== 'tiles' }, findings);
  // Size and root of a checkpoint that nobody signed, and that nothing here bears out, say nothing of the tree.
  const borne = signed || tree.fits !== 'neither';
  if (borne) findings.add(inTree);
  else findings.note('the entries and tiles were not compared with the checkpoint: it is not genuine');
  if (began !== undefined && tree.fits !== 'tiles' && began.fields.origin !== checkpoint.origin) {
    const message = `the checkpoint is of ${checkpoint.origin}, the entries are of ${String(began.fields.origin)}`;
    findings.problem('checkpoint_origin', 'checkpoint', message);
  }
  tellAfter(began, findings);
  for (const one of old) compareSince(one, checkpoint, tree, keys, findings);
  if (witnessed !== undefined && witnessed.size > checkpoint.size) {
    const message = `the log was rolled back: the cosigned checkpoint that is kept here is of ${witnessed.size} entries, the newest of ${checkpoint.size}`;
    findings.problem('rolled_back', 'checkpoint', message);
  } else if (witnessed !== undefined && tree.roots.get(witnessed.size)?.equals(witnessed.root) === false) {
    findings.problem(
      'forked',
      'witnessed',
      'the cosigned checkpoint that is kept here is of another tree than this one',
    );
  }
  checkWitnesses(witnessed === undefined ? [checkpoint] : [checkpoint, witnessed], trust, findings);
  await checkSegments(options, began, findings);
  const waiting = !borne ? 0 : checkTail(journal, checkpoint.size, tree, options, findings);
  if (waiting > 0) findings.note(`${waiting} entries wait for the next checkpoint`);
  return { checkpoint, waiting, borne, genuine: signed && tree.fits === 'entries', keys };
}

function tellAfter(began: LogEntry | undefined, findings: Findings): void {
  const after = began?.fields.after as { origin?: unknown; where?: unknown } | undefined;
  if (after === undefined) return;
  findings.note(
    `this log was begun because the one before, ${String(after.origin)}, was found damaged; it was moved to ${String(after.where)}`,
  );
}

interface Since {
  readonly name: string;
  readonly head: Checkpoint;
}

function parseSince({ since }: LogCheckOptions, { origin }: Checkpoint, findings: Findings): Since[] {
  const found: Since[] = [];
  for (const { name, text } of since) {
    const head = parseCheckpoint(text);
    if (head === undefined) findings.problem('since_unreadable', name, `${name} is no checkpoint`);
    else if (head.origin !== origin) {
      findings.problem(
        'since_other_log',
        name,
        `${name} is a checkpoint of ${head.origin}, the log here is ${origin}: it was replaced, or begun again`,
      );
    } else found.push({ name, head });
  }
  return found;
}

function compareSince(
  { name, head }: Since,
  now: Checkpoint,
  tree: TreeCheck,
  keys: KeyChain,
  findings: Findings,
): void {
  const key = keys.signerOf(head.size);
  const signed = key === undefined ? 'absent' : signatureBy(head.note, key);
  if (signed === 'absent' && tree.fits !== 'entries') {
    findings.note(`${name} was not compared: the entries that name the log's keys are not whole`);
  } else if (signed !== 'broken' && head.size > now.size) {
    // Its key may be one that the log, set back, does not name any more.
    findings.problem(
      'rolled_back',
      name,
      `the log was rolled back: ${name} is of ${head.size} entries, here are ${now.size}`,
    );
  } else if (signed !== 'valid') {
    const why = signed === 'broken' ? 'its signature does not hold' : "it is not signed by this log's key of that time";
    findings.problem('since_signature', name, `${name} is no checkpoint of this log: ${why}`);
  } else compareRoots(name, head, tree, findings);
}

function compareRoots(name: string, head: Checkpoint, tree: TreeCheck, findings: Findings): void {
  const root = tree.roots.get(head.size);
  if (root === undefined) {
    findings.note(`${name} was not compared: neither entries nor tiles are whole`);
  } else if (root.equals(head.root)) {
    findings.note(`the log continues that of ${name}: its ${head.size} entries are unchanged`);
  } else {
    const message = `the first ${head.size} entries are not those of ${name}: the log was forked or rewritten since`;
    findings.problem('forked', name, message);
  }
}

interface JournalLine {
  readonly index: number;
  readonly bytes: Buffer;
}

interface Journal {
  readonly lines: readonly JournalLine[];
  /** Whole lines that are none, or have another's number. */
  readonly bad: number;
}

async function readJournals(source: Partial<JournalSource>): Promise<Journal> {
  const lines: JournalLine[] = [];
  let bad = 0;
  for (const first of (await source.journals?.()) ?? []) {
    let due = first;
    for (const { bytes } of new LineSplitter().push(await source.readJournal!(first))) {
      const entry = parseEntry(bytes);
      if (entry?.index !== due) bad += 1;
      else lines.push({ index: entry.index, bytes });
      due += 1;
    }
  }
  return { lines, bad };
}

/** What waits goes on where the tree ends. */
function checkTail(
  { lines, bad }: Journal,
  size: number,
  tree: TreeCheck,
  { ledger, now = Number.NaN }: LogCheckOptions,
  findings: Findings,
): number {
  if (bad > 0)
    findings.problem('journal_changed', 'journal', `the journal has ${bad} lines that are none, or not in their place`);
  let [due, head] = [size, tree.head];
  for (const { index, bytes } of lines) {
    if (index < size) continue;
    const entry = parseEntry(bytes)!;
    if (index !== due || !followsLine(bytes, head)) {
      const message = `entry ${index} of the journal does not follow ${due === size ? 'the tree' : `entry ${due - 1}`}: something is missing or was changed`;
      findings.problem('journal_changed', `entry ${index}`, message);
      return due - size;
    }
    ledger.waiting(entry, `entry ${index}`, now);
    [due, head] = [due + 1, lineDigest(bytes)];
  }
  return due - size;
}

function takeJournal({ lines }: Journal, { ledger }: LogCheckOptions): void {
  for (const { index, bytes } of lines) ledger.entry(parseEntry(bytes)!, `entry ${index}`);
}

/** Those that the first entry names by digest, and no others. */
async function checkSegments(
  { segments, ledger }: LogCheckOptions,
  began: LogEntry | undefined,
  findings: Findings,
): Promise<void> {
  // Without the first entry nothing says what belongs here.
  if (segments === undefined || began === undefined) return;
  const named = (began.fields.segments ?? []) as { segment?: unknown; digest?: unknown }[];
  const here = await verifySegments(segments);
  const digests = new Map(here.segments.map(({ segment, verification }) => [segment, verification]));
  for (const { segment, digest } of named) {
    const found = digests.get(String(segment));
    const path = `${String(segment)}.jsonl`;
    if (found === undefined)
      findings.problem('segment_missing', path, `the old segment ${path} is missing: entry 0 names it`);
    else if (found.problems.length > 0 || found.digest !== digest) {
      const why = found.problems[0]?.message ?? `its digest is ${found.digest}, entry 0 says ${String(digest)}`;
      findings.problem('segment_changed', path, `the old segment ${path} was changed: ${why}`);
    }
  }
  const due = new Set(named.map(({ segment }) => String(segment)));
  for (const { segment } of here.segments) {
    if (!due.has(segment)) {
      findings.problem('segment_changed', `${segment}.jsonl`, `entry 0 names no segment ${segment}: it was put here`);
      continue;
    }
    for await (const { seq, at, kind, prev: _, ...fields } of readLines(segments.read(segment))) {
      ledger.entry({ at, kind, fields }, `line ${seq + 1} of ${segment}.jsonl`);
    }
  }
}
