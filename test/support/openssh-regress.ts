// OpenSSH's regression scripts, each in a world of its own, so that several run at the same time and two runs of the suite never
// meet: a directory, a block of ports, the servers behind which the gateway finds the script's sshd, and the programs that
// the script is given in place of ssh, scp and sftp-server, which go through the gateway.
// Refuses to know: which scripts pass, how the gateway is configured beyond the two targets of each.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { OPENSSH_REGRESS } from './needs.ts';
import { type Finished, removeDirectory, repository, run, runOk, temporaryDirectory } from './process.ts';
import { SSHD } from './sshd.ts';

const SCRIPTS = join(repository, OPENSSH_REGRESS, 'regress');
const SFTP_SERVER = '/usr/lib/openssh/sftp-server';

/** Ports that scripts name themselves: what they say of them, and what is said instead. `first`: of ten that are theirs. */
const NAMED: Record<string, readonly (readonly [line: string, mine: (first: number) => string])[]> = {
  multiplex: [['P=3301  # test port', (first) => `P=${first + 5}`]],
  'forward-control': [
    ['LFWD_PORT=3320', (first) => `LFWD_PORT=${first + 5}`],
    ['RFWD_PORT=3321', (first) => `RFWD_PORT=${first + 6}`],
  ],
  // Two digits are appended, 00 to 22, and those plus 50: it has a block for itself.
  forwarding: [['base=33', (first) => `base=${Math.floor(first / 100)}`]],
};

/** Blocks of a hundred ports that neither the system nor `freePort` gives to anybody. Who holds the last of one has all of it. */
export class RegressPorts {
  readonly #guards: Server[] = [];
  #next = 0;
  #left = 0;

