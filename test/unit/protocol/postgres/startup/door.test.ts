import { describe, expect, it } from 'vitest';
import { peerError, userError } from '../../../../../src/core/errors.ts';
import { back, front, message } from '../../../../conformance/postgres/kit.ts';
import { packet, Stage, startup, welcome } from '../../../../conformance/postgres/script.ts';

const SSL = packet(80877103);
const GSS = packet(80877104);

describe('a client through the tunnel', () => {
  it("is let in with key data of the gateway's own", async () => {
    const stage = new Stage();
    const { asked, told, client } = await stage.talking({ user: 'alice', application_name: 'psql', DateStyle: 'ISO' });
    const sent = asked.toString('latin1');
    expect(asked.readInt32BE(4)).toBe(196610);
    expect(sent).toContain('user\0app_rw\0database\0app\0');
    expect(sent).toContain('application_name\0psql (alice@example.com via hoopctl)\0');
    expect(told.map((line) => line.split(' ')[0])).toEqual([
      'Authentication',
      'ParameterStatus',
      'BackendKeyData',
      'ReadyForQuery',
    ]);
    expect(told[2]).not.toContain('real');
    expect(stage.introductions).toEqual([{ user: 'alice', application: 'psql' }]);
    client.stream.destroy();
  });

  it('is told that neither TLS nor GSS is needed here, each asked once', async () => {
    const { client } = new Stage().visit();
    client.send(SSL);
    expect((await client.take(1)).toString()).toBe('N');
    client.send(GSS);
    expect((await client.take(1)).toString()).toBe('N');
    client.send(SSL);
    expect((await client.rest())[0]).toMatch(/^ErrorResponse FATAL 08P01 the client asks for encryption again/);
  });

  it('gets a longer key from protocol 3.2 on', async () => {
    const stage = new Stage();
    const { client } = stage.visit();
    client.send(startup({ user: 'alice' }, 196610));
    const target = await stage.target();
    await target.packet();
    target.send(welcome());
    await client.message();
    await client.message();
    expect((await client.message()).length).toBe(5 + 4 + 32);
    client.stream.destroy();
  });

  it('is told the newest protocol, and the options that nobody knows, when it asks for more', async () => {
    const stage = new Stage();
    const { client } = stage.visit();
    client.send(startup({ user: 'alice', '_pq_.magic': 'on' }, 196608 + 9999));
    const told = await client.message();
    expect(told.readInt32BE(5)).toBe(196610);
    expect(told.toString('latin1', 9)).toContain('_pq_.magic\0');
    const asked = await (await stage.target()).packet();
    expect(asked.toString('latin1')).not.toContain('_pq_');
    client.stream.destroy();
  });

  it('is refused a protocol of long ago by its number', async () => {
    const { client } = new Stage().visit();
    client.send(packet(131072, Buffer.alloc(20)));
    expect(await client.rest()).toEqual([
      'ErrorResponse FATAL 0A000 protocol 2.0 is not supported, 3.0 to 3.2 are H=use a client of PostgreSQL 7.4 or later',
    ]);
  });

  it('is refused a packet that is too long, or too short, before its body', async () => {
    for (const [length, code] of [
      [10_001, '54000'],
      [7, '08P01'],
      [0, '08P01'],
    ] as const) {
      const { client, over } = new Stage().visit();
      const header = Buffer.alloc(8);
      header.writeInt32BE(length, 0);
      header.writeInt32BE(196608, 4);
      client.send(header);
      expect((await client.rest())[0]).toContain(`FATAL ${code}`);
      client.stream.end();
      await over;
    }
  });

  it('is let go when it takes too long', async () => {
    const { client } = new Stage({ limits: { startup_ms: 20 } }).visit();
    client.send(Buffer.from([0, 0, 0]));
    expect(await client.rest()).toEqual([]);
  });

  it('is refused a database that the connection does not have', async () => {
    const stage = new Stage();
    const { client } = stage.visit();
    client.send(startup({ user: 'alice', database: 'other' }));
    expect((await client.rest())[0]).toBe(
      'ErrorResponse FATAL 3D000 database "other" is not reachable through connection "prod-db" D=session s-test H=ask for "app"',
    );
    expect(stage.targets).toHaveLength(0);
    expect(stage.session.ended?.code).toBe('not_found');
  });

  it('is refused a replication connection by name', async () => {
    const { client } = new Stage().visit();
    client.send(startup({ user: 'alice', replication: 'database' }));
    expect((await client.rest())[0]).toMatch(
      /^ErrorResponse FATAL 0A000 a replication connection is refused on "prod-db"/,
    );
  });

  it('is refused parameters under which rules would misread SQL', async () => {
    const { client } = new Stage({ session: { ruled: true } }).visit();
    client.send(startup({ user: 'alice', client_encoding: 'LATIN1' }));
    expect((await client.rest())[0]).toMatch(
      /^ErrorResponse FATAL 42501 "client_encoding" cannot be "LATIN1" here.*PGCLIENTENCODING=UTF8$/,
    );
  });

  it('is refused when the server itself would misread', async () => {
    const stage = new Stage({ session: { ruled: true } });
    const { client } = stage.visit();
    client.send(startup({ user: 'alice' }));
    const target = await stage.target();
    await target.packet();
    target.send(welcome(['standard_conforming_strings', 'off']));
    expect((await client.rest())[0]).toMatch(/^ErrorResponse FATAL 0A000 the target reads SQL with/);
  });
});

