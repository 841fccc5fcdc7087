// Whether any of the planted values shows in bytes: as it is, or in a form that somebody could turn back without a key.

import { CANARIES } from './schema.ts';

const squeeze = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '');

/** Base 64 of a value in each of its three positions, without the characters that depend on what is around it. */
function base64s(value: string): string[] {
  const whole = Buffer.from(value).toString('base64').replace(/=+$/, '');
  const after = (pad: number) =>
    Buffer.from(`${' '.repeat(pad)}${value}`)
      .toString('base64')
      .replace(/=+$/, '')
      .slice(pad + 1, -1);
  return [whole.slice(0, -1), after(1), after(2)];
}

interface Canary {
  readonly value: string;
  /** Found as they are. */
  readonly exact: readonly string[];
  /** Found once everything but letters and digits is gone, in lower case. */
  readonly squeezed: readonly string[];
}

const FORMS: readonly Canary[] = CANARIES.map((value) => {
  const hex = Buffer.from(value).toString('hex');
  const url = [...Buffer.from(value)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  const reversed = [...value].reverse().join('');
  return {
    value,
    exact: [...base64s(value), ...base64s(squeeze(value)), url, url.toUpperCase()],
    squeezed: [value, reversed, hex, Buffer.from(squeeze(value)).toString('hex')].map(squeeze),
  };
});

/** The values that show in a text, with the form. */
function shownIn(text: string): string[] {
  const small = squeeze(text);
  return FORMS.flatMap(({ value, exact, squeezed }) => {
    const form = exact.find((each) => text.includes(each)) ?? squeezed.find((each) => small.includes(each));
    return form === undefined ? [] : [`${value} as ${form}`];
  });
}

/** One DataRow's values as text. */
function valuesOf(body: Buffer): string[] {
  const values: string[] = [];
  for (let at = 2; at + 4 <= body.length; ) {
    const length = body.readInt32BE(at);
    at += 4;
    if (length < 0) continue;
    values.push(body.toString('latin1', at, at + length));
    at += length;
  }
  return values;
}

/** What shows in what a client got: its bytes, its values row by row, and column by column. */
export function leaksIn(bytes: Buffer): string[] {
  const found = new Set(shownIn(bytes.toString('latin1')));
  const rows: string[][] = [];
  const copied: string[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + bytes.readInt32BE(at + 1) + 1;
    const type = String.fromCharCode(bytes[at]!);
    if (type === 'D') rows.push(valuesOf(bytes.subarray(at + 5, end)));
    else if (type === 'd') copied.push(bytes.toString('latin1', at + 5, end));
    at = end;
  }
  for (const leak of shownIn(rows.map((row) => row.join('')).join(''))) found.add(leak);
  for (const leak of shownIn(copied.join(''))) found.add(leak);
  const width = Math.max(0, ...rows.map((row) => row.length));
  for (let column = 0; column < width; column++) {
    for (const leak of shownIn(rows.map((row) => row[column] ?? '').join(''))) found.add(leak);
  }
  return [...found];
}

/** What shows in a text that a person reads: a log, a recording, metrics. */
export function leaksInText(text: string): string[] {
  return shownIn(text);
}
