// OpenSSH's client on a local port of `connect`, and how a test's connection to a real sshd is configured.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from './gateway.ts';
import type { Sshd } from './sshd.ts';

export function sshConnectionTo(sshd: Sshd, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    protocol: 'ssh',
    target: { host: sshd.host, port: sshd.port, hostKeys: [sshd.hostKey] },
    credentials: { user: sshd.user, key: `file:${sshd.keyFile}` },
    ...more,
  };
}

/** Arguments of ssh for that port, and nothing else of hoopctl: the gateway's host key is known, nothing is asked. */
export async function plainSsh(client: Client, port: number, connection: string): Promise<string[]> {
  const { described } = await client.json<{ described: Record<string, string> }>(['describe', connection]);
  const known = join(client.home, `known-${port}`);
  writeFileSync(known, `[127.0.0.1]:${port} ${described['host-key']}\n`);
  return ['-F', 'none', '-p', `${port}`, '-o', `UserKnownHostsFile=${known}`, '-o', 'BatchMode=yes', '127.0.0.1'];
}
