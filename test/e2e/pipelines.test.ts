// Requests that come before their answers, more than the gateway is to remember, and what stands on record of those that were
// cut short: limits by their names, a client that leaves, a call by number.

import { type AddressInfo, createServer, type Server } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, memoryKb } from '../support/process.ts';
import { type Line, readRecordings } from '../support/recordings.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import {
  bind,
  execute,
  fields,
  int16,
  int32,
  message,
  parse,
  query,
  startupMessage,
  sync,
  WireClient,
} from '../support/wire.ts';

const MIB = 1024 * 1024;

let stage: Stage;
let mute: Server;
let ports: Record<string, number>;
let stopConnect: () => Promise<void>;

beforeAll(async () => {
  mute = createServer((socket) => socket.on('error', () => socket.destroy()));
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({
      connections: {
        app: connectionTo(server, 'app'),
        calls: connectionTo(server, 'app', { labels: { counts: 'yes' }, options: { allow: ['function-call'] } }),
        masked: connectionTo(server, 'app', { labels: { masks: 'yes' } }),
        mute: connectionTo(server, 'app', { target: { port: (mute.address() as AddressInfo).port } }),
      },
      rules: [
        {
          name: 'cap',
          to: { labels: { counts: 'yes' } },
          when: { budget: { bytes: 40, per: 'session' } },
          then: 'deny',
        },
      ],
      masks: [{ name: 'pii', to: { labels: { masks: 'yes' } }, columns: ['t.ssn'], as: 'full' }],
      limits: { pipelined_requests: 500, pipelined_bytes: 8 * MIB, prepared_bytes: 4 * MIB, target_login_ms: 5000 },
      recordings: { compress: false },
    }),
    {
      setup: `create table t (name text unique, ssn text); insert into t values ('ann', '123-45-6789');
        create role other; create table charges (n int);
        create function charge() returns int language sql as 'insert into charges values (1) returning n';
        create function looks_pure() returns int immutable language sql as 'select charge()'; create function pad() returns text language sql as $$select repeat('x', 30)$$`,
      database: 'app',
    },
  );
  const connected = await stage.alice.connect(['app', 'calls', 'masked', 'mute'], [], { quiet: true });
  ports = connected.ports;
  stopConnect = connected.stop;
});
afterAll(async () => {
  await stopConnect?.();
  await stage?.stop();
  mute?.close();
});

const open = (connection: string, parameters: Record<string, string> = {}) =>
  WireClient.connect({ port: ports[connection] as number, user: 'x', database: 'app', parameters });

const linesWith = (text: string): readonly Line[] | undefined =>
  readRecordings(stage.gateway.recordings).find(({ lines }) =>
    lines.some(({ kind, text: own }) => kind === 'intent' && own === text),
  )?.lines;

const sealedWith = (text: string) =>
  eventually(`the recording of ${text}`, () => {
    const lines = linesWith(text);
    return lines?.at(-1)?.kind === 'seal' ? lines : undefined;
  });

describe('a pipeline', () => {
  it('longer than is remembered is answered, though nothing in it asks the server for its answers', async () => {
    const client = await open('app');
    // Their answers are less than what a server collects before it sends by itself.
    const requests = Array.from({ length: 400 }, () => [bind('', 's'), execute('')]).flat();
    client.send(parse('s', "set application_name = 'p'"), ...requests, sync());
    const got = await client.until('Z');
    expect(got.filter(({ type }) => type === 'C')).toHaveLength(400);
    client.close();
  });

  it('with more in it than is remembered is answered too', async () => {
    const client = await open('app');
    const value = 'v'.repeat(MIB);
    const requests = Array.from({ length: 40 }, () => [bind('', 's', [value]), execute('')]).flat();
    client.send(parse('s', 'select length($1::text)'), ...requests, sync());
    expect((await client.until('Z')).filter(({ type }) => type === 'D')).toHaveLength(40);
    client.close();
  });
});

describe('what is prepared', () => {
  const text = `select '${'v'.repeat(MIB / 2)}'`;
  const manyOf = (one: (at: number) => Buffer[]) => Array.from({ length: 12 }, (_, at) => one(at)).flat();

  it.each([
    ['by Parse', manyOf((at) => [parse(`s${at}`, text), sync()])],
    ['by PREPARE', manyOf((at) => [query(`prepare s${at} as ${text}`)])],
    [
      'by Bind',
      [query('begin'), parse('s', 'select $1::text'), ...manyOf((at) => [bind(`p${at}`, 's', [text]), sync()])],
    ],
  ])('and remembered is bounded, by name: %s', async (_, requests) => {
    const client = await open('app');
    client.send(...requests);
    const end = (await client.until('E')).at(-1)!;
    expect(fields(end.body)).toMatchObject({ S: 'FATAL', C: '54000', M: expect.stringMatching(/prepared_bytes/) });
    await client.ended();
  });

  it('and taken back does not count', async () => {
    const client = await open('app');
    for (let at = 0; at < 12; at++) {
      client.send(
        parse('s', text),
        message('C', Buffer.from('S'), 's'),
        parse('', text),
        query(`prepare q as ${text}`),
      );
      client.send(query('deallocate q'), sync());
    }
    for (let at = 0; at < 36; at++) await client.until('Z');
    expect(client.closed).toBe(false);
    client.close();
  });
});

