// Files that lead a child's tools to connections, for as long as it runs: where variables alone cannot name several.
// Refuses to know: what the files say.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OpenConnection } from '../client/client.ts';
import type { Protocol } from '../protocol/contract.ts';

export interface ChildFiles {
  readonly environment: Readonly<Record<string, string>>;
  [Symbol.dispose](): void;
}

/** Connections of one protocol share its files. In a folder of this user's alone. */
export function childFiles(connections: readonly OpenConnection[]): ChildFiles {
  const groups = new Map<Protocol, OpenConnection[]>();
  for (const one of connections) {
    if (one.protocol.toolFiles === undefined) continue;
    groups.set(one.protocol, [...(groups.get(one.protocol) ?? []), one]);
  }
  if (groups.size === 0) return { environment: {}, [Symbol.dispose]() {} };
  const directory = mkdtempSync(join(tmpdir(), 'hoopctl-'));
  const environment: Record<string, string> = {};
  for (const [protocol, all] of groups) {
    const hosts = all.map(({ name, described, host, port }) => ({ name, described, by: { host, port } }));
    const made = protocol.toolFiles!(hosts, directory, protocol.name);
    for (const [file, text] of Object.entries(made.files)) writeFileSync(join(directory, file), text, { mode: 0o600 });
    Object.assign(environment, made.environment);
  }
  return {
    environment,
    [Symbol.dispose]() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
