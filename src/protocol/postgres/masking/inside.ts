// What a value says that its text does not show: characters escaped in JSON, XML and bytea. Only detectors look for it; a column
// that is declared is masked whatever is in it.
// Refuses to know: what detectors find.

import type { Shape } from './types.ts';

const JSON_TEXT = 114;

/** Whether the text of such a value may have escapes that stand for plain characters. jsonb has none. */
export function mayEscape(shape: Shape, typeOid: number): boolean {
  return shape === 'none' || typeOid === JSON_TEXT;
}

/** Whether bytes have any; cheap where there are none. */
export function escapes(buffer: Buffer, from: number, to: number): boolean {
  const value = buffer.subarray(from, to);
  return value.includes('\\u') || value.includes('&#') || value.includes('\\x');
}

/** A JSON text with letters, digits and signs in the place of their escapes: it stays one, and means the same. */
export function plainJson(text: string): string {
  if (!text.includes('\\u')) return text;
  return text.replace(/\\(?:u00([2-7][0-9a-f])|.)/gi, (written, code: string | undefined) => {
    const character = code === undefined ? '' : String.fromCharCode(Number.parseInt(code, 16));
    return /^[ !#-[\]-~]$/.test(character) ? character : written;
  });
}

/** What may be meant by the text of any other value: JSON in arrays and rows, entities of XML, text in bytea. Only to look at. */
export function plainText(text: string): string {
  // Behind a comma begins another element, not the fraction of a number. A run of backslashes is read from its first one only:
  // from each of them would be quadratic.
  const plain = text
    .replaceAll(',', ' , ')
    .replace(/(?<!\\)\\+u00([2-7][0-9a-f])/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/&#(?:x([0-9a-f]{1,6})|(\d{1,7}));/gi, (_, hex?: string, decimal?: string) =>
      String.fromCharCode(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)),
    );
  const bytes = [...text.matchAll(/\\x((?:[0-9a-f]{2})+)/gi)].map(([, hex]) => Buffer.from(hex!, 'hex').toString());
  return bytes.length === 0 ? plain : `${plain} ${bytes.join(' ')}`;
}
