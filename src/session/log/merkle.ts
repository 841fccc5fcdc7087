// The Merkle tree of RFC 6962 §2.1: hashes, which subtrees a proof consists of, and whether a proof holds. Pure.
// Refuses to know: what a leaf says, where hashes are kept (tiles.ts).

import { hash } from 'node:crypto';

export type Hash = Buffer;

export const HASH_BYTES = 32;

/** MTH({}) is the hash of nothing (§2.1). */
export const EMPTY_ROOT: Hash = hash('sha256', '', 'buffer');

const LEAF = Buffer.from([0]);
const node = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

/** MTH({d}) = SHA-256(0x00 || d) */
export function leafHash(entry: Uint8Array): Hash {
  return hash('sha256', Buffer.concat([LEAF, entry]), 'buffer');
}

/** SHA-256(0x01 || left || right) */
export function nodeHash(left: Uint8Array, right: Uint8Array): Hash {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return hash('sha256', node, 'buffer');
}

/** A whole subtree of 2^level leaves, the index-th of its level from the left. */
export interface Subtree {
  readonly level: number;
  readonly index: number;
}

/** Leaves `from` up to, not including, `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The largest power of two smaller than `count`, which is at least 2: where §2.1 splits. */
function split(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

/** The whole subtrees that a range consists of, left to right. `from` is a multiple of the largest of them. */
export function subtrees({ from, to }: Range): Subtree[] {
  const found: Subtree[] = [];
  let at = from;
  while (at < to) {
    let level = 0;
    for (let size = 2; at + size <= to && at % size === 0; size *= 2) level += 1;
    found.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return found;
}

/** The hash over subtrees as `subtrees` lists them: folded from the right. */
export function foldRight(hashes: readonly Uint8Array[]): Hash {
  if (hashes.length === 0) return EMPTY_ROOT;
  let root: Hash = Buffer.from(hashes.at(-1)!);
  for (let at = hashes.length - 2; at >= 0; at--) root = nodeHash(hashes[at]!, root);
  return root;
}

/** MTH of a power of two of hashes that stand beside each other. */
export function fullRoot(hashes: readonly Uint8Array[]): Hash {
  let row = hashes;
  while (row.length > 1) {
    const above: Hash[] = [];
    for (let at = 0; at < row.length; at += 2) above.push(nodeHash(row[at]!, row[at + 1]!));
    row = above;
  }
  return Buffer.from(row[0]!);
}

/** The root over leaves that come one by one, in memory that grows with the logarithm of their number. */
export class GrowingTree {
  /** Roots of whole subtrees, the highest last; by level. */
  readonly #peaks: (Hash | undefined)[] = [];
  size = 0;

  push(leaf: Hash): void {
    let hash = leaf;
    let level = 0;
    for (let left = this.#peaks[0]; left !== undefined; left = this.#peaks[level]) {
      hash = nodeHash(left, hash);
      this.#peaks[level] = undefined;
      level += 1;
    }
    this.#peaks[level] = hash;
    this.size += 1;
  }

  get root(): Hash {
    return foldRight(this.#peaks.filter((peak) => peak !== undefined).reverse());
  }
}

/** The ranges whose hashes are the audit path of a leaf, from its sibling up (§2.1.1). */
export function inclusionRanges(index: number, size: number): Range[] {
  const found: Range[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + split(to - from);
    if (index < middle) {
      found.push({ from: middle, to });
      to = middle;
    } else {
      found.push({ from, to: middle });
      from = middle;
    }
  }
  return found.reverse();
}

/** The ranges whose hashes prove that the tree of `old` leaves is a beginning of that of `size` (§2.1.2). */
export function consistencyRanges(old: number, size: number): Range[] {
  if (old === 0 || old === size) return [];
  const found: Range[] = [];
  let [from, to] = [0, size];
  let whole = true;
  let left = old;
  while (left !== to - from) {
    const half = split(to - from);
    const middle = from + half;
    if (left <= half) {
      found.push({ from: middle, to });
      to = middle;
    } else {
      found.push({ from, to: middle });
      from = middle;
      left -= half;
      whole = false;
    }
  }
  if (!whole) found.push({ from, to });
  return found.reverse();
}

/** The root that a leaf and its audit path lead to; undefined when the path has not the length that it must have. */
export function rootOfInclusion(
  leaf: Hash,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Hash | undefined {
  if (index < 0 || index >= size) return undefined;
  const ranges = inclusionRanges(index, size);
  if (ranges.length !== path.length) return undefined;
  let root = leaf;
  for (const [at, range] of ranges.entries()) {
    root = range.from > index ? nodeHash(root, path[at]!) : nodeHash(path[at]!, root);
  }
  return root;
}

export function verifyInclusion(
  leaf: Hash,
  index: number,
  size: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  return rootOfInclusion(leaf, index, size, path)?.equals(root) ?? false;
}

interface Head {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Whether the proof shows that the tree `old` is a beginning of the tree `now` (§2.1.2). */
export function verifyConsistency(old: Head, now: Head, proof: readonly Uint8Array[]): boolean {
  if (old.size > now.size) return false;
  if (old.size === 0) return proof.length === 0 && EMPTY_ROOT.equals(old.root);
  if (old.size === now.size) return proof.length === 0 && Buffer.from(old.root).equals(now.root);
  const ranges = consistencyRanges(old.size, now.size);
  if (ranges.length !== proof.length) return false;
  const first = ranges[0]!;
  // Where the old tree is one whole subtree of the new one, its root is known and not in the proof.
  const whole = first.from >= old.size;
  let [oldRoot, newRoot] = whole ? [Buffer.from(old.root), Buffer.from(old.root)] : [proof[0]!, proof[0]!];
  for (let at = whole ? 0 : 1; at < ranges.length; at++) {
    const hashed = proof[at]!;
    if (ranges[at]!.from >= old.size) newRoot = nodeHash(newRoot, hashed);
    else {
      oldRoot = nodeHash(hashed, oldRoot);
      newRoot = nodeHash(hashed, newRoot);
    }
  }
  return Buffer.from(oldRoot).equals(old.root) && Buffer.from(newRoot).equals(now.root);
}
