// Tells when a file has changed, however it is changed: written in place, replaced by a rename (editors), or swapped behind
// a symbolic link (Kubernetes config maps). Watches the directory, because a watch on the file ends with the file.

import { type FSWatcher, type Stats, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';

export interface WatchOptions {
  /** How long the file has to be still before the change is told, in ms. */
  readonly debounceMs?: number;
  /** How often to look without being told, in ms: for file systems that tell nothing (network mounts). */
  readonly pollMs?: number;
}

export interface Watching {
  /** No call of `onChange` comes after this. */
  stop(): void;
}

/**
 * Calls `onChange` after the file's content may have changed. A file that vanishes is not told; one that comes back is.
 * Does not keep the process alive. Start it before the file is read, so that no change falls between the two.
 */
export function watchFile(path: string, onChange: () => void, options: WatchOptions = {}): Watching {
  const { debounceMs = 200, pollMs = 5000 } = options;
  /** As last told, and as last seen: only a further change restarts the wait, not a further look. */
  let known = fingerprint(path);
  let seen = known;
  let pending: NodeJS.Timeout | undefined;
  let stopped = false;

  const settle = () => {
    pending = undefined;
    const now = fingerprint(path);
    if (stopped || now === undefined || now === known) return;
    known = now;
    seen = now;
    onChange();
  };
  const look = () => {
    const now = stopped ? seen : fingerprint(path);
    if (now === seen) return;
    seen = now;
    clearTimeout(pending);
    pending = setTimeout(settle, debounceMs).unref();
  };

  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dirname(path), { persistent: false }, look);
    // A watch that breaks leaves the polling.
    watcher.on('error', () => watcher?.close());
  } catch {
    watcher = undefined;
  }
  const poll = setInterval(look, pollMs).unref();
  return {
    stop() {
      stopped = true;
      clearInterval(poll);
      clearTimeout(pending);
      watcher?.close();
    },
  };
}

/** Which file it is and when it was written; undefined when there is none. */
function fingerprint(path: string): string | undefined {
  try {
    const stats: Stats | undefined = statSync(path, { throwIfNoEntry: false });
    return stats === undefined ? undefined : `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}`;
  } catch {
    return undefined;
  }
}
