// What the log says of recordings, and whether the recordings that are here are those: each sealed one named once with its
// digest, none missing, none more. Refuses to know: files, trees.

import type { Verification } from '../../recorder/verify.ts';
import type { LogEntry } from '../audit.ts';
import type { Findings } from './findings.ts';

interface Sealed {
  /** `entry 17`, or a line of an old segment. */
  readonly where: string;
  readonly digest: string;
  readonly at: string;
}

interface Purged {
  readonly where: string;
  readonly at: string;
  readonly digest: string | undefined;
  readonly reason: string;
  readonly by: string;
}

/** A recording that was found and checked by itself. */
export interface CheckedRecording {
  /** Its path, or what else it is called by. */
  readonly path: string;
  /** By its name; undefined for a file that is named otherwise. */
  readonly session: string | undefined;
  /** What its own chain and seal say; a text when it could not even be read. */
  readonly result: Verification | string;
  /** Whether its key lies beside it; undefined: nobody looked. */
  readonly key?: boolean;
}

export interface RecordingsHere {
  /** Sessions that are marked as being written. */
  readonly open: ReadonlySet<string>;
  /** Whether a gateway is at work here, which writes them; undefined: that cannot be told. */
  readonly atWork?: boolean | undefined;
  /** Those of them that were written to a moment ago: one that is sealed by now may not be in the log yet. */
  readonly sealing?: ReadonlySet<string>;
  /** Whether there is one of that session now: asked for those that were not found at first. `no file`: something by its name. */
  has(session: string): boolean | 'no file';
  /** `some`: not all that the log names belong here; `none`: there is no log to say what belongs here. */
  readonly named: 'all' | 'some' | 'none';
}

/** How long after it was taken an entry that excuses something may be under no checkpoint: that comes within a second. */
const MOMENT_MS = 60_000;
/** A disk that was full for a night lets in many that cannot be recorded. */
const MOST_TOLD = 50;

export class Ledger {
  readonly #sealed = new Map<string, Sealed[]>();
  readonly #purged = new Map<string, Purged>();
  /** Ordered to go: of those any part may be here. */
  readonly #going = new Map<string, string>();
  readonly #keysGoing = new Map<string, string>();
  /** Of which only the key was erased. */
  readonly #erased = new Map<string, Purged>();
  /** Moved out of the way as damaged, and told so. */
  readonly #quarantined = new Map<string, string>();
  /** Sessions that were let in, and where. */
  readonly #letIn = new Map<string, string>();
  /** What a failure says of a recording that there may not be. */
  readonly #failed = new Map<string, string>();
  /** Gone by the word of an entry that nobody signed. */
  readonly #unsigned = new Map<string, string>();

  get size(): number {
    return this.#sealed.size;
  }

  /** Ordered to go and not gone yet: any part of it may be here. */
  going(session: string | undefined): string | undefined {
    return session === undefined || this.#purged.has(session) ? undefined : this.#going.get(session);
  }

  names(session: string): boolean {
    return this.#sealed.has(session);
  }

