// Words of a POSIX shell's command line.

/** The text as one word, in quotes where it has a character that means something to a shell. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
