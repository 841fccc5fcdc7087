// What the gateway itself runs at a server, beside what its clients do: the catalogue read over a connection of its own. Known
// by the texts, not by the name that a connection gives itself. Refuses to know: logs.

import * as codeQueries from '../catalogue/code-queries.ts';
import { LOOK_ELSEWHERE } from '../catalogue/covered.ts';
import { FUNCTIONS, RELATIONS } from '../catalogue/inventory.ts';
import * as queries from '../catalogue/queries.ts';
import { NOTHING } from '../machine/held.ts';
import { STATISTICS } from './statistics.ts';

/** Lists of numbers are what varies. */
const form = (text: string): string =>
  text
    .replace(/\d+(?:, ?\d+)*/g, '#')
    .replace(/\s+/g, ' ')
    .trim();

function* texts(): Generator<string> {
  for (const one of [...Object.values(queries), ...Object.values(codeQueries)]) {
    if (typeof one === 'string') yield one;
    else for (const oids of [[], [1]]) yield (one as (oids: readonly number[]) => string)(oids);
  }
  yield* [LOOK_ELSEWHERE, RELATIONS, FUNCTIONS, NOTHING, ...STATISTICS];
  yield 'begin isolation level repeatable read';
}

/** The same by their shapes, as the server's statistics have them. */
export async function ownShapes(shapes: (text: string) => Promise<readonly string[]>): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const text of texts()) if (!/\bin \( *\)/.test(text)) found.add((await shapes(text)).join(' '));
  return found;
}

let known: ReadonlySet<string> | undefined;

export function isOwn(text: string): boolean {
  known ??= new Set([...texts()].map(form));
  return known.has(form(text));
}
