// What rules forbid happens in no way: hundreds of attempts through a gateway, on hosts whose login shells are bash and dash. The
// host itself says whether one got through: the forbidden program leaves a mark, the forbidden file has a text of its own.
// What a layer does not catch is told as plainly (attempts.txt), and passed by the layer that does.

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type Connected, type Gateway, startGateway } from '../../../support/gateway.ts';
import { describeWith } from '../../../support/needs.ts';
import { repository } from '../../../support/process.ts';
import { openClient, type SshClient } from './clients.ts';
import { CANARY, openWorld, readAttempts, readLines, type World } from './world.ts';

const ATTEMPTS = readAttempts('attempts.txt');
const FILES = readAttempts('files.txt');
const HONEST = readLines('honest.txt');
const SHELLS = ['bash', 'dash'] as const;

/** What may run on the host with a list: harmless ones, and every wrapper, so that the wrappers are tried as well. */
const MAY_RUN = [
  ...[
    'echo',
    'cat',
    'ls',
    'true',
    'false',
    'printf',
    'test',
    '[',
    'tr',
    'rev',
    'base64',
    'wait',
    'set',
    'break',
    'read',
  ],
  ...[
    'sh',
    'bash',
    'env',
    'nohup',
    'nice',
    'timeout',
    'setsid',
    'stdbuf',
    'sudo',
    'su',
    'xargs',
    'find',
    'flock',
    'time',
  ],
  ...['command', 'builtin', 'exec', 'trap', 'export', 'unset', 'f', 'x', '-x', 'cd', 'shopt', 'alias'],
];

