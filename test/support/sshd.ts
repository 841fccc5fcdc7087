// A real OpenSSH server for one test file: own keys, own port, gone afterwards. It logs in whoever runs the test.
// Refuses to know: the gateway. Never touches a server that runs on the machine already.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { eventually, freePort, type Running, removeDirectory, runOk, start, temporaryDirectory } from './process.ts';

export const SSHD = '/usr/sbin/sshd';

export interface Sshd {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** The account that it lets in. */
  readonly user: string;
  /** The private key that it takes, OpenSSH's format. */
  readonly keyFile: string;
  /** Its own public key: `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
  /** Where it keeps what it needs; tests may too. */
  readonly directory: string;
  readonly process: Running;
  log(): string;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

async function keygen(file: string): Promise<string> {
  await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file]);
  return readFileSync(`${file}.pub`, 'utf8')
    .trim()
    .replace(/ test$/, '');
}

/**
 * `config`: lines of sshd_config that come first, so that they win. Shells that it starts have a home of their own: what the
 * account's start-up files do on the machine (wait for a lock, say) is nobody's test.
 */
export async function startSshd(options: { config?: string[]; authority?: string } = {}): Promise<Sshd> {
  const directory = temporaryDirectory('sshd');
  const port = await freePort();
  const hostKey = await keygen(join(directory, 'host'));
  const userKey = await keygen(join(directory, 'user'));
  writeFileSync(join(directory, 'authorized_keys'), `${userKey}\n`, { mode: 0o600 });
  if (options.authority !== undefined) writeFileSync(join(directory, 'authority.pub'), `${options.authority}\n`);
  // Started as root it wants this for the process that talks before the login.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const home = join(directory, 'account');
  mkdirSync(home);
  // Only the first SetEnv counts.
  const environment = (options.config ?? []).filter((line) => line.startsWith('SetEnv '));
  const lines = [
    ['SetEnv', `HOME=${home}`, ...environment.map((line) => line.slice('SetEnv '.length))].join(' '),
    ...(options.config ?? []).filter((line) => !environment.includes(line)),
    ...(options.authority === undefined ? [] : [`TrustedUserCAKeys ${join(directory, 'authority.pub')}`]),
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(directory, 'host')}`,
    `PidFile ${join(directory, 'pid')}`,
    `AuthorizedKeysFile ${join(directory, 'authorized_keys')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin yes',
    'PermitUserEnvironment no',
    'AcceptEnv LANG LC_* EXTRA',
    'MaxSessions 100',
    'MaxStartups 100',
    'Subsystem sftp internal-sftp',
    'PrintMotd no',
    'LogLevel VERBOSE',
  ];
  writeFileSync(join(directory, 'sshd_config'), `${lines.join('\n')}\n`);
  const server = start(SSHD, ['-D', '-e', '-f', join(directory, 'sshd_config')], { cwd: directory });
  await eventually('sshd answers', async () => {
    if (!server.running) throw new Error(`sshd has ended:\n${server.output}`);
    return answers(port);
  });
  const stop = async () => {
    await server.stop('SIGTERM');
    removeDirectory(directory);
  };
  return {
    host: '127.0.0.1',
    port,
    user: userInfo().username,
    keyFile: join(directory, 'user'),
    hostKey,
    directory,
    process: server,
    log: () => server.output,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
    // Taken and let go without a word: it has not come so far.
    socket.once('close', () => resolve(false));
  });
}
