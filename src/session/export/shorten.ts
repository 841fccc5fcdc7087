// An event that is too long for its receiver, made shorter without becoming something else: its text is cut, then long
// members are left out by name. Who wants the rest reads the recording. Refuses to know: formats.

import type { ExportEvent } from './event.ts';

/** Members longer than this, as JSON, are left out where the event is still too long without the end of its text. */
const LONG = 256;
/** So many characters of a text are worth more than any other long member. */
const TEXT = 1024;

/**
 * The longest string of `write(event)` that is at most `max` bytes of UTF-8, or the shortest where none is. The event says what
 * was cut: `cut`, `omitted`.
 */
export function fitting(event: ExportEvent, max: number, write: (event: ExportEvent) => string): string {
  const whole = write(event);
  if (Buffer.byteLength(whole) <= max) return whole;
  const cut = withoutEnd(event, max, write, TEXT);
  if (cut !== undefined) return cut;
  const length = (value: unknown) => JSON.stringify(value ?? null).length;
  const members = Object.entries(event.fields)
    .filter(([key]) => key !== 'text')
    .sort(([, a], [, b]) => length(a) - length(b));
  const isLong = ([, value]: [string, unknown]) => length(value) > LONG;
  const text = Object.entries(event.fields).filter(([key]) => key === 'text');
  // Whatever is sent beside a statement: it is what the receiver looks at.
  let kept = [...members.filter((one) => !isLong(one)), ...text];
  let omitted = members.filter(isLong).map(([key]) => key);
  let opening = event.opening === undefined ? undefined : short(event.opening);
  for (;;) {
    const shorter = { ...event, opening, fields: { ...Object.fromEntries(kept), omitted } };
    const written = write(shorter);
    if (Buffer.byteLength(written) <= max) return written;
    const cut = withoutEnd(shorter, max, write, 1);
    if (cut !== undefined) return cut;
    // A receiver may drop what is too long for it: rather one that says less and less of what happened.
    const last = kept.at(-1);
    if (last !== undefined) {
      kept = kept.slice(0, -1);
      omitted = [...omitted, last[0]];
    } else if (opening !== undefined) opening = undefined;
    else if (omitted.length > 0) omitted = [];
    else return written;
  }
}

/** With at least so many characters of its text, or all; undefined where they have no room. */
function withoutEnd(
  event: ExportEvent,
  max: number,
  write: (event: ExportEvent) => string,
  least: number,
): string | undefined {
  const { text } = event.fields;
  if (typeof text !== 'string') return undefined;
  const rest = Buffer.byteLength(write(withText(event, text, 0)));
  const room = max - rest;
  let keep = Math.min(text.length - 1, room);
  while (keep >= Math.min(least, text.length)) {
    const written = write(withText(event, text, keep));
    const took = Buffer.byteLength(written) - rest;
    if (took <= room) return written;
    // Escapes make a text longer than its characters, and not everywhere alike.
    keep = Math.floor(Math.min((keep * room) / took, keep * 0.95));
  }
  return undefined;
}

function withText(event: ExportEvent, text: string, keep: number): ExportEvent {
  // Not inside a pair of surrogates.
  const end = /[\ud800-\udbff]/.test(text.charAt(keep - 1)) ? keep - 1 : keep;
  return { ...event, fields: { ...event.fields, text: text.slice(0, end), cut: text.length - end } };
}

function short(opening: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(opening).filter(([, value]) => JSON.stringify(value ?? null).length <= LONG),
  );
}
