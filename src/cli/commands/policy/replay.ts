// `hoopctl policy replay NEW.yaml --since 7d --data DIR`: what another policy would have said of what was recorded. Offline.

import { createReadStream, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseDuration } from '../../../core/clock.ts';
import { userError } from '../../../core/errors.ts';
import type { Replayed } from '../../../session/policy/replay.ts';
import { command as define } from '../../command.ts';
import { DEFAULT_FILE, needDocument } from '../../document.ts';
import { painter } from '../../paint.ts';
import { oneLine, plural } from '../../text.ts';

export const command = define({
  options: {
    data: { value: 'DIR', help: "the gateway's data directory, or a folder of recordings" },
    since: { value: 'DURATION', default: '7d', help: 'how far back' },
  },
  arguments: [
    { name: 'file', optional: true, help: `the new configuration (default: ${DEFAULT_FILE})`, complete: 'files' },
  ],
  notes: `Statements whose verdict differs from the recorded one, and those of which columns would be masked. Masks are judged by what
the text tells; budgets and detectors are not.`,
  run: async ({ file = DEFAULT_FILE, data, since }, context) => {
    const back = parseDuration(since);
    if (back === undefined) throw userError('usage', `--since is '${since}', expected a duration such as 7d`);
    if (data === undefined) throw userError('usage', '--data is missing', { fix: "name the gateway's data directory" });
    const { replay } = await import('../../../session/policy/replay.ts');
    const { readLines } = await import('../../../session/recorder/reader.ts');
    const { connections, policy } = await needDocument(context, file);
    const analyse = async (name: string, text: string) => connections.get(name)!.protocol.analyse(text);
    const known = [...connections.values()].map(({ name, labels }) => ({ name, labels }));
    const differ: Replayed[] = [];
    const masked: Replayed[] = [];
    let operations = 0;
    for (const path of recordings(resolve(context.io.cwd, data), Date.now() - back)) {
      for await (const found of replay(readLines(createReadStream(path)), { policy, connections: known, analyse })) {
        operations += 1;
        if (found.now !== found.was) differ.push(found);
        else if (found.masks.length > 0 && found.now !== 'deny') masked.push(found);
      }
    }
    const paint = await painter(context.io);
    await context.print({ operations, differ, masked }, () => {
      const line = (found: Replayed) =>
        `${found.at}  ${found.session} #${found.op}  ${oneLine(found.text, 80)}${found.rule === undefined ? '' : `  (${found.rule})`}\n`;
      const changes = differ.map((found) => `${found.was} → ${paint(found.now)}  ${line(found)}`);
      const masks = masked.map((found) => `masked by ${found.masks.join(', ')}  ${line(found)}`);
      const sum = `${plural(operations, 'statement')}: ${differ.length} decided otherwise, ${masked.length} with masked columns\n`;
      return [...changes, ...masks, sum].join('');
    });
  },
});

/** Files of recordings below a folder that were written to since. */
function recordings(folder: string, since: number): string[] {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch (error) {
    throw userError('config_unreadable', `cannot read '${folder}': ${(error as Error).message}`, { cause: error });
  }
  return names
    .filter((name) => name.endsWith('.jsonl') && !/(?:^|[/\\])log[/\\]/.test(name))
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).mtimeMs >= since)
    .sort();
}
