// SSH for the contract's tests: a real sshd whose forced command writes down every command before it runs it.

import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../../support/process.ts';
import { sshConnectionTo } from '../../support/ssh.ts';
import { bytes, exec, RawSsh, string, uint32 } from '../../support/ssh-raw.ts';
import { type Sshd, startSshd } from '../../support/sshd.ts';
import type { Conversation, Driver } from './driver.ts';

/** A server that writes down each command that it runs; `ran` has them all. */
export async function startAudited(): Promise<{ sshd: Sshd; ran: () => string }> {
  const directory = temporaryDirectory('audit');
  const file = join(directory, 'commands');
  const wrapper = join(directory, 'audited');
  writeFileSync(
    wrapper,
    `#!/bin/sh\nprintf '%s\\n' "$SSH_ORIGINAL_COMMAND" >> ${file}\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n`,
  );
  chmodSync(wrapper, 0o755);
  const sshd = await startSshd({ config: [`ForceCommand ${wrapper}`, 'MaxSessions 1000'] });
  return { sshd, ran: () => (existsSync(file) ? readFileSync(file, 'utf8') : '') };
}

const variable = (value: string): [string, Buffer] => ['env', bytes(string('LC_ALL'), string(value))];
const terminal: [string, Buffer] = ['pty-req', bytes(string('xterm'), ...[80, 24, 0, 0].map(uint32), string('\0'))];

/** What goes before one command, and before the other. */
const ALIKE: Record<string, Record<'one' | 'other', [string, Buffer][]>> = {
  'another value of a variable': { one: [variable('C')], other: [variable('C.UTF-8')] },
  'a variable more': { one: [], other: [variable('C')] },
  'a terminal': { one: [], other: [terminal] },
};

export const ssh: Driver = {
  protocol: 'ssh',
  needs: ['sshd'],
  alike: Object.keys(ALIKE),
  limit: { name: 'ssh_command_bytes', value: 20_000 },
  async start() {
    const { sshd, ran } = await startAudited();
    const key = readFileSync(sshd.keyFile, 'utf8');
    return {
      connection: (more) => sshConnectionTo(sshd, { credentials: { user: sshd.user, key: 'env:TARGET_KEY' }, ...more }),
      env: { TARGET_KEY: key },
      // A line of its middle: it is on several.
      secret: key.split('\n')[3]!,
      ran: (tag) => ran().includes(tag),
      stop: () => sshd.stop(),
    };
  },
  async converse(_, port): Promise<Conversation> {
    const client = await RawSsh.connect(port);
    let next = 0;
    return {
      ended: client.closed.then(() => client.farewell ?? ''),
      run: (tag) => exec(client, next++, `echo ${tag}`),
      runAlike: (alike, which, tag) => exec(client, next++, `echo ${tag}`, ALIKE[alike]![which]),
      destroy: () => client.destroy(),
    };
  },
};
