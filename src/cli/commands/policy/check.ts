// `hoopctl policy check FILE`: every problem at once, as file:line:column. Offline; resolves no credentials.

import { command as define } from '../../command.ts';
import { DEFAULT_FILE, readDocument } from '../../document.ts';
import { plural } from '../../text.ts';

export const command = define({
  arguments: [
    { name: 'file', optional: true, help: `the configuration (default: ${DEFAULT_FILE})`, complete: 'files' },
  ],
  notes: `One problem a line on standard output: file:line:column: what, what was expected. A failing test of the document is
a problem too, because the gateway would not load it. Exit code 1 when there is any.`,
  run: async ({ file = DEFAULT_FILE }, context) => {
    const { formatProblems, sortProblems } = await import('../../../config/problem.ts');
    const { configuration, problems: found } = await readDocument(context, file);
    const problems = sortProblems(found ?? configuration.failures);
    await context.print({ ok: problems.length === 0, problems }, () => {
      if (configuration === undefined || problems.length > 0) return `${formatProblems(problems)}\n`;
      const counts = [plural(configuration.connections.size, 'connection'), plural(configuration.tests.length, 'test')];
      return `${file} is good: ${counts.join(', ')}\n`;
    });
    return problems.length === 0 ? 0 : 1;
  },
});