describeWith(['sshd'], 'a way around the rules', () => {
  const worlds = {} as Record<(typeof SHELLS)[number], World>;
  const clients: Record<string, SshClient> = {};
  let gateway: Gateway;
  let alice: Client;
  let connected: Connected;
  let web: Server;

  beforeAll(async () => {
    web = createServer((_, answer) => void answer.end(CANARY)).listen(0, '127.0.0.1');
    const connections: Record<string, object> = {};
    for (const shell of SHELLS) {
      const world = await openWorld(`/bin/${shell}`);
      worlds[shell] = world;
      const { sshd } = world;
      const connection = {
        protocol: 'ssh',
        target: { host: sshd.host, port: sshd.port, hostKeys: [sshd.hostKey] },
        credentials: { user: sshd.user, key: `file:${sshd.keyFile}` },
      };
      connections[`list-${shell}`] = connection;
      connections[`named-${shell}`] = connection;
    }
    const allowed = SHELLS.flatMap((shell) => [worlds[shell].files, `${worlds[shell].files}/*`]);
    const transfers = ['read', 'write', 'list', 'remove', 'rename', 'mkdir', 'link', 'setstat'].map((w) => `sftp-${w}`);
    const lists = { names: ['list-*'] };
    const harmless = [...allowed, '/dev/null'];
    gateway = await startGateway({
      config: {
        connections,
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        rules: [
          { name: 'only-these', to: lists, when: { does: ['exec'], otherPrograms: MAY_RUN }, then: 'deny' },
          { name: 'only-into-these', to: lists, when: { does: ['exec'], otherPlaces: harmless }, then: 'deny' },
          { name: 'only-there', to: lists, when: { does: transfers, otherPlaces: allowed }, then: 'deny' },
          {
            name: 'nowhere-else',
            to: lists,
            when: { does: ['forward'], otherPlaces: ['db.internal:5432'] },
            then: 'deny',
          },
          { name: 'no-wipe', to: { names: ['named-*'] }, when: { programs: ['wipe'] }, then: 'deny' },
        ],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    connected = await alice.connect(Object.keys(connections));
    for (const name of Object.keys(connections)) clients[name] = await openClient(alice, connected, name);
  });
  afterAll(async () => {
    for (const client of Object.values(clients)) await client.stop();
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    for (const world of Object.values(worlds)) await world.stop();
    web?.close();
  });

  describe.each(SHELLS)('on a host with %s', (shell) => {
    it('is one: without rules most of the attempts run the program', { timeout: 400_000 }, async () => {
      const world = worlds[shell];
      let ran = 0;
      for (const { text } of ATTEMPTS) {
        await world.direct(world.spelt(text));
        if (world.marks() > 0) ran++;
      }
      expect(ran).toBeGreaterThan(ATTEMPTS.length * (shell === 'bash' ? 0.75 : 0.5));
    });

    it('runs nothing where the rule lists what may run', { timeout: 400_000 }, async () => {
      const world = worlds[shell];
      const got: string[] = [];
      world.marks();
      for (const { name, text } of ATTEMPTS) {
        const done = await clients[`list-${shell}`]!.exec(world.spelt(text));
        if (world.marks() > 0 || done.code !== 126) got.push(`${name}: exit ${done.code} ${done.stderr}`);
      }
      expect(got).toEqual([]);
    });

    it('is caught as the file of attempts says where the rule names what may not', { timeout: 400_000 }, async () => {
      const world = worlds[shell];
      const got: string[] = [];
      for (const { name, text, layer } of ATTEMPTS) {
        if (layer === 'not caught' && name === 'watch') continue;
        const done = await clients[`named-${shell}`]!.exec(world.spelt(text));
        const marks = world.marks();
        const by = /rule "no-wipe"/.test(done.stderr)
          ? 'parsed'
          : /hoopctl: /.test(done.stderr)
            ? 'opaque'
            : 'not caught';
        if (by !== layer || (by !== 'not caught' && (marks > 0 || done.code !== 126))) {
          got.push(`${name}: ${by}, exit ${done.code}, ran ${marks} times: ${done.stderr}`);
        }
      }
      expect(got).toEqual([]);
    });

    it('is nothing that honest commands are taken for', { timeout: 400_000 }, async () => {
      const world = worlds[shell];
      const got: string[] = [];
      for (const line of HONEST) {
        const text = world.spelt(line);
        const both = async () => [await clients[`named-${shell}`]!.exec(text), await world.direct(text)] as const;
        const differ = ([a, b]: Awaited<ReturnType<typeof both>>) =>
          a.code !== b.code || a.stdout !== b.stdout || a.stderr !== b.stderr;
        let found = await both();
        // Start-up files of the account that runs this may have a word to say, now and then.
        if (differ(found)) found = await both();
        if (differ(found)) got.push(`${text}: ${JSON.stringify(found)}`);
      }
      expect(got).toEqual([]);
    });

    it('is not to be had in a shell, with a terminal or without', async () => {
      const world = worlds[shell];
      for (const [args, input] of [
        [['-T'], 'wipe\n'],
        [['-tt'], 'wipe\r'],
        [['-tt'], '\u001b[200~wipe\r\u001b[201~\r'],
        [['-tt'], '\u0016\u0017wipe\r'],
      ] as const) {
        const done = await clients[`list-${shell}`]!.ssh(args, input);
        expect(done.code).toBe(126);
        expect(done.stderr + done.stdout).toContain('hoopctl: ');
      }
      expect(world.marks()).toBe(0);
    });
  });

  it('to a file is none by sftp', { timeout: 400_000 }, async () => {
    const world = worlds.bash;
    const [to, from] = [join(alice.home, 'stolen'), join(alice.home, 'evil')];
    writeFileSync(from, 'evil text\n');
    const key = join(world.secret, 'key');
    const before = readFileSync(key, 'utf8');
    const got: string[] = [];
    for (const { name, text } of FILES) {
      rmSync(to, { recursive: true, force: true });
      const batch = world.spelt(text).replaceAll('{to}', to).replaceAll('{from}', from).replaceAll(' ;; ', '\n-');
      const done = await clients['list-bash']!.sftp(`-${batch}\n`);
      const stolen = existsSync(to) && !`${to}`.endsWith('/') ? readSafely(to) : '';
      if (done.stdout.includes(CANARY) || stolen.includes(CANARY)) got.push(`${name}: read`);
      if (/^(?:key|new)$/m.test(done.stdout)) got.push(`${name}: listed`);
      if (!existsSync(key) || readFileSync(key, 'utf8') !== before) got.push(`${name}: changed`);
      if (existsSync(join(world.secret, 'new'))) got.push(`${name}: made`);
    }
    expect(got).toEqual([]);
    const honest = await clients['list-bash']!.sftp(`get ${world.files}/plain ${to}\nput ${from} ${world.files}/up\n`);
    expect(honest.stderr).toBe('');
    expect(readFileSync(join(world.files, 'up'), 'utf8')).toBe('evil text\n');
  });

  it('is no subsystem by another name', async () => {
    for (const name of [
      'sftp2',
      'sftp ',
      ' sftp',
      'SFTP',
      'sftp\n',
      '/usr/lib/openssh/sftp-server',
      'exec',
      'shell',
      '',
    ]) {
      const done = await clients['list-bash']!.ssh(['-s'], '').catch(() => undefined);
      expect(done?.code, 'no name').not.toBe(0);
      const tried = await clients['list-bash']!.exec(name === '' ? ' ' : name, ['-s']);
      expect(tried.code, JSON.stringify(name)).toBe(126);
      expect(tried.stderr).toContain('hoopctl: ');
    }
  });

  it('is no forwarding to the metadata address, however it is spelt', async () => {
    const { port } = web.address() as AddressInfo;
    const places = [
      ...['169.254.169.254:80', '2852039166:80', '0xa9fea9fe:80', '0251.0376.0251.0376:80', '169.254.43518:80'],
      ...['[::ffff:169.254.169.254]:80', '[::ffff:a9fe:a9fe]:80', 'metadata.google.internal:80', '169.254.169.254.:80'],
      ...['instance-data:80', 'DB.INTERNAL:80', 'db.internal:5433', `127.0.0.1:${port}`, `localhost:${port}`],
      ...[`[::1]:${port}`, `0.0.0.0:${port}`, `127.1:${port}`, `db.internal%00:${port}`],
    ];
    for (const place of places) {
      const done = await clients['list-bash']!.ssh(['-W', place]);
      expect(done.code, place).not.toBe(0);
      expect(done.stdout + done.stderr, place).not.toContain(CANARY);
      expect(done.stderr, place).toContain('nowhere-else');
    }
  });

  it('is counted in the README', () => {
    const count = (layer: string) => ATTEMPTS.filter((one) => one.layer === layer).length;
    const line = `${count('parsed')} are named by the grammar, ${count('opaque')} are opaque, ${count('not caught')} are not caught`;
    const text = readFileSync(join(repository, 'README.md'), 'utf8').replaceAll('\n', ' ');
    expect(text).toContain(line);
    expect(text).toContain(`${FILES.length} ways to a file`);
    expect(text).toContain(`${HONEST.length} honest commands`);
  });
});

function readSafely(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
