// The environment of a child process: what leads its tools to the local ports, and nothing that is hoopctl's secret.

import type { OpenConnection } from '../client/client.ts';
import { SECRET_VARIABLES } from '../login/workload.ts';

/**
 * Variables of ours that a child may inherit, so that a hoopctl inside of it talks to the same gateway as the same actor.
 * Everything else that is named HOOPCTL_… stays behind.
 */
const INHERITED: readonly string[] = [
  'HOOPCTL_HOME',
  'HOOPCTL_GATEWAY',
  'HOOPCTL_AGENT',
  'HOOPCTL_CA_FILE',
  'HOOPCTL_CA_FINGERPRINT',
  'HOOPCTL_KEYCHAIN',
];

/** `agent`: shown as acting for the user; passed on, so that what the child does is known as the agent's too. */
export function childEnvironment(
  inherited: Readonly<Record<string, string | undefined>>,
  connections: readonly OpenConnection[],
  run: string,
  agent: string | undefined,
): Record<string, string> {
  const env: Record<string, string> = {};
  const removed = new Set([...SECRET_VARIABLES, ...connections.flatMap(({ local }) => local.unset ?? [])]);
  for (const [name, value] of Object.entries(inherited)) {
    if (value === undefined || removed.has(name)) continue;
    if (name.startsWith('HOOPCTL_') && !INHERITED.includes(name)) continue;
    env[name] = value;
  }
  // Backwards: of two connections that want the same name, the one that the user named first has it.
  for (const { name, host, port, local } of connections.toReversed()) {
    Object.assign(env, local.environment);
    const prefix = `HOOPCTL_CONNECTION_${variablePart(name)}`;
    env[`${prefix}_HOST`] = host;
    env[`${prefix}_PORT`] = String(port);
    env[`${prefix}_URL`] = local.url;
  }
  env.HOOPCTL_SESSION_ID = run;
  if (agent !== undefined) env.HOOPCTL_AGENT = agent;
  return env;
}

/** `prod-db` → `PROD_DB`. */
function variablePart(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, '_');
}
