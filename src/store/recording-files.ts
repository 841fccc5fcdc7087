// How the files of a recording are called, and finding them: segments, plain or compressed, here or in object storage. For
// the sink and for whoever has only files (offline verification). Refuses to know: what is in them, sinks.

import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { userError } from '../core/errors.ts';
import type { StoredFile } from '../session/recorder/stored.ts';
import {
  addressOf,
  ELSEWHERE,
  type Elsewhere,
  isMissing,
  type ObjectFile,
  type ObjectReader,
  readElsewhere,
} from './elsewhere.ts';

const READ_CHUNK = 1024 * 1024;
const BASE32 = '0123456789abcdefghjkmnpqrstvwxyz';
const SESSION = 's-[0-9a-hjkmnp-tv-z]{19}';
const IS_SESSION = new RegExp(`^${SESSION}$`);
const FILE = new RegExp(`^(${SESSION})(?:\\.(\\d{4,}))?\\.jsonl(\\.zst)?$`);

/** Whether it has the form of a session's id. */
export const isSession = (text: string): boolean => IS_SESSION.test(text);

export const COMPRESSED = '.zst';

export interface RecordingName {
  readonly session: string;
  /** From 1. */
  readonly segment: number;
  readonly compressed: boolean;
}

/** `YYYY/MM/DD/<id>`, from the time inside the id; throws `not_found` for what is no session id. */
export function recordingStem(session: string): string {
  const unknown = () => userError('not_found', `"${session}" is no session id`, { fix: 'run hoopctl sessions ls' });
  if (!IS_SESSION.test(session)) throw unknown();
  let ms = 0;
  for (const character of session.slice(2, 11)) ms = ms * 32 + BASE32.indexOf(character);
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) throw unknown();
  const [day] = date.toISOString().split('T') as [string];
  return join(...day.split('-'), session);
}

/** `<stem>.jsonl`, `<stem>.0002.jsonl`, …: uncompressed. */
export function segmentFile(stem: string, segment: number): string {
  return segment === 1 ? `${stem}.jsonl` : `${stem}.${String(segment).padStart(4, '0')}.jsonl`;
}

/** The wrapped key of an encrypted one. */
export function keyFile(stem: string): string {
  return `${stem}.key.age`;
}

/** Of the path of a recording's first file. */
export function stemOf(path: string): string {
  return path.replace(/\.jsonl(\.zst)?$/, '');
}

