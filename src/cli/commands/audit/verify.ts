// `hoopctl audit verify FILE…`: offline; says in words what was changed, is missing, out of order or cut.

import { createReadStream, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { userError } from '../../../core/errors.ts';
import type { Verification } from '../../../session/recorder/verify.ts';
import { command as define } from '../../command.ts';
import { painter } from '../../paint.ts';
import { plural, printable } from '../../text.ts';

interface Checked {
  readonly file: string;
  readonly result: Verification;
}

export const command = define({
  options: {
    open: { trusted: true, help: 'accept recordings that are still being written' },
    digest: { value: 'SHA256', help: 'the digest that the one recording is expected to have' },
  },
  arguments: [
    { name: 'file', many: true, help: 'recordings, folders of recordings, or - for standard input', complete: 'files' },
  ],
  notes: `Needs no gateway and no key. What it cannot know from the files alone: whether a whole recording is missing, and whether
one was forged from its first line on; compare the digests that it prints with those that the gateway's log has.
Exit code 1 when anything is wrong.`,
  run: async ({ file, open, digest }, context) => {
    const { verify } = await import('../../../session/recorder/verify.ts');
    const files = file.flatMap(expand);
    if (files.length === 0) throw userError('usage', `no recording (*.jsonl) in '${file.join("', '")}'`);
    const paint = await painter(context.io);
    const checked: Checked[] = [];
    for (const path of files) {
      const source = path === '-' ? context.io.stdin : createReadStream(path);
      const result = await verify(source as AsyncIterable<Uint8Array>, {
        open,
        ...(digest === undefined ? {} : { digest }),
      }).catch((error: Error) => {
        throw userError('config_unreadable', `cannot read '${path}': ${error.message}`, { cause: error });
      });
      checked.push({ file: path, result });
      if (!context.json) await context.io.write(words(path, result, paint));
    }
    const bad = checked.filter(({ result }) => !result.ok).length;
    if (context.json) {
      const items = checked.map(({ file: path, result }) => machineForm(path, result));
      await context.io.write(`${JSON.stringify({ ok: bad === 0, files: items })}\n`);
    } else if (checked.length > 1) {
      await context.io.write(`${plural(checked.length, 'recording')}, ${bad === 0 ? 'all good' : `${bad} not good`}\n`);
    }
    return bad === 0 ? 0 : 1;
  },
});

function expand(path: string): string[] {
  if (path === '-') return [path];
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw userError('config_unreadable', `there is no '${path}'`);
  if (!stat.isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.jsonl'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function words(path: string, result: Verification, paint: (word: string) => string): string {
  const seal = result.sealed ? `sealed, digest ${result.digest}` : 'not sealed';
  const interrupted = result.interrupted === undefined ? '' : `, interrupted: ${printable(result.interrupted)}`;
  const head = `${paint(result.ok ? 'ok' : 'failed')}  ${printable(path)}: ${plural(result.lines, 'line')}, ${seal}${interrupted}\n`;
  const problems = result.problems.map((problem) => `    ${problem.what}: ${printable(problem.message)}\n`);
  const warnings = result.warnings.map((warning) => `    note: ${printable(warning)}\n`);
  return head + problems.join('') + warnings.join('');
}

function machineForm(path: string, result: Verification): object {
  const { ok, sealed, interrupted, lines, bytes, session, digest, problems, warnings } = result;
  return { file: path, ok, sealed, interrupted, lines, bytes, session, digest, problems, warnings };
}
