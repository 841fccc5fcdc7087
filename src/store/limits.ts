// The limits of what is kept on disk. Each is declared once; the configuration may override it by name.

import { type Limit, limit } from '../core/limits.ts';

const MIB = 1024 * 1024;

/** A recording goes on in the next file when one has grown to this. */
export const SEGMENT_BYTES: Limit = limit('recording_segment_bytes', 'bytes', 16 * MIB);
/** Room on the disk of the recordings below which no new session begins; 5 % of a file system where that is less. */
export const DISK_LOW: Limit = limit('recording_disk_low_bytes', 'bytes', 1024 * MIB);
/** Room below which recorded sessions end, while they can still be sealed; 2 % of a file system where that is less. */
export const DISK_CRITICAL: Limit = limit('recording_disk_critical_bytes', 'bytes', 256 * MIB);
/** Writes that held up the gateway for this long, within about a second, make the disk a slow one: a thread of its own writes then. */
export const SLOW_WRITE_MS: Limit = limit('recording_slow_write_ms', 'ms', 100);
/** How long a session waits for its record to be written before it ends. */
export const WRITE_WAIT_MS: Limit = limit('recording_write_wait_ms', 'ms', 30_000, 1);
/** How long after its end a recording is compressed. */
export const PACK_AFTER_MS: Limit = limit('recording_pack_after_ms', 'ms', 60_000);
