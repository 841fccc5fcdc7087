// `hoopctl describe NAME`: how a connection is reached and what is inspected, refused, masked and recorded there.

import { formatDuration } from '../../core/clock.ts';
import { route } from '../api.ts';
import { command as define } from '../command.ts';
import { nearestConnection } from '../missing.ts';
import type { ConnectionDetails } from '../shapes.ts';
import { byteSize, facts, localTime, printable } from '../text.ts';

export const command = define({
  arguments: [{ name: 'name', help: 'the connection', complete: 'connections' }],
  run: async ({ name }, context) => {
    const api = await context.api();
    const found = await nearestConnection(context, name, () =>
      api.call<ConnectionDetails>(route`connections/${name}`, { signal: context.signal }),
    );
    await context.print(found, () => {
      const labels = Object.entries(found.labels).map(([key, value]) => `${key}=${value}`);
      const can = Object.entries(found.capabilities ?? {}).map(([key, value]) => (value ? key : `not ${key}`));
      const head = facts([
        ['name', found.name],
        ['protocol', found.protocol],
        ['access', access(found)],
        ['until', found.grantUntil === undefined ? undefined : localTime(found.grantUntil)],
        ['labels', labels.join(' ')],
        ...Object.entries(found.described),
        ['the gateway can', can.join(', ')],
        ['rules', found.rules.join(', ') || 'none apply to you'],
        ['masks', found.masks.join(', ') || 'none apply to you'],
        [
          'recorded',
          found.recording && `${found.recording.rows} rows, ${byteSize(found.recording.bytes)} of each result`,
        ],
        ['without hoopctl', found.native],
      ]);
      const coverage = found.coverage.map((line) => `  ${printable(line)}\n`).join('');
      return coverage === '' ? head : `${head}\nwhat is inspected:\n${coverage}`;
    });
  },
});

function access({ access, grant, name }: ConnectionDetails): string {
  if (access !== 'grant' || grant === undefined) return access;
  const glass =
    grant.breakGlassMs === undefined
      ? []
      : [
          `without approval, loudly, at most ${formatDuration(grant.breakGlassMs)}: hoopctl request ${name} --break-glass`,
        ];
  if (grant.reviewers.length === 0) return glass.join('');
  const who = `${grant.count} of ${grant.reviewers.join(', ')}`;
  const asked = `on request, at most ${formatDuration(grant.maxMs)}, approved by ${who}: hoopctl request ${name}`;
  return [asked, ...glass].join('; ');
}
