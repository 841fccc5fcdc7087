// What a follower reads, as an interface, and that interface over the log and a sink of recordings.
// Refuses to know: what is done with what is read, where files are.

import { asHoopctlError } from '../../core/errors.ts';
import type { LogEntry, LogReader } from '../log/audit.ts';
import type { LineOpener } from './encryption.ts';
import { type Line, LineSplitter, parseLine } from './reader.ts';
import { type RecordingFiles, readRecording } from './stored.ts';

/** A place between two lines of a recording. */
export interface Position {
  /** The line after it. */
  readonly seq: number;
  /** Bytes before it in the recording's lines, as they were before any compression: a short cut, `seq` decides. */
  readonly byte: number;
}

export interface FollowedLine {
  readonly line: Line;
  /** Of the recording's bytes: where the next line begins. */
  readonly end: number;
  /** As it stands in the file, until the next one is asked for; left out where only what it says is known. */
  readonly bytes?: Uint8Array;
}

export interface LogFollowing {
  /** The log's entries from that one on, up to what is written now. */
  entries(from: number): AsyncIterable<LogEntry>;
  /** The whole lines of a recording from there on, up to what is written now, each with its end. None where there is no file. */
  lines(session: string, from: Position): AsyncIterable<FollowedLine>;
  /** False when there is certainly nothing behind that position yet. */
  grown?(session: string, from: Position): boolean;
}

export interface FollowSourceOptions {
  readonly log: Pick<LogReader, 'entries'>;
  readonly sink: RecordingFiles;
  /** How to read a session's encrypted recording; left out, or undefined: it is followed as it is stored. */
  readonly openerFor?: (session: string) => Promise<LineOpener | undefined>;
  readonly grown?: LogFollowing['grown'];
}

export function followSource({ log, sink, openerFor, grown }: FollowSourceOptions): LogFollowing {
  return {
    entries: (from) => log.entries(from),
    async *lines(session, from) {
      const opener = await openerFor?.(session);
      yield* linesFrom((byte) => readRecording(sink, session, byte), from, opener);
    },
    ...(grown === undefined ? {} : { grown }),
  };
}

async function* linesFrom(
  read: (byte: number) => AsyncIterable<Uint8Array>,
  from: Position,
  opener: LineOpener | undefined,
): AsyncGenerator<FollowedLine> {
  try {
    let first = true;
    for await (const found of wholeLines(read(from.byte), from.byte, opener)) {
      if (first && found.line.seq !== from.seq && from.byte > 0) {
        // The place is not what it was: by the numbers then.
        yield* linesFrom(read, { seq: from.seq, byte: 0 }, opener);
        return;
      }
      first = false;
      if (found.line.seq >= from.seq) yield found;
    }
  } catch (thrown) {
    if (asHoopctlError(thrown).code !== 'not_found') throw thrown;
  }
}

/** What is no line (a torn end, or damage, which `audit verify` names) is passed over. */
async function* wholeLines(
  source: AsyncIterable<Uint8Array>,
  offset: number,
  opener: LineOpener | undefined,
): AsyncGenerator<FollowedLine> {
  const splitter = new LineSplitter();
  for await (const chunk of source) {
    for (const raw of splitter.push(chunk)) {
      const line = parseLine(raw.bytes);
      const end = offset + raw.offset + raw.bytes.length + 1;
      if (line !== undefined) yield { line: opener?.open(raw.bytes, line) ?? line, end, bytes: raw.bytes };
    }
  }
}
