// Clients that would have the gateway and the server disagree on which bytes are a message, on which answer belongs to
// which request, or on what a name means: whoever could, would run what nobody decided, get rows under another statement's
// masks, and leave a record of what never ran. All of it is through a real server: its own reading is what counts.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { bind, execute, type Frame, fields, int32, message, parse, query, sync, WireClient } from '../support/wire.ts';

const SECRET = '123-45-6789';
/** Whoever gets its row as it is has got around the mask: nothing but this text says where the value is from. */
const STOLEN = "select 'x' || ssn as v from t";
const HARMLESS = "select 'x' || name as v from t";

let stage: Stage;
let ports: Record<string, number>;
let stopConnect: () => Promise<void>;

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({
      connections: {
        plain: connectionTo(server, 'app'),
        ruled: connectionTo(server, 'app', { labels: { rules: 'yes' } }),
        masked: connectionTo(server, 'app', { labels: { masks: 'yes' } }),
      },
      rules: [
        { name: 'no-drop', to: { labels: { rules: 'yes' } }, when: { does: ['drop'] }, then: 'deny' },
        {
          name: 'deletes',
          to: { labels: { rules: 'yes' } },
          when: { does: ['delete'] },
          then: 'review',
          reviewers: { groups: ['dba'] },
          wait: '10m',
        },
      ],
      masks: [{ name: 'pii', to: { labels: { masks: 'yes' } }, columns: ['t.ssn'], as: 'full' }],
    }),
    {
      setup: `create table t (name text, ssn text); insert into t values ('ann', '${SECRET}');
        create table c (a text); create table victim (n int); insert into victim values (1)`,
      database: 'app',
    },
  );
  const connected = await stage.alice.connect(['plain', 'ruled', 'masked'], [], { quiet: true });
  ports = connected.ports;
  stopConnect = connected.stop;
});
afterAll(async () => {
  await stopConnect?.();
  await stage?.stop();
});

const open = (connection: string, parameters: Record<string, string> = {}) =>
  WireClient.connect({ port: ports[connection] as number, user: 'x', database: 'app', parameters });

/** What comes up to so many ReadyForQuery, or up to the end. */
async function answers(client: WireClient, ready: number): Promise<Frame[]> {
  const found: Frame[] = [];
  for (let seen = 0; seen < ready && !client.closed; seen++) found.push(...(await client.until('Z')));
  return found;
}

const types = (frames: readonly Frame[]) => frames.map(({ type }) => type).join('');
/** Of one column. */
const rows = (frames: readonly Frame[]) =>
  frames.filter(({ type }) => type === 'D').map(({ body }) => body.subarray(6).toString());
const errors = (frames: readonly Frame[]) =>
  frames.filter(({ type }) => type === 'E').map(({ body }) => fields(body).C);
const close = (what: 'S' | 'P', name: string) => message('C', Buffer.from(what), name);
const copyDone = () => message('c');

const victims = () => stage.server.query('select n from victim', 'app');

describe('which bytes are a message', () => {
  it('is as the server takes it where it ignores what comes in the middle of one that came in pieces', async () => {
    const client = await open('ruled');
    // What the server would read here, were it to take the messages before it for the rest of the piece.
    const hidden = Buffer.concat([sync(), query('drop table victim'), message('X')]).toString('latin1');
    const before = [sync(), parse('', 'select $1::text')];
    const bound = bind('', '', [hidden]);
    const length = Buffer.concat(before).length + bound.indexOf(hidden);
    client.send(parse('', 'select nosuch'), Buffer.from('d'), int32(4 + length));
    await client.until('E');
    client.send(Buffer.alloc(length), ...before, bound, execute(''), sync());
    // The one after what failed, and Bind, which does not like a NUL in a text.
    expect(types(await answers(client, 2))).toBe('Z1EZ');
    expect(await victims()).toEqual([{ n: 1 }]);
    client.close();
  });

  it('also in the middle of a COPY that fails meanwhile', async () => {
    const client = await open('ruled');
    const hidden = Buffer.concat([sync(), query('drop table victim'), message('X')]).toString('latin1');
    const before = [sync(), parse('', 'select $1::text')];
    const bound = bind('', '', [hidden]);
    const length = Buffer.concat(before).length + bound.indexOf(hidden);
    client.send(parse('', 'copy victim from stdin'), bind('', ''), execute(''));
    await client.until('G');
    client.send(message('d', Buffer.from('none\n')), Buffer.from('d'), int32(4 + length));
    await client.until('E');
    client.send(Buffer.alloc(length), ...before, bound, execute(''), sync());
    expect(types(await answers(client, 2))).toBe('Z1EZ');
    expect(await victims()).toEqual([{ n: 1 }]);
    client.close();
  });
});

