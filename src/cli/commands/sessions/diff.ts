// `hoopctl sessions diff A B`: what two runs did differently, operation by operation.

import type { Difference, Step } from '../../../session/recorder/compare.ts';
import type { Line } from '../../../session/recorder/reader.ts';
import type { ReplayedOperation } from '../../../session/recorder/replay.ts';
import { command as define } from '../../command.ts';
import { IDENTITY_OPTION, readerFrom, recordedLines } from '../../encrypted.ts';
import { type Paint, painter } from '../../paint.ts';
import { READING_OPTION, reasoned } from '../../reading.ts';
import { oneLine, plural } from '../../text.ts';

export const command = define({
  options: { ...IDENTITY_OPTION, ...READING_OPTION, all: { help: 'show the operations that are the same too' } },
  arguments: [
    { name: 'before', help: 'a session', complete: 'sessions' },
    { name: 'after', help: 'the session to compare with it', complete: 'sessions' },
  ],
  notes: `Operations are the same when their texts are, but for quoted strings, numbers and blanks. Of those that both have, the text,
verdict, rule, outcome, exit code or signal, what a file held, number of rows and masked columns are compared; times are not.
Exit codes: 0 no difference, 1 differences.`,
  run: async ({ before, after, all, identity, reason }, asked) => {
    const context = reasoned(asked, reason);
    const { compareRuns, same } = await import('../../../session/recorder/compare.ts');
    const api = await context.api();
    const how = { reader: readerFrom(identity, context), signal: context.signal };
    const [one, other] = [await read(recordedLines(api, before, how)), await read(recordedLines(api, after, how))];
    const steps = compareRuns(one, other);
    const paint = await painter(context.io);
    const answer = { before, after, same: same(steps), steps: steps.map(stepJson) };
    await context.print(answer, () => {
      const shown = steps.filter((step) => all || step.in !== 'both' || step.differences.length > 0);
      const count = (is: (step: Step) => boolean) => steps.filter(is).length;
      const equal = count((step) => step.in === 'both' && step.differences.length === 0);
      const facts = [
        `${plural(equal, 'operation')} the same`,
        `${count((step) => step.in === 'both' && step.differences.length > 0)} different`,
        `${count((step) => step.in === 'before')} only in ${before}`,
        `${count((step) => step.in === 'after')} only in ${after}`,
      ];
      return `${shown.map((step) => stepText(step, paint)).join('')}${facts.join(', ')}\n`;
    });
    return answer.same ? 0 : 1;
  },
});

async function read(pieces: AsyncIterable<readonly Line[]>): Promise<readonly ReplayedOperation[]> {
  const { replay } = await import('../../../session/recorder/replay.ts');
  const lines: Line[] = [];
  for await (const piece of pieces) lines.push(...piece);
  return (await replay(lines)).operations;
}

function stepText(step: Step, paint: Paint): string {
  if (step.in === 'before') return `${paint('deny', '-')} #${step.operation.op} ${oneLine(step.operation.text, 200)}\n`;
  if (step.in === 'after') return `${paint('allow', '+')} #${step.operation.op} ${oneLine(step.operation.text, 200)}\n`;
  const sign = step.differences.length === 0 ? '=' : paint('review', '~');
  const head = `${sign} #${step.before.op} #${step.after.op} ${oneLine(step.after.text, 200)}\n`;
  return head + step.differences.map(differenceText).join('');
}

function differenceText({ what, before, after }: Difference): string {
  return `    ${what}: ${oneLine(before, 200)} → ${oneLine(after, 200)}\n`;
}

function stepJson(step: Step): object {
  if (step.in !== 'both') return { in: step.in, op: step.operation.op, text: step.operation.text };
  const { before, after, differences } = step;
  return { in: 'both', before: before.op, after: after.op, text: after.text, differences };
}
