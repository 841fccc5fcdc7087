// The gateway's log: everything that matters and belongs to no one session's recording, in the same chained lines.
// Segments `0001`, `0002`, …: each begins by naming the digest of the one before. Refuses to know: files, who reads it.

import { type HoopctlError, ourError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { Chain, encodeFields, FORMAT_VERSION } from './line.ts';
import type { RecordingTarget } from './sink.ts';
import { type Problem, type Verification, verify } from './verify.ts';

/** What goes into it. `issue` of a kind: who, what, when; never a secret, never a value of a target. */
export type AuditKind =
  | 'start'
  | 'stop'
  | 'login'
  | 'token'
  | 'access'
  | 'session'
  | 'recording'
  | 'review'
  | 'grant'
  | 'policy'
  | 'admin'
  | 'playback'
  | 'failure';

export interface AuditLog {
  /** Written when this returns. Throws `recording_failed`: the caller then refuses what it was about to allow. */
  append(kind: AuditKind, fields: Readonly<Record<string, unknown>>): void;
}

/** Where segments are kept; `store/` implements it. */
export interface LogSegments {
  /** In order. */
  list(): Promise<readonly string[]>;
  read(segment: string): AsyncIterable<Uint8Array>;
  create(segment: string): RecordingTarget;
  /** For appending, cut to its first `length` bytes. */
  reopen(segment: string, length: number): RecordingTarget;
  quarantine(segment: string): Promise<string>;
}

export interface ChainedLogOptions {
  readonly segments: LogSegments;
  readonly now: () => number;
  readonly log: Log;
  /** A segment is sealed when it has this many bytes. */
  readonly segmentBytes?: number;
}

const SEGMENT_BYTES = 16 * 1024 * 1024;
/** How long an entry waits at most for the disk's own acknowledgement. */
const SYNC_MS = 200;

interface Previous {
  readonly segment: string;
  readonly digest?: string;
  readonly damaged?: string;
}

/** One process writes it: hold the data directory's lock. */
export class ChainedLog implements AuditLog {
  readonly #options: ChainedLogOptions;
  #target: RecordingTarget;
  #chain: Chain;
  #number: number;
  #bytes: number;
  #timer: NodeJS.Timeout | undefined;
  /** While changing segments: what was sealed, and the segment that follows. */
  #previous: Previous | undefined;
  #next: RecordingTarget | undefined;

  private constructor(options: ChainedLogOptions, target: RecordingTarget, chain: Chain, at: [number, number]) {
    this.#options = options;
    this.#target = target;
    this.#chain = chain;
    [this.#number, this.#bytes] = at;
  }

  /** Goes on where the last process stopped. What it found on the way is logged and becomes an entry of its own. */
  static async open(options: ChainedLogOptions): Promise<ChainedLog> {
    const { segments } = options;
    const last = (await segments.list()).at(-1);
    if (last === undefined) return ChainedLog.#begin(options, 1, undefined);
    const number = Number(last);
    const found = await verify(segments.read(last), { open: true });
    if (found.problems.length > 0) {
      const where = await segments.quarantine(last);
      const words = found.problems.map((problem) => problem.message).join('; ');
      options.log.error({ segment: last, where }, `the log's segment ${last} is damaged: ${words}`);
      const log = ChainedLog.#begin(options, number + 1, { segment: last, damaged: where });
      log.append('failure', { what: 'log segment damaged', segment: last, where, problems: words });
      return log;
    }
    if (found.sealed) return ChainedLog.#begin(options, number + 1, { segment: last, digest: found.digest! });
    const target = segments.reopen(last, found.wholeBytes);
    const log = new ChainedLog(options, target, new Chain(found.state), [number, found.wholeBytes]);
    const cut = found.bytes - found.wholeBytes;
    if (found.lines === 0) log.#write(openLine(log.#chain, options.now(), number, await before(segments, number)));
    if (cut > 0) log.append('failure', { what: 'log line torn', segment: last, cut });
    return log;
  }

  static #begin(options: ChainedLogOptions, number: number, previous: Previous | undefined): ChainedLog {
    const target = options.segments.create(segmentName(number));
    const log = new ChainedLog(options, target, new Chain(), [number, 0]);
    log.#write(openLine(log.#chain, options.now(), number, previous));
    return log;
  }

  append(kind: AuditKind, fields: Readonly<Record<string, unknown>>): void {
    const encoded = encodeFields(fields);
    let before = this.#chain.state;
    try {
      if (this.#bytes >= (this.#options.segmentBytes ?? SEGMENT_BYTES)) {
        this.#roll();
        before = this.#chain.state;
      }
      this.#write(this.#chain.next(this.#options.now(), kind, encoded));
    } catch (thrown) {
      this.#chain.rewind(before);
      throw this.#failure(thrown);
    }
  }

  /** Everything durable, the segment left open for the next start. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#target.sync().catch((thrown: unknown) => this.#syncFailed(thrown));
    this.#target.abandon();
  }

  /** Seals the full segment and begins the next. May throw at any step (`append` rewinds); the next call goes on from there. */
  #roll(): void {
    if (this.#previous === undefined) {
      const seal = this.#chain.seal(this.#options.now(), '');
      this.#target.write(Buffer.from(seal.line));
      this.#previous = { segment: segmentName(this.#number), digest: seal.digest };
    }
    this.#next ??= this.#options.segments.create(segmentName(this.#number + 1));
    const chain = new Chain();
    const line = openLine(chain, this.#options.now(), this.#number + 1, this.#previous);
    this.#next.write(Buffer.from(line));
    this.#target.finish().catch((thrown: unknown) => this.#syncFailed(thrown));
    this.#target = this.#next;
    this.#chain = chain;
    this.#number += 1;
    this.#bytes = line.length;
    this.#next = undefined;
    this.#previous = undefined;
  }

  #write(line: string): void {
    const bytes = Buffer.from(line, 'utf8');
    this.#target.write(bytes);
    this.#bytes += bytes.length;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#target.sync().catch((thrown: unknown) => this.#syncFailed(thrown));
    }, SYNC_MS).unref();
  }

  #failure(thrown: unknown): HoopctlError {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const error = ourError('recording_failed', `cannot write the gateway's log ${this.#target.name}: ${why}`, {
      fix: 'free space or repair the disk of the data directory',
      cause: thrown,
    });
    this.#options.log.error({ code: error.code }, error.message);
    return error;
  }

  #syncFailed(thrown: unknown): void {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    this.#options.log.error({}, `cannot make the gateway's log durable: ${why}`);
  }
}

