// A host that keeps its own account: a program that is forbidden and leaves a mark whoever runs it, a file that is forbidden,
// and a login shell of the test's choice. Refuses to know: rules, the gateway.

import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Finished, removeDirectory, run, temporaryDirectory } from '../../../support/process.ts';
import { type Sshd, startSshd } from '../../../support/sshd.ts';

export const CANARY = 'canary-of-the-secret-file-8241';

export interface World {
  readonly sshd: Sshd;
  readonly directory: string;
  /** Files that may be had, and those that may not. */
  readonly files: string;
  readonly secret: string;
  /** A text of the attempts' file as it is sent. */
  spelt(text: string): string;
  /** Runs a command as the host would, with nobody in between. */
  direct(text: string): Promise<Finished>;
  /** How often the forbidden program ran since this was asked last. */
  marks(): number;
  stop(): Promise<void>;
}

export async function openWorld(shell: string): Promise<World> {
  const directory = temporaryDirectory('host');
  const [bin, files, secret] = ['bin', 'files', 'secret'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [bin, files, secret, join(directory, 'other'), join(directory, 'evil')]) mkdirSync(path);
  const marks = join(directory, 'marks');
  writeFileSync(marks, '');
  executable(join(bin, 'wipe'), `#!/bin/dash\necho x >> ${marks}\n`);
  // Another program by an allowed name, for whoever changes the search path.
  for (const name of ['ls', 'echo', 'cat']) executable(join(directory, 'other', name), `#!/bin/dash\n${bin}/wipe\n`);
  writeFileSync(join(directory, 'wipe.sh'), 'wipe\n');
  writeFileSync(join(directory, 'evil', '; wipe'), '');
  writeFileSync(join(secret, 'key'), `${CANARY}\n`);
  writeFileSync(join(files, 'plain'), 'plain\n');
  symlinkSync(secret, join(files, 'way-in'));
  symlinkSync(join(secret, 'key'), join(files, 'link'));
  symlinkSync('../secret/key', join(files, 'relative'));
  symlinkSync('relative', join(files, 'chain'));
  const login = join(directory, 'login');
  executable(
    login,
    `#!/bin/sh
export PATH=${bin}:/usr/bin:/bin:/usr/sbin:/sbin HOME=${directory}
cd ${directory}
case "$SSH_ORIGINAL_COMMAND" in
  "") exec ${shell} -i ;;
  internal-sftp) exec /usr/lib/openssh/sftp-server ;;
  *) exec ${shell} -c "$SSH_ORIGINAL_COMMAND" ;;
esac
`,
  );
  const sshd = await startSshd({ config: [`ForceCommand ${login}`] });
  return {
    sshd,
    directory,
    files,
    secret,
    spelt: (text) =>
      text
        .replaceAll('{nl}', '\n')
        .replaceAll('{cr}', '\r')
        .replaceAll('{tab}', '\t')
        .replace(/\{u:([0-9a-f]{4})\}/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
        .replaceAll('{dir}', directory)
        .replaceAll('{files}', files)
        .replaceAll('{secret}', secret)
        .replaceAll('{SECRET}', secret.toUpperCase()),
    direct: (text) =>
      run('timeout', ['-k', '1', '4', login], { env: { ...process.env, SSH_ORIGINAL_COMMAND: text }, input: '' }),
    marks: () => {
      const count = readFileSync(marks, 'utf8').length / 2;
      writeFileSync(marks, '');
      return count;
    },
    stop: async () => {
      await sshd.stop();
      removeDirectory(directory);
    },
  };
}

function executable(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

export interface Attempt {
  readonly layer: string;
  readonly name: string;
  readonly text: string;
}

/** `[layer]` on a line of its own, then `name: text` a line; lines that begin with # are comments. */
export function readAttempts(file: string): Attempt[] {
  const attempts: Attempt[] = [];
  let layer = '';
  for (const line of readFileSync(new URL(`./${file}`, import.meta.url), 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const heading = /^\[(.+)\]$/.exec(line);
    if (heading !== null) {
      layer = heading[1]!;
      continue;
    }
    const match = /^([^:]+): (.+)$/.exec(line);
    if (match === null) throw new Error(`not an attempt: ${line}`);
    attempts.push({ layer, name: match[1]!, text: match[2]! });
  }
  const twice = attempts.map(({ name }) => name).filter((name, i, all) => all.indexOf(name) !== i);
  if (twice.length > 0) throw new Error(`used twice: ${twice.join(', ')}`);
  return attempts;
}

export function readLines(file: string): string[] {
  const lines = readFileSync(new URL(`./${file}`, import.meta.url), 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}
