// OpenSSH's client through a gateway's local port, many commands over one connection. Refuses to know: what is tried.

import { join } from 'node:path';
import type { Client, Connected } from '../../../support/gateway.ts';
import { eventually, type Finished, run, start } from '../../../support/process.ts';

export interface SshClient {
  exec(text: string, more?: readonly string[], input?: string): Promise<Finished>;
  sftp(batch: string): Promise<Finished>;
  /** ssh with these arguments before the host's name, over a connection of its own. */
  ssh(args: readonly string[], input?: string): Promise<Finished>;
  stop(): Promise<void>;
}

export async function openClient(client: Client, connected: Connected, name: string): Promise<SshClient> {
  const socket = join(client.home, `m-${name}`);
  const options = [
    ...['-F', 'none', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
    ...['-o', `Port=${connected.ports[name]}`],
  ];
  const { env } = client;
  const master = start('ssh', ['-MNS', socket, ...options, '127.0.0.1'], { env });
  await eventually('the master is up', async () => (await run('ssh', ['-S', socket, '-O', 'check', 'x'])).code === 0);
  const shared = ['-F', 'none', '-o', `ControlPath=${socket}`, '-o', 'LogLevel=ERROR'];
  return {
    exec: (text, more = [], input = '') => run('ssh', [...shared, ...more, 'x', text], { env, input }),
    sftp: (batch) => run('sftp', [...shared, '-b', '-', 'x'], { env, input: batch }),
    ssh: (args, input = '') => run('ssh', [...options, ...args, '127.0.0.1'], { env, input }),
    stop: () => master.stop().then(() => undefined),
  };
}
