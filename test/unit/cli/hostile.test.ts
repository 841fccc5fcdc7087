// A gateway that means harm to the machines of those who use it: what it says must not become a command there.

import { mkdirSync, writeFileSync } from 'node:fs';
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
