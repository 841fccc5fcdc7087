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
      const able = (which: boolean) =>
        Object.entries(found.capabilities ?? {})
          .filter(([, value]) => value === which)
          .map(([key]) => ABILITIES[key] ?? key)
          .join(', ');
      const head = facts([
        ['name', found.name],
        ['protocol', found.protocol],
        ['access', access(found)],
        ['until', found.grantUntil === undefined ? undefined : localTime(found.grantUntil)],
        ['labels', labels.join(' ')],
        ...Object.entries(found.described),
        ['the gateway can', able(true)],
        ['it cannot', able(false)],
        ['rules', found.rules.join(', ') || 'none apply to you'],
        ['refused', shut(found)],
        ['masks', found.masks.join(', ') || 'none apply to you'],
        ...(found.liftable ?? []).map((one) => ['may be lifted', liftable(found.name, one)] as const),
        [
          'recorded',
          found.recording && `${found.recording.rows} rows, ${byteSize(found.recording.bytes)} of each result`,
        ],
        ['before it runs', survives(found)],
        ['if that fails', failing(found)],
        ['encrypted', readers(found)],
        ['without hoopctl', found.native],
        ['log signed with', found.logKey],
      ]);
      const coverage = found.coverage.map((line) => `  ${printable(line)}\n`).join('');
      return coverage === '' ? head : `${head}\nwhat is inspected:\n${coverage}`;
    });
  },
});

/** What the gateway does on a connection, where its protocol allows it. */
const ABILITIES: Readonly<Record<string, string>> = {
  mask: 'mask what comes back',
  hold: 'hold an operation for a review',
  notify: 'tell the client that it waits',
  refuse: 'refuse one operation alone',
  inspect: 'see what each operation does',
  meter: 'count what comes back for budgets',
  columns: 'mask by the name of a column',
  output: 'look at what is put out as it flows',
};

function shut({ shut: words = [] }: ConnectionDetails): string | undefined {
  if (words.length === 0) return undefined;
  return `${words.join(', ')}, as opaque; a rule can allow one: { when: { does: [${words[0]}] }, then: allow }`;
}

function survives({ recording }: ConnectionDetails): string | undefined {
  if (recording?.durability === undefined) return undefined;
  const from = recording.durability === 'synced' ? 'a loss of power' : 'a kill of the gateway';
  return `a statement is on record, safe from ${from} (${recording.durability})`;
}

function readers({ recording }: ConnectionDetails): string | undefined {
  if (recording?.encrypt === undefined) return undefined;
  const whom = recording.encrypt.join(', ');
  if (recording.gatewayReads === true) return `for ${whom} and the gateway, whose index and exports have what is said`;
  return `for ${whom}, nobody else reads what is said`;
}

function failing({ recording }: ConnectionDetails): string | undefined {
  switch (recording?.onFailure) {
    case 'best-effort':
      return 'the session goes on UNRECORDED (best-effort)';
    case 'refuse-new':
      return 'the session ends, and no other begins until recording works again (refuse-new)';
    case 'end-session':
      return 'the session ends (end-session)';
    default:
      return undefined;
  }
}

function liftable(
  name: string,
  { mask, maxMs, reviewers, count }: NonNullable<ConnectionDetails['liftable']>[number],
): string {
  const who = `${count} of ${reviewers.join(', ')}`;
  return `${mask}, at most ${formatDuration(maxMs)}, approved by ${who}: hoopctl request ${name} --unmask ${mask}`;
}

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