  /** The first of ten, of 80 to 89 of a block where nobody else has any of that. */
  async take(whole: boolean): Promise<number> {
    if (whole) return (await this.#block()) + 80;
    if (this.#left === 0) [this.#next, this.#left] = [await this.#block(), 9];
    this.#left -= 1;
    this.#next += 10;
    return this.#next - 10;
  }

  close(): void {
    for (const guard of this.#guards) guard.close();
  }

  async #block(): Promise<number> {
    for (let tries = 0; tries < 1000; tries++) {
      const first = 100 * (20 + Math.floor(Math.random() * 100));
      const guard = await listening(first + 99);
      if (guard === undefined) continue;
      const others = await Promise.all(Array.from({ length: 99 }, (_, at) => listening(first + at)));
      for (const server of others) server?.close();
      if (others.includes(undefined)) guard.close();
      else {
        this.#guards.push(guard);
        return first;
      }
    }
    throw new Error('no hundred ports below 12000 are free');
  }
}

function listening(port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

const SHORTER = `case "$1" in 2 | 3) exec /bin/sleep 0.$1 ;; esac
exec /bin/sleep "$@"`;

/**
 * Sleeps that a script does not measure by, where it has many: a program in place of `sleep`.
 * forward-control asks each second whether a client has gone: five times it may ask sooner, anew after each `ssh`.
 * multiplex and exit-status have commands close their output and end later, fifteen times: the order is what counts.
 */
const SLEEPS: Record<string, (directory: string) => string> = {
  'forward-control': (directory) => `polls=$(cat ${directory}/polls 2>/dev/null || echo 0)
echo $((polls + 1)) >${directory}/polls
[ "$1" = 1 ] && [ "$polls" -lt 5 ] && exec /bin/sleep 0.1
exec /bin/sleep "$@"`,
  multiplex: () => SHORTER,
  'exit-status': () => SHORTER,
};

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/**
 * One script takes as long as all others: its checks, a line for each of these words twice, are done in parts at the same time,
 * named `forward-control-yes` and so on.
 */
const PARTS = ['yes', 'local', 'remote', 'no'];
const PART = /^forward-control-(\w+)$/;
export const FORWARD_CONTROL = PARTS.map((part) => `forward-control-${part}`);

/** The lines of that word alone. */
function partOf(text: string, part: string): string {
  const lines = /^[lr]perm_tests +(\w+)( +[YN]){6}$/gm;
  const words = [...text.matchAll(lines)].map(([, word]) => word);
  const expected = [...PARTS, ...PARTS];
  if (words.join() !== expected.join())
    throw new Error(`forward-control has other checks than it had: ${words.join()}`);
  return text.replace(lines, (line, word: string) => (word === part ? line : ''));
}

export class RegressWorld {
  /** The script's, with its part where it has some. */
  readonly name: string;
  readonly #scriptName: string;
  readonly #part: string | undefined;
  /** The script's OBJ. */
  readonly directory: string;
  /** The script's PORT; the next nine are its own too. */
  readonly #port: number;
  readonly #servers: readonly Server[];
  /** What the gateway dials: the script's server behind a door of its own, and one sshd a connection. */
  readonly targets: { readonly net: number; readonly proxy: number };

  private constructor(name: string, directory: string, port: number, servers: readonly [Server, Server]) {
    this.name = name;
    this.#part = PART.exec(name)?.[1];
    this.#scriptName = this.#part === undefined ? name : 'forward-control';
    this.directory = directory;
    this.#port = port;
    this.#servers = servers;
    this.targets = { net: portOf(servers[0]), proxy: portOf(servers[1]) };
  }

  /** `key`: a private key file, the host's and the user's. */
  static async make(name: string, key: string, ports: RegressPorts): Promise<RegressWorld> {
    const directory = temporaryDirectory('rg');
    const port = await ports.take(name === 'forwarding');
    // The scripts make keys of the kinds that the client names, and keep those that are there.
    for (const end of ['', '.pub']) copyFileSync(`${key}${end}`, join(directory, `ssh-ed25519${end}`));
    chmodSync(join(directory, 'ssh-ed25519'), 0o600);
    writeFileSync(join(directory, 'config.h'), '');
    symlinkSync('/bin/nc.openbsd', join(directory, 'netcat'));
    // A file that one script names and none makes.
    symlinkSync('ssh_proxy', join(directory, 'ssh_config_config'));
    // A door to the scripts' server: what they forward to the server is not to be a session of the gateway's.
    const door = createServer((socket) => {
      const server = connect(port, '127.0.0.1');
      socket.pipe(server).pipe(socket);
      socket.on('error', () => server.destroy());
      server.on('error', () => socket.destroy());
    }).listen(0, '127.0.0.1');
    // What the scripts start as a command of their own for each connection, the gateway finds behind a port.
    const inetd = createServer((socket) => {
      // By pipes, as a ProxyCommand has it: the server should not find a socket. Its end is the end of its output, though the
      // first `cat` still reads: nobody else has hold of that.
      const sshd = `${SSHD} -i -f ${join(directory, 'sshd_proxy')} -E${join(directory, 'sshd.log')}`;
      const line = `exec 3>&1 4<&0 >/dev/null </dev/null
cat <&4 3>&- 4<&- | ${sshd} 3>&- 4<&- | cat >&3 3>&- 4<&- &
exec 3>&- 4<&-
wait`;
      const server = spawn('sh', ['-c', line], { stdio: ['pipe', 'pipe', 'ignore'] });
      socket.pipe(server.stdin).on('error', () => {});
      server.stdout.pipe(socket);
      socket.on('error', () => server.kill());
      socket.on('close', () => server.stdin.destroy());
    }).listen(0, '127.0.0.1');
    await Promise.all([once(door, 'listening'), once(inetd, 'listening')]);
    return new RegressWorld(name, directory, port, [door, inetd]);
  }

  /** Runs the script; `local`: the ports at which this machine reaches the gateway's connections to the two targets. */
  async run(local: { net: number; proxy: number }, gatewayKey: string, home: string): Promise<Finished> {
    const known = join(this.directory, 'known_gateway');
    writeFileSync(known, `gateway ${gatewayKey}\n`);
    this.#program('mkdtemp', 'exec mktemp -d "/tmp/$1"');
    const sleep = SLEEPS[this.#scriptName];
    if (sleep !== undefined) this.#program('sleep', sleep(this.directory));
    const ssh = this.#program(
      'ssh-through-gateway',
      `rm -f ${this.directory}/polls
case " $* " in *" -Q key-plain "*) echo ssh-ed25519; exit ;; *" -Q "* | *" -V "* | *" -G "*) exec ssh "$@" ;; esac
case "$*" in
  *ssh_proxy* | *ssh_config_config*) port=${local.proxy} ;;
  # These are about a way of their own to the server, through what was forwarded.
  *ProxyCommand* | *" -p"*) exec ssh "$@" ;;
  *) port=${local.net} ;;
esac
exec ssh -o ProxyCommand=none -o Port=$port -o HostName=127.0.0.1 -o HostKeyAlias=gateway \\
  -o UserKnownHostsFile=${known} -o GlobalKnownHostsFile=/dev/null "$@"`,
    );
    // The other end of a copy, which the scripts start on this machine, is started on the host, through the gateway. What the
    // host itself starts is the program itself.
    const through = `exec ${ssh} -q -F ${this.directory}/ssh_proxy somehost`;
    const onHost = (real: string) => `[ -n "$SSH_CONNECTION" ] && exec ${real} "$@"`;
    const sftpServer = this.#program('sftp-server', `${onHost(SFTP_SERVER)}\n${through} -s sftp`);
    const scp = this.#program(
      'scp',
      `${onHost('/usr/bin/scp')}
case " $* " in *" -t "* | *" -f "*) ${through} /usr/bin/scp "$@" ;; esac
exec /usr/bin/scp "$@"`,
    );
    const path = `${this.directory}:/usr/sbin:/usr/bin:/sbin:/bin`;
    return run('sh', [join(SCRIPTS, 'test-exec.sh'), this.directory, this.#script()], {
      cwd: this.directory,
      timeout: 270_000,
      env: {
        PATH: path,
        HOME: home,
        LOGNAME: userInfo().username,
        TEST_SHELL: 'sh',
        TEST_SSH_PORT: `${this.#port}`,
        TEST_SSH_SSH: ssh,
        TEST_SSH_SCP: scp,
        TEST_SSH_SSHD: SSHD,
        TEST_SSH_SFTPSERVER: sftpServer,
        TEST_SSH_UNSAFE_PERMISSIONS: '1',
        // Shells have a home of their own: what the account's start-up files do on the machine is no part of this. Only the
        // first SetEnv of a server counts, so that this is its PATH too; one script has its own.
        ...(this.name === 'envpass' ? {} : { TEST_SSH_SSHD_CONFOPTS: `SetEnv HOME=${this.directory} PATH=${path}` }),
        BUILDDIR: this.directory,
        OBJ: this.directory,
      },
    });
  }

  /** What the script said of what failed. */
  get failures(): string {
    const file = join(this.directory, 'failed-regress.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  stop(): void {
    for (const server of this.#servers) server.close();
    removeDirectory(this.directory);
  }

  /** The script, with ports of its own where it names any. */
  #script(): string {
    const name = this.#scriptName;
    const file = join(SCRIPTS, `${name}.sh`);
    const named = NAMED[name];
    if (named === undefined) return file;
    let text = readFileSync(file, 'utf8');
    for (const [line, mine] of named) {
      if (!text.includes(`\n${line}\n`)) throw new Error(`${file} has no line ${line}: where are its ports?`);
      text = text.replace(`\n${line}\n`, `\n${mine(this.#port)}\n`);
    }
    if (this.#part !== undefined) text = partOf(text, this.#part);
    const own = join(this.directory, 'scripts');
    mkdirSync(own);
    symlinkSync(join(SCRIPTS, 'sshd-log-wrapper.sh'), join(own, 'sshd-log-wrapper.sh'));
    writeFileSync(join(own, `${name}.sh`), text);
    return join(own, `${name}.sh`);
  }

  #program(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  }
}

/** One key for all of them. */
export async function regressKey(directory: string): Promise<{ file: string; text: string }> {
  const file = join(directory, 'key');
  await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file]);
  return { file, text: readFileSync(`${file}.pub`, 'utf8').trim().split(' ').slice(0, 2).join(' ') };
}
