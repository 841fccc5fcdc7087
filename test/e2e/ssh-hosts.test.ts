// The gateway's own login to hosts over SSH: whose key counts, which credentials are taken, hosts on the way; and what the
// user's ssh shows where something is wrong.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server as TcpServer } from 'node:net';
import { join } from 'node:path';
import type { AuthContext, Server } from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ssh2 } from '../../src/protocol/ssh/transport/guarded-ssh2.ts';
import { type Client, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { type Finished, freePort, removeDirectory, temporaryDirectory } from '../support/process.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';

/** A host that wants a password: sshd would take those of this machine's accounts only. */
function passwordHost(hostKey: string, check: (context: AuthContext) => void): Promise<Server> {
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    client.on('authentication', check);
    client.on('error', () => {});
    client.on('session', (accept) => {
      accept().on('exec', (acceptExec, _, info) => {
        const stream = acceptExec();
        stream.write(`ran ${info.command}\n`);
        stream.exit(0);
        stream.end();
      });
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

describeWith(['sshd'], 'hosts over ssh', () => {
  const directory = temporaryDirectory('hosts');
  const file = (name: string) => join(directory, name);
  const text = (name: string) => readFileSync(file(name), 'utf8').trim();
  const line = (name: string) => text(name).split(' ').slice(0, 2).join(' ');
  const keygen = (...args: string[]) => execFileSync('ssh-keygen', ['-q', ...args], { stdio: 'pipe' });

  let plain: Sshd;
  let certified: Sshd;
  let expired: Sshd;
  let inner: Sshd;
  let trusting: Sshd;
  let closed: Sshd;
  let old: Sshd;
  let passwords: Server;
  let questions: Server;
  let silent: TcpServer;
  let gateway: Gateway;
  let alice: Client;
  let root: Client;

  const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

  /** A host key with a certificate for these names. */
  function hostCertificate(name: string, kind: string, names: string, validity: string, ca = 'ca'): string[] {
    keygen('-t', kind, '-N', '', '-f', file(name));
    keygen('-s', file(ca), '-I', name, '-h', '-n', names, '-V', validity, file(`${name}.pub`));
    return [`HostKey ${file(name)}`, `HostCertificate ${file(`${name}-cert.pub`)}`];
  }

  beforeAll(async () => {
    keygen('-t', 'ed25519', '-N', '', '-f', file('ca'));
    keygen('-t', 'ed25519', '-N', '', '-f', file('other-ca'));
    keygen('-t', 'ed25519', '-N', '', '-f', file('password-host'));
    keygen('-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', 'secret phrase', '-f', file('rsa'));
    keygen('-t', 'ecdsa', '-b', '384', '-N', '', '-f', file('ecdsa'));
    const keys = [`AuthorizedKeysFile ${file('authorized')}`, 'ClientAliveInterval 1', 'ClientAliveCountMax 2'];
    plain = await startSshd({ config: keys });
    writeFileSync(
      file('authorized'),
      `${line('rsa.pub')}\n${line('ecdsa.pub')}\n${readFileSync(`${plain.keyFile}.pub`)}`,
    );
    certified = await startSshd({ config: hostCertificate('good', 'ed25519', 'web.test,127.0.0.1', 'always:forever') });
    expired = await startSshd({ config: hostCertificate('old', 'ecdsa', '127.0.0.1', '20200101:20210101') });
    inner = await startSshd({ config: ['SetEnv WHERE=inner'] });
    old = await startSshd({ config: ['Ciphers aes128-cbc'] });
    closed = await startSshd({ config: ['AllowTcpForwarding no'] });
    trusting = await startSshd({
      config: [`TrustedUserCAKeys ${file('authority.pub')}`, `AuthorizedPrincipalsFile ${file('principals')}`],
    });
    const hostKey = text('password-host');
    passwords = await passwordHost(hostKey, (context) => {
      if (context.method === 'password' && context.password === 'open sesame') context.accept();
      else context.reject(['password']);
    });
    questions = await passwordHost(hostKey, (context) => {
      if (context.method !== 'keyboard-interactive') context.reject(['keyboard-interactive']);
      else {
        const wanted =
          context.username === 'otp' ? [{ prompt: 'Code: ', echo: true }] : [{ prompt: 'Password: ', echo: false }];
        context.prompt(wanted, (answers) => {
          if (answers[0] === 'open sesame') context.accept();
          else context.reject();
        });
      }
    });
    silent = createServer(() => {}).listen(0, '127.0.0.1');

    const at = (sshd: Sshd, more: Record<string, unknown> = {}) => ({ host: sshd.host, port: sshd.port, ...more });
    const key = (sshd: Sshd) => ({ user: sshd.user, key: `file:${sshd.keyFile}` });
    const pinned = (sshd: Sshd) => at(sshd, { hostKeys: [sshd.hostKey] });
    const ssh = (target: object, credentials: object) => ({ protocol: 'ssh', target, credentials });
    const wanting = (server: { address(): unknown }) => ({
      host: '127.0.0.1',
      port: portOf(server),
      hostKeys: [line('password-host.pub')],
    });
    writeFileSync(file('known'), `@cert-authority 127.0.0.1 ${line('ca.pub')}\n`);
    writeFileSync(file('known-hashed'), `[127.0.0.1]:${plain.port} ${plain.hostKey}\n`);
    keygen('-H', '-f', file('known-hashed'));
    writeFileSync(
      file('known-revoked'),
      `[127.0.0.1]:${plain.port} ${plain.hostKey}\n@revoked [127.0.0.1]:${plain.port} ${plain.hostKey}\n`,
    );
    const hop = (sshd: Sshd, more: object = {}) => ({ ...pinned(sshd), credentials: key(sshd), ...more });
    const byAuthority = { hostKeys: undefined, hostAuthorities: [line('ca.pub')] };
    const past = (jump: object[], sshd = inner) => ssh({ ...pinned(sshd), jump }, key(sshd));
    gateway = await startGateway({
      env: { WORD: 'open sesame', BAD_WORD: 'open barley', PHRASE: 'secret phrase', NO_PHRASE: 'another' },
      config: {
        limits: { ssh_target_login_ms: 5000, ssh_rekey_bytes: 2_000_000 },
        connections: {
          'by-authority': ssh(at(certified, { hostAuthorities: [line('ca.pub')] }), key(certified)),
          'by-known-hosts': ssh(at(certified, { knownHosts: file('known') }), key(certified)),
          'by-alias': ssh(
            at(certified, { hostAuthorities: [line('ca.pub')], hostKeyAlias: 'web.test' }),
            key(certified),
          ),
          'by-hashed': ssh(at(plain, { knownHosts: file('known-hashed') }), key(plain)),
          'other-name': ssh(
            at(certified, { hostAuthorities: [line('ca.pub')], hostKeyAlias: 'db.test' }),
            key(certified),
          ),
          'other-authority': ssh(at(certified, { hostAuthorities: [line('other-ca.pub')] }), key(certified)),
          expired: ssh(at(expired, { hostAuthorities: [line('ca.pub')] }), key(expired)),
          changed: ssh(at(plain, { hostKeys: [inner.hostKey] }), key(plain)),
          revoked: ssh(at(plain, { knownHosts: file('known-revoked') }), key(plain)),
          'rsa-key': ssh(pinned(plain), { user: plain.user, key: `file:${file('rsa')}`, passphrase: 'env:PHRASE' }),
          'rsa-locked': ssh(pinned(plain), {
            user: plain.user,
            key: `file:${file('rsa')}`,
            passphrase: 'env:NO_PHRASE',
          }),
          'ecdsa-key': ssh(pinned(plain), { user: plain.user, key: `file:${file('ecdsa')}` }),
          'wrong-key': ssh(pinned(inner), { user: inner.user, key: `file:${file('ecdsa')}` }),
          password: ssh(wanting(passwords), { user: 'deploy', password: 'env:WORD' }),
          'wrong-password': ssh(wanting(passwords), { user: 'deploy', password: 'env:BAD_WORD' }),
          question: ssh(wanting(questions), { user: 'deploy', password: 'env:WORD' }),
          otp: ssh(wanting(questions), { user: 'otp', password: 'env:WORD' }),
          certificate: ssh(pinned(trusting), { user: trusting.user, certificate: 'session' }),
          own: ssh(pinned(trusting), { user: { email: 'example.com' }, certificate: 'session' }),
          'own-elsewhere': ssh(pinned(trusting), { user: { email: 'example.org' }, certificate: 'session' }),
          dead: ssh({ host: '127.0.0.1', port: await freePort(), hostKeys: [plain.hostKey] }, key(plain)),
          silent: ssh({ host: '127.0.0.1', port: portOf(silent), hostKeys: [plain.hostKey] }, key(plain)),
          old: ssh(pinned(old), key(old)),
          jump: past([hop(plain)]),
          'two-jumps': past([hop(plain), hop(certified, byAuthority)]),
          'jump-changed': past([hop(plain, { hostKeys: [inner.hostKey] })]),
          'jump-wrong-key': past([hop(plain), hop(closed, { credentials: key(inner) })]),
          'jump-closed': past([hop(closed)]),
          'jump-to-changed': ssh({ ...at(inner, { hostKeys: [plain.hostKey] }), jump: [hop(plain)] }, key(inner)),
        },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    root = await gateway.user('root', { groups: ['engineering'] });
    const { described } = await alice.json<{ described: Record<string, string> }>(['describe', 'certificate']);
    writeFileSync(file('authority.pub'), `${described['session-authority']}\n`);
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await Promise.all([plain, certified, expired, inner, trusting, closed, old].map((one) => one?.stop()));
    for (const server of [passwords, questions, silent]) server?.close();
    removeDirectory(directory);
  });

  const ssh = (name: string, command = 'echo "here $WHERE"', who = alice): Promise<Finished> =>
    who.run(['ssh', name, command]);

  describe('are known', () => {
    it.each(['by-authority', 'by-known-hosts', 'by-alias', 'by-hashed'])('%s', async (name) => {
      expect(await ssh(name)).toMatchObject({ code: 0, stdout: 'here \n' });
    });
  });

  describe('that are not as they should be are refused before anything is said to them', () => {
    it.each([
      [
        'changed',
        /the host key of "changed" is not the one that is configured: it shows ssh-ed25519 SHA256:[\w+/]{43}/,
      ],
      ['revoked', /the host key of "revoked" is revoked in its knownHosts file: ssh-ed25519 SHA256:/],
      ['expired', /the host certificate of "expired" expired at 20\d\d-/],
      ['other-name', /the host certificate of "other-name" is for web\.test, 127\.0\.0\.1/],
      ['other-authority', /the host certificate of "other-authority" is signed by another authority, SHA256:/],
    ])('%s', async (name, told) => {
      const done = await ssh(name);
      expect(done).toMatchObject({ code: 255, stdout: '' });
      expect(done.stderr).toMatch(told);
      expect(done.stderr).toContain('nothing was sent to it');
      // Once in the gateway's words, once in ssh's line of how the connection ended.
      expect(done.stderr.match(new RegExp(told, 'g'))).toHaveLength(2);
    });

    it('sshd saw no login', () => {
      expect(expired.log()).not.toMatch(/Accepted|Failed|publickey/);
    });
  });

  describe('take', () => {
    it.each([
      ['rsa-key', /Accepted publickey for \S+ .*: RSA SHA256:/],
      ['ecdsa-key', /Accepted publickey for \S+ .*: ECDSA SHA256:/],
    ])('a key: %s', async (name, logged) => {
      expect(await ssh(name)).toMatchObject({ code: 0 });
      expect(plain.log()).toMatch(logged);
    });

    it.each(['password', 'question'])('a password, sent or asked for: %s', async (name) => {
      expect(await ssh(name, 'hello')).toMatchObject({ code: 0, stdout: 'ran hello\n' });
    });

    it("a session's certificate; the host's own log names the person and the session", async () => {
      trustAs(trusting.user);
      expect(await ssh('certificate')).toMatchObject({ code: 0 });
      const { sessions } = await alice.json<{ sessions: { id: string }[] }>(['sessions', 'ls', '--limit', '1']);
      expect(trusting.log()).toContain(`ID ${sessions[0]!.id} alice@example.com (serial 0) CA ED25519 SHA256:`);
    });

    it('not a certificate for an account that the host does not give to it', async () => {
      trustAs('somebody-else');
      const done = await ssh('certificate');
      expect(done.code).toBe(255);
      expect(done.stderr).toContain(
        'the host of "certificate" did not take the gateway\'s credentials: it refused the session\'s certificate',
      );
      expect(trusting.log()).toContain('Certificate does not contain an authorized principal');
    });

    /** Whose certificates sshd lets in as the account that there is. */
    function trustAs(principal: string): void {
      writeFileSync(file('principals'), `${principal}\n`);
    }
  });

  describe('that take nothing that we have', () => {
    it.each([
      [
        'wrong-key',
        /the host of "wrong-key" did not take the gateway's credentials: it refused the key \(ecdsa-sha2-nistp384\)/,
      ],
      ['wrong-password', /did not take the gateway's credentials: it refused the password/],
      ['otp', /did not take the gateway's credentials: it answered the password, asked for with a question/],
      ['rsa-locked', /credential "key" of "rsa-locked" cannot be read with the "passphrase" that is given/],
    ])('%s', async (name, told) => {
      const done = await ssh(name);
      expect(done).toMatchObject({ code: 255, stdout: '' });
      expect(done.stderr).toMatch(told);
      expect(done.stderr).not.toContain('sesame');
    });
  });

  describe('that do not answer', () => {
    it('nor one that has CBC alone', async () => {
      const done = await ssh('old');
      expect(done.code).toBe(255);
      expect(done.stderr).toContain(
        'cannot log in to the host of "old": SSH with the target: Handshake failed: no matching C->S cipher',
      );
    });

    it.each([
      ['dead', 'cannot reach the target of "dead": connection refused'],
      ['silent', 'the host of "silent" did not let us in within 5000 ms (ssh_target_login_ms)'],
    ])('%s', async (name, told) => {
      const done = await ssh(name);
      expect(done).toMatchObject({ code: 255, stdout: '' });
      expect(done.stderr).toContain(told);
    });
  });

  describe("an account of one's own", () => {
    it("is the local part of the e-mail address in the domain, and in the host's log", async () => {
      await ssh('own');
      expect(trusting.log()).toMatch(/(Invalid user|user) alice/);
    });

    it("is nobody's of another domain, and never root's", async () => {
      const elsewhere = await ssh('own-elsewhere');
      expect(elsewhere.stderr).toContain(
        'no account on the host of "own-elsewhere" goes with you by the e-mail address at example.org: there is none',
      );
      const before = trusting.log().length;
      const tried = await ssh('own', 'id', root);
      expect(tried.code).toBe(255);
      expect(tried.stderr).toContain('goes with you by the e-mail address at example.com: it is "root"');
      expect(trusting.log().slice(before)).not.toMatch(/root/);
    });
  });

  describe('behind others', () => {
    it('are reached, also with much to say', { timeout: 180_000 }, async () => {
      expect(await ssh('jump')).toMatchObject({ code: 0, stdout: 'here inner\n' });
      const done = await ssh('two-jumps', 'head -c 20000000 /dev/zero | tr "\\0" y; cat | wc -c');
      expect(done.stdout.length).toBe(20_000_002);
      expect((await ssh('jump', 'sleep 5; echo still')).stdout).toBe('still\n');
      const up = await alice.run(['ssh', 'two-jumps', 'wc -c'], { input: Buffer.alloc(10_000_000, 'x') });
      expect(up.stdout.trim()).toBe('10000000');
    });

    it('every one of them is verified and logged in to as itself', () => {
      expect(plain.log()).toMatch(/Accepted publickey/);
      expect(inner.log()).toMatch(/Accepted publickey/);
    });

    it.each([
      ['jump-changed', 'the host key of jump host 1 of "jump-changed" is not the one that is configured'],
      ['jump-wrong-key', 'jump host 2 of "jump-wrong-key" did not take the gateway\'s credentials: it refused the key'],
      ['jump-closed', 'cannot reach the target of "jump-closed" through jump host 1 of "jump-closed": it says "'],
      ['jump-to-changed', 'the host key of "jump-to-changed" is not the one that is configured'],
    ])('%s', async (name, told) => {
      const done = await ssh(name);
      expect(done).toMatchObject({ code: 255, stdout: '' });
      expect(done.stderr).toContain(told);
    });
  });
});
