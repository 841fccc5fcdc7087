// What SSH has to bear at the gateway: garbage and cut handshakes, weak algorithms, tampering before the keys, clients that
// open without end, never read or never grant, hosts that stall, uploads of any size. Memory stays bounded, others are served.

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, createServer, connect as netConnect, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually, memoryKb, run, runOk, sleep } from '../support/process.ts';
import { effort } from '../support/property.ts';
import { seeded } from '../support/random.ts';
import { chainProblems, readRecordings } from '../support/recordings.ts';
import { plainSsh, sshConnectionTo } from '../support/ssh.ts';
import {
  bytes,
  data,
  directTcpip,
  exec,
  globalRequest,
  openMessage,
  RawSsh,
  request,
  string,
  uint32,
} from '../support/ssh-raw.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';

const { seed: SEED, numRuns: SEQUENCES } = effort({ seed: 20_261_129, numRuns: 200 });
const MIB = 1024;
/** What each of these may add to the gateway's resident memory, and all of them together, in MiB. */
const BOUND = 200;
const IN_ALL = 400;
/** 2 GiB where every test has to be whole. */
const UPLOAD_MB = process.env.CI === undefined ? 512 : 2048;

describeWith(['sshd', 'linux'], 'hostile ssh', () => {
  let sshd: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let connected: Connected;
  let words: string[];
  let tampering: Tampering;
  /** A host that takes its time to answer. */
  let late: Server;

  beforeAll(async () => {
    sshd = await startSshd({ config: ['MaxSessions 2000'] });
    tampering = await Tampering.before(sshd.port);
    const weak = await startSshd({ config: ['Ciphers aes128-cbc'] });
    const old = await startSshd({ config: ['KexAlgorithms diffie-hellman-group14-sha1'] });
    others = [weak, old];
    late = createServer((socket) => {
      socket.on('error', () => {});
      setTimeout(() => {
        const on = netConnect(sshd.port, '127.0.0.1');
        on.on('error', () => {});
        socket.pipe(on).pipe(socket);
      }, 3000);
    });
    await once(late.listen(0, '127.0.0.1'), 'listening');
    gateway = await startGateway({
      native: 'ssh',
      config: {
        connections: {
          // What is measured is the way of the bytes, not the disk that they are recorded on.
          host: sshConnectionTo(sshd, { recording: { bytes: 16_384 } }),
          weak: sshConnectionTo(weak),
          old: sshConnectionTo(old),
          tampered: sshConnectionTo({ ...sshd, port: tampering.port }),
          late: sshConnectionTo({ ...sshd, port: (late.address() as AddressInfo).port }),
        },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        limits: { handshake_ms: 15_000, ssh_login_ms: 20_000 },
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    connected = await alice.connect(['host', 'weak', 'old', 'tampered', 'late'], [], { quiet: true });
    words = await plainSsh(alice, connected.ports.host as number, 'host');
    await othersAreServed();
    idle = memoryKb(gateway.process.pid);
  });
  /** The gateway's resident memory before all of it, kB. */
  let idle = 0;
  let others: Sshd[] = [];
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    tampering?.close();
    late?.close();
    await Promise.all([sshd, ...others].map((one) => one?.stop()));
  });

  const host = (): number => connected.ports.host as number;
  const ssh = (more: string[], options: Parameters<typeof run>[2] = {}) =>
    run('ssh', [...more.slice(0, -1), ...words, ...more.slice(-1)], { env: alice.env, ...options });

  async function othersAreServed(): Promise<void> {
    const done = await run('ssh', [...words, 'echo served'], { env: alice.env, timeout: 60_000 });
    expect(done.stdout, done.stderr).toBe('served\n');
  }

  afterEach(async () => {
    expect(gateway.process.running).toBe(true);
    // A bug of ours would be logged as one.
    expect(
      /.*("code":"internal"|TypeError|RangeError|unhandled).*/i.exec(gateway.log)?.[0].slice(0, 2000),
    ).toBeUndefined();
    await othersAreServed();
  });

  /** Peak of the gateway's resident memory while something runs: MiB above what it was before. */
  async function growth<T>(what: string, action: () => Promise<T>, bound = BOUND): Promise<T> {
    const rss = () => memoryKb(gateway.process.pid);
    const before = rss();
    let peak = before;
    const timer = setInterval(() => {
      peak = Math.max(peak, rss());
    }, 20);
    try {
      return await action();
    } finally {
      clearInterval(timer);
      const grown = (Math.max(peak, rss()) - before) / MIB;
      const inAll = (Math.max(peak, rss()) - idle) / MIB;
      console.log(`hostile ssh: ${what}: at most ${grown.toFixed(0)} MiB more, ${inAll.toFixed(0)} in all`);
      expect(grown).toBeLessThan(bound);
      expect(inAll).toBeLessThan(IN_ALL);
    }
  }

  /** The same of what a client of its own does, which then goes. */
  async function growthBy<T>(what: string, does: (client: RawSsh) => Promise<T>): Promise<T> {
    const client = await RawSsh.connect(host());
    try {
      return await growth(what, () => does(client));
    } finally {
      client.destroy();
    }
  }

  it('a client that leaves while its host is logged in to leaves no session behind', async () => {
    const client = netConnect(connected.ports.late as number, '127.0.0.1').on('error', () => {});
    const raw = RawSsh.over(client).catch(() => {});
    const live = async () => {
      const found = await alice.json<{ sessions: { state: string }[] }>(['sessions', 'ls', '--connection', 'late']);
      return found.sessions.filter(({ state }) => state === 'open').length;
    };
    await eventually('it is logged in to', async () => (await live()) === 1, 20_000);
    client.destroy();
    await raw;
    await sleep(4000);
    expect(await live()).toBe(0);
  });

  describe('handshakes', () => {
    it(`${SEQUENCES} of garbage, cut anywhere, or with lengths that lie`, { timeout: 300_000 }, async () => {
      const random = seeded(SEED);
      const real = await firstBytes(gateway.nativePort as number);
      const beginnings = [
        () => random.bytes(random.below(4000)),
        () => Buffer.from(`SSH-2.0-${'x'.repeat(random.below(100_000))}`),
        () => Buffer.from('SSH-1.5-old\r\n'),
        () => Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
        () =>
          Buffer.concat([
            Buffer.from('SSH-2.0-x\r\n'),
            uint32(random.pick([0, 1, 35_001, 2 ** 31, 2 ** 32 - 1])),
            random.bytes(64),
          ]),
        () => Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), packet(Buffer.concat([bytes(20), random.bytes(200)]))]),
        () => real.subarray(0, random.below(real.length)),
        () => Buffer.concat([real, packet(random.bytes(1 + random.below(300)))]),
        () => flipped(real, random.below(real.length), 1 << random.below(8)),
      ];
      await growth(`${SEQUENCES} handshakes`, async () => {
        for (let at = 0; at < SEQUENCES; at += 20) {
          await Promise.all(
            Array.from({ length: 20 }, (_, i) =>
              thrown(
                i % 2 === 0 ? host() : (gateway.nativePort as number),
                random.pick(beginnings)(),
                random.below(3) === 0,
              ),
            ),
          );
        }
      });
    });

    it.each([
      ['CBC', ['-o', 'Ciphers=aes128-cbc'], 'no matching cipher'],
      ['3DES', ['-o', 'Ciphers=3des-cbc'], 'no matching cipher'],
      ['ssh-rsa with SHA-1', ['-o', 'HostKeyAlgorithms=ssh-rsa'], 'no matching host key type'],
      ['group 1', ['-o', 'KexAlgorithms=diffie-hellman-group1-sha1'], 'no matching key exchange method'],
      ['group 14 with SHA-1', ['-o', 'KexAlgorithms=diffie-hellman-group14-sha1'], 'no matching key exchange method'],
      ...[
        'ecdh-sha2-nistp384',
        'ecdh-sha2-nistp521',
        'diffie-hellman-group16-sha512',
        'diffie-hellman-group18-sha512',
      ].map((name): [string, string[], string] => [
        `${name}, which costs the gateway too much`,
        ['-o', `KexAlgorithms=${name}`],
        'no matching key exchange method',
      ]),
      ['MD5', ['-o', 'Ciphers=aes128-ctr', '-o', 'MACs=hmac-md5'], 'no matching MAC'],
      ['HMAC with SHA-1', ['-o', 'Ciphers=aes128-ctr', '-o', 'MACs=hmac-sha1'], 'no matching MAC'],
    ])('a client that knows only %s finds nothing to agree on', async (_, options, why) => {
      const done = await ssh([...options, 'true']);
      expect(done.code).toBe(255);
      expect(done.stderr).toContain(why);
    });

    it.each([['weak'], ['old']])('a host that knows only weak algorithms (%s) is not logged in to', async (name) => {
      const client = await RawSsh.connect(connected.ports[name] as number).catch((error: Error) => error);
      expect(String(client)).toMatch(/cannot log in to the host|protocol|no matching/i);
    });

    it('strict key exchange is agreed on with a client that knows it', async () => {
      const done = await ssh(['-vvv', 'true']);
      expect(done.stderr).toContain('will use strict KEX ordering');
    });

    it('a message slipped in before the keys of a client ends the handshake (CVE-2023-48795)', async () => {
      const between = await Tampering.before(gateway.nativePort as number);
      const args = [
        '-F',
        'none',
        '-p',
        `${between.port}`,
        '-o',
        'StrictHostKeyChecking=no',
        '-o',
        'UserKnownHostsFile=/dev/null',
      ];
      const whole = await run('ssh', [...args, '-o', 'BatchMode=yes', 'host@127.0.0.1', 'true'], { env: alice.env });
      // Untouched, it comes to the login.
      expect(whole.stderr).toContain('Permission denied');
      between.inject = 'client';
      const done = await run('ssh', [...args, '-o', 'BatchMode=yes', 'host@127.0.0.1', 'true'], { env: alice.env });
      expect(between.injected).toBe(true);
      expect(done.code).toBe(255);
      expect(done.stderr).not.toContain('Permission denied');
      between.close();
    });

    it('a host whose first request comes in one piece with its welcome is listened to', async () => {
      tampering.gather = true;
      for (let at = 0; at < 3; at++) {
        const client = await RawSsh.connect(connected.ports.tampered as number);
        expect(await exec(client, 1, 'echo heard')).toMatchObject({ told: 'heard\n' });
        client.destroy();
      }
      tampering.gather = false;
    });

    it('and so does one before the keys of a host', async () => {
      const fine = await RawSsh.connect(connected.ports.tampered as number);
      fine.destroy();
      tampering.inject = 'server';
      const client = await RawSsh.connect(connected.ports.tampered as number).catch((error: Error) => error);
      expect(tampering.injected).toBe(true);
      expect(String(client)).toMatch(/cannot log in to the host/);
    });
  });

  const eof = (channel: number, times: number) => Array.from({ length: times }, () => bytes(96, uint32(channel)));

  describe.each([
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes256-ctr',
  ])('with %s', (cipher) => {
    it('a violation with more behind it in the same piece ends its connection, and nothing else', async () => {
      const client = await RawSsh.connect(host(), 'raw', cipher);
      const channel = (await client.open(1))!;
      client.sendAtOnce(bytes(93, uint32(channel), uint32(2 ** 32 - 1)), ...eof(channel, 30));
      await client.closed;
      expect(client.farewell).toContain('window');
    });

    it('a word of leave with more behind it in the same piece', async () => {
      const client = await RawSsh.connect(host(), 'raw', cipher);
      const channel = (await client.open(1))!;
      client.sendAtOnce(bytes(1, uint32(11), string('bye'), string('')), ...eof(channel, 30));
      await client.closed;
    });
  });

  describe('after the login', () => {
    it.each([
      ['substitutions', '$('],
      ['groups', '{ '],
      ['conditions', 'if '],
      ['parameters', '${a:-'],
      ['backquotes', '`\\'],
      ['brackets', '( '],
      ['functions', 'f() '],
    ])('a command of 6,000 nested %s is one that cannot be read', async (_, piece) => {
      const client = await RawSsh.connect(host(), 'raw', 'chacha20-poly1305@openssh.com');
      const channel = (await client.open(1))!;
      client.sendAtOnce(request(channel, 'exec', string(piece.repeat(6000))), ...eof(channel, 30));
      // Rules that would have to read it are none here: the host's shell has it.
      await client.next(97);
      client.destroy();
    });

    it('messages that lie end their session and no other', { timeout: 300_000 }, async () => {
      const random = seeded(SEED);
      await growth('broken messages', async () => {
        for (let at = 0; at < 40; at++) {
          const client = await RawSsh.connect(host());
          const channel = (await client.open(7, 1000)) ?? 0;
          const valid = [
            openMessage(8, 1000),
            request(channel, 'exec', string('true')),
            data(channel, 'some data'),
            globalRequest('tcpip-forward', true, bytes(string('x'), uint32(1))),
            bytes(93, uint32(channel), uint32(2 ** 32 - 1)),
            bytes(91, uint32(channel), uint32(1), uint32(1), uint32(1)),
            bytes(96, uint32(channel)),
            bytes(97, uint32(channel)),
            bytes(81),
            openMessage(9, 0, 'direct-tcpip', directTcpip('127.0.0.1', 70_000)),
          ];
          for (let n = 0; n < 12; n++) {
            const message = Buffer.from(random.pick(valid));
            const how = random.below(4);
            if (how === 0) client.send(message.subarray(0, 1 + random.below(message.length)));
            else if (how === 1) client.send(flipped(message, random.below(message.length), 1 << random.below(8)));
            else if (how === 2) client.send(Buffer.concat([message, random.bytes(random.below(100))]));
            else client.send(bytes(50 + random.below(60), random.bytes(random.below(60))));
          }
          await Promise.race([client.closed, sleep(50)]);
          client.destroy();
        }
      });
    });

    it('10,000 channels: so many as the limit says, the others are refused by its name', {
      timeout: 300_000,
    }, async () => {
      const counts = await growthBy('10,000 channels', async (client) => {
        let opened = 0;
        let refused = 0;
        let why = '';
        for (let at = 0; at < 10_000; at++) client.send(openMessage(at, 2 ** 21));
        while (opened + refused < 10_000) {
          const answer = await client.next();
          if (answer[0] === 91) opened++;
          else if (answer[0] === 92) {
            refused++;
            why = answer.subarray(13).toString();
          }
        }
        await othersAreServed();
        return { opened, refused, why };
      });
      expect(counts.opened).toBe(1000);
      expect(counts.refused).toBe(9000);
      expect(counts.why).toContain('ssh_channels');
    });

    it('channels that never grant a window keep what their hosts may send, and no more', {
      timeout: 180_000,
    }, async () => {
      await growthBy('200 channels without a window, each of a command that prints without end', async (client) => {
        for (let at = 0; at < 200; at++) await client.exec(at, 'exec cat /dev/zero', 0);
        for (let at = 0; at < 3; at++) await othersAreServed();
      });
    });

    it('what a command prints in single bytes for a client without a window costs no more than in large pieces', {
      timeout: 300_000,
    }, async () => {
      const done = join(sshd.directory, 'printed');
      await growthBy('300 kB of output in single bytes', async (client) => {
        const print = 'i=0; while [ $i -lt 300000 ]; do printf x; i=$((i+1)); done';
        await client.exec(1, `${print}; touch ${done}`, 0);
        await eventually('all of it is printed', () => existsSync(done), 250_000);
      });
    });

    it.each(['session', 'direct-tcpip'])(
      'a %s whose packets would be tiny is refused, by the name of the limit',
      async (type) => {
        const client = await RawSsh.connect(host());
        const rest = type === 'session' ? Buffer.alloc(0) : directTcpip('127.0.0.1', sshd.port);
        client.send(bytes(90, string(type), uint32(1), uint32(2 ** 31), uint32(1023), rest));
        expect((await client.next(92)).toString()).toContain('ssh_least_packet_bytes');
        client.send(bytes(90, string(type), uint32(2), uint32(2 ** 31), uint32(1024), rest));
        await client.next(91);
        client.destroy();
      },
    );

    it('requests for files whose answers the client has no window for are answered when it has', {
      timeout: 300_000,
    }, async () => {
      await growthBy('requests for files that are not known, without a window', async (client) => {
        client.send(openMessage(1, 0));
        const opened = await client.next(91);
        const channel = opened.readUInt32BE(5);
        let room = opened.readUInt32BE(9);
        client.send(request(channel, 'subsystem', string('sftp')));
        await client.next(99);
        const unknown = Array.from({ length: 3000 }, (_, id) => bytes(uint32(5), 77, uint32(id)));
        const batch = data(channel, Buffer.concat(unknown));
        let asked = 0;
        // Enough to fill the memory with answers, were it asked on and on.
        while (asked < 3_000_000) {
          for (; room >= 27_000; room -= 27_000) {
            client.send(batch);
            asked += unknown.length;
          }
          const more = await client.next(93, 3000).catch(() => undefined);
          if (more === undefined) break;
          room += more.readUInt32BE(5);
        }
        client.send(bytes(93, uint32(channel), uint32(2 ** 31)));
        let length = 0;
        let got = 0;
        while (length === 0 || got < asked * length) {
          const answer = (await client.next(94)).subarray(9);
          if (length === 0) length = 4 + answer.readUInt32BE(0);
          got += answer.length;
        }
        expect(got).toBe(asked * length);
      });
    });

    it('requests for files that wait cost no more than their bytes', { timeout: 300_000 }, async () => {
      await growthBy('windows full of the smallest requests, on 12 channels', async (client) => {
        const unknown = Buffer.concat(Array.from({ length: 3000 }, (_, id) => bytes(uint32(5), 77, uint32(id))));
        for (let at = 0; at < 12; at++) {
          client.send(openMessage(at, 0));
          const opened = await client.next(91);
          const channel = opened.readUInt32BE(5);
          client.send(request(channel, 'subsystem', string('sftp')));
          await client.next(99);
          // What is asked until its answers fill a MiB is given back, and not counted here: the rest of the window waits.
          for (let room = opened.readUInt32BE(9); room >= unknown.length; room -= unknown.length) {
            client.send(data(channel, unknown));
          }
          await eventually('it is taken', () => client.socket.writableLength < 500_000);
        }
        await othersAreServed();
        expect(client.over).toBe(false);
      });
    });

    it('data in single bytes for a program that does not read costs no more than in large pieces', {
      timeout: 300_000,
    }, async () => {
      await growthBy('300 kB in single bytes', async (client) => {
        const channel = await client.exec(1, 'exec sleep 60');
        const piece = data(channel, 'x');
        for (let at = 0; at < 300_000 && !client.over; at++) {
          client.send(piece);
          if (at % 5000 === 0) await sleep(0);
          if (client.socket.writableLength > 1_000_000)
            await eventually('it is taken', () => client.socket.writableLength < 500_000);
        }
        await sleep(500);
        expect(client.over).toBe(false);
      });
    });

    it('more data than was granted ends the session, by the name of the limit', async () => {
      const client = await RawSsh.connect(host());
      const channel = await client.exec(1, 'exec sleep 60');
      const piece = data(channel, Buffer.alloc(30_000));
      for (let at = 0; at < 400 && !client.over; at++) client.send(piece);
      await client.closed;
      expect(client.farewell).toContain('ssh_window_bytes');
    });

    it.each([
      [
        'window changes for a host that does not read',
        (channel: number) => request(channel, 'window-change', Buffer.alloc(16), false),
      ],
      [
        'questions whose answers are not read',
        (channel: number) => request(channel, 'env', bytes(string('NO'), string('x'))),
      ],
      ['keep-alives whose answers are not read', () => globalRequest('no-such@example.com')],
    ])('%s are taken no faster than they are answered', { timeout: 300_000 }, async (what, message) => {
      await growthBy(what, async (client) => {
        const one = message(await client.exec(1, 'exec sleep 60'));
        client.stopReading();
        const until = Date.now() + 6000;
        while (Date.now() < until && !client.over) {
          for (let at = 0; at < 1000; at++) client.send(one);
          if (client.socket.writableLength > 4_000_000) await sleep(100);
          else await sleep(0);
        }
        await othersAreServed();
      });
    });

    it('a client that stops in the middle of a key exchange is sent nothing that has to wait for it', {
      timeout: 180_000,
    }, async () => {
      await growthBy('a key exchange that is never finished', async (client) => {
        await client.exec(1, 'exec cat /dev/zero', 2 ** 32 - 1);
        client.rekey();
        client.stopReading();
        await sleep(5000);
      });
    });

    it('a client that reads nothing of an endless download', { timeout: 180_000 }, async () => {
      await growthBy('an endless download that is not read', async (client) => {
        await client.exec(1, 'exec cat /dev/zero', 2 ** 32 - 1);
        client.stopReading();
        await sleep(4000);
        await othersAreServed();
      });
    });

    it('a host that stalls in the middle of an upload', { timeout: 180_000 }, async () => {
      await growthBy('an upload to a host that has stopped', async (client) => {
        const channel = await client.exec(1, 'echo $PPID; exec cat >/dev/null');
        const told = await client.next(94);
        const pid = Number(told.subarray(9).toString());
        expect(pid).toBeGreaterThan(1);
        process.kill(pid, 'SIGSTOP');
        const piece = data(channel, Buffer.alloc(30_000));
        // Within the window that was granted.
        for (let at = 0; at < 60; at++) client.send(piece);
        await sleep(2000);
        await othersAreServed();
        process.kill(pid, 'SIGCONT');
      });
    });

    it(`${UPLOAD_MB} MiB up`, { timeout: 600_000 }, async () => {
      await growth(`an upload of ${UPLOAD_MB} MiB`, async () => {
        const args = words.map((word) => `'${word}'`).join(' ');
        const text = `head -c ${UPLOAD_MB}M /dev/zero | ssh ${args} 'wc -c'`;
        const done = await runOk('bash', ['-c', text], { env: alice.env, timeout: 580_000 });
        expect(done.stdout.trim()).toBe(String(UPLOAD_MB * 2 ** 20));
      });
    });
  });

  it('leaves recordings that verify', { timeout: 300_000 }, async () => {
    await eventually(
      'every recording is sealed',
      () => readRecordings(gateway.recordings).every((recording) => chainProblems(recording).length === 0),
      250_000,
    );
  });
});

