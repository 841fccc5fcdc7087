// An event that is too long for its receiver, made shorter without becoming something else: its text is cut, then long
// members are left out by name. Who wants the rest reads the recording. Refuses to know: formats.

import type { ExportEvent } from './event.ts';

/** Members longer than this, as JSON, are left out where the event is still too long without its text. */
const LONG = 256;

/**
 * The longest string of `write(event)` that is at most `max` bytes of UTF-8, or the shortest where none is. The event says what
 * was cut: `cut`, `omitted`.
 */
export function fitting(event: ExportEvent, max: number, write: (event: ExportEvent) => string): string {
  const whole = write(event);
  if (Buffer.byteLength(whole) <= max) return whole;
  const { text } = event.fields;
  if (typeof text === 'string') {
    let keep = Math.floor(
      text.length * Math.max(0, 1 - (Buffer.byteLength(whole) - max + 64) / Buffer.byteLength(text)),
    );
    while (keep > 0) {
      const cut = write(withText(event, text, keep));
      const over = Buffer.byteLength(cut) - max;
      if (over <= 0) return cut;
      // Escapes make a text longer than its characters: approached from above.
      keep = Math.min(Math.floor(keep * 0.8), keep - 1);
    }
  }
  const length = (value: unknown) => JSON.stringify(value ?? null).length;
  const members = Object.entries(event.fields).sort(([, a], [, b]) => length(a) - length(b));
  const isLong = ([, value]: [string, unknown]) => length(value) > LONG;
  let kept = members.filter((one) => !isLong(one));
  let omitted = members.filter(isLong).map(([key]) => key);
  let opening = event.opening === undefined ? undefined : short(event.opening);
  for (;;) {
    const written = write({ ...event, opening, fields: { ...Object.fromEntries(kept), omitted } });
    if (Buffer.byteLength(written) <= max) return written;
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
