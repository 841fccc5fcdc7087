// Texts as the server's statistics tell them apart: each statement without its constants, by PostgreSQL's own fingerprint.
// Refuses to know: where the texts are from.

import { fingerprint, loadModule, parse } from 'libpg-query';

/** What may stand where the statistics (from version 17 on) have a parameter that the grammar does not: `SAVEPOINT $1`. */
const STANDS: readonly string[] = ['name', "'text'"];

/** One a statement, in order. What does not parse has a shape of its own, the text: the server never ran it. */
export async function shapesOf(text: string): Promise<readonly string[]> {
  await loadModule();
  const also = /\$\d/.test(text) ? STANDS.map((stand) => text.replace(/\$\d+/g, stand)) : [];
  for (const one of [text, ...also]) {
    const shapes = await parsed(one);
    if (shapes !== undefined) return shapes;
  }
  return [text.trim()];
}

async function parsed(text: string): Promise<readonly string[] | undefined> {
  try {
    const { stmts = [] } = (await parse(text)) as {
      stmts?: readonly { stmt_location?: number; stmt_len?: number }[];
    };
    const bytes = Buffer.from(text);
    const shapes: string[] = [];
    for (const { stmt_location: from = 0, stmt_len: length } of stmts) {
      const one = bytes.subarray(from, length === undefined ? undefined : from + length).toString();
      shapes.push(await fingerprint(one));
    }
    return shapes;
  } catch {
    return undefined;
  }
}
