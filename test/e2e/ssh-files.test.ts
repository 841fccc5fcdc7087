// Files over SSH through the gateway: sftp, scp by both of its protocols, rsync and git, against a real sshd.

import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ssh2 } from '../../src/protocol/ssh/transport/guarded-ssh2.ts';
import { type Client, type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually, type Finished, run, start } from '../support/process.ts';
import type { Line } from '../support/recordings.ts';
import { pendingReview } from '../support/reviews.ts';
import { endedSession } from '../support/sessions.ts';
import { bytes, string, uint32 } from '../support/ssh-raw.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';

describeWith(['sshd', 'rsync'], 'files over ssh', () => {
  let sshd: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let dana: Client;
  let connected: Connected;
  /** What the host has, and what is forbidden there. */
  let home: string;
  let secret: string;

  beforeAll(async () => {
    sshd = await startSshd();
    home = join(sshd.directory, 'files');
    secret = join(sshd.directory, 'secret');
    mkdirSync(home);
    mkdirSync(secret);
    writeFileSync(join(secret, 'key'), 'the key\n');
    writeFileSync(join(home, 'plain'), 'plain\n');
    symlinkSync(secret, join(home, 'way-in'));
    const host = {
      protocol: 'ssh',
      target: { host: sshd.host, port: sshd.port, hostKeys: [sshd.hostKey] },
      credentials: { user: sshd.user, key: `file:${sshd.keyFile}` },
    };
    gateway = await startGateway({
      config: {
        connections: {
          open: host,
          ruled: host,
          masked: { ...host, options: { masked: ['sftp'] } },
          bare: host,
          counted: { ...host, options: { keepFiles: 1000 } },
        },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        limits: { ssh_masked_files_bytes: 10 * 1024 * 1024 },
        masks: [{ name: 'cards', to: { names: ['masked', 'bare'] }, detect: ['credit-card'], as: 'full' }],
        rules: [
          { name: 'no-secrets', to: { names: ['ruled'] }, when: { text: ` ${secret}(/|$)` }, then: 'deny' },
          {
            name: 'little-out',
            to: { names: ['counted'] },
            when: { does: ['sftp-read'], budget: { bytes: 1_000_000, per: 'session' } },
            then: 'deny',
          },
          {
            name: 'few-in',
            to: { names: ['counted'] },
            when: { does: ['sftp-write'], budget: { statements: 2, per: 'session' } },
            then: 'deny',
          },
          {
            name: 'little-said',
            to: { names: ['counted'] },
            when: { does: ['exec'], budget: { bytes: 100_000, per: 'session' } },
            then: 'deny',
          },
          {
            name: 'not-for-long',
            to: { names: ['counted'] },
            when: { programs: ['sleep'], budget: { time: '1s', per: 'session' } },
            then: 'deny',
          },
          { name: 'as-they-are', to: { names: ['counted'] }, when: { does: ['sftp-setstat'] }, then: 'deny' },
          {
            name: 'only-there',
            to: { names: ['counted'] },
            when: { does: ['sftp-write', 'sftp-read'], otherPlaces: [`${home}/*`] },
            then: 'deny',
          },
          {
            name: 'ask-before-removal',
            to: { names: ['ruled'] },
            when: { does: ['sftp-remove'] },
            then: 'review',
            reviewers: { groups: ['dba'] },
          },
        ],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    dana = await gateway.user('dana', { groups: ['dba'] });
    connected = await alice.connect(['open', 'ruled', 'counted', 'masked', 'bare']);
  });
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    await sshd?.stop();
  });

  const options = (name: string) => [
    ...['-F', 'none', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
    ...['-o', `Port=${connected.ports[name]}`],
  ];
  const sftp = (name: string, batch: string): Promise<Finished> =>
    run('sftp', [...options(name), '-b', '-', '127.0.0.1'], { env: alice.env, input: batch });

  async function exported(session: string): Promise<Line[]> {
    const { stdout } = await alice.runOk(['sessions', 'export', session, '-o', '-']);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  }

  describe.each(['open', 'ruled'])('on connection %s', (name) => {
    it('sftp puts, gets, lists, renames and removes', async () => {
      const bytes = randomBytes(3_000_000);
      const local = join(alice.home, `up-${name}`);
      writeFileSync(local, bytes);
      const remote = join(home, `sftp-${name}`);
      const done = await sftp(
        name,
        `mkdir ${remote}\nput ${local} ${remote}/a\nls ${remote}\nrename ${remote}/a ${remote}/b\nget ${remote}/b ${local}.back\nln -s b ${remote}/c\n`,
      );
      expect(done.code, done.stderr).toBe(0);
      expect(done.stdout).toContain('a');
      expect(readFileSync(`${local}.back`).equals(bytes)).toBe(true);
      expect(readFileSync(join(remote, 'c')).equals(bytes)).toBe(true);
    });

    it.each([['sftp'], ['-O']])('scp %s copies there and back', async (mode) => {
      const flags = mode === '-O' ? ['-O'] : [];
      const local = join(alice.home, `scp-${name}${mode}`);
      writeFileSync(local, randomBytes(500_000));
      const remote = join(home, `scp-${name}${mode}`);
      const up = await run('scp', [...flags, ...options(name), local, `127.0.0.1:${remote}`], { env: alice.env });
      expect(up.code, up.stderr).toBe(0);
      const down = await run('scp', [...flags, ...options(name), `127.0.0.1:${remote}`, `${local}.back`], {
        env: alice.env,
      });
      expect(down.code, down.stderr).toBe(0);
      expect(readFileSync(`${local}.back`).equals(readFileSync(local))).toBe(true);
    });

    it('rsync copies a tree', async () => {
      const tree = join(alice.home, `tree-${name}`);
      mkdirSync(tree);
      for (let i = 0; i < 200; i++) writeFileSync(join(tree, `f${i}`), `${i}\n`.repeat(i));
      const shell = ['ssh', ...options(name)].join(' ');
      const args = ['-a', '-e', shell, `${tree}/`, `127.0.0.1:${home}/tree-${name}/`];
      const done = await run('rsync', args, { env: alice.env });
      expect(done.code, done.stderr).toBe(0);
      const same = await run('diff', ['-r', tree, join(home, `tree-${name}`)]);
      expect(same.code, same.stdout).toBe(0);
    });

    it('git clones and pushes', async () => {
      const bare = join(home, `repository-${name}.git`);
      await run('git', ['init', '-q', '--bare', '-b', 'main', bare]);
      const env = { ...alice.env, GIT_SSH_COMMAND: ['ssh', ...options(name)].join(' '), GIT_CONFIG_NOSYSTEM: '1' };
      const work = join(alice.home, `work-${name}`);
      const clone = await run('git', ['clone', '-q', `ssh://127.0.0.1${bare}`, work], { env });
      expect(clone.code, clone.stderr).toBe(0);
      writeFileSync(join(work, 'file'), 'content\n');
      const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.com'];
      await run('git', [...who, '-C', work, 'add', 'file'], { env });
      await run('git', [...who, '-C', work, 'commit', '-qm', 'one'], { env });
      const push = await run('git', ['-C', work, 'push', '-q', 'origin', 'HEAD:main'], { env });
      expect(push.code, push.stderr).toBe(0);
      expect((await run('git', ['--git-dir', bare, 'show', 'main:file'])).stdout).toBe('content\n');
    });
  });

  describe('a rule about a path', () => {
    it.each([
      ['as it is', () => `${secret}/key`],
      ['through ..', () => `${home}/../secret/key`],
      ['through a symbolic link', () => `${home}/way-in/key`],
      ['with empty and dot segments', () => `${home}//.//../secret/./key`],
    ])('holds for it %s', async (_, path) => {
      const target = join(alice.home, 'stolen');
      const done = await sftp('ruled', `get ${path()} ${target}\n`);
      expect(done.code).not.toBe(0);
      expect(done.stderr).toContain('no-secrets');
      expect(existsSync(target)).toBe(false);
    });

    it('holds for a link made and then used', async () => {
      const link = join(home, 'fresh-link');
      const done = await sftp('ruled', `ln -s ${secret} ${link}\nget ${link}/key ${alice.home}/stolen\n`);
      expect(done.code).not.toBe(0);
      expect(existsSync(join(alice.home, 'stolen'))).toBe(false);
    });

    it('holds for what is written', async () => {
      const local = join(alice.home, 'overwrite');
      writeFileSync(local, 'evil\n');
      const done = await sftp('ruled', `put ${local} ${home}/way-in/key\n`);
      expect(done.code).not.toBe(0);
      expect(readFileSync(join(secret, 'key'), 'utf8')).toBe('the key\n');
    });
  });

  it('a held removal goes on when it is approved', async () => {
    const file = join(home, 'condemned');
    writeFileSync(file, '');
    const running = sftp('ruled', `rm ${file}\nls ${home}/plain\n`);
    const review = await pendingReview(dana, `remove ${file}`);
    expect(existsSync(file)).toBe(true);
    await dana.runOk(['reviews', 'approve', review.id]);
    const done = await running;
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toContain('plain');
    expect(existsSync(file)).toBe(false);
  });

  it('what went through is on record with its digest', async () => {
    const bytes = randomBytes(100_000);
    const local = join(alice.home, 'digested');
    writeFileSync(local, bytes);
    await sftp('ruled', `put ${local} ${home}/digested\n`);
    const replay = await alice.runOk(['sessions', 'replay', await endedSession(alice)]);
    expect(replay.stdout).toContain(`write ${home}/digested`);
    expect(replay.stdout).toContain(`sha256 ${createHash('sha256').update(bytes).digest('hex')}`);
  });

  it('what the host could not write is not on record as written', async () => {
    const local = join(alice.home, 'lost');
    writeFileSync(local, 'lost\n');
    const done = await sftp('ruled', `-put ${local} /dev/full\n`);
    expect(done.stderr).toContain('write');
    const lines = await exported(await endedSession(alice));
    const asked = lines.find(({ kind, text }) => kind === 'intent' && text === 'write /dev/full');
    expect(lines.find((line) => line.kind === 'result' && line.op === asked?.op)).toMatchObject({
      status: 'error',
      tag: 'status 4',
    });
  });

  describe('a budget', () => {
    it('cuts a download in its middle, and the connection lives', async () => {
      writeFileSync(join(home, 'large'), randomBytes(3_000_000));
      const target = join(alice.home, 'cut');
      const done = await sftp('counted', `-get ${home}/large ${target}\nls ${home}/plain\n`);
      expect(done.stderr).toContain('little-out');
      expect(readFileSync(target).length).toBeLessThan(1_000_001);
      expect(done.stdout).toContain('plain');
      const lines = await exported(await endedSession(alice));
      expect(lines.find(({ kind, tag }) => kind === 'result' && tag === 'cut')).toMatchObject({
        error: { message: expect.stringContaining('little-out') },
      });
    });

    it('counts files', async () => {
      const local = join(alice.home, 'small');
      writeFileSync(local, 'small\n');
      const puts = [1, 2, 3].map((n) => `-put ${local} ${home}/small-${n}\n`).join('');
      const done = await sftp('counted', puts);
      expect(done.stderr).toContain('few-in');
      expect([1, 2, 3].map((n) => existsSync(join(home, `small-${n}`)))).toEqual([true, true, false]);
    });

    it('ends a command that says too much, and one that takes too long', async () => {
      const loud = await run('ssh', [...options('counted'), '127.0.0.1', 'head -c 120000 /dev/zero'], {
        env: alice.env,
      });
      expect(loud.code).toBe(126);
      expect(loud.stdout.length).toBeLessThan(100_001);
      expect(loud.stderr).toContain('little-said');
      const said = await exported(await endedSession(alice));
      // Whatever the host said of it, whose program came to its end.
      expect(said.find(({ kind }) => kind === 'result')).toMatchObject({
        ...{ status: 'error', tag: 'refused' },
        error: { code: 'denied', message: expect.stringContaining('little-said') },
      });
      const long = await run('ssh', [...options('counted'), '127.0.0.1', 'sleep 100'], { env: alice.env });
      expect(long.code).toBe(126);
      expect(long.stderr).toContain('not-for-long');
    });
  });

  it('a list of places holds for scp -O and rsync as well', async () => {
    const local = join(alice.home, 'listed');
    writeFileSync(local, 'listed\n');
    const outside = join(secret, 'listed');
    for (const mode of [['-O'], []]) {
      const done = await run('scp', [...mode, ...options('counted'), local, `127.0.0.1:${outside}`], {
        env: alice.env,
      });
      expect(done.code).not.toBe(0);
      expect(done.stderr).toContain('only-there');
      const taken = await run('scp', [...mode, ...options('counted'), `127.0.0.1:${secret}/key`, `${local}-2`], {
        env: alice.env,
      });
      expect(taken.stderr).toContain('only-there');
    }
    const shell = `ssh ${options('counted').join(' ')}`;
    const done = await run('rsync', ['-e', shell, local, `127.0.0.1:${home}/../secret/`], { env: alice.env });
    expect(done.stderr).toContain('only-there');
    expect(existsSync(outside)).toBe(false);
    const allowed = await run('rsync', ['-e', shell, local, `127.0.0.1:${home}/rsynced`], { env: alice.env });
    expect(allowed.code, allowed.stderr).toBe(0);
    expect(readFileSync(join(home, 'rsynced'), 'utf8')).toBe('listed\n');
  });

  it('the first bytes of a file are kept where that is asked for', async () => {
    writeFileSync(join(home, 'kept'), `kept-content-5512\n${'x'.repeat(5000)}`);
    await sftp('counted', `get ${home}/kept ${alice.home}/kept\n`);
    const replay = await alice.runOk(['sessions', 'replay', await endedSession(alice)]);
    expect(replay.stdout).toContain('kept-content-5512');
  });

  it('attributes are set by a rule of their own, by an open file too', async () => {
    const client = new ssh2.Client();
    await new Promise<void>((resolve, reject) => {
      client.once('ready', resolve).once('error', reject);
      client.connect({ host: '127.0.0.1', port: connected.ports.counted!, username: 'any' });
    });
    const file = join(home, 'mode');
    writeFileSync(file, 'x', { mode: 0o600 });
    const failed = await new Promise<Error | null | undefined>((resolve, reject) => {
      client.sftp((error, sftp) => {
        if (error !== undefined) return reject(error);
        sftp.open(file, 'r', (refused, handle) => {
          if (refused !== undefined) return reject(refused);
          sftp.fchmod(handle, 0o777, resolve);
        });
      });
    });
    client.end();
    expect(failed?.message).toContain('denied by rule "as-they-are"');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  describe('where masks apply', () => {
    const card = '4111 1111 1111 1111';

    it('text that is read is masked, with the length that it has then', async () => {
      writeFileSync(join(home, 'cards'), `a ${card}\n`.repeat(5000));
      const target = join(alice.home, 'cards');
      const done = await sftp('masked', `get ${home}/cards ${target}\n`);
      expect(done.code, done.stderr).toBe(0);
      const got = readFileSync(target, 'utf8');
      expect(got).not.toContain('1111 1111');
      expect(got.trim().split('\n')).toHaveLength(5000);
      // Whatever the offset that is asked for.
      const again = await sftp('masked', `reget ${home}/cards ${target}\n`);
      expect(again.code, again.stderr).toBe(0);
      expect(readFileSync(target, 'utf8')).toBe(got);
    });

    it.each([
      [
        'no text',
        'binary',
        () => Buffer.concat([Buffer.from(card), Buffer.alloc(8), randomBytes(100)]),
        'it is no text',
      ],
      ['too long', 'long', () => Buffer.from(`${card}\n`.repeat(500_000)), 'ssh_masked_file_bytes'],
    ])('a file is refused that is %s', async (_, name, bytes, why) => {
      writeFileSync(join(home, name), bytes());
      const target = join(alice.home, name);
      const done = await sftp('masked', `-get ${home}/${name} ${target}\nls ${home}/plain\n`);
      expect(done.stderr).toContain(why);
      expect(existsSync(target) && readFileSync(target).length > 0).toBe(false);
      expect(done.stdout).toContain('plain');
    });

    it('a handle is of no use before the client is told of it', async () => {
      writeFileSync(join(home, 'guessed'), `a ${card}\n`);
      const packet = (...parts: (number | Buffer)[]) => string(bytes(...parts));
      const read = (id: number) => packet(5, uint32(id), string(uint32(0)), uint32(0), uint32(0), uint32(1000));
      const input = Buffer.concat([
        packet(1, uint32(3)),
        packet(3, uint32(1), string(join(home, 'guessed')), uint32(1), uint32(0)),
        ...Array.from({ length: 50 }, (_, i) => read(i + 2)),
      ]);
      const client = start('ssh', [...options('masked'), '-s', '127.0.0.1', 'sftp'], { env: alice.env });
      client.child.stdin!.write(input);
      await client.waitFor(/the handle is none that is open/, 'stdout');
      await client.stop();
      expect(client.stdout).not.toContain('1111');
    });

    it('a request with a number of the gateway itself gets none of its answers', async () => {
      writeFileSync(join(home, 'answered'), `a ${card}\n`);
      mkdirSync(join(home, 'empty'));
      const packet = (...parts: (number | Buffer)[]) => string(bytes(...parts));
      const list = (id: number) => packet(12, uint32(id), string(uint32(0)));
      const client = start('ssh', [...options('masked'), '-s', '127.0.0.1', 'sftp'], { env: alice.env });
      client.child.stdin!.write(packet(1, uint32(3)));
      client.child.stdin!.write(packet(11, uint32(1), string(join(home, 'empty'))));
      // The handle is here; then the directory is read to its end.
      await eventually('a handle', async () => client.stdout.includes('f\0\0\0\u0001'));
      client.child.stdin!.write(Buffer.concat([list(2), list(3)]));
      await eventually('its end', async () => client.stdout.includes('e\0\0\0\u0003'));
      const open = packet(3, uint32(4), string(join(home, 'answered')), uint32(1), uint32(0));
      client.child.stdin!.write(
        Buffer.concat([open, ...Array.from({ length: 9 }, (_, i) => list(0xf000_0000 + i)), list(5)]),
      );
      await eventually('the last answer', async () => client.stdout.includes('\0\0\0\u0005'));
      await eventually('the handle of the file', async () => client.stdout.includes('f\0\0\0\u0004'));
      await client.stop();
      expect(client.stdout).not.toContain('1111');
    });

    it('open masked files have a bound together, and closing one makes room', async () => {
      for (const name of ['one', 'two']) writeFileSync(join(home, name), 'nothing to mask here\n'.repeat(300_000));
      const packet = (...parts: (number | Buffer)[]) => string(bytes(...parts));
      const open = (id: number, name: string) => packet(3, uint32(id), string(join(home, name)), uint32(1), uint32(0));
      const client = start('ssh', [...options('masked'), '-s', '127.0.0.1', 'sftp'], { env: alice.env });
      client.child.stdin!.write(Buffer.concat([packet(1, uint32(3)), open(1, 'one')]));
      // The host's first handle is four zeros.
      await eventually('a handle', async () => client.stdout.includes('f\0\0\0\u0001\0\0\0\u0004\0\0\0\0'));
      client.child.stdin!.write(open(2, 'two'));
      await client.waitFor(/the masked files that are open have 10485760 bytes \(ssh_masked_files_bytes\)/, 'stdout');
      client.child.stdin!.write(Buffer.concat([packet(4, uint32(3), string(uint32(0))), open(4, 'two')]));
      await eventually('a handle', async () => client.stdout.includes('f\0\0\0\u0004'));
      await client.stop();
    });

    it('sftp is refused where the configuration says nothing of files', async () => {
      const done = await sftp('bare', `get ${home}/plain ${alice.home}/bare\n`);
      expect(done.code).not.toBe(0);
      expect(done.stderr).toContain('cannot be masked');
    });
  });
});
