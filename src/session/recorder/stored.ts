// The one way to read a recording: its files, as they are stored, → the bytes of its lines, as they were written. Hides
// that it is cut into segments and that sealed ones are compressed. Refuses to know: where files are, what lines mean.

import { createZstdDecompress } from 'node:zlib';
import { userError } from '../../core/errors.ts';

/** One file of a recording: a segment, plain or compressed. */
export interface StoredFile {
  /** For messages: its path or address. */
  readonly name: string;
  /** How many bytes it has, where it is stored plain and that is known: it can then be passed over without reading it. */
  readonly plainBytes?: number;
  /** The bytes as stored, from there on (only where `plainBytes` is given). Errors: those of the place. */
  bytes(from?: number): AsyncIterable<Uint8Array>;
}

/** Where recordings are, as far as reading them goes. */
export interface RecordingFiles {
  /** In the order of their segments; none where there is no such recording. Errors: `not_found` for what is no id. */
  files(session: string): Iterable<StoredFile> | AsyncIterable<StoredFile>;
}

/**
 * The lines of a session's recording, from the byte `from` of them on. Errors: `not_found`, `recording_invalid`, those of the
 * place.
 */
export async function* readRecording(place: RecordingFiles, session: string, from = 0): AsyncGenerator<Uint8Array> {
  let any = false;
  let skip = from;
  for await (const file of place.files(session)) {
    any = true;
    const whole = file.plainBytes;
    if (whole !== undefined && skip > 0) {
      if (skip < whole) yield* file.bytes(skip);
      skip = Math.max(0, skip - whole);
      continue;
    }
    for await (const chunk of plain(file)) {
      if (skip < chunk.length) yield skip === 0 ? chunk : chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.length);
    }
  }
  if (!any) throw userError('not_found', `there is no recording of session "${session}"`);
}

/** The first bytes of a zstd frame (RFC 8878 section 3.1.1); no line of ours begins so. */
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/**
 * The lines of a recording from its files in the order of their segments. Compressed ones are known by their first bytes,
 * not by name. Errors: `recording_invalid` for one that cannot be unpacked; those of the files.
 */
export async function* recordingBytes(
  files: AsyncIterable<StoredFile> | Iterable<StoredFile>,
): AsyncGenerator<Uint8Array> {
  for await (const file of files) yield* plain(file);
}

async function* plain(file: StoredFile): AsyncGenerator<Uint8Array> {
  const source = file.bytes()[Symbol.asyncIterator]();
  let head: Uint8Array = Buffer.alloc(0);
  try {
    while (head.length < ZSTD.length) {
      const { value, done } = await source.next();
      if (done === true) break;
      head = head.length === 0 ? value : Buffer.concat([head, value]);
    }
    const rest = chunks(head, source);
    if (ZSTD.equals(head.subarray(0, ZSTD.length))) yield* unpacked(file.name, rest);
    else yield* rest;
  } finally {
    await source.return?.();
  }
}

async function* chunks(head: Uint8Array, source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  for (let step = await source.next(); step.done !== true; step = await source.next()) yield step.value;
}

/** What is unpacked at a time: a call of the compression a piece. */
const PIECE_BYTES = 64 * 1024;

/** Written by hand in place of `pipeline`: the source's own errors stay apart from those of the compression. */
async function* unpacked(name: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const zstd = createZstdDecompress({ chunkSize: PIECE_BYTES });
  let failure: unknown;
  const feed = (async () => {
    for await (const chunk of source) {
      if (zstd.destroyed) return;
      if (!zstd.write(chunk)) await new Promise<void>((resolve) => zstd.once('drain', resolve).once('close', resolve));
    }
    zstd.end();
  })().catch((thrown: unknown) => {
    failure = thrown;
    zstd.destroy();
  });
  try {
    for await (const chunk of zstd) yield chunk as Buffer;
  } catch (thrown) {
    if (failure !== undefined) throw failure;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw userError('recording_invalid', `${name} cannot be unpacked, it was changed or cut: ${why}`, {
      cause: thrown,
    });
  } finally {
    zstd.destroy();
  }
  await feed;
  if (failure !== undefined) throw failure;
}
