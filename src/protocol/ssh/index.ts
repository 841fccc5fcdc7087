// The SSH protocol as the rest of the program sees it. Light: a user's machine loads this for `local` alone.

import type { Protocol } from '../contract.ts';
import './limits.ts';
import { local, native, toolFiles } from './client-files.ts';
import { Ed25519Key } from './keys/ed25519.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { type SshConfig, schema } from './schema.ts';
import { VOCABULARY } from './vocabulary.ts';

function coverage({ options }: SshConfig): readonly string[] {
  const allowed = (what: SshConfig['options']['allow'][number]) => options.allow.includes(what);
  return [
    'inspected: every command (exec) with its exact text; every forwarding (-L, -D, -W, -R, TCP and Unix sockets) with its place',
    'a forwarding to the target of another connection of this gateway becomes a session of that connection',
    'opaque: the bytes of other forwardings, counted; where rules apply they are refused unless a rule allows them by name',
    'inspected: sftp and scp: each file opened, listed, removed, renamed, linked; paths as the host resolves them where rules apply',
    'passes undecided: names, sizes and links of files that sftp asks for (stat, realpath, readlink)',
    'recorded: what commands and shells print, exit status, terminal size, signals',
    options.shell === 'commands'
      ? 'inspected: each command of an interactive shell (bash or zsh), as the shell asks; not what programs in it run'
      : 'opaque: an interactive shell: what is typed in it is not decided; where rules apply it is refused unless a rule allows it by name',
    `recorded of files: size, SHA-256${options.keepFiles > 0 ? `, the first ${options.keepFiles} bytes` : ''}`,
    allowed('subsystems')
      ? 'passes unseen: subsystems other than sftp, as bytes; decided by name'
      : 'refused: subsystems other than sftp (options.allow: [subsystems])',
    allowed('agent-forwarding')
      ? "passes unseen: the client's agent, where policy allows it"
      : 'refused: agent forwarding (options.allow: [agent-forwarding])',
    allowed('x11') ? "passes unseen: the client's X11 display" : 'refused: X11 forwarding (options.allow: [x11])',
    'refused: tunnel devices (-w), channels and requests of other names',
    `environment that a client may set: ${options.environment.join(' ') || 'none'}`,
  ];
}

export const ssh: Protocol<SshConfig> = {
  name: 'ssh',
  vocabulary: VOCABULARY,
  schema,
  capabilities: () => ({
    ...{ mask: true, hold: true, notify: true, refuse: true, inspect: true, meter: true },
    columns: false,
    output: true,
  }),
  coverage,
  describe: ({ credentials: { user } }): Record<string, string> => (typeof user === 'string' ? { user } : {}),
  identity: (services) => ({
    'host-key': new Ed25519Key(services.key('ssh-host')).line,
    // For TrustedUserCAKeys of hosts.
    'session-authority': new Ed25519Key(services.key('ssh-user-authority')).line,
  }),
  loginTime: DEFAULT_LIMITS.loginTime,
  certify: async (asked, services) => (await import('./keys/client-certificate.ts')).certifyClient(asked, services),
  local,
  turnAway: async (stream, error) => (await import('./login/turned-away.ts')).turnAway(stream, error),
  native,
  toolFiles,
  analyse: async (said, config) => (await import('./spoken.ts')).spoken(said, config),
  probe: async (target, signal) => (await import('./login/probe.ts')).probe(target, signal),
  async serve(visitor, services) {
    const { serve } = await import('./serve.ts');
    await serve(visitor, services);
  },
};
