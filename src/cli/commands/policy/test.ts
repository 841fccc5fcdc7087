// `hoopctl policy test FILE`: the document's own tests, each with why it failed.

import { command as define } from '../../command.ts';
import { CONFIG_OPTION, DEFAULT_FILE, namedFile, needDocument } from '../../document.ts';
import { painter } from '../../paint.ts';
import { oneLine, plural, printable } from '../../text.ts';

export const command = define({
  options: CONFIG_OPTION,
  arguments: [
    { name: 'file', optional: true, help: `the configuration (default: ${DEFAULT_FILE})`, complete: 'files' },
  ],
  notes: `A test's run is a statement, or a command of a host; does: shell, does: sftp-read, does: forward and the like (the words that rules
use) say that another operation is meant, run its path or address. Statements are judged by the names in their text; the gateway also follows them through the target's catalogue (views,
triggers, functions, …), and may refuse what passes here. Exit code 1 when a test failed.`,
  run: async ({ file, config }, context) => {
    const { tests } = await needDocument(context, namedFile(context, file, config));
    const { shownTest } = await import('../../../session/policy/tests.ts');
    const failed = tests.filter((test) => !test.passed);
    const paint = await painter(context.io);
    await context.print({ ok: failed.length === 0, tests }, () => {
      const lines = tests.map((result) => {
        const { as, to, expect } = result.test;
        const who = oneLine(JSON.stringify(as));
        const head = `${paint(result.passed ? 'pass' : 'fail')}  ${who} on ${to}: ${oneLine(shownTest(result.test), 80)} → ${expect}\n`;
        if (result.passed) return head;
        return head + [result.problem ?? '', ...result.why].map((line) => `      ${printable(line)}\n`).join('');
      });
      const sum = failed.length === 0 ? 'all pass' : `${failed.length} fail`;
      return `${lines.join('')}${plural(tests.length, 'test')}, ${sum}\n`;
    });
    return failed.length === 0 ? 0 : 1;
  },
});
