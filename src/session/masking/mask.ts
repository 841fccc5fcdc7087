// Masks as a session hands them out: one action on a whole value, or detectors and an action on each find.

import { MASK_ROOM, type Mask, Masked } from '../../protocol/contract.ts';
import { type Action, applyAction } from './actions.ts';
import { type Detection, Finder, type Found } from './finder.ts';
import { UNREADABLE } from './scanner.ts';

export type { Detection } from './finder.ts';

/** From here on a call into the runtime costs less than a loop. */
const LONG = 64;

/** A whole column. */
export function columnMask(name: string, by: 'column' | 'unproven', action: Action, key: Uint8Array): Mask {
  return { name, by, ...applyAction(action, key) };
}

/**
 * All detections in one: replaces only what was found; finds that overlap become one, with the strictest of their
 * actions. A find whose action is `null` makes the whole value NULL.
 */
export function detectorMask(detections: readonly Detection[], key: Uint8Array): Mask {
  const finder = new Finder(detections, key);
  return {
    name: finder.names.join(', '),
    by: 'detector',
    ...(finder.quick ? onBytes(finder) : {}),
    text(value) {
      const finds = finder.find(value);
      return finds === undefined ? value : replace(value, finds);
    },
  };
}

/** The same on bytes. */
function onBytes(finder: Finder): Required<Pick<Mask, 'clean' | 'bytes'>> {
  return {
    clean: (value, from, to) => finder.clean(value, from, to),
    bytes(value, from, to, out, at) {
      const finds = finder.findBytes(value, from, to);
      if (finds === undefined) return Masked.same;
      if (finds === UNREADABLE) return Masked.askText;
      return replaceBytes(value, from, to, finds, out, at);
    },
  };
}

function replaceBytes(
  value: Uint8Array,
  from: number,
  to: number,
  finds: readonly Found[],
  out: Uint8Array,
  at: number,
): number {
  let n = at;
  let copied = from;
  for (let i = 0; i < finds.length; i++) {
    const { start, end, tag } = finds[i]!;
    const begin = from + start;
    n = copy(value, copied, begin, out, n);
    copied = from + end;
    // What finds grow to in all is not known before.
    if (tag.apply.bytes === undefined || n + end - start + MASK_ROOM + to - copied > out.length) return Masked.askText;
    const written = tag.apply.bytes(value, begin, copied, out, n);
    if (written < 0) return written === Masked.same ? Masked.askText : written;
    n += written;
  }
  return copy(value, copied, to, out, n) - at;
}

/** Where it ends in `out`. */
function copy(value: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
  let n = at;
  if (to - from > LONG) out.set(value.subarray(from, to), n);
  else for (let i = from; i < to; i++) out[n++] = value[i]!;
  return at + to - from;
}

function replace(value: string, finds: readonly Found[]): string | null {
  let out = '';
  let copied = 0;
  for (const { start, end, tag } of finds) {
    const replacement = tag.apply.text(value.slice(start, end));
    if (replacement === null) return null;
    out += value.slice(copied, start) + replacement;
    copied = end;
  }
  return out + value.slice(copied);
}
