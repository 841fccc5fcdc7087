// What the `ls` verbs share: their ids are remembered for completion, and the table's state is coloured by its meaning.

import type { Context } from './context.ts';
import { type NameKind, rememberNames } from './names.ts';
import { painter } from './paint.ts';
import { table } from './text.ts';

export interface Listing<Item> {
  readonly kind: NameKind;
  readonly gateway: string;
  readonly items: readonly Item[];
  /** Whether the ids are worth remembering for completion. Default: yes. */
  readonly remember?: boolean;
  readonly headers: readonly string[];
  /** Which column is the state; its first word is what is coloured by. */
  readonly state: number;
  readonly row: (item: Item, now: number) => readonly string[];
  /** What to say when there is none. */
  readonly none?: string;
}

/** Prints the answer as JSON, or its items as a table as wide as the terminal. */
export async function printListing<Item extends { readonly id: string }>(
  context: Context,
  answer: unknown,
  listing: Listing<Item>,
): Promise<void> {
  const { kind, gateway, items, remember = true, headers, state, none = 'none' } = listing;
  if (remember)
    rememberNames(
      context,
      gateway,
      kind,
      items.map((item) => item.id),
    );
  const paint = await painter(context.io);
  const { terminal, columns } = context.io;
  const now = Date.now();
  await context.print(answer, () => {
    if (items.length === 0) return `${none}\n`;
    const rows = items.map((item) => listing.row(item, now));
    return table(headers, rows, {
      ...(terminal.stdout ? { width: columns } : {}),
      paint: (cell, column) => (column === state ? paint(cell.split(' ')[0]!, cell) : cell),
    });
  });
}
