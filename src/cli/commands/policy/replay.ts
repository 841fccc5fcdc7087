// `hoopctl policy replay NEW.yaml --since 7d --data DIR`: what another policy would have said of what was recorded. Offline.

import { resolve } from 'node:path';
import { parseDuration } from '../../../core/clock.ts';
import { asHoopctlError, userError } from '../../../core/errors.ts';
import type { Spoken } from '../../../protocol/contract.ts';
import type { Replayed } from '../../../session/policy/replay.ts';
import { command as define } from '../../command.ts';
import { CONFIG_OPTION, DEFAULT_FILE, namedFile, needDocument } from '../../document.ts';
import { foundLines, IDENTITY_OPTION, readerFrom } from '../../encrypted.ts';
import { painter } from '../../paint.ts';
import { oneLine, plural } from '../../text.ts';

export const command = define({
  options: {
    ...IDENTITY_OPTION,
    ...CONFIG_OPTION,
    data: { value: 'DIR', help: "the gateway's data directory, or a folder of recordings" },
    since: { value: 'DURATION', default: '7d', help: 'how far back' },
  },
  arguments: [
    { name: 'file', optional: true, help: `the new configuration (default: ${DEFAULT_FILE})`, complete: 'files' },
  ],
  notes: `Statements whose verdict differs from the recorded one, those whose result a budget would have cut, and those of which
columns would be masked. Operations are judged by what is on record of them. Masks are judged by what the text tells, budgets by the rows, bytes and times that were recorded from
--since on. What detectors would find in values, and how many distinct ones there were, no recording tells. Recordings in object
storage are read from the one that the new configuration names, with its credentials.`,
  run: async ({ file: argument, config, data, since, identity }, context) => {
    const file = namedFile(context, argument, config);
    const back = parseDuration(since);
    if (back === undefined) throw userError('usage', `--since is '${since}', expected a duration such as 7d`);
    if (data === undefined) throw userError('usage', '--data is missing', { fix: "name the gateway's data directory" });
    const { Replayer } = await import('../../../session/policy/replay.ts');
    const { understand } = await import('../../../gateway/spoken.ts');
    const { recordingsIn } = await import('../../stored.ts');
    const { connections, policy } = await needDocument(context, file);
    const analyse = (name: string, spoken: Spoken) => understand(connections, name, spoken);
    const known = [...connections.values()].map(({ name, labels }) => ({ name, labels }));
    const from = Date.now() - back;
    const replayer = new Replayer({ policy, connections: known, analyse, from });
    const reader = readerFrom(identity, context);
    const { recordings, objects } = await recordingsIn(context, resolve(context.io.cwd, data), file);
    let [encrypted, erased] = [0, 0];
    const away: string[] = [];
    for (const found of recordings) {
      if (found.changedAt < from) continue;
      try {
        await replayer.add(foundLines(found, reader, objects));
      } catch (thrown) {
        const { code, message } = asHoopctlError(thrown);
        if (code === 'recording_encrypted') encrypted++;
        else if (code === 'key_missing') erased++;
        else if (found.away) away.push(message);
        else throw thrown;
      }
    }
    const replayed = replayer.finish();
    const { operations } = replayed;
    const unjudged = { ...replayed.unjudged, encrypted, erased, away: away.length };
    const differ = operations.filter(({ now, was, cut }) => now !== was || cut !== undefined);
    const masked = operations.filter((one) => !differ.includes(one) && one.masks.length > 0 && one.now !== 'deny');
    const paint = await painter(context.io);
    const counts = { operations: operations.length, differ, masked, unjudged };
    await context.print(counts, () => {
      const line = (found: Replayed) =>
        `${found.at}  ${found.session} #${found.op}  ${oneLine(found.text, 80)}${found.rule === undefined ? '' : `  (${found.rule})`}\n`;
      const changes = differ.map((found) => {
        const cut = found.cut === undefined ? '' : `, cut after ${found.cut.bound} by ${found.cut.rule}`;
        return `${found.was} → ${paint(found.now)}${cut}  ${line(found)}`;
      });
      const masks = masked.map((found) => `masked by ${found.masks.join(', ')}  ${line(found)}`);
      const sum = `${plural(operations.length, 'statement')}: ${differ.length} decided otherwise, ${masked.length} with masked columns\n`;
      const { detectors, distinct } = unjudged;
      const blind = [
        detectors.length === 0 ? [] : [`what the detectors of mask ${detectors.join(', ')} would have found in values`],
        encrypted === 0
          ? []
          : [`${plural(encrypted, 'recording')} that ${encrypted === 1 ? 'is' : 'are'} encrypted (--identity)`],
        erased === 0
          ? []
          : [
              `${plural(erased, 'recording')} whose key is gone (when and why: hoopctl audit verify of the data directory, or audit export --kind log.purge)`,
            ],
        away.length === 0
          ? []
          : [`${plural(away.length, 'recording')} in object storage that could not be read: ${away[0]}`],
        distinct.length === 0 ? [] : [`how many distinct values rule ${distinct.join(', ')} would have counted`],
      ].flat();
      return [...changes, ...masks, sum, ...blind.map((what) => `not judged: ${what}\n`)].join('');
    });
  },
});
