// Memory for large packets that is used again when the system has taken them. Left to the collector it comes back long after
// it has left the processor's caches, and a transfer spends half its time on that.
// Refuses to know: what is in a packet, when it was taken.

/** A packet of 32 KiB of data (RFC 4253 section 6.1) with all that is around them, in whole pages. */
const ROOM = 36 * 1024;
/** Smaller ones come from Node's own pool at no such cost. */
const LEAST = 4096;
/** So many are kept. */
const MOST = 64;

const free: ArrayBuffer[] = [];
const rooms = new WeakSet<ArrayBufferLike>();

/** At least so many bytes, not cleared; a room where it is worth it. */
export function roomFor(bytes: number): Buffer {
  if (bytes < LEAST || bytes > ROOM) return Buffer.allocUnsafe(bytes);
  let memory = free.pop();
  if (memory === undefined) {
    memory = new ArrayBuffer(ROOM);
    rooms.add(memory);
  }
  return Buffer.from(memory, 0, bytes);
}

export function isRoom(packet: Buffer): boolean {
  return rooms.has(packet.buffer);
}

/** Nobody reads or writes it any more. */
export function giveBack(packet: Buffer): void {
  if (free.length < MOST && isRoom(packet)) free.push(packet.buffer as ArrayBuffer);
}