  /** Each entry or line of the log, in order. */
  entry({ at, kind, fields }: Pick<LogEntry, 'at' | 'kind' | 'fields'>, where: string): void {
    const { session, digest } = fields;
    if (typeof session !== 'string') return;
    if (kind === 'recording' && typeof digest === 'string') {
      const known = this.#sealed.get(session);
      if (known === undefined) this.#sealed.set(session, [{ where, digest, at }]);
      else known.push({ where, digest, at });
    } else if (kind === 'purging') (fields.what === 'key' ? this.#keysGoing : this.#going).set(session, where);
    else if (kind === 'purge') {
      const text = (value: unknown) => (typeof value === 'string' ? value : '?');
      const purged = typeof digest === 'string' ? digest : undefined;
      const told = { where, at, digest: purged, reason: text(fields.reason), by: text(fields.by) };
      (fields.what === 'key' ? this.#erased : this.#purged).set(session, told);
    } else if (kind === 'admin' && fields.what === 'purge cancelled') {
      this.#going.delete(session);
      this.#keysGoing.delete(session);
    } else if (kind === 'failure' && fields.salvaged === 'quarantined') this.#quarantined.set(session, where);
    else if (kind === 'failure' && typeof fields.what === 'string')
      this.#failed.set(session, `${where}: ${fields.what}`);
    else if (kind === 'access' && fields.verdict === 'allow') this.#letIn.set(session, where);
  }

  /**
   * One that no checkpoint covers, at `now`: whoever can write to the journal can write such a one. The order of a purge is
   * under a checkpoint before anything is gone, so what was not taken a moment ago is no excuse for what is not here.
   */
  waiting(entry: Pick<LogEntry, 'at' | 'kind' | 'fields'>, where: string, now: number): void {
    const { at, kind, fields } = entry;
    const excuses = kind === 'purging' || kind === 'purge' || (kind === 'failure' && fields.salvaged === 'quarantined');
    if (!excuses || Math.abs(now - Date.parse(at)) <= MOMENT_MS) this.entry(entry, where);
    else if (typeof fields.session === 'string') this.#unsigned.set(fields.session, where);
  }

  /** Two digests for one session: one of the two is not its recording. */
  checkItself(findings: Findings): void {
    for (const [session, all] of this.#sealed) {
      const [first, ...rest] = all;
      for (const one of rest) {
        if (one.digest === first!.digest) continue;
        const message = `${one.where} seals the recording of ${session} as ${one.digest}, ${first!.where} as ${first!.digest}`;
        findings.problem('recording_repeated', session, message);
      }
    }
    for (const [session, { where, digest }] of [...this.#purged, ...this.#erased]) {
      const sealed = this.#sealed.get(session)?.[0];
      if (digest === undefined || sealed === undefined || sealed.digest === digest) continue;
      const message = `${where} purges the recording of ${session} with digest ${digest}, it was sealed as ${sealed.digest}`;
      findings.problem('purge_unfounded', session, message);
    }
  }

  /** Those that are here, each against the log and the log against them. */
  compare(checked: readonly CheckedRecording[], here: RecordingsHere, findings: Findings): void {
    const seen = new Map<string, string>();
    for (const one of checked) this.#compareOne(one, here, seen, findings);
    if (here.named !== 'all') return;
    for (const [session, [sealed]] of this.#sealed) {
      const there = seen.has(session) || here.has(session);
      if (there === true) continue;
      const purged = this.#purged.get(session);
      const quarantined = this.#quarantined.get(session);
      if (purged !== undefined) {
        findings.note(
          `the recording of ${session} was purged at ${purged.at} (${purged.where}): ${purged.reason}, by ${purged.by}`,
        );
      } else if (this.going(session) !== undefined) {
        findings.note(`the recording of ${session} is being purged (${this.going(session)}): it is not here any more`);
      } else if (quarantined !== undefined) {
        findings.note(`the recording of ${session} was moved away as damaged (${quarantined})`);
      } else {
        const message = `the recording of ${session} is missing: ${sealed!.where} says that it was sealed at ${sealed!.at} as ${sealed!.digest}`;
        const instead = there === false ? '' : '; what has its name is no file';
        findings.problem('recording_missing', session, message + instead + this.#byNobody(session));
      }
    }
    this.#tellUnsealed(seen, here, findings);
  }

  /** A recording that goes before it is sealed is in no seal: that its session was let in is all that is left of it. */
  #tellUnsealed(seen: ReadonlyMap<string, string>, here: RecordingsHere, findings: Findings): void {
    let more = 0;
    for (const [session, where] of this.#letIn) {
      if (this.#sealed.has(session) || this.#purged.has(session) || seen.has(session)) continue;
      if (this.#quarantined.has(session) || here.has(session) === true) continue;
      more += 1;
      if (more > MOST_TOLD) continue;
      const why = this.#failed.get(session) ?? 'nothing says why: it ended before it was recorded, or that was removed';
      findings.note(`session ${session} was let in (${where}) and has neither a seal nor a recording here (${why})`);
    }
    if (more > MOST_TOLD) findings.note(`and so it is with ${more - MOST_TOLD} more sessions`);
  }

  #compareOne(one: CheckedRecording, here: RecordingsHere, seen: Map<string, string>, findings: Findings): void {
    const { path, result } = one;
    const going = this.going(one.session);
    if (going !== undefined) {
      seen.set(one.session!, path);
      findings.note(
        `the recording of ${one.session} is being purged (${going}): what is left of it is here, unchecked`,
      );
      return;
    }
    if (typeof result === 'string') {
      if (one.session !== undefined) seen.set(one.session, path);
      findings.problem('recording_unreadable', path, `the recording ${path} cannot be read: ${result}`);
      return;
    }
    const session = one.session ?? result.session ?? '?';
    const before = seen.get(session);
    seen.set(session, path);
    if (before !== undefined) {
      findings.problem('recording_repeated', path, `the recording of ${session} is there twice: ${before} and ${path}`);
    }
    const sealed = this.#sealed.get(session)?.[0];
    const unfinished = !result.sealed && sealed === undefined;
    const open = unfinished && here.open.has(session);
    for (const { what, message, line } of result.problems) {
      if (open && (what === 'not_sealed' || what === 'cut')) continue;
      if (unfinished && what === 'not_sealed') continue;
      findings.problem('recording_changed', `${path}:${line}`, `${path}: ${message}`);
    }
    for (const warning of result.warnings) findings.note(`${path}: ${warning}`);
    const purged = this.#purged.get(session);
    if (purged !== undefined) {
      const message = `${purged.where} says that the recording of ${session} was purged, but it is here`;
      findings.problem('recording_not_purged', path, message);
    }
    if (one.key !== undefined && !open) this.#compareKey(session, path, one.key, here, findings);
    if (here.named === 'none') return;
    if (open) findings.note(`${path}: ${unsealed(result.lines, here.atWork)}`);
    else if (unfinished) {
      const message = `the recording of ${session} has no seal, is not in the log and is not being written: its end was cut, or a start has yet to seal it`;
      findings.problem('recording_unsealed', path, message);
    } else if (sealed === undefined && here.sealing?.has(session) === true) {
      findings.note(`${path}: sealed just now, and not in the log yet`);
    } else if (sealed === undefined) {
      const message = `the recording of ${session} is not in the log: it was put here, or its entry was taken out`;
      findings.problem('recording_extra', path, message);
    } else if (result.digest !== undefined && result.digest !== sealed.digest) {
      const message = `the recording of ${session} has digest ${result.digest}, ${sealed.where} says ${sealed.digest}: it was replaced`;
      findings.problem('recording_replaced', path, message);
    }
  }

  /** Of a recording that says it is encrypted. */
  #compareKey(session: string, path: string, there: boolean, here: RecordingsHere, findings: Findings): void {
    const erased = this.#erased.get(session);
    if (erased !== undefined && there) {
      const message = `${erased.where} says that the key of ${session} was erased, but it is here`;
      findings.problem('recording_not_purged', path, message);
    } else if (erased !== undefined) {
      findings.note(
        `the key of ${session} was erased at ${erased.at} (${erased.where}): ${erased.reason}, by ${erased.by}`,
      );
    } else if (this.#keysGoing.has(session)) {
      findings.note(`the key of ${session} is being erased (${this.#keysGoing.get(session)})`);
    } else if (!there && here.named === 'all') {
      const message = `the key of the encrypted recording of ${session} is missing, and the log does not say that it was erased: nobody can read what was said`;
      findings.problem('key_missing', path, message + this.#byNobody(session));
    }
  }

  #byNobody(session: string): string {
    const where = this.#unsigned.get(session);
    return where === undefined ? '' : `; ${where} says that it is gone, and is under no checkpoint`;
  }
}

/** What can be known of one that is marked as being written: a mark is easily copied, and stays after a kill. */
function unsealed(lines: number, atWork: boolean | undefined): string {
  if (atWork === true) return `still being written, ${lines} lines so far`;
  const who = atWork === false ? 'no gateway is at work here' : 'it cannot be told whether a gateway is at work here';
  return `not sealed, ${lines} lines: ${who}. It is a copy of while it was written, or its gateway was killed and has yet to seal it; nothing shows whether lines were cut from its end`;
}
