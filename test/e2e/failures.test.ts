// Honest failure texts: what goes wrong is named, with what to do next, and the exit code tells scripts which kind it was.

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { freePort, temporaryDirectory } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { openWay } from '../support/ways.ts';

let stage: Stage;
let deadPort: number;

beforeAll(async () => {
  deadPort = await freePort();
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({
      connections: {
        'prod-db': connectionTo(server, 'app'),
        'billing-db': connectionTo(server, 'app'),
        secret: connectionTo(server, 'app'),
        down: connectionTo(server, 'app', { target: { port: deadPort } }),
        'wrong-password': connectionTo(server, 'app', {
          credentials: { user: 'postgres', password: 'env:WRONG_PASSWORD' },
        }),
        'no-password': connectionTo(server, 'app', {
          credentials: { user: 'postgres', password: 'env:NOT_SET_ANYWHERE' },
        }),
        'wrong-tls': connectionTo(server, 'app', { target: { tls: 'require' } }),
        'no-database': connectionTo(server, 'nowhere'),
      },
      access: [
        { who: { groups: ['engineering'] }, to: { names: ['prod-db', 'billing-db', 'down', 'wrong-*', 'no-*'] } },
        { who: { groups: ['chiefs'] }, to: { names: ['secret'] } },
      ],
    }),
    { env: { WRONG_PASSWORD: 'wr0ng-passw0rd' } },
  );
});
afterAll(() => stage?.stop());

describe('hoopctl says what is wrong', () => {
  it('when nobody is logged in', async () => {
    const done = await stage.gateway.client('nobody').run(['ls']);
    expect(done.code).toBe(4);
    expect(done.stderr).toMatch(/not logged in|log in|no login/i);
    expect(done.stderr).toContain('hoopctl login');
  });

  it('when no gateway is known', async () => {
    const done = await stage.gateway.client('nobody', { HOOPCTL_GATEWAY: '', HOOPCTL_CA_FILE: '' }).run(['ls']);
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain('hoopctl login');
  });

  it('when the gateway cannot be reached', async () => {
    const done = await stage.alice.run(['login'], { env: { HOOPCTL_GATEWAY: `https://127.0.0.1:${deadPort}` } });
    expect(done.code).toBe(1);
    expect(done.stderr).toContain(`127.0.0.1:${deadPort}`);
    expect(done.stderr).toMatch(/refused|reach/);
  });

  it('when its certificate is unknown: the fingerprint, and without a terminal the flag to pass', async () => {
    const done = await stage.gateway.client('new', { HOOPCTL_CA_FILE: '' }).run(['login', stage.gateway.url]);
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain('--ca-file');
    expect(done.stderr).toMatch(/SHA-?256|([0-9A-F]{2}:){8}/i);
  });

  it('when its certificate has changed: as ssh does, and it does not go on', async () => {
    const other = temporaryDirectory('other-tls');
    const files = await makeCertificates(other);
    let gateway: Gateway | undefined;
    try {
      const config = { access: [] };
      gateway = await startGateway({ config });
      const user = await gateway.user('ann');
      await gateway.stop();
      gateway.writeConfig({ ...config, tls: { cert: files.certFile, key: files.keyFile } }, undefined);
      gateway.caFile = files.caFile;
      await gateway.start();
      const env = { HOOPCTL_CA_FILE: '' };
      for (const command of [['whoami'], ['login']]) {
        const done = await user.run(command, { env });
        expect(done.code).not.toBe(0);
        expect(done.stderr).toMatch(/certificate/);
        expect(done.stderr).toMatch(/chang/);
      }
    } finally {
      await gateway?.[Symbol.asyncDispose]();
    }
  });

  it('when there is no such connection: the nearest name, and no word of those one may not know', async () => {
    const done = await stage.alice.run(['connect', 'prod-bd', '--port', '0']);
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain('prod-bd');
    expect(done.stderr).toContain('"prod-db"');
    const hidden = await stage.alice.run(['describe', 'secret']);
    const absent = await stage.alice.run(['describe', 'zzzzzz']);
    expect(hidden.code).toBe(absent.code);
    expect(hidden.stderr.replaceAll('secret', 'zzzzzz')).toBe(absent.stderr);
    expect((await stage.alice.run(['ls'])).stdout).not.toContain('secret');
  });

  it('when the local port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const done = await stage.alice.run(['connect', `prod-db=${port}`]);
    server.close();
    expect(done.code).toBe(1);
    expect(done.stderr).toContain(String(port));
    expect(done.stderr).toMatch(/taken|in use/);
  });

  it('when another address than loopback is asked for without the long flag', async () => {
    const done = await stage.alice.run(['connect', 'prod-db', '--bind', '0.0.0.0']);
    expect(done.code).toBe(2);
    expect(done.stderr).toContain('--allow-non-loopback');
  });

  it('when a verb or flag does not exist', async () => {
    const done = await stage.alice.run(['conect', 'prod-db']);
    expect(done.code).toBe(2);
    expect(done.stderr).toContain('connect');
  });

  it('as JSON where that is asked for', async () => {
    const done = await stage.alice.run(['describe', 'prod-bd', '--json']);
    const error = JSON.parse(done.stderr.trim().split('\n').at(-1) ?? '') as {
      error?: Record<string, string>;
    } & Record<string, string>;
    expect(error.error ?? error).toMatchObject({
      code: 'no_such_connection',
      next: expect.stringContaining('prod-db'),
    });
  });
});

