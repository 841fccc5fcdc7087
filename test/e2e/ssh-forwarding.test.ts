// Forwarding over SSH with OpenSSH's client and a real sshd: local, dynamic, remote, sockets, the agent, the display. Each is
// decided and on record; a forward to the target of another connection is a session of that connection.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createWeb, type Server } from 'node:http';
import { type AddressInfo, createServer, connect as netConnect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { ClientChannel } from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ssh2 } from '../../src/protocol/ssh/transport/guarded-ssh2.ts';
import { type Client, type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { eventually, freePort, type Running, run, runOk, start } from '../support/process.ts';
import { type Line, readRecordings } from '../support/recordings.ts';
import { pendingReview } from '../support/reviews.ts';
import { plainSsh, sshConnectionTo } from '../support/ssh.ts';
import { data, RawSsh, request, string } from '../support/ssh-raw.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { connectionTo } from '../support/stage.ts';

const NAMES = ['host', 'strict', 'features', 'plain', 'held'] as const;

describeWith(['sshd', 'postgresql-15', 'psql'], 'ssh forwarding', () => {
  let sshd: Sshd;
  let server: Postgres;
  let gateway: Gateway;
  let alice: Client;
  let dana: Client;
  let web: Server;
  let page: number;
  let connected: Connected;
  const args: Record<string, string[]> = {};

  beforeAll(async () => {
    [sshd, server] = await Promise.all([
      startSshd({ config: ['X11Forwarding yes', 'X11UseLocalhost yes', 'StreamLocalBindUnlink yes'] }),
      startPostgres({ databases: ['app'] }),
    ]);
    await server.query(
      "create table people (name text, ssn text); insert into people values ('ann', '123-45-6789')",
      'app',
    );
    web = createWeb((_, answer) => void answer.end('the web page\n')).listen(0, '127.0.0.1');
    await once(web, 'listening');
    page = (web.address() as AddressInfo).port;
    gateway = await startGateway({
      env: { TARGET_PASSWORD: server.password },
      config: {
        connections: {
          host: sshConnectionTo(sshd),
          strict: sshConnectionTo(sshd),
          plain: sshConnectionTo(sshd),
          held: sshConnectionTo(sshd),
          features: sshConnectionTo(sshd, { options: { allow: ['agent-forwarding', 'x11'] } }),
          db: connectionTo(server, 'app'),
        },
        access: [
          { who: { groups: ['engineering'] }, to: { names: ['*'] } },
          { who: { groups: ['web'] }, to: { names: ['host'] } },
        ],
        rules: [
          {
            name: 'forwards',
            to: { names: ['host', 'features'] },
            when: {
              does: [
                'shell',
                'forward',
                'forward-unix',
                'forward-remote',
                'forward-remote-unix',
                'agent-forwarding',
                'x11',
              ],
            },
            then: 'allow',
          },
          {
            name: 'ask',
            to: { names: ['held'] },
            when: { does: ['forward', 'forward-remote'] },
            then: 'review',
            reviewers: { groups: ['dba'] },
          },
          {
            name: 'ask-first',
            to: { names: ['held'] },
            when: { text: '^hold-me' },
            then: 'review',
            reviewers: { groups: ['dba'] },
          },
          { name: 'no-metadata', when: { does: ['forward'], places: ['169.254.*'] }, then: 'deny' },
          { name: 'no-secret-socket', when: { does: ['forward-unix'], places: ['*/secret.sock'] }, then: 'deny' },
          { name: 'no-port-80', when: { does: ['forward-remote'], places: ['*:80'] }, then: 'deny' },
          {
            name: 'only-web',
            to: { names: ['strict'] },
            when: { does: ['forward'], otherPlaces: [`127.0.0.1:${page}`] },
            then: 'deny',
          },
          {
            name: 'one',
            to: { names: ['strict'] },
            when: { does: ['forward'], places: ['127.0.0.1:*'] },
            then: 'allow',
          },
          { name: 'no-drop', to: { names: ['db'] }, when: { does: ['drop'] }, then: 'deny' },
        ],
        limits: { ssh_held_messages: 20 },
        masks: [{ name: 'pii', to: { names: ['db'] }, columns: ['people.ssn'], as: 'full' }],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    dana = await gateway.user('dana', { groups: ['dba'] });
    connected = await alice.connect([...NAMES], [], { quiet: true });
    for (const name of NAMES) args[name] = await plainSsh(alice, connected.ports[name] as number, name);
  });
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    await Promise.all([sshd?.stop(), server?.stop()]);
    web?.close();
  });

  const ssh = (words: string[], options: Parameters<typeof run>[2] = {}) =>
    run('ssh', words, { env: alice.env, ...options });

  /** Lines of every recording so far. */
  const recorded = (): Line[] => readRecordings(gateway.recordings).flatMap(({ lines }) => lines);

  /** An operation's intent and its outcome, once it is there. */
  const outcome = (text: RegExp): Promise<{ intent: Line; result: Line; lines: Line[] }> =>
    eventually(`${text} has its outcome on record`, () => {
      for (const { lines } of readRecordings(gateway.recordings)) {
        const intent = lines.find((line) => line.kind === 'intent' && text.test(String(line.text)));
        const result = intent && lines.find((line) => line.kind === 'result' && line.op === intent.op);
        if (intent !== undefined && result !== undefined) return { intent, result, lines };
      }
      return undefined;
    });

  async function fetched(port: number, more: string[] = []): Promise<string> {
    return eventually('the page comes', async () => {
      const done = await run('curl', ['-s', '-m', '10', ...more, `http://127.0.0.1:${port}/`]);
      return done.code === 0 ? done.stdout : undefined;
    });
  }

  async function tunnelled<T>(words: string[], name: string, use: (tunnel: Running) => Promise<T>): Promise<T> {
    const tunnel = start('ssh', ['-N', ...words, ...args[name]!], { env: alice.env });
    try {
      return await use(tunnel);
    } finally {
      await tunnel.stop();
    }
  }

  describe('of connections through the host', () => {
    it('-D takes any client that speaks SOCKS; each connection is on record with what went over it', async () => {
      const port = await freePort();
      const got = await tunnelled(['-D', `127.0.0.1:${port}`], 'host', () =>
        fetched(page, ['--socks5-hostname', `127.0.0.1:${port}`]),
      );
      expect(got).toBe('the web page\n');
      const { intent, result } = await outcome(new RegExp(`^127.0.0.1:${page}$`));
      expect(intent).toMatchObject({ how: 'forward', verdict: 'allow', parts: [{ does: ['forward'] }] });
      expect(result).toMatchObject({
        status: 'ok',
        tag: expect.stringMatching(/^opaque, [1-9]\d* bytes up, [1-9]\d* down$/),
      });
    });

    it('are half-closed as they are: an answer that begins with the end of the question comes whole', async () => {
      const hashing = createServer({ allowHalfOpen: true }, (socket) => {
        const hash = createHash('sha256');
        socket.on('data', (chunk) => hash.update(chunk));
        socket.on('end', () => socket.end(`${hash.digest('hex')}\n${'x'.repeat(3_000_000)}`));
      }).listen(0, '127.0.0.1');
      await once(hashing, 'listening');
      const question = Buffer.alloc(5_000_000, 'question ');
      const to = `127.0.0.1:${(hashing.address() as AddressInfo).port}`;
      const done = await ssh(['-W', to, ...args.host!], { input: question });
      hashing.close();
      expect(done.stdout.slice(0, 64)).toBe(createHash('sha256').update(question).digest('hex'));
      expect(done.stdout.length).toBe(65 + 3_000_000);
    });

    it('to where nobody listens fail as the host says', async () => {
      const to = `127.0.0.1:${await freePort()}`;
      const done = await ssh(['-W', to, ...args.host!]);
      expect(done.code).not.toBe(0);
      expect(done.stderr).toContain('onnect');
      expect((await outcome(new RegExp(`^${to}$`))).result).toMatchObject({
        status: 'error',
        error: { code: 'open_failed' },
      });
    });

    it.each([['169.254.169.254'], ['0xa9fea9fe'], ['2852039166'], ['169.254.43518'], ['[::ffff:169.254.169.254]']])(
      'to %s are refused by a rule about the address',
      async (host) => {
        const done = await ssh(['-W', `${host}:80`, ...args.host!]);
        expect(done.code).not.toBe(0);
        expect(done.stderr).toContain('no-metadata');
      },
    );

    it('go to a list of places and nowhere else', async () => {
      const allowed = await ssh(['-W', `127.0.0.1:${page}`, ...args.strict!], { input: 'GET / HTTP/1.0\r\n\r\n' });
      expect(allowed.stdout).toContain('the web page');
      const other = await ssh(['-W', `localhost:${page}`, ...args.strict!], { input: 'GET / HTTP/1.0\r\n\r\n' });
      expect(other.stderr).toContain('only-web');
    });

    it('need no rule where there is none, and one by name where there are rules', async () => {
      const socket = join(sshd.directory, 'some.sock');
      const done = await ssh([
        '-L',
        `${await freePort()}:${socket}`,
        '-R',
        '0:127.0.0.1:1',
        '-o',
        'ExitOnForwardFailure=yes',
        ...args.strict!,
        'true',
      ]);
      expect(done.code).not.toBe(0);
      expect(done.stderr).toContain('remote port forwarding failed');
      const refused = await eventually('the refusal is on record', () =>
        recorded().find((line) => line.kind === 'intent' && line.how === 'forward-remote' && line.verdict === 'deny'),
      );
      expect(refused).toMatchObject({ rule: 'opaque' });
    });
  });

  describe('to a socket of the host', () => {
    it('-L reaches it, and not one that a rule names', async () => {
      const socket = join(sshd.directory, 'web.sock');
      const onSocket = createWeb((_, answer) => void answer.end('by socket\n')).listen(socket);
      const port = await freePort();
      const other = await freePort();
      const words = ['-L', `${port}:${socket}`, '-L', `${other}:${join(sshd.directory, 'secret.sock')}`];
      await tunnelled(words, 'host', async (tunnel) => {
        expect(await fetched(port)).toBe('by socket\n');
        await run('curl', ['-s', '-m', '5', `http://127.0.0.1:${other}/`]);
        await tunnel.waitFor(/no-secret-socket/);
      });
      onSocket.close();
      const { result } = await outcome(/web\.sock$/);
      expect(result).toMatchObject({ status: 'ok', tag: expect.stringMatching(/^opaque, /) });
    });
  });

  describe('of what the host listens on', () => {
    it('-R with port 0 is told the port, brings connections to the client, and can be cancelled', async () => {
      const control = join(alice.home, 'control');
      const master = start('ssh', ['-MNS', control, '-o', 'ControlPersist=no', ...args.host!], { env: alice.env });
      const told = await eventually('the host listens', async () => {
        const done = await run('ssh', ['-S', control, '-O', 'forward', '-R', `127.0.0.1:0:127.0.0.1:${page}`, 'x']);
        return done.code === 0 ? Number(done.stdout.trim()) : undefined;
      });
      expect(told).toBeGreaterThan(0);
      expect(await fetched(told)).toBe('the web page\n');
      // The client knows it by the port that was asked for.
      await runOk('ssh', ['-S', control, '-O', 'cancel', '-R', `127.0.0.1:0:127.0.0.1:${page}`, 'x']);
      await eventually(
        'nobody listens any more',
        async () => (await run('curl', ['-s', `http://127.0.0.1:${told}/`])).code === 7,
      );
      await master.stop();
      const listening = await outcome(/^127\.0\.0\.1:0$/);
      expect(listening.intent).toMatchObject({ how: 'forward-remote', parts: [{ does: ['forward-remote'] }] });
      expect(listening.result.tag).toBe(`the host listens on 127.0.0.1:${told}`);
      const came = await outcome(new RegExp(`^127.0.0.1:${told} from 127.0.0.1:\\d+$`));
      expect(came.intent).toMatchObject({ how: 'forwarded', verdict: 'allow' });
      expect(came.result.tag).toMatch(/^opaque, [1-9]\d* bytes up, [1-9]\d* down$/);
      await eventually('the end of it is on record', () =>
        recorded().some((line) => line.note === 'forward-cancelled'),
      );
    });

    it('-R is refused by a rule about the port', async () => {
      const done = await ssh(['-o', 'ExitOnForwardFailure=yes', '-R', '80:127.0.0.1:1', ...args.host!, 'true']);
      expect(done.code).not.toBe(0);
      const { intent } = await eventually('it is on record', () => {
        const found = recorded().find((line) => line.kind === 'intent' && line.rule === 'no-port-80');
        return found && { intent: found };
      });
      expect(intent).toMatchObject({ verdict: 'deny' });
    });

    it('-R with a path listens on a socket', async () => {
      const socket = join(sshd.directory, 'remote.sock');
      await tunnelled(['-R', `${socket}:127.0.0.1:${page}`], 'host', async () => {
        await eventually('the socket is there', () => existsSync(socket));
        const got = await runOk('curl', ['-s', '--unix-socket', socket, 'http://x/']);
        expect(got.stdout).toBe('the web page\n');
      });
      const { result } = await outcome(/remote\.sock$/);
      expect(result.tag).toBe(`the host listens on ${socket}`);
    });
  });

  describe('to the target of another connection', () => {
    const through = async <T>(name: string, use: (port: number) => Promise<T>, host = '127.0.0.1') => {
      const port = await freePort();
      return tunnelled(['-L', `${port}:${host}:${server.port}`], name, async () => {
        await eventually('the port is there', async () => answers(port));
        return use(port);
      });
    };
    const psql = (port: number, sql: string) =>
      run('psql', ['-X', '-A', '-t', '-c', sql, `postgresql://127.0.0.1:${port}/app?user=alice`], { env: alice.env });

    it.each([['127.0.0.1'], ['localhost']])(
      'it is a session of that connection: masked, ruled and recorded (%s)',
      async (host) => {
        await through(
          'host',
          async (port) => {
            const marker = `'through ${host}'`;
            const read = await psql(port, `select name, ssn, ${marker} from people`);
            expect(read.stderr).toBe('');
            expect(read.stdout).toContain('ann|');
            expect(read.stdout).not.toContain('123-45-6789');
            const dropped = await psql(port, 'drop table people');
            expect(dropped.stderr).toContain('no-drop');
          },
          host,
        );
        const inner = await eventually('the session of the database is on record', () =>
          readRecordings(gateway.recordings).find(
            ({ lines }) =>
              lines[0]?.connection === 'db' && lines.some((line) => String(line.text).includes(`'through ${host}'`)),
          ),
        );
        const [open] = inner.lines;
        expect(open).toMatchObject({ protocol: 'postgres', principal: { email: 'alice@example.com' } });
        const outer = readRecordings(gateway.recordings).find(({ lines }) => lines[0]?.session === open?.through);
        expect(outer?.lines[0]).toMatchObject({ connection: 'host' });
        expect(outer?.lines.filter((line) => line.note === 'crossing').map((line) => line.fields)).toContainEqual(
          expect.objectContaining({ connection: 'db', session: open?.session }),
        );
        const { lines } = outer!;
        const forward = lines.find((line) => line.kind === 'intent' && line.text === `${host}:${server.port}`);
        // Not opaque: it is inspected.
        expect(forward).toMatchObject({
          verdict: 'allow',
          parts: [expect.not.objectContaining({ opaque: expect.anything() })],
        });
      },
    );

    it('also where no rule allows opaque forwardings', async () => {
      // `plain` has only rules that concern all connections.
      const read = await through('plain', (port) => psql(port, 'select count(*) from people'));
      expect(read.stdout).toBe('1\n');
      const other = await ssh(['-W', `127.0.0.1:${page}`, ...args.plain!]);
      expect(other.stderr).toContain('opaque');
    });

    it('that the user may not reach is refused, and not named', async () => {
      const bob = await gateway.user('bob', { groups: ['web'] });
      const own = await bob.connect('host');
      const words = await plainSsh(bob, own.port, 'host');
      const done = await run('ssh', ['-W', `127.0.0.1:${server.port}`, ...words], { env: bob.env });
      expect(done.code).not.toBe(0);
      expect(done.stderr).toContain('belongs to a connection that you may not reach');
      expect(done.stderr).not.toContain('db');
      await own.stop();
    });
  });

  describe("of the client's agent", () => {
    const list = (name: string) =>
      run(
        'ssh-agent',
        [
          'sh',
          '-c',
          `ssh-add -q ${sshd.keyFile} && exec ssh -A "$@"`,
          'sh',
          ...args[name]!,
          'ssh-add -l; echo "agent=$SSH_AUTH_SOCK"',
        ],
        {
          env: alice.env,
        },
      );

    it('works where it is allowed, each use on record', async () => {
      const done = await list('features');
      expect(done.stdout).toMatch(/^256 SHA256:\S+ .*\(ED25519\)$/m);
      const { intent, result } = await outcome(/^agent$/);
      expect(intent).toMatchObject({ verdict: 'allow', parts: [{ does: ['agent-forwarding'] }] });
      expect(result.tag).toMatch(/^opaque, [1-9]\d* bytes up, [1-9]\d* down$/);
    });

    it('is refused where it is not, and that is noted', async () => {
      const done = await list('host');
      expect(done.stdout).toContain('agent=\n');
      await eventually('the refusal is noted', () =>
        recorded().some(
          (line) => line.note === 'refused' && (line.fields as { request?: string }).request === 'agent-forwarding',
        ),
      );
    });
  });

  describeWith(['xvfb'], "of the client's display", () => {
    it('shows a program of the host where it is allowed, and says so where it is not', async () => {
      const number = 90 + Math.floor(Math.random() * 800);
      const authority = join(alice.home, 'xauth');
      writeFileSync(authority, '');
      const cookie = createHash('md5').update(String(Math.random())).digest('hex');
      await runOk('xauth', ['-f', authority, 'add', `:${number}`, '.', cookie]);
      const display = start('Xvfb', [
        `:${number}`,
        '-screen',
        '0',
        '640x480x24',
        '-auth',
        authority,
        '-nolisten',
        'tcp',
      ]);
      await eventually('the display is there', () => existsSync(`/tmp/.X11-unix/X${number}`));
      const env = { ...alice.env, DISPLAY: `:${number}`, XAUTHORITY: authority };
      const done = await ssh(['-X', ...args.features!, 'xdpyinfo | grep dimensions'], { env });
      expect(done.stdout).toContain('640x480 pixels');
      const refused = await ssh(['-X', ...args.host!, 'echo "display=$DISPLAY"'], { env });
      expect(refused.stdout).toBe('display=\n');
      expect(refused.stderr).toContain('X11 forwarding request failed');
      await display.stop();
      const { result } = await outcome(/^x11 from /);
      expect(result.tag).toMatch(/^opaque, [1-9]\d* bytes up, [1-9]\d* down$/);
    });
  });

  describe('beside it', () => {
    it("the host's keys are not announced to the client, whose known_hosts stays as it is", async () => {
      const known = args.host!.find((word) => word.startsWith('UserKnownHostsFile='))!.split('=')[1]!;
      const before = readFileSync(known, 'utf8');
      const done = await ssh(['-v', '-o', 'UpdateHostKeys=yes', ...args.host!, 'true']);
      expect(done.code).toBe(0);
      expect(done.stderr).not.toContain('hostkeys-00');
      expect(readFileSync(known, 'utf8')).toBe(before);
    });

    it('keep-alives go to the host: one that has stopped is noticed', { timeout: 180_000 }, async () => {
      const other = await startSshd();
      const own = await startGateway({
        config: {
          connections: { stopped: sshConnectionTo(other) },
          access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        },
      });
      const carol = await own.user('carol', { groups: ['engineering'] });
      const port = await carol.connect('stopped');
      const words = await plainSsh(carol, port.port, 'stopped');
      const running = start(
        'ssh',
        ['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=3', ...words, 'echo ready $PPID; sleep 60'],
        { env: carol.env },
      );
      const [, parent] = await running.waitFor(/ready (\d+)/, 'stdout');
      // Alive for longer than three missed answers would take.
      await new Promise((resolve) => setTimeout(resolve, 5000));
      expect(running.running).toBe(true);
      process.kill(Number(parent), 'SIGSTOP');
      expect((await running.exited).code).toBe(255);
      expect(running.stderr).toMatch(/not responding/);
      process.kill(Number(parent), 'SIGCONT');
      await own[Symbol.asyncDispose]();
      await other.stop();
    });

    it('signals go to the host, and the one that ended a program comes back by its name', async () => {
      const client = new ssh2.Client();
      await new Promise<void>((resolve, reject) => {
        client.once('ready', resolve).once('error', reject);
        client.connect({ host: '127.0.0.1', port: connected.ports.host, username: userInfo().username });
      });
      const ended = (command: string, begin: (channel: ClientChannel) => void) =>
        new Promise<unknown[]>((resolve, reject) => {
          client.exec(command, (error, channel) => {
            if (error !== undefined) return reject(error);
            channel.on('exit', (...how: unknown[]) => resolve(how));
            begin(channel);
          });
        });
      expect((await ended('kill -TERM $$', (channel) => channel.resume())).slice(0, 2)).toEqual([null, 'SIGTERM']);
      // sshd delivers none to programs of root: then its log tells that it came.
      const root = process.getuid?.() === 0;
      const how = await ended(`echo started; exec sleep ${root ? 2 : 60}`, (channel) =>
        channel.once('data', () => channel.signal('USR1')),
      );
      const told = 'session signalling requires privilege separation';
      if (root) await eventually('its log tells', () => sshd.log().includes(told));
      else expect(how.slice(0, 2)).toEqual([null, 'SIGUSR1']);
      client.end();
      await eventually('the signal is on record', () =>
        recorded().some((line) => line.note === 'signal' && (line.fields as { name?: string }).name === 'USR1'),
      );
    });

    it('200 MB come and go without a byte missing', { timeout: 400_000 }, async () => {
      const count = 200_000_000;
      const data = `head -c ${count} /dev/zero | openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00 -nosalt 2>/dev/null`;
      const words = args.host!.map((word) => `'${word}'`).join(' ');
      const shell = (text: string) => runOk('bash', ['-c', text], { env: alice.env, timeout: 120_000 });
      const expected = (await shell(`${data} | sha256sum`)).stdout;
      const down = await shell(`ssh ${words} '${data}' | sha256sum`);
      expect(down.stdout).toBe(expected);
      const up = await shell(`${data} | ssh ${words} 'sha256sum; echo done >&2'`);
      expect(up.stdout).toBe(expected);
    });
  });

  describe('that are held', () => {
    const way = async () => `${await freePort()}:127.0.0.1:${page}`;
    const fetchedThrough = (to: string) => run('curl', ['-s', '-m', '60', `http://127.0.0.1:${to.split(':')[0]}/`]);
    const why = /hoopctl: 127\.0\.0\.1:\d+: .* is held for review (\S+) by rule "ask"; to approve/;

    it.each([
      ['with a command beside it on its stderr', [] as string[], 'echo there; exec sleep 60'],
      ['without one in what -v shows', ['-v', '-N'], undefined],
    ])('tell the user why they wait: %s', async (_, options, command) => {
      const to = await way();
      const words = [...options, '-L', `127.0.0.1:${to}`, ...args.held!, ...(command === undefined ? [] : [command])];
      const client = start('ssh', words, { env: alice.env });
      try {
        await client.waitFor(/there|Entering interactive session/);
        const page = fetchedThrough(to);
        const [, review] = await client.waitFor(why);
        await dana.runOk(['reviews', 'approve', review!]);
        expect((await page).stdout).toBe('the web page\n');
      } finally {
        await client.stop();
      }
    });

    it('end with their conversation, by the name of the limit, when too much is sent meanwhile', async () => {
      const client = await RawSsh.connect(connected.ports.held as number);
      const channel = (await client.open(1))!;
      client.send(request(channel, 'exec', string('hold-me')));
      await pendingReview(dana, 'hold-me');
      for (let at = 0; at <= 20; at++) client.send(data(channel, 'x'));
      await client.closed;
      expect(client.farewell).toMatch(/ssh_held_messages is 21 count, over the limit of 20/);
    });
  });
});

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = netConnect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
