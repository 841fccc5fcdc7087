// How OpenSSH's own programs reach a connection: options for one run of ssh, and files of ssh_config(5) in which each
// connection is a host by its name. The gateway's host key, as the login vouches for it, is the only one that counts there.
// Refuses to know: who is let in, what runs.

import { shellWord } from '../../core/shell.ts';
import type { LocalAccess, NativeAccess, NativeClient, ToolFiles, ToolHost } from '../contract.ts';

/** Whoever comes this way is known already: nothing else is tried, and no agent is asked. */
const NO_LOGIN: Readonly<Record<string, string>> = {
  PubkeyAuthentication: 'no',
  PasswordAuthentication: 'no',
  KbdInteractiveAuthentication: 'no',
};
const ONLY_OURS: Readonly<Record<string, string>> = {
  GlobalKnownHostsFile: '/dev/null',
  StrictHostKeyChecking: 'yes',
  CheckHostIP: 'no',
  VerifyHostKeyDNS: 'no',
  UpdateHostKeys: 'no',
};

export function local(
  connection: string,
  described: Readonly<Record<string, string>>,
  host: string,
  port: number,
): LocalAccess {
  const user = userOf(described);
  const settings = {
    ...at(host, port),
    User: user,
    HostKeyAlias: connection,
    // Without a file of the user's being touched.
    KnownHostsCommand: `/bin/echo ${connection} ${described['host-key'] ?? ''}`,
    UserKnownHostsFile: '/dev/null',
    ...ONLY_OURS,
    ...NO_LOGIN,
  };
  const given = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return {
    environment: {},
    url: `ssh://${encodeURIComponent(user)}@${host.includes(':') ? `[${host}]` : host}:${port}`,
    facts: { host, port: String(port), user },
    command: ['ssh', ...given, connection],
  };
}

/** The user name there says the connection; who it is, the token alone. */
export function native({ connection, host, port }: NativeClient): NativeAccess {
  return { facts: { user: connection }, example: `ssh -p ${port} ${shellWord(`${connection}@${host}`)}` };
}

/**
 * `NAME.conf`, to be included or given with `-F`, and `NAME.known_hosts`. Where connections are at local ports the first
 * also reads the user's own configuration: it is for a child process, whose other hosts stay as they are.
 */
export function toolFiles(hosts: readonly ToolHost[], directory: string, name: string): ToolFiles {
  const known = `${directory}/${name}.known_hosts`;
  const config = `${directory}/${name}.conf`;
  const blocks = hosts.map((host) => block(host, known));
  if (hosts.some(({ by }) => 'port' in by))
    blocks.push('Match all\nInclude ~/.ssh/config\nInclude /etc/ssh/ssh_config\n');
  const ssh = `ssh -F ${shellWord(config)}`;
  return {
    files: {
      [`${name}.conf`]: `# Written by hoopctl, which writes it anew: changes here are lost.\n\n${blocks.join('\n')}`,
      [`${name}.known_hosts`]: hosts.map(({ name: host, described }) => `${host} ${described['host-key']}\n`).join(''),
    },
    environment: {
      HOOPCTL_SSH_CONFIG: config,
      GIT_SSH_COMMAND: ssh,
      RSYNC_RSH: ssh,
      ANSIBLE_SSH_COMMON_ARGS: `-F ${shellWord(config)}`,
    },
    include: { file: '~/.ssh/config', line: `Include ${configWord(`${directory}/*.conf`)}` },
  };
}

function block({ name, described, by }: ToolHost, known: string): string {
  const settings = {
    ...('port' in by ? at(by.host, by.port) : { ProxyCommand: proxyCommand(by.command) }),
    User: userOf(described),
    HostKeyAlias: name,
    UserKnownHostsFile: configWord(known),
    ...ONLY_OURS,
    ...NO_LOGIN,
  };
  const lines = Object.entries(settings).map(([key, value]) => `  ${key} ${value}\n`);
  return `Host ${name}\n${lines.join('')}`;
}

/** Straight to the local port, whatever the user's own configuration says of hosts of this name. */
function at(host: string, port: number): Record<string, string> {
  return { HostName: host, Port: String(port), ProxyCommand: 'none', ProxyJump: 'none' };
}

/** Where the account is chosen for each session the client's user name says nothing. */
function userOf(described: Readonly<Record<string, string>>): string {
  return described.user ?? 'hoopctl';
}

/** ssh runs it by the user's shell, with `exec`, after `%` sequences are replaced. */
function proxyCommand(command: readonly string[]): string {
  return command.map(shellWord).join(' ').replaceAll('%', '%%');
}

/** A word of ssh_config: in double quotes where it has a space; `%` and `\` mean themselves. */
function configWord(word: string): string {
  const plain = word.replaceAll('%', '%%');
  return /[\s"#]/.test(plain) ? `"${plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : plain;
}
