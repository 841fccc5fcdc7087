// `hoopctl sessions replay ID`: what was asked, decided and answered, in order; the chain is checked while it is read.

import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import { painter } from '../../paint.ts';
import { plural } from '../../text.ts';
import { Timeline } from '../../timeline.ts';

export const command = define({
  options: { rows: { negated: true, help: 'leave out the rows of results' } },
  arguments: [{ name: 'id', help: 'the session', complete: 'sessions' }],
  notes: 'With --json the lines of the recording as they are. Exit code 1 when the recording is not what was written.',
  run: async ({ id, rows }, context) => {
    const { LineSplitter, parseLine } = await import('../../../session/recorder/reader.ts');
    const { ChainChecker } = await import('../../../session/recorder/verify.ts');
    const { io } = context;
    const api = await context.api();
    const width = io.terminal.stdout ? io.columns : undefined;
    const timeline = new Timeline({ paint: await painter(io), width, rows });
    const splitter = new LineSplitter();
    const checker = new ChainChecker();
    for await (const chunk of api.bytes(route`sessions/${id}/recording`, { signal: context.signal })) {
      let text = '';
      for (const raw of splitter.push(chunk)) {
        checker.line(raw);
        const line = parseLine(raw.bytes);
        if (line !== undefined) text += context.json ? `${JSON.stringify(line)}\n` : timeline.text(line);
      }
      if (text !== '') await io.write(text);
    }
    for (const problem of checker.problems) io.say(`the recording was changed: ${problem.message}`);
    if (checker.problems.length > 0) return 1;
    const seal = checker.seal === undefined ? 'not sealed yet' : `sealed as ${String(checker.seal.digest)}`;
    if (!context.json) io.say(`${plural(checker.lines, 'line')}, the chain holds, ${seal}`);
    return 0;
  },
});
