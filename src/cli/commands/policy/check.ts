// `hoopctl policy check FILE`: every problem at once, as file:line:column. Offline, and resolves no credentials, but with
// `--live`: then the targets are logged in to, and what rules and masks name is looked for in them.

import { dirname, resolve } from 'node:path';
import type { Problem } from '../../../config/problem.ts';
import { command as define } from '../../command.ts';
import type { Context } from '../../context.ts';
import { CONFIG_OPTION, DEFAULT_FILE, namedFile, readDocument, readText } from '../../document.ts';
import { plural } from '../../text.ts';

export const command = define({
  options: {
    ...CONFIG_OPTION,
    live: {
      trusted: true,
      help: 'also log in to the targets as the gateway does, and look there for what rules and masks name',
    },
  },
  arguments: [
    { name: 'file', optional: true, help: `the configuration (default: ${DEFAULT_FILE})`, complete: 'files' },
  ],
  notes: `One problem a line on standard output: file:line:column: what, what was expected. A failing test of the document is
a problem too, because the gateway would not load it. With --live each target is reached and
logged in to as for a session: one that does not let the gateway in, or shows another key, is a problem, and what cannot be
tried without a client is told. A relation, column or function that no target of its rule or mask has is a warning; references to credentials are resolved
here, in this environment, and one that leads to nothing is told; of what the gateway sends (webhooks, exports, object storage) as a
warning, and so is an issuer that does not answer. Exit code 1 when there is any problem; warnings alone leave it at 0.`,
  run: async ({ file: argument, config, live }, context) => {
    const file = namedFile(context, argument, config);
    const { formatProblems, sortProblems } = await import('../../../config/problem.ts');
    const { configuration, problems: found } = await readDocument(context, file);
    let problems = sortProblems(found ?? configuration.failures);
    const looked = live && configuration !== undefined ? await lookedAt(context, file, configuration) : undefined;
    if (looked !== undefined) problems = sortProblems([...problems, ...looked.problems]);
    const { warnings = [], untried = [], skipped = [] } = looked ?? {};
    const said = { ok: problems.length === 0, problems };
    await context.print(
      looked === undefined ? said : { ...said, warnings, untried, checked: looked.checked, skipped },
      () => {
        const as = (what: string) => (one: Problem) => ({ ...one, message: `${what}: ${one.message}` });
        const lines = formatProblems([...problems, ...warnings.map(as('warning')), ...untried.map(as('not tried'))]);
        if (configuration === undefined || problems.length > 0) return `${lines}\n`;
        const counts = [
          plural(configuration.connections.size, 'connection'),
          plural(configuration.tests.length, 'test'),
        ];
        if (looked !== undefined) counts.push(`${plural(looked.checked.length, 'target')} looked at`);
        if (skipped.length > 0) counts.push(`not looked at: ${skipped.join(' ')}`);
        if (warnings.length > 0) counts.push(plural(warnings.length, 'warning'));
        return `${lines === '' ? '' : `${lines}\n`}${file} is good: ${counts.join(', ')}\n`;
      },
    );
    return problems.length === 0 ? 0 : 1;
  },
});

async function lookedAt(
  context: Context,
  file: string,
  configuration: NonNullable<Awaited<ReturnType<typeof readDocument>>['configuration']>,
) {
  const { checkLive } = await import('../../../gateway/live.ts');
  const path = resolve(context.io.cwd, file);
  return checkLive(configuration, readText(context, file), {
    file,
    directory: dirname(path),
    environment: context.io.env,
  });
}
