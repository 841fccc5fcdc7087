// Recordings in a directory: one file a session under the day it began, and a link in `open/` for as long as it is being
// written, so that the next start finds what a kill left behind without looking through everything.
// Refuses to know: what is in a recording.

import { createReadStream, existsSync, renameSync, symlinkSync, unlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ourError, userError } from '../core/errors.ts';
import type { RecorderFiles } from '../session/recorder/files.ts';
import type { RecordingSink, RecordingTarget } from '../session/recorder/sink.ts';
import { FileTarget, Gate, privateDirectory } from './files.ts';
import { nodeFiles, writeAll } from './node-files.ts';

const READ_CHUNK = 1024 * 1024;
/** Files made durable at once. */
const SYNCS = 2;

const BASE32 = '0123456789abcdefghjkmnpqrstvwxyz';

/** `YYYY/MM/DD/<id>.jsonl`, from the time inside the id; throws `not_found` for what is no session id. */
export function recordingPath(session: string): string {
  if (!/^s-[0-9a-hjkmnp-tv-z]{19}$/.test(session)) {
    throw userError('not_found', `"${session}" is no session id`, { fix: 'run hoopctl sessions ls' });
  }
  let ms = 0;
  for (const character of session.slice(2, 11)) ms = ms * 32 + BASE32.indexOf(character);
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) throw userError('not_found', `"${session}" is no session id`);
  const [day] = date.toISOString().split('T') as [string];
  return join(...day.split('-'), `${session}.jsonl`);
}

export class RecordingDirectory implements RecordingSink {
  readonly #root: string;
  readonly #files: RecorderFiles;
  readonly #gate = new Gate(SYNCS);
  #lastDay = '';

  /** `root`: DATA/recordings; made with mode 0700 where it is not there. */
  constructor(root: string, files: RecorderFiles = nodeFiles) {
    this.#root = root;
    this.#files = files;
    privateDirectory(join(root, 'open'));
  }

  /** The absolute path of a session's file. */
  path(session: string): string {
    return join(this.#root, recordingPath(session));
  }

  create(session: string): RecordingTarget {
    const relative = recordingPath(session);
    const path = join(this.#root, relative);
    try {
      this.#makeDay(relative);
      // The mark first: a kill between the two leaves a mark without a file, which salvage understands.
      symlinkSync(join('..', relative), this.#mark(session));
      const fd = this.#files.open(path, 'new');
      const finished = () => unlinkSync(this.#mark(session));
      return new FileTarget({ files: this.#files, fd, path, length: 0, gate: this.#gate, finished });
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw ourError('recording_failed', `cannot begin the recording ${path}: ${why}`, {
        fix: 'free space or repair the disk of the recordings, then connect again',
        cause: thrown,
      });
    }
  }

  async *read(session: string): AsyncGenerator<Uint8Array> {
    const path = this.path(session);
    try {
      yield* createReadStream(path, { highWaterMark: READ_CHUNK });
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
      throw userError('not_found', `there is no recording of session "${session}"`, { cause: thrown });
    }
  }

  async unfinished(): Promise<readonly string[]> {
    const names = await readdir(join(this.#root, 'open'));
    return names.filter((name) => /^s-[0-9a-z]{19}$/.test(name)).sort();
  }

  async repair(session: string, length: number, tail: string): Promise<void> {
    const path = this.path(session);
    this.#makeDay(recordingPath(session));
    const fd = this.#files.open(path, existsSync(path) ? 'existing' : 'new');
    try {
      this.#files.truncate(fd, length);
      if (tail !== '') writeAll(this.#files, fd, Buffer.from(tail, 'utf8'), () => {});
      await this.#files.sync(fd);
    } finally {
      this.#files.close(fd);
    }
    unlinkSync(this.#mark(session));
  }

  async quarantine(session: string): Promise<string> {
    const directory = join(this.#root, 'damaged');
    privateDirectory(directory);
    const where = unusedName(join(directory, `${session}.jsonl`));
    renameSync(this.path(session), where);
    unlinkSync(this.#mark(session));
    return where;
  }

  #mark(session: string): string {
    return join(this.#root, 'open', session);
  }

  #makeDay(relative: string): void {
    const day = relative.slice(0, 10);
    if (day === this.#lastDay) return;
    privateDirectory(join(this.#root, day));
    this.#lastDay = day;
  }
}

/** The path, or the path with the first free number behind it: nothing is ever overwritten. */
export function unusedName(path: string): string {
  for (let number = 0; ; number++) {
    const name = number === 0 ? path : `${path}.${number}`;
    if (!existsSync(name)) return name;
  }
}
