// Logging in and out as a user does it: trust, code, tokens, and what is kept of it.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../../src/cli/run.ts';
import { openGateways } from '../../../src/login/gateways.ts';
import { userPaths } from '../../../src/login/paths.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { temporaryDirectory } from '../../support/process.ts';
import {
  type IssuerScript,
  type ScriptedGateway,
  type ScriptedIssuer,
  scriptedGateway,
  scriptedIssuer,
} from '../login/servers.ts';
import { hoopctl, type MemoryOptions, memoryIo } from './memory-io.ts';

async function certificates() {
  const files = await makeCertificates(temporaryDirectory('tls'));
  const read = (file: string) => `${readFileSync(file, 'utf8').trim()}\n`;
  return {
    caFile: files.caFile,
    tls: { key: read(files.keyFile), cert: read(files.certFile) + read(files.caFile) },
    ca: read(files.caFile),
  };
}

interface Stage extends AsyncDisposable {
  readonly gateway: ScriptedGateway;
  readonly issuer: ScriptedIssuer;
  readonly home: string;
  readonly env: Record<string, string>;
}

async function stage(script: IssuerScript = {}, tls?: { key: string; cert: string }): Promise<Stage> {
  const issuer = await scriptedIssuer(script);
  const gateway = await scriptedGateway({ ...(tls === undefined ? {} : { tls }) });
  gateway.issuers = [{ name: 'corp', issuer: issuer.url, clientId: 'hoopctl', scopes: ['openid', 'offline_access'] }];
  const home = temporaryDirectory('home');
  return {
    gateway,
    issuer,
    home,
    env: { HOME: home },
    [Symbol.asyncDispose]: async () => {
      await issuer[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

const gatewaysOf = (home: string) => openGateways(userPaths({ HOME: home }, 'linux'));

describe('login', () => {
  it('shows page and code, and keeps the login for the verbs that follow', async () => {
    await using at = await stage({ polls: ['authorization_pending', 'ok'] });
    const { code, out, err } = await hoopctl(['login', at.gateway.url], { env: at.env });
    expect({ code, out }).toEqual({ code: 0, out: `logged in to ${at.gateway.url} as alice@example.com, in dba\n` });
    expect(err).toContain(`${at.issuer.url}/activate`);
    expect(err).toContain('ABCD-EFGH');
    expect(gatewaysOf(at.home).current()).toMatchObject({
      url: at.gateway.url,
      store: 'file',
      issuer: { name: 'corp' },
      principal: { email: 'alice@example.com' },
    });
    const status = await hoopctl(['status'], { env: at.env });
    expect(status.code).toBe(0);
    expect(status.out).toMatch(/^\* +http:\S+ +ok +alice@example\.com +corp /m);
  });

  it('that its issuer honours no more is one that status tells of, until the next', async () => {
    await using at = await stage();
    const login = () => hoopctl(['login', at.gateway.url], { env: at.env });
    at.gateway.lifetime = 0;
    await login();
    const folder = join(userPaths({ HOME: at.home }, 'linux').config, 'tokens');
    const file = join(folder, readdirSync(folder)[0]!);
    writeFileSync(file, readFileSync(file, 'utf8').replace('refresh-0', 'stolen'));
    const used = await hoopctl(['ls'], { env: at.env });
    expect([used.code, used.err]).toEqual([4, expect.stringContaining('no longer honours this login: it was ended')]);
    const status = await hoopctl(['status'], { env: at.env });
    expect(status.code).toBe(4);
    expect(status.out).toMatch(/^\* +http:\S+ +refused +alice@example\.com +corp /m);
    expect(status.out).toContain(`refused: issuer 'corp' no longer honours this login`);
    expect(status.out).toContain(`run 'hoopctl login ${at.gateway.url}'`);
    await login();
    expect((await hoopctl(['status'], { env: at.env })).code).toBe(0);
  });

  it('tells a program the code as JSON on stderr, the result as JSON on stdout', async () => {
    await using at = await stage();
    const { out, err } = await hoopctl(['login', at.gateway.url, '--json'], { env: at.env });
    expect(JSON.parse(err)).toEqual({
      verification: {
        url: `${at.issuer.url}/activate`,
        completeUrl: `${at.issuer.url}/activate?code=ABCD-EFGH`,
        code: 'ABCD-EFGH',
      },
    });
    expect(JSON.parse(out)).toMatchObject({ gateway: at.gateway.url, issuer: 'corp', keptIn: 'file' });
  });

  it('prints a QR code on a terminal wide enough, and no wider', async () => {
    const block = /[█▀▄]{5}/;
    for (const [columns, args, shown] of [
      [80, [], true],
      [20, [], false],
      [80, ['--no-qr'], false],
    ] as const) {
      await using at = await stage();
      const { err } = await hoopctl(['login', at.gateway.url, ...args], { env: at.env, terminal: true, columns });
      expect([columns, args, block.test(err)]).toEqual([columns, args, shown]);
    }
  });

  it.each([
    ['access_denied', 4, 'the login was refused'],
    ['expired_token', 4, 'was not used in time'],
  ])('that ends with %s ends with %i and keeps nothing', async (answer, code, text) => {
    await using at = await stage({ polls: [answer] });
    const done = await hoopctl(['login', at.gateway.url], { env: at.env });
    expect(done.code).toBe(code);
    expect(done.err).toContain(text);
    expect(gatewaysOf(at.home).all()).toEqual([]);
  });

  it('is ended by Ctrl-C with 130', async () => {
    await using at = await stage({ polls: ['authorization_pending'], interval: 30 });
    const io = memoryIo({ env: at.env });
    const running = run(io, ['login', at.gateway.url]);
    while (!io.err().includes('Waiting')) await new Promise((resolve) => setTimeout(resolve, 10));
    io.signal('SIGINT');
    expect(await running).toBe(130);
  });

  it('asks which issuer where there are several', async () => {
    await using at = await stage();
    at.gateway.issuers = [...at.gateway.issuers, { name: 'other', issuer: 'https://other', clientId: 'x' }];
    const refused = await hoopctl(['login', at.gateway.url], { env: at.env });
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('pass --issuer with one of: corp, other')]);
    const io = memoryIo({ env: at.env, terminal: true });
    io.typed.write('3\n1\n');
    expect(await run(io, ['login', at.gateway.url, '--no-qr'])).toBe(0);
    expect(io.err()).toContain('  1  corp\n  2  other\n');
    // The one used before is not asked for again.
    expect((await hoopctl(['login'], { env: at.env })).code).toBe(0);
  });

  it('again revokes the login that it replaces', async () => {
    await using at = await stage();
    await hoopctl(['login', at.gateway.url], { env: at.env });
    await hoopctl(['login'], { env: at.env });
    expect(at.issuer.revoked).toEqual(['refresh-0']);
    expect(at.gateway.revoked).toEqual(['gateway-1']);
    expect((await hoopctl(['status'], { env: at.env })).code).toBe(0);
  });

  it('three times at once leaves one: the others are revoked, and nothing of them stays', async () => {
    await using at = await stage({ polls: ['authorization_pending', 'authorization_pending', 'ok'] });
    const login = () => hoopctl(['login', at.gateway.url], { env: at.env });
    expect((await Promise.all([login(), login(), login()])).map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(readdirSync(join(userPaths({ HOME: at.home }, 'linux').config, 'tokens'))).toHaveLength(1);
    expect(at.gateway.revoked).toHaveLength(2);
    expect((await hoopctl(['status'], { env: at.env })).code).toBe(0);
  });

  it('says that the clocks differ, and goes on', async () => {
    const issuer = await scriptedIssuer();
    await using gateway = await scriptedGateway({ skewMs: 600_000 });
    gateway.issuers = [{ name: 'corp', issuer: issuer.url, clientId: 'hoopctl' }];
    const { code, err } = await hoopctl(['login', gateway.url]);
    await issuer[Symbol.asyncDispose]();
    expect(code).toBe(0);
    expect(err).toMatch(/this machine's clock is (59\d|60\d) s behind the gateway's/);
  });
});

describe('the certificate of a gateway', () => {
  const typing = async (options: MemoryOptions, args: string[], ...answers: string[]) => {
    const io = memoryIo({ ...options, terminal: true });
    for (const answer of answers) io.typed.write(`${answer}\n`);
    return { code: await run(io, args), out: io.out(), err: io.err() };
  };

  it('that nobody vouches for is shown and asked about, then pinned', async () => {
    const { tls, ca } = await certificates();
    await using at = await stage({}, tls);
    const { code, err } = await typing({ env: at.env }, ['login', at.gateway.url, '--no-qr'], 'yes');
    expect([code, err]).toEqual([
      0,
      expect.stringContaining(`Nobody this machine trusts vouches for the gateway '${at.gateway.url}'`),
    ]);
    expect(err).toMatch(/certificate for {2}127\.0\.0\.1, localhost/);
    expect(err).toMatch(/signed by +CN=hoopctl test CA/);
    expect(err).toMatch(/fingerprint +sha256:[0-9a-f]{64}/);
    expect(gatewaysOf(at.home).current()?.ca?.trim()).toBe(ca.trim());
    // Not asked again.
    expect((await hoopctl(['login'], { env: at.env })).code).toBe(0);
  });

  it('that is not accepted in full words leaves nothing behind', async () => {
    const { tls } = await certificates();
    await using at = await stage({}, tls);
    const { code, err } = await typing({ env: at.env }, ['login', at.gateway.url], 'y', 'no');
    expect([code, err]).toEqual([1, expect.stringContaining("please answer 'yes' or 'no'")]);
    expect(err).toContain('was not accepted');
    expect([at.gateway.exchanged, at.issuer.asked, gatewaysOf(at.home).all()]).toEqual([[], [], []]);
  });

  it('that nobody vouches for is refused without a terminal, naming the flags', async () => {
    const { tls } = await certificates();
    await using at = await stage({}, tls);
    const { code, err } = await hoopctl(['login', at.gateway.url], { env: at.env });
    expect(code).toBe(1);
    expect(err).toMatch(/pass --ca-file FILE, or .* pass --ca-fingerprint sha256:[0-9a-f]{64}/);
    expect(at.issuer.asked).toEqual([]);
    const fingerprint = /--ca-fingerprint (\S+)/.exec(err)![1]!;
    expect((await hoopctl(['login', at.gateway.url, '--ca-fingerprint', fingerprint], { env: at.env })).code).toBe(0);
  });

  it('is accepted by a CA file, which is then pinned', async () => {
    const { tls, caFile } = await certificates();
    await using at = await stage({}, tls);
    expect((await hoopctl(['login', at.gateway.url, '--ca-file', caFile], { env: at.env })).code).toBe(0);
    expect((await hoopctl(['login'], { env: at.env })).code).toBe(0);
    const wrong = join(at.home, 'none.pem');
    expect((await hoopctl(['login', '--ca-file', wrong], { env: at.env })).err).toContain(
      `cannot read the CA file '${wrong}'`,
    );
  });

  it('that the CA file given does not vouch for is refused, and nobody is asked', async () => {
    const { tls } = await certificates();
    const { caFile: other } = await certificates();
    await using at = await stage({}, tls);
    const { code, err } = await typing({ env: at.env }, ['login', at.gateway.url, '--ca-file', other], 'yes');
    expect([code, err]).toEqual([1, expect.stringContaining('is not signed by the CA trusted for it')]);
    expect(err).not.toContain('(yes/no)');
    expect(at.issuer.asked).toEqual([]);
  });

  it('with another fingerprint than the one given is refused', async () => {
    const { tls } = await certificates();
    await using at = await stage({}, tls);
    const other = `sha256:${'0'.repeat(64)}`;
    const { code, err } = await hoopctl(['login', at.gateway.url, '--ca-fingerprint', other], { env: at.env });
    expect([code, err]).toEqual([1, expect.stringContaining(`not '${other}'`)]);
    expect((await hoopctl(['login', at.gateway.url, '--ca-fingerprint', 'zz'], { env: at.env })).code).toBe(2);
  });

  it('that changed is refused aloud, also on a terminal, until it is forgotten on purpose', async () => {
    const before = await certificates();
    const after = await certificates();
    await using at = await stage({}, before.tls);
    await hoopctl(['login', at.gateway.url, '--ca-file', before.caFile], { env: at.env });
    const port = Number(new URL(at.gateway.url).port);
    await at.gateway[Symbol.asyncDispose]();
    await using changed = await scriptedGateway({ tls: after.tls, port });
    changed.issuers = at.gateway.issuers;
    const { code, err } = await typing({ env: at.env }, ['login'], 'yes');
    expect(code).toBe(1);
    expect(err).toContain('WARNING: THE CERTIFICATE OF THE GATEWAY HAS CHANGED');
    expect(err).toContain(
      `the certificate of the gateway '${at.gateway.url}' has changed: trusted until now was sha256:`,
    );
    expect(err.match(/sha256:[0-9a-f]{64}/g)).toHaveLength(2);
    expect(changed.exchanged).toEqual([]);
    const used = await hoopctl(['whoami'], { env: at.env });
    expect(used.err).toContain('is not signed by the CA trusted for it');
    const forgotten = await typing(
      { env: at.env },
      ['login', at.gateway.url, '--forget-certificate', '--no-qr'],
      'yes',
    );
    expect([forgotten.code, forgotten.err]).toEqual([0, expect.stringContaining('Nobody this machine trusts vouches')]);
  });
});

describe('logout', () => {
  it('revokes at the gateway and at the issuer, forgets, and keeps what was pinned', async () => {
    const { tls, ca, caFile } = await certificates();
    await using at = await stage({}, tls);
    await hoopctl(['login', at.gateway.url, '--ca-file', caFile], { env: at.env });
    const { code, out } = await hoopctl(['logout'], { env: at.env });
    expect({ code, out }).toEqual({ code: 0, out: `logged out of ${at.gateway.url}\n` });
    expect([at.gateway.revoked, at.issuer.revoked]).toEqual([['gateway-1'], ['refresh-0']]);
    expect(gatewaysOf(at.home).all()).toEqual([{ url: at.gateway.url, ca: expect.any(String) }]);
    expect(gatewaysOf(at.home).all()[0]!.ca!.trim()).toBe(ca.trim());
    expect((await hoopctl(['whoami'], { env: at.env })).code).toBe(4);
    expect((await hoopctl(['status'], { env: at.env })).code).toBe(4);
    expect((await hoopctl(['logout'], { env: at.env })).out).toBe(`not logged in to ${at.gateway.url}\n`);
  });

  it('forgets although nobody can be reached, and says what was not revoked', async () => {
    const at = await stage();
    await hoopctl(['login', at.gateway.url], { env: at.env });
    await at[Symbol.asyncDispose]();
    const { code, err } = await hoopctl(['logout'], { env: at.env });
    expect(code).toBe(0);
    expect(err).toMatch(/warning: not revoked at gateway: cannot reach/);
    expect(err).toMatch(/warning: not revoked at issuer 'corp' of the gateway: cannot reach/);
    expect((await hoopctl(['status'], { env: at.env })).code).toBe(4);
  });
});

describe('the gateway that is meant', () => {
  it('is asked for where none is known', async () => {
    expect(await hoopctl(['whoami'])).toEqual({
      code: 4,
      out: '',
      err: "hoopctl: no gateway is known\n  next: run 'hoopctl login GATEWAY_URL', or pass --gateway\n",
    });
  });

  it('is not taken from a project file when the user does not know it: a token would go to a stranger', async () => {
    await using at = await stage();
    writeFileSync(join(at.home, '.hoopctl.yaml'), `gateway: ${at.gateway.url}\n`);
    const env = { ...at.env, HOOPCTL_TOKEN: 'very-secret' };
    const { code, err } = await hoopctl(['whoami'], { env, cwd: at.home });
    expect([code, err]).toEqual([4, expect.stringContaining('which you do not know')]);
    expect(at.gateway.exchanged).toEqual([]);
    await hoopctl(['login', at.gateway.url], { env: at.env, cwd: at.home });
    await hoopctl(['whoami'], { env, cwd: at.home });
    expect(at.gateway.exchanged.at(-1)!.get('subject_token')).toBe('very-secret');
  });
});