describe('a login', () => {
  it('that waits for its target does not read on what the client sends', async () => {
    const before = memoryKb(stage.gateway.process.pid);
    const client = await WireClient.open({ port: ports.mute as number });
    client.send(startupMessage({ user: 'x', database: 'app' }));
    const chunk = Buffer.alloc(MIB);
    for (let at = 0; at < 400; at++) client.socket.write(chunk);
    const other = await open('app');
    other.send(query('select 42'));
    expect((await other.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
    other.close();
    await client.until('E');
    expect((memoryKb(stage.gateway.process.pid) - before) / 1024).toBeLessThan(180);
    client.destroy();
  });

  it('with options that are no settings is refused: a role may be among them', async () => {
    await expect(open('app', { options: '-e -c role=other' })).rejects.toThrow(/only settings are let through/);
  });
});

describe('on record', () => {
  it('stands what was bound and never executed: the server has run functions of it that call themselves IMMUTABLE', async () => {
    const client = await open('app');
    const text = 'select looks_pure() + $1';
    client.send(parse('', text), bind('', '', ['7']), sync());
    expect((await client.until('Z')).map(({ type }) => type).join('')).toBe('12Z');
    expect(await stage.server.query('select n from charges', 'app')).toEqual([{ n: 1 }]);
    client.send(parse('', text), bind('', '', ['8']), execute(''), sync());
    await client.until('Z');
    client.close();
    const lines = await sealedWith(text);
    const notes = lines.filter(({ kind, note }) => kind === 'note' && note === 'bound');
    expect(notes).toMatchObject([{ fields: { text, params: '["7"]' } }]);
  });

  it('a statement that waited for the catalogue when its client left did not run', async () => {
    const locker = new pg.Client(stage.server.url('app'));
    await locker.connect();
    const text = 'select ssn from t where 1 = 1';
    try {
      const client = await open('masked');
      await locker.query('begin; lock table pg_catalog.pg_class in access exclusive mode');
      client.send(query(text));
      await eventually('it is decided', () => linesWith(text));
      client.destroy();
      const lines = await sealedWith(text);
      expect(lines.filter(({ kind }) => kind === 'result')).toMatchObject([{ status: 'cancelled' }]);
      expect(lines.find(({ kind }) => kind === 'end')).not.toHaveProperty('unfinished');
    } finally {
      await locker.end();
    }
  });

  it('an error has its detail and hint and where it came from, as the client got them', async () => {
    const client = await open('app');
    const texts = ["insert into t values ('ann', 'x')", "do $$begin raise 'no' using detail = 'd', hint = 'h'; end$$"];
    const got: Record<string, string>[] = [];
    for (const text of texts) {
      client.send(query(text));
      got.push(fields((await client.until('Z')).find(({ type }) => type === 'E')!.body));
    }
    client.close();
    const lines = await sealedWith(texts[0]!);
    const errors = lines.filter(({ kind }) => kind === 'result').map(({ error }) => error);
    expect(errors).toEqual(
      got.map(({ C, M, D, H, W }) => JSON.parse(JSON.stringify({ code: C, message: M, detail: D, hint: H, where: W }))),
    );
    expect(errors).toMatchObject([{ detail: 'Key (name)=(ann) already exists.' }, { detail: 'd', hint: 'h' }]);
  });

  it.each([
    [
      'app',
      `do $$begin raise notice 'of ann' using detail = 'd', hint = 'h';
        for i in 2..120 loop raise warning 'no %', i; end loop; end$$`,
    ],
    ['masked', 'drop table if exists nosuch'],
  ])(
    'stand the notices that came with a statement, as the client got them, up to a hundred: %s',
    async (connection, text) => {
      const client = await open(connection);
      client.send(query(text));
      const got = (await client.until('Z')).filter(({ type }) => type === 'N').map(({ body }) => fields(body));
      client.close();
      expect(got).toHaveLength(connection === 'app' ? 120 : 1);
      const lines = await sealedWith(text);
      const notes = lines.filter(({ kind, note }) => kind === 'note' && note === 'notice').map((line) => line.fields);
      const told = got.slice(0, 100).map(({ V, C, M, D, H, W }, at) => ({
        ...{ operation: 1, severity: V, code: C, message: M, detail: D, hint: H, where: W },
        ...(at === 99 ? { last: true } : {}),
      }));
      expect(notes).toEqual(JSON.parse(JSON.stringify(told)));
    },
  );

  it("a function's result by number counts against a budget, and fails the transaction that it is over it in", async () => {
    const client = await open('calls');
    const [found] = await stage.server.query("select 'pad'::regproc::oid::int as oid", 'app');
    const call = () => message('F', int32(found!.oid as number), int16(0), int16(0), int16(0));
    const types = async () => (await client.until('Z')).map(({ type, body }) => (type === 'Z' ? `Z${body}` : type));
    client.send(query('begin'));
    expect(await types()).toEqual(['C', 'ZT']);
    client.send(call());
    expect(await types()).toEqual(['V', 'ZT']);
    client.send(call());
    expect(await types()).toEqual(['E', 'ZE']);
    client.close();
  });
});