describeWith(['psql'], 'an ordinary client is told', () => {
  const psql = async (connection: string) => {
    const way = await openWay('connect', stage.alice, connection);
    const done = await way.run('psql', ['-X', '-c', 'select 1']);
    await way.stop();
    expect(done.code).toBe(2);
    // Never the address or the credentials of the target.
    expect(done.stderr).not.toContain('wr0ng-passw0rd');
    expect(done.stderr).not.toContain(stage.server.password);
    return done.stderr;
  };

  it('when the target is down', async () => {
    expect(await psql('down')).toMatch(/"?down"?.*(reach|refused|connect)/s);
  });

  it("when the target refuses the gateway's credentials: whose fault it is", async () => {
    const said = await psql('wrong-password');
    expect(said).toMatch(/refused.*credentials|credentials.*refused/);
    expect(said).toMatch(/gateway/);
  });

  it('when the credentials cannot be had', async () => {
    const said = await psql('no-password');
    expect(said).toMatch(/credential "password" of "no-password"/);
    expect(said).toContain('administrator');
    expect(said).not.toContain('NOT_SET_ANYWHERE');
    // What the administrator reads: at the start already, and without where in the program that was.
    const { log } = stage.gateway;
    expect(log).toMatch(
      /"level":"warn".*env:NOT_SET_ANYWHERE is not set; every session of \\"no-password\\" will fail/,
    );
    expect(log).toMatch(/"level":"error".*"reference":"env:NOT_SET_ANYWHERE"/);
    expect(log).not.toMatch(/"stack"/);
  });

  it('when the target has no TLS', async () => {
    expect(await psql('wrong-tls')).toMatch(/TLS|SSL/);
  });

  it('when the database does not exist, in the words of the server', async () => {
    expect(await psql('no-database')).toContain('database "nowhere" does not exist');
  });
});

describe('a client of another protocol on a port', () => {
  it('is answered in its own words: HTTP', async () => {
    const connected = await stage.alice.connect('prod-db');
    const answer = await fetch(`http://127.0.0.1:${connected.port}/`).then(
      async (response) => `${response.status} ${await response.text()}`,
      (error: Error) => String(error.cause ?? error),
    );
    expect(answer).toMatch(/^400 .*not HTTP|^400 .*postgres/is);
    await connected.stop();
  });
});

describe('exec', () => {
  const exit = (args: string[]) => stage.alice.run(['exec', ...args]);

  it("passes the child's exit code and signals through, and has its own for its own failures", async () => {
    expect((await exit(['prod-db', '--', 'sh', '-c', 'exit 37'])).code).toBe(37);
    expect((await exit(['prod-db', '--', 'sh', '-c', 'kill -TERM $$'])).code).toBe(143);
    expect((await exit(['prod-db', '--timeout', '300ms', '--', 'sleep', '30'])).code).toBe(124);
    expect((await exit(['no-such-one', '--', 'true'])).code).toBe(125);
    const file = join(stage.alice.home, 'not-executable');
    writeFileSync(file, 'x', { mode: 0o644 });
    expect((await exit(['prod-db', '--', file])).code).toBe(126);
    expect((await exit(['prod-db', '--', 'no-such-command-here'])).code).toBe(127);
    const child = stage.alice.start([
      'exec',
      'prod-db',
      '--',
      'sh',
      '-c',
      'trap "echo got it; exit 5" INT; echo up; while :; do sleep 0.1; done',
    ]);
    await child.waitFor(/up/);
    child.kill('SIGINT');
    expect((await child.exited).code).toBe(5);
    expect(child.stdout).toContain('got it');
  });

  it('gives the standard variables of several connections, and nothing secret', async () => {
    const done = await exit(['prod-db,billing-db', '--reason', 'why', '--', 'env']);
    const env = Object.fromEntries(
      done.stdout.split('\n').map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]),
    );
    expect(env).toMatchObject({
      PGHOST: '127.0.0.1',
      HOOPCTL_CONNECTION_PROD_DB_HOST: '127.0.0.1',
      HOOPCTL_SESSION_ID: expect.stringMatching(/./),
    });
    expect(env.PGPORT).toBe(env.HOOPCTL_CONNECTION_PROD_DB_PORT);
    expect(env.HOOPCTL_CONNECTION_BILLING_DB_URL).toContain(`:${env.HOOPCTL_CONNECTION_BILLING_DB_PORT}/`);
    expect(env.DATABASE_URL).toBe(env.HOOPCTL_CONNECTION_PROD_DB_URL);
    expect(done.stdout).not.toContain(stage.server.password);
    expect(done.stdout).not.toMatch(/eyJ[\w-]+\./);
  });
});
