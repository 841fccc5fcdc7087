// Writes a bundle of evidence into a directory, which is there only when it is whole. Refuses to know: where the pieces are from.

import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { peerError, userError } from '../../core/errors.ts';
import { copyLog } from '../../session/log/copy.ts';
import type { LogSource } from '../../session/log/tiles.ts';
import { recordingStem } from '../../store/recording-files.ts';
import { asideOf } from '../files.ts';
import { save } from '../save.ts';

export interface BundlePieces {
  /** By name, for its highest level. */
  readonly files: ReadonlyMap<string, string>;
  readonly sessions: readonly string[];
  /** With the entry that vouches for the files under its checkpoint. */
  readonly log: LogSource;
  recording(session: string): AsyncIterable<Uint8Array>;
}

/** Errors: usage. */
export function assertNew(directory: string): void {
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw userError('usage', `'${directory}' is there already`, { fix: 'name another directory with -o' });
  }
}

/** A name in the bundle itself: whoever asks a gateway for evidence does not trust it, and does not let it write elsewhere. */
const PLAIN_NAME = /^[A-Za-z0-9][\w-]*(?:\.[\w-]+)*$/;

/** Errors: gateway_error for a name that leads out of it; those of the pieces and of the file system; what was written until then is removed. */
export async function writeBundle(directory: string, pieces: BundlePieces): Promise<void> {
  for (const name of pieces.files.keys()) {
    if (PLAIN_NAME.test(name)) continue;
    throw peerError('gateway_error', `the gateway names a file of the report ${JSON.stringify(name.slice(0, 100))}`, {
      fix: 'nothing was written; no gateway of ours does that: find out which one answers',
    });
  }
  const aside = asideOf(directory);
  mkdirSync(dirname(aside), { recursive: true, mode: 0o700 });
  // Its own: what is there under some name is somebody's, and is neither removed nor written into.
  mkdirSync(aside, { mode: 0o700 });
  const put = (name: string, bytes: string | Uint8Array) => {
    const path = join(aside, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, bytes, { mode: 0o600 });
  };
  try {
    for (const [name, text] of pieces.files) put(name, text);
    for await (const { path, bytes } of copyLog(pieces.log)) put(join('log', path), bytes);
    for (const session of pieces.sessions) {
      const path = join(aside, 'recordings', `${recordingStem(session)}.jsonl`);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      await save(path, pieces.recording(session));
    }
    if (existsSync(directory)) rmdirSync(directory);
    renameSync(aside, directory);
  } catch (thrown) {
    rmSync(aside, { recursive: true, force: true });
    throw thrown;
  }
}
