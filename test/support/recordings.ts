// Reads recordings as a stranger would: JSON Lines, a SHA-256 chain. Own code on purpose: it checks what src wrote.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { filesUnder } from './process.ts';

export interface Line {
  seq: number;
  at: string;
  kind: string;
  prev: string;
  [field: string]: unknown;
}

export interface Recording {
  file: string;
  bytes: Buffer;
  lines: Line[];
}

/** Every recording below the directory, its segments joined and unpacked. A torn last line is left out, as a salvager would. */
export function readRecordings(directory: string, wanted: (name: string) => boolean = () => true): Recording[] {
  const groups = new Map<string, string[]>();
  // `.jsonl` before `.jsonl.zst`: where both are there, one is enough.
  for (const name of filesUnder(directory).sort()) {
    const match = /^(.*?)(?:\.(\d{4,}))?\.jsonl(\.zst)?$/.exec(name);
    if (match === null || !wanted(name)) continue;
    const files = groups.get(match[1]!) ?? [];
    if (match[3] === undefined || !files.includes(name.slice(0, -4))) files.push(name);
    groups.set(match[1]!, files);
  }
  const segment = (name: string) => Number(/\.(\d{4,})\.jsonl/.exec(name)?.[1] ?? 1);
  return [...groups.values()]
    .map((names) => names.sort((a, b) => segment(a) - segment(b)))
    .map((names) => {
      const file = join(directory, names[0]!);
      const bytes = Buffer.concat(names.map((name) => plain(join(directory, name))));
      const whole = bytes.subarray(0, bytes.lastIndexOf(10) + 1).toString();
      const lines = whole.split('\n').filter((line) => line !== '');
      return { file, bytes, lines: lines.map((line) => JSON.parse(line) as Line) };
    });
}

/** A file that was there a moment ago may have been packed since. */
function plain(path: string): Buffer {
  if (path.endsWith('.zst')) return zstdDecompressSync(readFileSync(path));
  try {
    return readFileSync(path);
  } catch (error) {
    // Compressed since it was listed.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return plain(`${path}.zst`);
  }
}

/** What is wrong with a recording's chain; an empty list when nothing is. */
export function chainProblems(recording: Recording): string[] {
  const found: string[] = [];
  let previous = '0'.repeat(64);
  let seq = 0;
  for (const text of recording.bytes.toString().split('\n')) {
    if (text === '') continue;
    const line = JSON.parse(text) as Line;
    if (line.seq !== seq) found.push(`${recording.file}: seq ${line.seq} instead of ${seq}`);
    if (line.prev !== previous) found.push(`${recording.file}: line ${seq} is not bound to the one before`);
    previous = createHash('sha256').update(text).digest('hex');
    seq++;
  }
  const last = recording.lines.at(-1);
  if (last?.kind !== 'seal') found.push(`${recording.file}: not sealed, ends with ${last?.kind ?? 'nothing'}`);
  return found;
}

/** The texts of all statements whose intent is recorded. */
export function recordedStatements(recordings: readonly Recording[]): string[] {
  return recordings.flatMap(({ lines }) =>
    lines.filter((line) => line.kind === 'intent').map((line) => String(line.text)),
  );
}