describe('a stranger', () => {
  const cases = [
    [
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*this port speaks PostgreSQL, not HTTP/,
    ],
    ['POST /x HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400/],
    ['SSH-2.0-OpenSSH_9.2\r\n', /this port speaks PostgreSQL, not SSH/],
    ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc', '\x15\x03\x01\x00\x02\x02\x0a'],
  ] as const;

  it('is answered in its own protocol', async () => {
    for (const [sent, answer] of cases) {
      const { client, over } = new Stage().visit();
      client.send(Buffer.from(sent, 'latin1'));
      await client.until((peer) => peer.closed || peer.ended);
      const told = client.bytes.toString('latin1');
      if (typeof answer === 'string') expect(told).toBe(answer);
      else expect(told).toMatch(answer);
      client.stream.end();
      await over;
    }
  });

  it('that speaks nothing known is refused by the length it seems to declare', async () => {
    const { client } = new Stage().visit();
    client.send(Buffer.from('hello there'));
    expect((await client.rest())[0]).toMatch(/^ErrorResponse FATAL 54000 startup_bytes is \d+ bytes/);
  });
});

describe('a native client', () => {
  it('is asked for its token under TLS only', async () => {
    const { client } = new Stage({ native: true }).visit();
    client.send(startup({ user: 'ci', database: 'prod-db' }));
    expect((await client.rest())[0]).toMatch(
      /^ErrorResponse FATAL 28000 this port takes connections over TLS only .*sslmode=verify-full/,
    );
  });

  it('gives user, connection and token', async () => {
    const stage = new Stage({ native: true, config: { target: { databases: ['reports'] } } });
    const { client } = stage.visit();
    client.send(SSL);
    expect((await client.take(1)).toString()).toBe('S');
    client.send(startup({ user: 'ci', database: 'prod-db/reports', application_name: 'psql' }));
    expect((await client.message()).readInt32BE(5)).toBe(3);
    client.send(message('p', (w) => w.string('token')));
    const asked = await (await stage.target()).packet();
    expect(stage.introductions).toEqual([{ user: 'ci', connection: 'prod-db', secret: 'token', application: 'psql' }]);
    expect(asked.toString('latin1')).toContain('database\0reports\0');
    client.stream.destroy();
  });

  it('may begin TLS at once', async () => {
    const stage = new Stage({ native: true });
    const { client } = stage.visit();
    const hello = Buffer.from([0x16, 0x03, 0x01, 0, 5, 1, 0, 0, 1]);
    client.send(hello);
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.send(startup({ user: 'ci', database: 'prod-db' }));
    expect((await client.message()).readInt32BE(5)).toBe(3);
    client.stream.destroy();
  });

  it('may not put bytes between SSLRequest and TLS', async () => {
    const { client } = new Stage({ native: true }).visit();
    client.send(SSL, startup({ user: 'ci' }));
    await client.until((peer) => peer.closed || peer.ended);
    expect(client.bytes.toString('latin1')).toContain('the client sent bytes between SSLRequest and TLS');
  });

  it('is told why it may not come in', async () => {
    for (const [error, told] of [
      [
        peerError('token_expired', 'the token has expired', { fix: 'get a new one' }),
        'FATAL 28P01 the token has expired H=get a new one',
      ],
      [userError('no_such_connection', 'no connection "x"'), 'FATAL 3D000 no connection "x"'],
      [userError('access_denied', 'no access'), 'FATAL 28000 no access'],
      [new Error('a bug with a secret'), "FATAL XX000 the gateway failed to open a session H=see the gateway's log"],
    ] as const) {
      const { client } = new Stage({ native: true, refuse: error }).visit();
      client.send(SSL);
      await client.take(1);
      client.send(startup({ user: 'ci', database: 'x' }));
      await client.message();
      client.send(message('p', (w) => w.string('token')));
      expect(await client.rest()).toEqual([`ErrorResponse ${told}`]);
    }
  });

  it('must answer with a password, of a bounded length', async () => {
    const header = Buffer.from([0x70, 0, 2, 0, 0]);
    for (const [sent, told] of [
      [front.query('select 1'), /08P01 the client sent Query instead of a password/],
      [header, /54000 password_bytes/],
    ] as const) {
      const { client } = new Stage({ native: true }).visit();
      client.send(SSL);
      await client.take(1);
      client.send(startup({ user: 'ci', database: 'prod-db' }));
      await client.message();
      client.send(sent);
      expect((await client.rest())[0]).toMatch(told);
    }
  });
});

describe('the login at the target', () => {
  async function login(stage: Stage, play: (target: Awaited<ReturnType<Stage['target']>>) => void) {
    const { client } = stage.visit();
    client.send(startup({ user: 'alice' }));
    const target = await stage.target();
    await target.packet();
    play(target);
    return client;
  }

  it('that fails is told without the secret, and closes both sides', async () => {
    const cases: [Buffer, RegExp][] = [
      [
        back.error('28P01', 'password authentication failed for user "app_rw"'),
        /FATAL 08004 the target refused the gateway's credentials \(SQLSTATE 28P01\)/,
      ],
      [
        back.error('3D000', 'database "app" does not exist'),
        /FATAL 3D000 the target refused the connection: database "app" does not exist/,
      ],
      [message('R', (w) => w.int32(3)), /FATAL 08006 the target asks for the password in clear text/],
      [message('R', (w) => w.int32(7)), /FATAL 0A000 the target asks for authentication method 7/],
      [
        message('R', (w) => w.int32(10).string('SCRAM-SHA-512').uint8(0)),
        /FATAL 0A000 the target offers SCRAM-SHA-512 only/,
      ],
      [message('R', (w) => w.int32(12).string('v=x')), /FATAL 08P01 the target sent Authentication during the login/],
      [back.row('1'), /FATAL 08P01 the target sent DataRow during the login/],
    ];
    for (const [sent, told] of cases) {
      const stage = new Stage({ password: 'hunter2' });
      const client = await login(stage, (target) => target.send(sent));
      const rest = await client.rest();
      expect(rest[0]).toMatch(told);
      expect(rest.join()).not.toContain('hunter2');
      expect(stage.session.ended).toBeDefined();
    }
  });

  it('does not take AuthenticationOk in the middle of SCRAM for proof', async () => {
    const stage = new Stage({ password: 'hunter2' });
    const client = await login(stage, (target) =>
      target.send(
        message('R', (w) => w.int32(10).string('SCRAM-SHA-256').uint8(0)),
        message('R', (w) => w.int32(0)),
      ),
    );
    expect((await client.rest())[0]).toMatch(/without proving that it knows the password/);
  });

  it('asks again with 3.0 when the server does not know 3.2', async () => {
    const stage = new Stage();
    const { client } = stage.visit();
    client.send(startup({ user: 'alice' }));
    const first = await stage.target();
    await first.packet();
    first.send(back.error('0A000', 'unsupported frontend protocol 3.2'));
    const second = await stage.target(1);
    expect((await second.packet()).readInt32BE(4)).toBe(196608);
    second.send(welcome());
    expect(await client.told(4)).toHaveLength(4);
    client.stream.destroy();
  });

  it('is told where the port is of another program, and not by a limit that its greeting would go over', async () => {
    const stage = new Stage();
    const client = await login(stage, (target) => target.send(Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')));
    expect((await client.rest())[0]).toMatch(/^ErrorResponse FATAL 08P01 .*does not speak PostgreSQL's protocol/);
  });

  it('has a limit on time', async () => {
    const stage = new Stage({ limits: { target_login_ms: 20 } });
    const client = await login(stage, () => {});
    expect((await client.rest())[0]).toMatch(
      /^ErrorResponse FATAL 08001 the target of "prod-db" did not answer within 20 ms/,
    );
  });

  it('is given up when the client leaves', async () => {
    const stage = new Stage();
    const { client, over } = stage.visit();
    client.send(startup({ user: 'alice' }));
    const target = await stage.target();
    await target.packet();
    client.stream.destroy();
    await target.until((peer) => peer.closed);
    await over;
    expect(stage.session.ended?.code).toBe('client_gone');
  });

  it('that cannot be reached, or has no credentials, is told', async () => {
    const cases: [Stage, RegExp][] = [
      [new Stage({ unreachable: true }), /FATAL 08001 the target of "prod-db" is not reachable/],
      [
        new Stage({ credentials: () => Promise.reject(peerError('credentials_unavailable', 'env:PW is not set')) }),
        /FATAL 08001 env:PW is not set/,
      ],
    ];
    for (const [stage, told] of cases) {
      const { client } = stage.visit();
      client.send(startup({ user: 'alice' }));
      expect((await client.rest())[0]).toMatch(told);
    }
  });
});
