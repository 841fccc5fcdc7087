// `hoopctl doctor`: one check after the other, each with what to do about it.

import { checks } from '../checks.ts';
import { command as define } from '../command.ts';
import { painter } from '../paint.ts';
import { printable } from '../text.ts';

export const command = define({
  notes: 'Exit code 1 when a check failed.',
  run: async (_, context) => {
    const results = await checks(context);
    const paint = await painter(context.io);
    const failed = results.filter((result) => result.state === 'failed');
    const width = Math.max(...results.map((result) => result.check.length));
    await context.print({ ok: failed.length === 0, checks: results }, () =>
      results
        .map((result) => {
          const next =
            result.fix === undefined || result.state === 'ok'
              ? ''
              : `\n${''.padEnd(width + 11)}next: ${printable(result.fix)}`;
          return `${paint(result.state, result.state.padEnd(7))}  ${result.check.padEnd(width)}  ${printable(result.found)}${next}\n`;
        })
        .join(''),
    );
    return failed.length === 0 ? 0 : 1;
  },
});
