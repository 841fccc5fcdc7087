// Logging in at the native SSH listener with OpenSSH's client and nothing of hoopctl in between: certificates, a browser, a
// token; what the user reads where it does not work; and which algorithms there are.

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { confirmDevice, textOf } from '../support/device-pages.ts';
import { type Client, type Gateway, startGateway } from '../support/gateway.ts';
import { type Issuer, startIssuer } from '../support/issuer.ts';
import { describeWith } from '../support/needs.ts';
import { contentsUnder, eventually, type Finished, freePort, type RunOptions, run } from '../support/process.ts';
import { openSshKey } from '../support/ssh-keys.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { onTerminal, type Terminal } from '../support/terminal.ts';

interface Certified {
  key: string;
  certificate: string;
  knownHosts: string;
  expiresAt: string;
}

const keygen = (...args: string[]) => execFileSync('ssh-keygen', ['-q', ...args], { stdio: 'pipe' }).toString();

describeWith(['sshd'], 'the native ssh listener', () => {
  let sshd: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let mallory: Client;
  let known: string;

  beforeAll(async () => {
    sshd = await startSshd();
    const connection = (more: object = {}) => ({
      protocol: 'ssh',
      target: { host: sshd.host, port: sshd.port, hostKeys: [sshd.hostKey], ...more },
      credentials: { user: sshd.user, key: `file:${sshd.keyFile}` },
    });
    const other = keyIn(sshd.directory, 'other');
    gateway = await startGateway({
      native: 'ssh',
      config: {
        limits: { ssh_rekey_bytes: 1_000_000 },
        connections: {
          host: connection(),
          changed: connection({ hostKeys: [readFileSync(`${other}.pub`, 'utf8').split(' ').slice(0, 2).join(' ')] }),
          dead: connection({ port: await freePort() }),
        },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    mallory = await gateway.user('mallory');
    ({ knownHosts: known } = await certified(alice));
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await sshd?.stop();
  });

  async function certified(who: Client, args: string[] = []): Promise<Certified> {
    return JSON.parse((await who.runOk(['ssh', '--json', '--certificate', ...args])).stdout) as Certified;
  }

  function keyIn(directory: string, name: string, args: string[] = ['-t', 'ed25519']): string {
    const file = join(directory, name);
    if (!existsSync(file)) keygen(...args, '-N', '', '-C', '', '-f', file);
    return file;
  }

  /** Arguments of ssh that lead to the listener of this gateway or another. */
  const to = (port = gateway.nativePort, file = known) => [
    ...['-F', 'none', '-p', String(port), '-o', `UserKnownHostsFile=${file}`, '-o', 'GlobalKnownHostsFile=/dev/null'],
  ];
  const machine = () => ({ PATH: alice.env.PATH, HOME: alice.home });
  const ssh = (args: string[], options: RunOptions = {}): Promise<Finished> =>
    run('ssh', [...to(), '-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', ...args], { env: machine(), ...options });
  const withKey = (key: string, name = 'host', command = 'echo in') => ssh(['-i', key, `${name}@127.0.0.1`, command]);

  describe('a certificate', () => {
    it("lets in with hoopctl's own key, the gateway's host key known, and the session is the person's", async () => {
      const { key, certificate } = await certified(alice);
      expect(await withKey(key)).toMatchObject({ code: 0, stdout: 'in\n', stderr: '' });
      const shown = keygen('-Lf', certificate);
      expect(shown).toContain('Key ID: "alice@example.com"');
      expect(shown).toMatch(/Principals: \n\s+alice\n/);
      const { sessions } = await alice.json<{ sessions: { client: string; principal: { subject: string } }[] }>([
        ...['sessions', 'ls', '--limit', '1'],
      ]);
      expect(sessions[0]).toMatchObject({ principal: { subject: 'alice' }, via: 'native' });
    });

    it.each([
      ['rsa', ['-t', 'rsa', '-b', '2048']],
      ['ecdsa', ['-t', 'ecdsa', '-b', '521']],
    ])("is given for a key of the user's: %s", async (kind, args) => {
      const key = keyIn(alice.home, `own-${kind}`, args);
      const { certificate } = await certified(alice, ['--key', key]);
      expect(certificate).toBe(`${key}-cert.pub`);
      expect(await withKey(key)).toMatchObject({ code: 0, stdout: 'in\n' });
    });

    it('is given for a key that only the agent has', async () => {
      const key = keyIn(alice.home, 'in-agent');
      const script = `ssh-add -q ${key} && rm ${key} && ${process.execPath} "$0" ssh --certificate --key ${key}.pub >/dev/null &&
        ssh "$@" -i ${key}.pub -o CertificateFile=${key}-cert.pub host@127.0.0.1 'echo by agent'`;
      const args = ['sh', '-c', script, join(process.cwd(), 'bin/hoopctl.js'), ...to(), '-o', 'BatchMode=yes'];
      const done = await run('ssh-agent', args, { env: alice.env });
      expect(done, done.stderr).toMatchObject({ code: 0, stdout: 'by agent\n' });
    });

    it('lasts as long as asked, and no longer than the limit', async () => {
      const { expiresAt } = await certified(alice, ['--ttl', '2m']);
      expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(120_000);
      const long = await alice.run(['ssh', '--certificate', '--ttl', '2h']);
      expect(long.code).not.toBe(0);
      expect(long.stderr).toContain('connection_token_ms');
    });

    it('says how to use it', async () => {
      const { stderr, stdout } = await alice.runOk(['ssh', '--certificate']);
      expect(stdout.trim()).toMatch(/-cert\.pub$/);
      expect(stderr).toContain(`-p ${gateway.nativePort} NAME@`);
    });

    it('is signed by an authority that is not the one that hosts trust', async () => {
      const { certificate } = await certified(alice);
      const { described } = await alice.json<{ described: Record<string, string> }>(['describe', 'host']);
      const file = join(alice.home, 'session-authority.pub');
      writeFileSync(file, `${described['session-authority']}\n`);
      const [, hash] = /(SHA256:\S+)/.exec(keygen('-lf', file))!;
      expect(keygen('-Lf', certificate)).not.toContain(hash);
    });

    it('gives no access that its holder has not', async () => {
      const { key } = await certified(mallory);
      const done = await withKey(key);
      expect(done).toMatchObject({ code: 255, stdout: '' });
      expect(done.stderr).toContain('there is no connection "host" that you may reach');
    });

    describe('that does not count, with the reason on stderr:', () => {
      let authority: string;
      let assertion: string;

      beforeAll(async () => {
        authority = join(gateway.directory, 'stolen');
        const seed = readFileSync(join(gateway.data, 'keys/ssh-client-authority.key'), 'utf8').trim();
        writeFileSync(authority, openSshKey(Buffer.from(seed, 'base64url')), { mode: 0o600 });
        const { certificate } = await certified(alice, ['--key', keyIn(alice.home, 'forged')]);
        const blob = Buffer.from(readFileSync(certificate, 'utf8').split(' ')[1]!, 'base64').toString('latin1');
        assertion = /eyJ[\w-]+\.[\w-]+\.[\w-]+/.exec(blob)![0];
      });

      const word = () => ['-O', `extension:assertion@hoopctl=${assertion}`];
      const valid = ['-V', '-1m:+5m'];

      /** Signed with the gateway's own authority, but not by it; for a key that the gateway has vouched for, or another. */
      async function forged(args: string[], key = join(alice.home, 'forged'), ca = authority): Promise<Finished> {
        keygen('-s', ca, '-I', 'forged', ...args, `${key}.pub`);
        return withKey(key);
      }

      it('the way of making one is right', async () => {
        expect(await forged(['-n', 'alice', ...word(), ...valid])).toMatchObject({ code: 0, stdout: 'in\n' });
      });

      it.each([
        [
          'expired',
          () => ['-n', 'alice', ...word(), '-V', '20200101:20200102'],
          /the certificate expired at 2020-01-0/,
        ],
        ['not yet valid', () => ['-n', 'alice', ...word(), '-V', '+1h:+2h'], /the certificate is not valid before 20/],
        ['of another principal', () => ['-n', 'bob', ...word(), ...valid], /it names "bob", and is somebody else's/],
        ['of two', () => ['-n', 'alice,bob', ...word(), ...valid], /is none that "hoopctl ssh --certificate" gives/],
        ['of nobody', () => [...word(), ...valid], /the certificate names nobody/],
        [
          'without the word of the gateway',
          () => ['-n', 'alice', ...valid],
          /is none that "hoopctl ssh --certificate" gives/,
        ],
        [
          'with source-address',
          () => ['-n', 'alice', ...word(), ...valid, '-O', 'source-address=127.0.0.0/8'],
          /has the critical option "source-address", which is not honoured here/,
        ],
        [
          'with force-command',
          () => ['-n', 'alice', ...word(), ...valid, '-O', 'force-command=date'],
          /has the critical option "force-command", which is not honoured here/,
        ],
      ])('%s', async (_, args, told) => {
        const done = await forged(args());
        expect(done).toMatchObject({ code: 255, stdout: '' });
        expect(done.stderr).toMatch(told);
        expect(done.stderr).toContain('get another with "hoopctl ssh --certificate"');
        expect(done.stderr).toContain('Permission denied (publickey,keyboard-interactive,password).');
      });

      it("with the gateway's word for another key", async () => {
        const done = await forged(['-n', 'alice', ...word(), ...valid], keyIn(mallory.home, 'mine'));
        expect(done).toMatchObject({ code: 255, stdout: '' });
        expect(done.stderr).toContain("it is another key's");
      });

      it('of another authority, and a key alone: nothing but no', async () => {
        const own = keyIn(mallory.home, 'own-ca');
        const signed = await forged(['-n', 'alice', ...word(), ...valid], keyIn(mallory.home, 'second'), own);
        expect(signed.stderr.trim()).toBe(
          'host@127.0.0.1: Permission denied (publickey,keyboard-interactive,password).',
        );
        const bare = await withKey(keyIn(mallory.home, 'bare'));
        expect(bare.stderr).toBe(signed.stderr);
      });

      it('its word is no token: not as a password, not for the API', async () => {
        const ask = askpass(assertion);
        const done = await run('ssh', [...to(), 'host@127.0.0.1', 'true'], { env: { ...machine(), ...ask } });
        expect(done.code).toBe(255);
        const answer = await gateway.call('GET', '/api/v1/me', { token: assertion });
        expect(answer.status).toBe(401);
      });
    });

    it('of somebody who is revoked', { timeout: 180_000 }, async () => {
      const victim = await gateway.user('victim', { groups: ['engineering'] });
      const { key } = await certified(victim);
      expect((await withKey(key)).code).toBe(0);
      await gateway.admin(['revocations', 'add', 'local', 'victim', '--reason', 'left']);
      const done = await eventually('it is known', async () => {
        const tried = await withKey(key);
        // One that begins while it becomes known ends in other words.
        return tried.code === 255 && tried.stderr.includes('of issuer') ? tried : undefined;
      });
      expect(done.code).toBe(255);
      expect(done.stderr).toContain('"victim" of issuer "local" was revoked');
    });
  });

  /** A program that types it for whoever is asked. */
  function askpass(text: string): Record<string, string> {
    const file = join(alice.home, 'askpass');
    writeFileSync(file, '#!/bin/sh\necho "$TYPED"\n');
    chmodSync(file, 0o700);
    return { SSH_ASKPASS: file, SSH_ASKPASS_REQUIRE: 'force', TYPED: text };
  }

  describe('what is wrong with the host behind it', () => {
    it.each([
      ['changed', 'the host key of "changed" is not the one that is configured: it shows ssh-ed25519 SHA256:'],
      ['dead', 'cannot reach the target of "dead": connection refused'],
    ])('%s', async (name, told) => {
      const { key } = await certified(alice);
      const done = await withKey(key, name);
      expect(done).toMatchObject({ code: 255, stdout: '' });
      expect(done.stderr).toContain(told);
    });

    it("the gateway's own key is another: ssh goes no further", async () => {
      const { key } = await certified(alice);
      const file = join(alice.home, 'known-wrong');
      const wrong = readFileSync(`${keyIn(alice.home, 'wrong-host')}.pub`, 'utf8');
      writeFileSync(file, `[127.0.0.1]:${gateway.nativePort} ${wrong}`);
      const args = [...to(gateway.nativePort, file), '-o', 'BatchMode=yes', '-i', key, 'host@127.0.0.1', 'true'];
      const done = await run('ssh', args, { env: machine() });
      expect(done.code).toBe(255);
      expect(done.stderr).toContain('REMOTE HOST IDENTIFICATION HAS CHANGED!');
    });
  });

  describe('a browser', () => {
    let issuer: Issuer;
    let corporate: Gateway;

    beforeAll(async () => {
      issuer = await startIssuer({ groups: { carol: ['engineering'] } });
      corporate = await startGateway({
        native: 'ssh',
        config: {
          limits: { device_logins: 1, device_login_ms: 15_000 },
          identity: { issuers: [{ name: 'corp', issuer: issuer.issuer, clientId: 'hoopctl' }] },
          connections: {
            host: {
              protocol: 'ssh',
              target: { host: sshd.host, port: sshd.port, hostKeys: [sshd.hostKey] },
              credentials: { user: sshd.user, key: `file:${sshd.keyFile}` },
            },
          },
          access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        },
      });
    });
    afterAll(async () => {
      await corporate?.[Symbol.asyncDispose]();
      await issuer?.stop();
    });

    const login = (args: string[], command: string): Terminal =>
      onTerminal('ssh', [...args, '-o', 'PubkeyAuthentication=no', 'host@127.0.0.1', command], { env: machine() });
    const unknown = () => to(corporate.nativePort, '/dev/null').concat('-o', 'StrictHostKeyChecking=no');

    /** Enter at the prompt; where to confirm, and the code. */
    async function begun(terminal: Terminal): Promise<{ url: string; code: string }> {
      await terminal.waitFor(/Password \(a token of "hoopctl token"\), or Enter to log in with a browser: /);
      terminal.type('\n');
      const [, url = '', code = ''] = await terminal.waitFor(/(https?:\/\/\S+)\s+and confirm the code ([\w-]+)\./);
      return { url, code };
    }

    it('is where a person says who they are; ssh goes on by itself, and the code is kept nowhere', async () => {
      const terminal = login(to(), 'echo "came-$((40+2))"');
      const { url, code } = await begun(terminal);
      const browser = alice.browser();
      await confirmDevice(browser, url, alice.person, { code });
      await terminal.waitFor(/came-42/);
      expect((await terminal.process.exited).code).toBe(0);
      const shown = browser.history.map(textOf).join('\n');
      expect(shown).toContain('ssh to host, through this gateway');
      expect(shown).toContain('127.0.0.1');
      const { sessions } = await alice.json<{ sessions: object[] }>(['sessions', 'ls', '--limit', '1']);
      expect(sessions[0]).toMatchObject({ principal: { subject: 'alice' }, via: 'native' });
      expect(gateway.log).not.toContain(code);
      for (const [name, bytes] of contentsUnder(gateway.data)) {
        // The issuer's own store has it for as long as it is good.
        if (!/\.(db|sqlite)/.test(name)) expect(bytes.includes(code), name).toBe(false);
      }
    });

    it('has a token typed instead of Enter, by the line that `hoopctl token` prints', async () => {
      const { stdout, stderr } = await alice.runOk(['token', 'host']);
      const [program, ...line] = /use it with: (ssh .*)$/m.exec(stderr)![1]!.split(' ');
      const args = [...line, 'echo "came-$((40+2))"'];
      const terminal = onTerminal(program!, [...to(), '-o', 'PubkeyAuthentication=no', ...args], { env: machine() });
      await terminal.waitFor(/Enter to log in with a browser: /);
      terminal.type(`${stdout.trim()}\n`);
      await terminal.waitFor(/came-42/);
      expect((await terminal.process.exited).code).toBe(0);
    });

    it('in which the person says no', async () => {
      const terminal = login(to(), 'true');
      const { url, code } = await begun(terminal);
      await confirmDevice(alice.browser(), url, alice.person, { code, answer: 'abort' });
      await terminal.waitFor(/hoopctl: the login was refused at issuer "local"/);
      expect((await terminal.process.exited).code).toBe(255);
    });

    it('of somebody who may not: told as everywhere', async () => {
      const terminal = login(to(), 'true');
      const { url, code } = await begun(terminal);
      await confirmDevice(mallory.browser(), url, mallory.person, { code });
      await terminal.waitFor(/there is no connection "host" that you may reach/);
      expect((await terminal.process.exited).code).toBe(255);
    });

    it('at an issuer elsewhere', async () => {
      const terminal = login(unknown(), 'echo "came-$((40+2))"');
      const { url, code } = await begun(terminal);
      expect(url).toContain(issuer.issuer);
      await confirmDevice(corporate.client('carol').browser(), url, { name: 'carol', password: 'any' }, { code });
      await terminal.waitFor(/came-42/);
      expect((await terminal.process.exited).code).toBe(0);
    });

    it('is waited for so long, by so many, and by nobody who has left', async () => {
      const first = login(unknown(), 'true');
      await begun(first);
      const second = login(unknown(), 'true');
      await second.waitFor(/browser: /);
      second.type('\n');
      await second.waitFor(/device_logins is 2 count, over the limit of 1/);
      await first.process.stop('SIGKILL');
      const third = await eventually('the first is known to have left', async () => {
        const next = login(unknown(), 'true');
        await next.waitFor(/browser: /);
        next.type('\n');
        const [said] = await next.waitFor(/and confirm the code|over the limit of 1/);
        if (said === 'and confirm the code') return next;
        await next.stop();
        return undefined;
      });
      await third.waitFor(/hoopctl: the code was not used in time at issuer "corp"/);
      expect((await third.process.exited).code).toBe(255);
    });
  });

  describe('algorithms', () => {
    it.each([
      ['ssh-rsa', ['-o', 'HostKeyAlgorithms=ssh-rsa'], /no matching host key type found\. Their offer: ssh-ed25519/],
      ['CBC', ['-o', 'Ciphers=aes128-cbc'], /no matching cipher found\. Their offer: aes128-gcm/],
      [
        'SHA-1 in the key exchange',
        ['-o', 'KexAlgorithms=diffie-hellman-group14-sha1'],
        /no matching key exchange method found/,
      ],
      ['SHA-1 as a MAC', ['-o', 'Ciphers=aes128-ctr', '-o', 'MACs=hmac-sha1'], /no matching MAC found/],
    ])('%s is not among them', async (_, args, told) => {
      const done = await ssh([...args, 'host@127.0.0.1', 'true']);
      expect(done.code).toBe(255);
      expect(done.stderr).toMatch(told);
    });

    it('the key exchange is strict, and what may sign is told without SHA-1', async () => {
      const { key } = await certified(alice);
      const done = await ssh(['-vvv', '-i', key, 'host@127.0.0.1', 'true']);
      expect(done.stderr).toContain('will use strict KEX ordering');
      expect(done.stderr).toContain(
        'server-sig-algs=<ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256>',
      );
    });

    it('keys are changed by the gateway after so many bytes, on both sides, and by the client', async () => {
      const { key } = await certified(alice);
      const command = 'head -c 5000000 /dev/zero | tr "\\0" k';
      const done = await ssh(['-v', '-i', key, 'host@127.0.0.1', command]);
      expect(done.stdout.length).toBe(5_000_000);
      expect(done.stderr.match(/SSH2_MSG_KEXINIT received/g)!.length).toBeGreaterThan(2);
      const upwards = await ssh(['-v', '-o', 'RekeyLimit=1M', '-i', key, 'host@127.0.0.1', 'wc -c'], {
        input: Buffer.alloc(5_000_000, 'k'),
      });
      expect(upwards.stdout.trim()).toBe('5000000');
      expect(upwards.stderr.match(/SSH2_MSG_KEXINIT sent/g)!.length).toBeGreaterThan(3);
    });

    it('keep-alives of the client are answered', async () => {
      const { key } = await certified(alice);
      const alive = ['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=3'];
      expect(await ssh([...alive, '-i', key, 'host@127.0.0.1', 'sleep 7; echo still'])).toMatchObject({
        code: 0,
        stdout: 'still\n',
      });
    });
  });
});