/** An error, and then each answer under its own statement's masks. */
async function inStep(client: WireClient): Promise<void> {
  client.send(query('select 1/0'), query(STOLEN), query(HARMLESS));
  const got = await answers(client, 3);
  expect(types(got)).toBe('EZTDCZTDCZ');
  expect(rows(got)).toEqual(['***', 'xann']);
}

describe('which answer belongs to which request', () => {
  it('a Flush or Sync with something in it ends the session: the server would ignore what follows', async () => {
    for (const type of ['H', 'S']) {
      const client = await open('masked');
      client.send(message(type, Buffer.from('x')), query('select 1'), query(HARMLESS), sync(), query(STOLEN));
      const got = await answers(client, 3);
      expect(rows(got)).toEqual([]);
      expect(errors(got)).toEqual(['08P01']);
      expect(client.closed).toBe(true);
    }
  });

  it('is as the server has it where a text has a second COPY, which ignores Sync', async () => {
    const client = await open('masked');
    client.send(query('copy c from stdin; copy c from stdin'));
    await client.until('G');
    client.send(copyDone(), sync());
    await client.until('G');
    client.send(copyDone());
    expect(types(await answers(client, 1))).toBe('CZ');
    await inStep(client);
    client.close();
  });

  it('is as the server has it where EXECUTE runs a COPY, which ignores Sync', async () => {
    const client = await open('masked');
    client.send(parse('c', 'copy c from stdin'), sync());
    await answers(client, 1);
    client.send(query('execute c'), sync());
    await client.until('G');
    client.send(copyDone());
    expect(types(await answers(client, 1))).toBe('CZ');
    await inStep(client);
    client.close();
  });

  it('is as the server has it where a text that nobody can read is ignored with what is behind it', async () => {
    const client = await open('masked');
    client.send(
      parse('', 'select nosuch'),
      query('selec 1'),
      query(STOLEN),
      sync(),
      query(HARMLESS),
      query('select 7'),
    );
    const got = await answers(client, 3);
    expect(types(got)).toBe('EZTDCZTDCZ');
    expect(rows(got)).toEqual(['xann', '7']);
    client.close();
  });
});

describe('what a name means', () => {
  it('EXECUTE is decided by what was prepared last, also when that is not answered yet', async () => {
    const client = await open('masked');
    client.send(parse('a', HARMLESS), sync());
    await answers(client, 1);
    client.send(close('S', 'a'), parse('a', STOLEN), query('execute a'), sync());
    expect(rows(await answers(client, 2))).toEqual(['***']);
    client.close();
  });

  it('FETCH is decided by what was bound last, also when that is not answered yet', async () => {
    const client = await open('ruled');
    client.send(
      query('begin'),
      parse('a', HARMLESS),
      parse('b', 'delete from victim returning n'),
      bind('p', 'a'),
      sync(),
    );
    await answers(client, 2);
    client.send(close('P', 'p'), bind('p', 'b'), query('fetch all from p; commit'), sync());
    // Held: the gateway says so, and the server has nothing to answer.
    expect(fields((await client.until('N')).at(-1)!.body).M).toContain('deletes');
    expect(await victims()).toEqual([{ n: 1 }]);
    client.close();
  });

  it('two names are not one because they are not UTF-8', async () => {
    const client = await open('plain', { client_encoding: 'LATIN1' });
    const [one, two] = [Buffer.from([0xfe, 0]), Buffer.from([0xff, 0])];
    const none = Buffer.alloc(6);
    client.send(message('P', one, STOLEN, Buffer.alloc(2)), message('P', two, HARMLESS, Buffer.alloc(2)));
    client.send(message('B', '', one, none), execute(''), sync());
    const got = await answers(client, 1);
    expect(rows(got)).toEqual([]);
    expect(errors(got)).toEqual(['08P01']);
  });
});
