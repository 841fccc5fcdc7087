// Text that others wrote, before somebody reads it: what cannot be seen is shown by its number, so that a text looks like what
// it is. Refuses to know: where it is shown.

/**
 * Control characters (they would drive a terminal), what turns the direction of writing, and what leaves no mark or looks like
 * a space: to a database `"customers"` with a zero-width space in it is another table, and an approver has to see that.
 */
const UNSEEN = String.raw`[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Zs}\p{DI}\u2800]--[\n\t ]]`;

/** Scripts that cannot be written without joiners. */
const JOINING = `[${['Arab', 'Deva', 'Beng', 'Guru', 'Gujr', 'Orya', 'Taml', 'Telu', 'Knda', 'Mlym', 'Sinh']
  .map((script) => String.raw`\p{scx=${script}}`)
  .join('')}]`;

/** Where such a character belongs to what is seen: a joiner within those scripts, emoji of several characters. */
const SEEN = [
  String.raw`(?<=${JOINING})[\u200c\u200d](?=${JOINING})`,
  String.raw`(?<=\p{Extended_Pictographic})\ufe0f`,
  String.raw`(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d(?=\p{Extended_Pictographic})`,
].join('|');

const UNRULY = new RegExp(`(?!${SEEN})${UNSEEN}`, 'gv');

/** Each as `how` says it. Line feeds and tabs stay. */
export function escapeUnseen(text: string, how: (character: string) => string): string {
  return text.replace(UNRULY, how);
}

/** `\x1b`, `\u200b`, `\u{e0061}`. Keeps \n and \t. */
export function printable(text: string): string {
  return escapeUnseen(text, (character) => {
    const code = character.codePointAt(0)!;
    const hex = code.toString(16);
    if (code < 256) return `\\x${hex.padStart(2, '0')}`;
    return code > 0xffff ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
  });
}
