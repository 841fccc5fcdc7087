// Those who mean harm to the machine of a user: a gateway, whose words must not become commands there, and a repository,
// whose settings must not.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesUnder, temporaryDirectory } from '../../support/process.ts';
import { fakeGateway } from './fake-gateway.ts';
import { hoopctl } from './memory-io.ts';

const host = {
  name: 'web-1',
  protocol: 'ssh',
  labels: {},
  access: 'open',
  described: { user: 'deploy', 'host-key': 'ssh-ed25519 AAAA' },
};
const proxy = '\nMatch all\n  ProxyCommand touch /tmp/pwned\n';
const harmful: readonly (readonly [string, typeof host])[] = [
  ['name', { ...host, name: `web-1${proxy}` }],
  ['pattern', { ...host, name: '*' }],
  ['option', { ...host, name: '-oProxyCommand=touch' }],
  ['user', { ...host, described: { ...host.described, user: `deploy${proxy}` } }],
  [
    'host key',
    { ...host, described: { ...host.described, 'host-key': 'ssh-ed25519 AAAA\n@cert-authority * ssh-rsa BB' } },
  ],
];

describe('a gateway that means harm', () => {
  it.each(harmful)('writes nothing of its own into files for ssh: by the %s', async (_, item) => {
    const gateway = await fakeGateway({ 'GET connections': { connections: [host, item] } });
    const home = temporaryDirectory('home');
    const done = await gateway.run(['ssh', '--config'], { env: { HOOPCTL_HOME: home } });
    expect(done).toMatchObject({ code: 125, err: expect.stringMatching(/the gateway tells of/) });
    expect(filesUnder(home)).toEqual([]);
  });

  it.each(harmful)('gives a child nothing of its own: by the %s', async (_, item) => {
    const gateway = await fakeGateway({ 'GET connections/web-1': item });
    const home = temporaryDirectory('home');
    for (const argv of [
      ['ssh', 'web-1'],
      ['exec', 'web-1', '--', 'touch', join(home, 'ran')],
    ]) {
      const done = await gateway.run(argv, { env: { HOOPCTL_HOME: home } });
      expect(done).toMatchObject({ code: 125, err: expect.stringMatching(/the gateway (tells of|was asked for)/) });
    }
    expect(filesUnder(home)).toEqual([]);
  });

  it('puts nothing on a command line that a shell completes', async () => {
    const home = temporaryDirectory('home');
    mkdirSync(join(home, 'cache'));
    const url = 'https://gw.example.com:7443';
    writeFileSync(join(home, 'config.json'), JSON.stringify({ gateways: [{ url }], current: url }));
    const names = ['web-1', '$(touch /tmp/pwned)', 'web-2;reboot', '-oProxyCommand=touch', 'web\n3'];
    const cached = { [url]: { connections: { at: Date.now(), names } } };
    writeFileSync(join(home, 'cache/names.json'), JSON.stringify(cached));
    const { out } = await hoopctl(['__complete', '--', 'connect', ''], { env: { HOME: home, HOOPCTL_HOME: home } });
    expect(out).toBe('web-1\n');
  });
});

describe('a repository that means harm', () => {
  function repository(settings: object): { home: string; cwd: string; env: Record<string, string> } {
    const home = temporaryDirectory('home');
    const cwd = join(home, 'cloned');
    mkdirSync(cwd);
    writeFileSync(join(cwd, '.hoopctl.yaml'), JSON.stringify(settings));
    return { home, cwd, env: { HOME: home, HOOPCTL_HOME: home } };
  }

  it('runs no command by a policy that is only checked', async () => {
    const { home, cwd, env } = repository({ 'policy check': { live: true } });
    const credentials = { user: 'x', password: `exec:touch ${join(home, 'ran')}` };
    const target = { host: '127.0.0.1', port: 1, database: 'x', tls: 'disable' };
    const connections = { db: { protocol: 'postgres', target, credentials } };
    const access = [{ who: { groups: ['x'] }, to: { names: ['db'] } }];
    writeFileSync(join(cwd, 'gateway.yaml'), JSON.stringify({ connections, access }));
    const done = await hoopctl(['policy', 'check'], { cwd, env });
    expect(done.err).toContain("sets 'live', which a project may not decide");
    expect(existsSync(join(home, 'ran'))).toBe(false);
  });

  it.each<[string, unknown, readonly string[]]>([
    ['group', ['admins'], ['admin', 'users', 'add', 'bob']],
    ['group', ['admins'], ['admin', 'users', 'groups', 'bob']],
    ['group', ['admins'], ['admin', 'service-accounts', 'add', 'ci']],
    ['output', '/tmp/x', ['sessions', 'export', 's-1']],
    ['output', '/tmp/x', ['sessions', 'receipt', 's-1']],
    ['to', '/tmp/x', ['audit', 'export']],
    ['receipts', '/tmp', ['connect', 'db']],
    ['receipts', '/tmp', ['exec', 'db', '--', 'true']],
    ['allow-other-users', true, ['connect', 'db']],
    ['listen', '0.0.0.0:7443', ['serve']],
    ['key', 'key.pub', ['ssh', '--certificate']],
  ])('does not decide %s', async (name, value, argv) => {
    const { cwd, env } = repository({ [name]: value });
    const done = await hoopctl(argv, { cwd, env });
    expect(done.err).toContain(`sets '${name}', which a project may not decide`);
  });
});
