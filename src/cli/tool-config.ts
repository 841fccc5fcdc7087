// Files that lead the user's own tools to connections for good: each new session starts a `hoopctl connect NAME --stdio`.
// Refuses to know: what the files say, which protocol they are for.

import { mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { userError } from '../core/errors.ts';
import type { Protocol, ToolFiles } from '../protocol/contract.ts';
import { loadProtocol } from '../protocol/index.ts';
import { route } from './api.ts';
import type { Context } from './context.ts';
import { assertPlain } from './described.ts';
import { writeWhole } from './files.ts';
import type { ConnectionItem } from './shapes.ts';

/** Writes those of the named connections, or of all that tools find by files. Errors: no_such_connection, usage. */
export async function writeToolFiles(context: Context, names: readonly string[]): Promise<void> {
  const { access, call } = await context.api();
  const listed = await call<{ connections: ConnectionItem[] }>(route`connections`, { signal: context.signal });
  const { protocol, chosen } = await choose(listed.connections, names);
  const directory = join(context.paths.config, protocol.name);
  const command = proxy(context, access.url);
  const hosts = chosen.map(({ name, described }) => ({ name, described, by: { command: command(name) } }));
  const made = protocol.toolFiles!(hosts, directory, new URL(access.url).host.replace(/[^\w.-]/g, '-'));
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const [file, text] of Object.entries(made.files)) writeWhole(join(directory, file), text);
  await tell(context, made, directory, hosts);
}

async function choose(
  connections: readonly ConnectionItem[],
  names: readonly string[],
): Promise<{ protocol: Protocol; chosen: readonly ConnectionItem[] }> {
  const able: { protocol: Protocol; item: ConnectionItem }[] = [];
  for (const item of connections) {
    const protocol = await loadProtocol(item.protocol);
    if (protocol?.toolFiles === undefined) continue;
    assertPlain(item);
    able.push({ protocol, item });
  }
  for (const name of names) {
    if (able.some(({ item }) => item.name === name)) continue;
    const known = connections.some((one) => one.name === name);
    throw userError(
      'no_such_connection',
      known ? `'${name}' is not reached this way` : `there is no connection '${name}' that you may reach`,
      { fix: "see 'hoopctl ls' for what you can reach" },
    );
  }
  const chosen = able.filter(({ item }) => names.length === 0 || names.includes(item.name));
  const protocol = chosen[0]?.protocol;
  if (protocol === undefined) throw userError('no_such_connection', 'no connection that you may reach is of this kind');
  return { protocol, chosen: chosen.filter((one) => one.protocol === protocol).map(({ item }) => item) };
}

/** The command of one connection: this gateway and what is trusted there, whatever the shell that runs it later knows. */
function proxy({ io, globals }: Context, gateway: string): (name: string) => string[] {
  const home = io.env.HOOPCTL_HOME;
  const { agent, caFile, caFingerprint } = globals;
  const file = caFile === undefined ? undefined : resolve(io.cwd, caFile);
  const given = Object.entries({ gateway, agent, 'ca-file': file, 'ca-fingerprint': caFingerprint });
  const flags = given.flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag}`, value]));
  const start = [...(home === undefined ? [] : ['env', `HOOPCTL_HOME=${home}`]), ...io.self];
  return (name) => [...start, 'connect', name, '--stdio', ...flags];
}

async function tell(
  context: Context,
  { include, files }: ToolFiles,
  directory: string,
  hosts: readonly { readonly name: string }[],
): Promise<void> {
  const names = hosts.map(({ name }) => name);
  const file = include.file.replace(/^~(?=\/)/, context.io.env.HOME ?? homedir());
  const there = included(file, include.line);
  const written = Object.keys(files).map((one) => join(directory, one));
  await context.print({ hosts: names, files: written, include: { ...include, file, there } }, () =>
    there ? '' : `${include.line}\n`,
  );
  if (context.json) return;
  context.io.say(`written for ${names.join(', ')}: ${written.join(', ')}`);
  context.io.say(
    there
      ? `'${include.file}' includes them already`
      : `add the line above to '${include.file}', before its first Host or Match`,
  );
}

function included(file: string, line: string): boolean {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .some((one) => one.trim() === line);
  } catch {
    return false;
  }
}
