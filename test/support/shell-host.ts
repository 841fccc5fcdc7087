// A host whose account has the shell of the test's choice, with a home directory of its own and nothing of the machine's own
// settings, as the target of a connection in command mode. Refuses to know: rules, the gateway.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './process.ts';
import { type Sshd, startSshd } from './sshd.ts';

export interface ShellHost {
  readonly sshd: Sshd;
  /** A connection's configuration. */
  readonly connection: { readonly options: object; readonly [key: string]: unknown };
  /** What the forbidden `wipe` leaves. */
  readonly ran: string;
}

/** `own`: what the account's profile has beside the forbidden `wipe`, and other names for it. */
export async function startShellHost(shell: string, own = ''): Promise<ShellHost> {
  const login = join(temporaryDirectory('login'), 'login');
  const sshd = await startSshd({ config: [`ForceCommand ${login}`] });
  const { directory } = sshd;
  const ran = join(directory, 'ran');
  const home = join(directory, 'home');
  mkdirSync(home);
  const profile = `PS1='ready> '\nwipe() { echo ran > ${ran}; }\nalias account-alias='wipe x'\naccount-function() { wipe y; }\n${own}`;
  writeFileSync(join(home, '.zshrc'), profile);
  writeFileSync(join(home, '.bash_profile'), profile);
  writeFileSync(
    login,
    `#!/bin/sh\nexport SHELL=/bin/${shell} HOME=${home} TMPDIR=${directory}\ncd ${home}\nexec $SHELL -c "$SSH_ORIGINAL_COMMAND"\n`,
    { mode: 0o755 },
  );
  return {
    sshd,
    ran,
    connection: {
      protocol: 'ssh',
      target: { host: sshd.host, port: sshd.port, hostKeys: [sshd.hostKey] },
      credentials: { user: sshd.user, key: `file:${sshd.keyFile}` },
      options: { shell: 'commands' },
    },
  };
}
