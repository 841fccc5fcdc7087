// `hoopctl sessions diff A B`: what two runs did differently, operation by operation.

import type { Difference, Step } from '../../../session/recorder/compare.ts';
import type { ReplayedOperation } from '../../../session/recorder/replay.ts';
import { command as define } from '../../command.ts';
import type { Context } from '../../context.ts';
import { IDENTITY_OPTION, type Reader, readerFrom, recordedLines } from '../../encrypted.ts';
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
Exit codes: 0 no difference, 1 differences, or a recording is not what was written.`,
  run: async ({ before, after, all, identity, reason }, asked) => {
    const context = reasoned(asked, reason);
    const { compareRuns, same } = await import('../../../session/recorder/compare.ts');
    const reader = readerFrom(identity, context);
    const [one, other] = [await read(context, before, reader), await read(context, after, reader)];
    const steps = compareRuns(one.operations, other.operations);
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
    return answer.same && one.whole && other.whole ? 0 : 1;
  },
});

interface Run {
  readonly operations: readonly ReplayedOperation[];
  /** It is what was written. */
  readonly whole: boolean;
}

async function read(context: Context, id: string, reader: Reader | undefined): Promise<Run> {
  const { replay } = await import('../../../session/recorder/replay.ts');
  const { Vouched } = await import('../../vouched.ts');
  const { signal } = context;
  const api = await context.api();
  const vouched = await Vouched.of(api, id, signal);
  async function* lines() {
    for await (const piece of recordedLines(api, id, { reader, signal, raw: vouched.raw })) yield* piece;
  }
  const { operations } = await replay(lines());
  const problems = vouched.problems();
  for (const problem of problems) context.io.say(`the recording of ${id} was changed: ${problem}`);
  return { operations, whole: problems.length === 0 };
}

function stepText(step: Step, paint: Paint): string {
  if (step.in === 'before')
    return `${paint('deny', '-')} ${numbered(step.operation)} ${oneLine(step.operation.text, 200)}\n`;
  if (step.in === 'after')
    return `${paint('allow', '+')} ${numbered(step.operation)} ${oneLine(step.operation.text, 200)}\n`;
  const sign = step.differences.length === 0 ? '=' : paint('review', '~');
  const head = `${sign} ${numbered(step.before)} ${numbered(step.after)} ${oneLine(step.after.text, 200)}\n`;
  return head + step.differences.map(differenceText).join('');
}

function numbered({ op }: ReplayedOperation): string {
  return oneLine(`#${op}`);
}

function differenceText({ what, before, after }: Difference): string {
  return `    ${what}: ${oneLine(before, 200)} → ${oneLine(after, 200)}\n`;
}

function stepJson(step: Step): object {
  if (step.in !== 'both') return { in: step.in, op: step.operation.op, text: step.operation.text };
  const { before, after, differences } = step;
  return { in: 'both', before: before.op, after: after.op, text: after.text, differences };
}