/** Here or, as far as it can be read, in object storage; undefined where there is none. Errors: those of the places. */
export async function storedKey(stem: string, objects?: ObjectReader): Promise<Uint8Array | undefined> {
  const path = keyFile(stem);
  try {
    return await readFile(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
  }
  const where = readElsewhere(stem);
  const file = where?.files.find(({ name }) => name === basename(path));
  if (where === undefined || file === undefined || objects === undefined) return undefined;
  try {
    const chunks: Uint8Array[] = [];
    for await (const chunk of objects.read(where, file, 0)) chunks.push(chunk);
    return Buffer.concat(chunks);
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}

/** What a file's name says; undefined for other files. */
export function parseName(name: string): RecordingName | undefined {
  const match = FILE.exec(name);
  if (match === null) return undefined;
  return { session: match[1]!, segment: Number(match[2] ?? 1), compressed: match[3] !== undefined };
}

/** One file as it is. Errors: `not_found`, those of the file system. */
export function storedFile(path: string, otherwise?: () => StoredFile | undefined): StoredFile {
  const size = path.endsWith('.jsonl') ? statSync(path, { throwIfNoEntry: false })?.size : undefined;
  return {
    name: path,
    ...(size === undefined ? {} : { plainBytes: size }),
    async *bytes(from = 0) {
      try {
        // A pipe has no place to start from.
        yield* createReadStream(path, { highWaterMark: READ_CHUNK, ...(from === 0 ? {} : { start: from }) });
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
        // Packed since it was found, by its name or by its size, or moved to object storage.
        if (from === 0 && path.endsWith('.jsonl') && existsSync(path + COMPRESSED))
          yield* storedFile(path + COMPRESSED, otherwise).bytes();
        else {
          const there = otherwise?.();
          if (there === undefined || (from > 0 && there.plainBytes === undefined))
            throw userError('not_found', `there is no ${path}`, { cause: thrown });
          yield* there.bytes(from);
        }
      }
    },
  };
}

/**
 * The files of a recording in order, found one by one: a recording that is being written, packed, or moved to object storage
 * meanwhile is read as far as it is. Nothing for one that is not there. Without `objects` what is not here cannot be read.
 */
export function* segmentsOf(stem: string, objects?: ObjectReader): Generator<StoredFile> {
  for (let segment = 1; ; segment++) {
    const otherwise = () => elsewhereFile(stem, segment, objects);
    const path = storedPath(segmentFile(stem, segment));
    const file = path === undefined ? otherwise() : storedFile(path, otherwise);
    if (file === undefined) return;
    yield file;
  }
}

/** The paths of those files of a recording that are here, in order. */
export function* localFiles(stem: string): Generator<string> {
  for (let segment = 1; ; segment++) {
    const path = storedPath(segmentFile(stem, segment));
    if (path === undefined) return;
    yield path;
  }
}

function elsewhereFile(stem: string, segment: number, objects: ObjectReader | undefined): StoredFile | undefined {
  const where = readElsewhere(stem);
  const file = where?.files.find(({ name }) => parseName(name)?.segment === segment);
  return where === undefined || file === undefined ? undefined : objectFile(where, file, objects);
}

function objectFile(where: Elsewhere, file: ObjectFile, objects: ObjectReader | undefined): StoredFile {
  const name = addressOf(where, file);
  return {
    name,
    ...(file.name.endsWith(COMPRESSED) ? {} : { plainBytes: file.bytes }),
    bytes(from = 0) {
      if (objects !== undefined) return objects.read(where, file, from);
      throw userError('config_invalid', `${name} is in object storage, which is not read here`, {
        fix: 'ask the gateway (without --data), or name its configuration with --config where a verb has that',
      });
    },
  };
}

/** Plain or compressed. The plain one goes away only after the other is there, so the order of looking matters. */
export function storedPath(plain: string): string | undefined {
  if (existsSync(plain)) return plain;
  return existsSync(plain + COMPRESSED) ? plain + COMPRESSED : undefined;
}

/** A recording among files. */
export interface FoundRecording {
  /** The path to call it by: of its first file. */
  readonly path: string;
  /** In the order of their segments, also where one is missing between. */
  readonly files: readonly StoredFile[];
  /** Of the newest file, milliseconds since the epoch. */
  readonly changedAt: number;
}

/**
 * Recordings by path: a folder stands for all below it, the first file of a recording for all its segments; any other file
 * is taken for a recording of one file. Errors: `config_unreadable`.
 */
export function findRecordings(path: string): FoundRecording[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw userError('config_unreadable', `there is no '${path}'`);
  if (stat.isDirectory()) return grouped(filesBelow(path));
  const name = parseName(basename(path));
  if (name === undefined || name.segment !== 1) return [found([path])];
  const mine = (one: string) => parseName(one)?.session === name.session;
  const all = readdirSync(dirname(path)).filter(mine);
  return grouped(all.map((one) => join(dirname(path), one))).slice(0, 1);
}

/** A recording of which files are in object storage and not here. */
export interface FoundElsewhere {
  /** By the name of the list, whatever that says. */
  readonly session: string;
  readonly stem: string;
  /** For messages: where the first of it is. */
  readonly address: string;
  /** Why its list cannot be read; undefined when it can. */
  readonly problem?: string;
}

export function findElsewhere(folder: string): FoundElsewhere[] {
  return below(folder, (name) => name.endsWith(ELSEWHERE)).flatMap((path) => {
    const stem = path.slice(0, -ELSEWHERE.length);
    const [session, here] = [basename(stem), { stem, address: path }];
    try {
      const list = readElsewhere(stem);
      const away = list?.files.find(
        ({ name }) => parseName(name) !== undefined && !existsSync(join(dirname(path), name)),
      );
      return list === undefined || away === undefined ? [] : [{ session, stem, address: addressOf(list, away) }];
    } catch (thrown) {
      return [{ session, ...here, problem: thrown instanceof Error ? thrown.message : String(thrown) }];
    }
  });
}

/** As one that was found here, with what is here of it and the rest from there. Errors: those of its list. */
export function foundAway({ stem }: FoundElsewhere, objects: ObjectReader | undefined): FoundRecording {
  const changedAt = statSync(stem + ELSEWHERE, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return { path: `${stem}.jsonl`, files: [...segmentsOf(stem, objects)], changedAt };
}

function filesBelow(folder: string): string[] {
  // A whole data directory was named: its log is no recording.
  return below(folder, (name) => /\.jsonl(\.zst)?$/.test(name)).filter(
    (file) => !file.startsWith(join(folder, 'log', '/')),
  );
}

function below(folder: string, wanted: (name: string) => boolean): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && wanted(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

function grouped(paths: readonly string[]): FoundRecording[] {
  const groups = new Map<string, string[]>();
  const known = new Set(paths);
  for (const path of [...paths].sort()) {
    // Being packed: both are there, and the plain one is whole.
    if (path.endsWith(COMPRESSED) && known.has(path.slice(0, -COMPRESSED.length))) continue;
    const name = parseName(basename(path));
    const key = name === undefined ? path : join(dirname(path), name.session);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [path]);
    else group.push(path);
  }
  return [...groups.values()].map(found);
}

function found(paths: string[]): FoundRecording {
  const segment = (path: string) => parseName(basename(path))?.segment ?? 1;
  const ordered = paths.sort((a, b) => segment(a) - segment(b));
  return {
    path: ordered[0]!,
    files: ordered.map((one) => storedFile(one)),
    changedAt: Math.max(...ordered.map((one) => statSync(one, { throwIfNoEntry: false })?.mtimeMs ?? 0)),
  };
}