/** The link to the segment before, for one that was made but got no line. */
async function before(segments: LogSegments, number: number): Promise<Previous | undefined> {
  if (number === 1) return undefined;
  const segment = segmentName(number - 1);
  if (!(await segments.list()).includes(segment)) return { segment };
  const found = await verify(segments.read(segment));
  return found.digest === undefined ? { segment } : { segment, digest: found.digest };
}

function openLine(chain: Chain, now: number, number: number, previous: Previous | undefined): string {
  const fields = { format: FORMAT_VERSION, log: segmentName(number), previous: previous ?? null };
  return chain.next(now, 'open', encodeFields(fields));
}

export function segmentName(number: number): string {
  return String(number).padStart(4, '0');
}

export interface LogVerification {
  readonly ok: boolean;
  readonly segments: readonly { readonly segment: string; readonly verification: Verification }[];
  /** Of the order and the links between segments; those inside one are in its verification. */
  readonly problems: readonly Pick<Problem, 'what' | 'message'>[];
}

/** All segments, each by itself and each bound to the one before. */
export async function verifyLog(segments: Pick<LogSegments, 'list' | 'read'>): Promise<LogVerification> {
  const names = await segments.list();
  const results: { segment: string; verification: Verification }[] = [];
  const problems: Pick<Problem, 'what' | 'message'>[] = [];
  let previous: { segment: string; digest: string | undefined } | undefined;
  for (const [index, segment] of names.entries()) {
    const verification = await verify(segments.read(segment), { open: index === names.length - 1 });
    results.push({ segment, verification });
    const due = segmentName(previous === undefined ? 1 : Number(previous.segment) + 1);
    if (segment !== due) {
      problems.push({ what: 'missing', message: `segment ${due} is missing: the next one is ${segment}` });
    }
    const claimed = verification.opening?.previous as Previous | null | undefined;
    if ((claimed?.digest ?? undefined) !== (segment === due ? previous?.digest : undefined)) {
      const message = `segment ${segment} follows one with digest ${claimed?.digest ?? 'none'}, not ${previous?.digest ?? 'none'}`;
      problems.push({ what: 'changed', message });
    }
    if (claimed?.damaged !== undefined) {
      problems.push({
        what: 'missing',
        message: `segment ${claimed.segment} was found damaged before ${segment} began`,
      });
    }
    previous = { segment, digest: verification.digest };
  }
  const ok = problems.length === 0 && results.every((one) => one.verification.ok);
  return { ok, segments: results, problems };
}
