// `hoopctl __complete -- WORD…`: what fits the last word, one candidate a line, with a tab and its meaning. Names come from a
// cache, so that the answer never waits for a gateway; a stale cache is renewed behind the user's back.

import { type Command, command as define, type Node } from '../command.ts';
import { complete } from '../completer.ts';

/** Of that tree, which the tree itself gives: it holds this command too. */
export const completeIn = (tree: readonly Node[]): Command =>
  define({
    arguments: [{ name: 'word', many: true, optional: true, help: 'the words after hoopctl, the last one unfinished' }],
    run: async ({ word }, context) => {
      const candidates = await complete(context, word.length === 0 ? [''] : word, tree);
      await context.io.write(
        candidates.map(({ value, help }) => `${value}${help === '' ? '' : `\t${help}`}\n`).join(''),
      );
    },
  });
