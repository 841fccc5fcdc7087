// The gateway's log in a directory: DATA/log/0001.jsonl, 0002.jsonl, …. Refuses to know: what is in it.

import { createReadStream, renameSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecorderFiles } from '../session/recorder/files.ts';
import type { LogSegments } from '../session/recorder/log.ts';
import type { RecordingTarget } from '../session/recorder/sink.ts';
import { FileTarget, Gate, privateDirectory } from './files.ts';
import { nodeFiles } from './node-files.ts';
import { unusedName } from './recordings.ts';

export class LogDirectory implements LogSegments {
  readonly #root: string;
  readonly #files: RecorderFiles;
  readonly #gate = new Gate(1);

  /** `root`: DATA/log. */
  constructor(root: string, files: RecorderFiles = nodeFiles) {
    this.#root = root;
    this.#files = files;
    privateDirectory(root);
  }

  async list(): Promise<readonly string[]> {
    const names = await readdir(this.#root);
    return names
      .filter((name) => /^\d{4,}\.jsonl$/.test(name))
      .map((name) => name.slice(0, -'.jsonl'.length))
      .sort((a, b) => Number(a) - Number(b));
  }

  async *read(segment: string): AsyncGenerator<Uint8Array> {
    yield* createReadStream(this.path(segment), { highWaterMark: 1024 * 1024 });
  }

  create(segment: string): RecordingTarget {
    const path = this.path(segment);
    return this.#target(path, this.#files.open(path, 'new'), 0);
  }

  reopen(segment: string, length: number): RecordingTarget {
    const path = this.path(segment);
    const fd = this.#files.open(path, 'existing');
    this.#files.truncate(fd, length);
    return this.#target(path, fd, length);
  }

  async quarantine(segment: string): Promise<string> {
    const where = unusedName(join(this.#root, `${segment}.jsonl.damaged`));
    renameSync(this.path(segment), where);
    return where;
  }

  path(segment: string): string {
    return join(this.#root, `${segment}.jsonl`);
  }

  #target(path: string, fd: number, length: number): RecordingTarget {
    return new FileTarget({ files: this.#files, fd, path, length, gate: this.#gate });
  }
}
