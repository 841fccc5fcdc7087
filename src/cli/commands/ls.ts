// `hoopctl ls`: what I may reach, or ask for.

import { command as define } from '../command.ts';
import { rememberNames } from '../names.ts';
import { painter } from '../paint.ts';
import type { ConnectionItem } from '../shapes.ts';
import { relativeTime, table } from '../text.ts';

export const command = define({
  run: async (_, context) => {
    const api = await context.api();
    const answer = await api.call<{ connections: ConnectionItem[] }>('connections', { signal: context.signal });
    const names = answer.connections.map((connection) => connection.name);
    rememberNames(context, api.access.url, 'connections', names);
    const paint = await painter(context.io);
    await context.print(answer, () => {
      if (answer.connections.length === 0) return 'nothing: no access line of the gateway names you\n';
      const rows = answer.connections.map((connection) => [
        connection.name,
        connection.protocol,
        access(connection),
        pairs(connection.labels),
        [...short(connection), ...bestEffort(connection)].join(' '),
      ]);
      return table(['name', 'protocol', 'access', 'labels', 'details'], rows, {
        paint: (cell, column) => (column === 2 ? paint(cell.split(' ')[0]!, cell) : cell),
      });
    });
  },
});

/** What fits a line, as a database and a user do; keys of hosts and authorities are for `describe`, which names them. */
function short({ described }: ConnectionItem): string[] {
  return Object.values(described).filter((value) => value.length <= 64);
}

/** Shown wherever it applies: what is done there may be on no record. */
function bestEffort({ recording }: ConnectionItem): string[] {
  return recording?.onFailure === 'best-effort' ? ['(recorded best-effort)'] : [];
}

function access(connection: ConnectionItem): string {
  if (connection.access !== 'granted' || connection.grantUntil === undefined) return connection.access;
  return `granted (ends ${relativeTime(connection.grantUntil, Date.now())})`;
}

function pairs(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}
