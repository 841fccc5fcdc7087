// An entry's bytes: one chained line without its newline, at most 65,535 bytes. What does not fit stands beside the log
// under its own digest, and the entry names that. Refuses to know: trees, where either is kept.

import { hash } from 'node:crypto';
import { ourError } from '../../core/errors.ts';
import type { Chain } from '../recorder/line.ts';
import { encodeFields } from '../recorder/line.ts';
import { parseLine } from '../recorder/reader.ts';
import type { LogEntry } from './audit.ts';
import { type LogSource, MAX_ENTRY_BYTES } from './tiles.ts';

/** Bytes that a line has beside its kind's members: seq, at, kind, prev, and room. */
const ENVELOPE_BYTES = 512;
/** A member of that many bytes of JSON at most stays readable in the entry when the others do not fit. */
const SHORT_BYTES = 512;
const SHORT_COUNT = 32;

/** Content that stands beside the log; the entry's member `blob`. */
export interface BlobName {
  /** Lower-case hex. */
  readonly sha256: string;
  readonly bytes: number;
}

export function blobPath(sha256: string): string {
  return `blob/sha256/${sha256}`;
}

/** Members for a line, and the content to keep beside the log where they are too long for an entry. */
export function sized(fields: Readonly<Record<string, unknown>>): { encoded: string; blob?: Buffer; name?: BlobName } {
  const encoded = encodeFields(fields);
  if (Buffer.byteLength(encoded) <= MAX_ENTRY_BYTES - ENVELOPE_BYTES) return { encoded };
  const blob = Buffer.from(JSON.stringify(fields));
  const name = { sha256: hash('sha256', blob, 'hex'), bytes: blob.length };
  const short = Object.entries(fields)
    .filter(([key, value]) => key !== 'blob' && (JSON.stringify(value)?.length ?? 0) <= SHORT_BYTES / 3)
    .slice(0, SHORT_COUNT);
  return { encoded: encodeFields({ ...Object.fromEntries(short), blob: name }), blob, name };
}

/** The next entry's bytes. Throws `internal` on one that is too long even so. */
export function nextEntry(chain: Chain, at: number, kind: string, encoded: string): Buffer {
  const line = Buffer.from(chain.next(at, kind, encoded));
  if (line.length - 1 > MAX_ENTRY_BYTES) {
    throw ourError('internal', `an entry of the log has ${line.length - 1} bytes, more than ${MAX_ENTRY_BYTES}`);
  }
  return line;
}

/** Undefined for what is no entry. */
export function parseEntry(bytes: Uint8Array): LogEntry | undefined {
  const line = parseLine(bytes);
  if (line === undefined) return undefined;
  const { seq, at, kind, prev: _, ...fields } = line;
  return { index: seq, at, kind, fields };
}

/** Whether an entry ends with the digest of the one before. */
export function followsLine(bytes: Buffer, digest: string): boolean {
  return bytes.toString('latin1', Math.max(0, bytes.length - 75)) === `,"prev":"${digest}"}`;
}

export function blobOf({ fields }: LogEntry): BlobName | undefined {
  const blob = fields.blob as Partial<BlobName> | undefined;
  const named =
    typeof blob?.sha256 === 'string' && /^[0-9a-f]{64}$/.test(blob.sha256) && Number.isSafeInteger(blob.bytes);
  return named ? (blob as BlobName) : undefined;
}

/** With the members that stand beside the log, where they are there and genuine. */
export async function withContent(source: LogSource, entry: LogEntry): Promise<LogEntry> {
  const name = blobOf(entry);
  if (name === undefined) return entry;
  const bytes = await source.get(blobPath(name.sha256));
  if (bytes === undefined || hash('sha256', bytes, 'hex') !== name.sha256) return entry;
  return { ...entry, fields: JSON.parse(bytes.toString('utf8')) as Record<string, unknown> };
}
