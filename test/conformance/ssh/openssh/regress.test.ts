// OpenSSH's own regression scripts, with the gateway between its client and its server: what they expect of a plain connection
// they get. Scripts that are about the server's logins and keys have nothing to say of a proxy and are not here.

import { userInfo } from 'node:os';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Client, type Connected, type Gateway, startGateway } from '../../../support/gateway.ts';
import { describeWith } from '../../../support/needs.ts';
import { FORWARD_CONTROL, RegressPorts, RegressWorld, regressKey } from '../../../support/openssh-regress.ts';
import { eventually, removeDirectory, temporaryDirectory } from '../../../support/process.ts';

/** Those that take long come first: they wait more than they work, several at a time. */
const PASS = [
  ...[
    ...FORWARD_CONTROL,
    'scp',
    'connection-timeout',
    'multiplex',
    'exit-status',
    'channel-timeout',
    'dynamic-forward',
  ],
  ...['stderr-data', 'forwarding', 'scp3', 'scp-uri', 'sftp-uri', 'transfer', 'connect-privsep', 'envpass'],
  ...['yes-head', 'stderr-after-eof', 'connect', 'proxy-connect', 'exit-status-signal', 'broken-pipe', 'localcommand'],
];

// The others, and why they are not here:
// try-ciphers, kextype, integrity, rekey, dhgex, keytype: every algorithm that the client has; the gateway offers a few.
// agent*, cert-*, key-options, keys-command, principals-command, forcecommand, limit-keytype, multipubkey, hostkey-*, krl, sshsig,
//   banner, reconfigure, login-timeout, reexec: logins, keys and processes of the server; the gateway logs in by itself.
// sftp, sftp-*, keygen-*, cfg*, addrmatch, percent, portnum: no connection, or one that a program makes without ssh.

const ONLY = process.env.HOOPCTL_TEST_SCRIPTS?.split(',');

describeWith(['sshd', 'openssh regress'], "OpenSSH's regression scripts", () => {
  const names = PASS.filter((name) => ONLY?.includes(name) ?? true);
  const worlds = new Map<string, RegressWorld>();
  const ports = new RegressPorts();
  let keys: string;
  let gateway: Gateway;
  let alice: Client;
  let connected: Connected;
  let gatewayKey: string;

  beforeAll(async () => {
    keys = temporaryDirectory('rg-key');
    const key = await regressKey(keys);
    for (const name of names) worlds.set(name, await RegressWorld.make(name, key.file, ports));
    const host = (port: number) => ({
      protocol: 'ssh',
      target: { host: '127.0.0.1', port, hostKeys: [key.text] },
      credentials: { user: userInfo().username, key: `file:${key.file}` },
      options: { environment: ['LANG', 'LC_*', 'TERM', '_XXX_TEST*'] },
    });
    const connections = [...worlds.values()].flatMap(({ name, targets }) => [
      [`${name}-net`, host(targets.net)],
      [`${name}-proxy`, host(targets.proxy)],
    ]);
    gateway = await startGateway({
      config: {
        connections: Object.fromEntries(connections),
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    connected = await alice.connect(
      connections.map(([name]) => String(name)),
      [],
      { quiet: true },
    );
    const { described } = await alice.json<{ described: Record<string, string> }>(['describe', `${names[0]}-net`]);
    gatewayKey = String(described['host-key']);
  });
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    for (const world of worlds.values()) world.stop();
    ports.close();
    if (keys !== undefined) removeDirectory(keys);
  });

  /** Sessions of the script's connections so far. */
  async function sessions(name: string): Promise<number> {
    const of = async (connection: string) => {
      const listed = await alice.json<{ sessions: unknown[] }>(['sessions', 'ls', '--connection', connection]);
      return listed.sessions.length;
    };
    return (await of(`${name}-net`)) + (await of(`${name}-proxy`));
  }

  describe.concurrent('pass', () => {
    it.for(names)('%s', { timeout: 280_000 }, async (name, { expect }) => {
      const world = worlds.get(name)!;
      const local = { net: connected.ports[`${name}-net`]!, proxy: connected.ports[`${name}-proxy`]! };
      const done = await world.run(local, gatewayKey, alice.home);
      expect(done.stdout + done.stderr, world.failures.slice(-4000)).toMatch(/^ok /m);
      expect(done.code).toBe(0);
      // A script that went past the gateway has shown nothing.
      await eventually('sessions of it are on record', async () => (await sessions(name)) > 0);
    });
  });
});