function flipped(original: Buffer, at: number, bit: number): Buffer {
  const changed = Buffer.from(original);
  changed[at] = (changed[at] as number) ^ bit;
  return changed;
}

/** A packet before there are keys (RFC 4253 §6). */
function packet(payload: Buffer): Buffer {
  const padding = 8 - ((payload.length + 5) % 8) + 8;
  return Buffer.concat([uint32(payload.length + padding + 1), bytes(padding), payload, Buffer.alloc(padding)]);
}

/** What OpenSSH's client says first: its name and its KEXINIT, as somebody between sees them. */
async function firstBytes(port: number): Promise<Buffer> {
  const between = await Tampering.before(port);
  await run('ssh', [
    '-F',
    'none',
    '-p',
    `${between.port}`,
    '-o',
    'StrictHostKeyChecking=no',
    '-o',
    'UserKnownHostsFile=/dev/null',
    '-o',
    'BatchMode=yes',
    'x@127.0.0.1',
    'true',
  ]);
  between.close();
  return between.seen.subarray(0, 1500);
}

/** Sends this, and waits for the other side to end it (or leaves at once). */
async function thrown(port: number, what: Buffer, leave: boolean): Promise<void> {
  const socket = netConnect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.on('data', () => {});
  socket.write(what);
  await Promise.race([once(socket, 'close').catch(() => {}), sleep(leave ? 5 : 100)]);
  socket.destroy();
}

/** Somebody between who sees everything, and slips a message of no meaning (IGNORE) in behind the first KEXINIT. */
class Tampering {
  inject: 'client' | 'server' | undefined;
  injected = false;
  /** What the server says comes in one piece with what it says soon after. */
  gather = false;
  seen = Buffer.alloc(0);
  readonly #server: Server;

  private constructor(target: number) {
    this.#server = createServer((from) => {
      const to = netConnect(target, '127.0.0.1');
      const way = (source: typeof from, sink: typeof from, side: 'client' | 'server') => {
        let before = Buffer.alloc(0);
        let done = false;
        source.on('data', (chunk: Buffer) => {
          if (side === 'client') this.seen = Buffer.concat([this.seen, chunk]);
          if (this.gather && side === 'server') {
            if (before.length === 0) {
              setTimeout(() => {
                sink.write(before);
                before = Buffer.alloc(0);
              }, 150);
            }
            before = Buffer.concat([before, chunk]);
            return;
          }
          if (this.inject !== side || done) {
            sink.write(chunk);
            return;
          }
          before = Buffer.concat([before, chunk]);
          const line = before.indexOf('\n') + 1;
          if (line === 0 || before.length < line + 4) return;
          const end = line + 4 + before.readUInt32BE(line);
          if (before.length < end) return;
          done = true;
          this.injected = true;
          sink.write(Buffer.concat([before.subarray(0, end), packet(bytes(2, string(''))), before.subarray(end)]));
        });
        source.on('error', () => sink.destroy());
        source.on('close', () => sink.destroy());
      };
      way(from, to, 'client');
      way(to, from, 'server');
    });
  }

  static async before(target: number): Promise<Tampering> {
    const one = new Tampering(target);
    one.#server.listen(0, '127.0.0.1');
    await once(one.#server, 'listening');
    return one;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
  }
}
