// What a recording says of results that do not come in one piece, or do not come: rows, digests and outcomes against what the
// client has got from a real server.

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/process.ts';
import { type Line, readRecordings } from '../support/recordings.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import {
  bind,
  execute,
  extended,
  type Frame,
  int16,
  int32,
  message,
  parse,
  query,
  sync,
  WireClient,
} from '../support/wire.ts';

let stage: Stage;
let runs = 0;

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({
      connections: {
        app: connectionTo(server, 'app', { recording: { rows: 5 } }),
        none: connectionTo(server, 'app', { recording: { rows: 0 } }),
        calls: connectionTo(server, 'app', { options: { allow: ['function-call'] }, recording: { rows: 1 } }),
        masked: connectionTo(server, 'app', { labels: { env: 'masked' }, recording: { rows: 5 } }),
      },
      masks: [{ name: 'text', to: { labels: { env: 'masked' } }, columns: ['t.t'], as: { fixed: '***' } }],
      recordings: { compress: false },
    }),
    {
      setup: `create table t (n int, t text); insert into t select i, 'text ' || i from generate_series(1, 100) i;
        create table one (n int unique deferrable initially deferred); insert into one values (1)`,
      database: 'app',
    },
  );
});
afterAll(() => stage?.stop());

/** One session, and its recording once it is sealed. */
async function recorded(
  act: (client: WireClient, mark: string) => Promise<void>,
  connection = 'app',
  parameters: Record<string, string> = {},
): Promise<{ lines: readonly Line[]; results: readonly Line[]; end: Line }> {
  runs += 1;
  const mark = `run ${runs}.`;
  const connected = await stage.alice.connect(connection, ['--reason', mark]);
  const client = await WireClient.connect({ port: connected.port, user: 'alice', database: 'app', parameters });
  await act(client, mark);
  client.close();
  await connected.stop();
  const { lines } = await eventually(`the recording of ${mark}`, () =>
    readRecordings(stage.gateway.recordings).find(
      (one) => one.lines[0]?.reason === mark && one.lines.at(-1)?.kind === 'seal',
    ),
  );
  const end = lines.find(({ kind }) => kind === 'end') as Line;
  return { lines, results: lines.filter(({ kind }) => kind === 'result'), end };
}

const bytesOf = (frames: readonly Frame[]) =>
  Buffer.concat(frames.flatMap(({ type, body }) => [Buffer.from(type), int32(body.length + 4), body]));

const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** What the recording has to say of the messages from there on. */
function restOf(frames: readonly Frame[], rows: number) {
  const bytes = bytesOf(frames);
  return { rows, bytes: bytes.length, sha256: digestOf(bytes) };
}

const flush = () => message('H');
const describeStatement = (name: string) => message('D', Buffer.from('S'), name);

describe('a portal', () => {
  it('that is read in pieces has all of its rows counted', async () => {
    const got: Frame[] = [];
    const { results, end } = await recorded(async (client) => {
      client.send(parse('', 'select n from t order by n limit 20'), bind('p', ''), execute('p', 4), flush());
      got.push(...(await client.until('s')));
      client.send(execute('p', 4), flush());
      got.push(...(await client.until('s')));
      client.send(execute('p'), sync());
      got.push(...(await client.until('Z')));
    });
    const rows = got.filter(({ type }) => type === 'D');
    expect(rows).toHaveLength(20);
    expect(results).toMatchObject([
      {
        status: 'ok',
        tag: 'SELECT 12',
        rows: 20,
        bytes: bytesOf(rows).length,
        kept: 5,
        rest: restOf(rows.slice(5), 15),
      },
    ]);
    expect(end).not.toHaveProperty('unfinished');
  });

  it('that is left in the middle, by the end of the session or by CLOSE ALL, has the rows that were sent', async () => {
    for (const closes of [[], [...extended('close all')]]) {
      const got: Frame[] = [];
      const { results, end } = await recorded(async (client) => {
        client.send(query('begin'));
        await client.until('Z');
        client.send(parse('', 'select n from t order by n'), bind('p', ''), execute('p', 8), ...closes, flush());
        got.push(...(await client.until(closes.length === 0 ? 's' : 'C')));
      });
      const rows = got.filter(({ type }) => type === 'D');
      expect(results.find(({ op }) => op === 2)).toMatchObject({
        ...{ status: 'ok', tag: 'PORTAL CLOSED', rows: 8, kept: 5, rest: restOf(rows.slice(5), 3) },
      });
      expect(end).not.toHaveProperty('unfinished');
    }
  });

  it('has its columns by name where the client described its statement only', async () => {
    const { results } = await recorded(async (client) => {
      client.send(parse('s', 'select n as number, t from t where n = $1::int'), describeStatement('s'), sync());
      await client.until('Z');
      client.send(bind('', 's', ['7']), execute(''), sync());
      await client.until('Z');
      client.send(bind('', 's', ['8']), execute(''), sync());
      await client.until('Z');
    });
    expect(results).toMatchObject([
      { columns: ['number', 't'], values: [['7', 'text 7']] },
      { columns: ['number', 't'], values: [['8', 'text 8']] },
    ]);
  });
});

describe('an error', () => {
  it('of Parse or of Bind is the outcome of what was to run', async () => {
    const { results } = await recorded(async (client) => {
      client.send(...extended('select 1'), ...extended('select * from missing'), ...extended('select 3'), sync());
      await client.until('Z');
      client.send(...extended('select $1::int', bind('', '', ['seven'])), sync());
      await client.until('Z');
    });
    expect(results).toMatchObject([
      { op: 1, status: 'ok', rows: 1 },
      { op: 2, status: 'error', error: { code: '42P01', message: 'relation "missing" does not exist' } },
      { op: 3, status: 'cancelled' },
      { op: 4, status: 'error', error: { code: '22P02' } },
    ]);
  });

  it('that is no operation’s is on record all the same: of a commit at Sync, of a Parse alone', async () => {
    const { lines, results } = await recorded(async (client) => {
      client.send(...extended('insert into one values (1)'), sync());
      await client.until('Z');
      client.send(parse('s', 'select * from missing'), sync());
      await client.until('Z');
    });
    expect(results).toMatchObject([{ status: 'ok', tag: 'INSERT 0 1' }]);
    expect(lines.filter(({ kind }) => kind === 'note')).toMatchObject([
      { note: 'error', fields: { code: '23505', at: 'sync', message: expect.stringContaining('one_n_key') } },
      { note: 'error', fields: { code: '42P01', text: 'select * from missing' } },
    ]);
  });

  it('in the middle of a COPY leaves the rows that were sent counted', async () => {
    const got: Frame[] = [];
    const { results } = await recorded(async (client) => {
      client.send(query('copy (select n, 1 / (50 - n) from (select n from t order by n offset 0) s) to stdout'));
      got.push(...(await client.until('Z')));
    });
    const rows = got.filter(({ type }) => type === 'd');
    expect(rows).toHaveLength(49);
    expect(results).toMatchObject([
      { status: 'error', error: { code: '22012' }, rows: 49, kept: 5, rest: restOf(rows.slice(5), 44) },
    ]);
  });

  it('is not what an empty text has, though it has an outcome', async () => {
    const { results, end } = await recorded(async (client) => {
      client.send(query(''), query(' -- nothing'), ...extended(';'), sync());
      for (let i = 0; i < 3; i++) await client.until('Z');
    });
    expect(results.map(({ op, status, rows }) => [op, status, rows])).toEqual([1, 2, 3].map((op) => [op, 'ok', 0]));
    expect(end).not.toHaveProperty('unfinished');
  });
});

describe('a text of more statements than are read', () => {
  it('has one outcome, with all of their rows, or with the error that ended it', async () => {
    const got: Frame[] = [];
    const many = 'select 1;'.repeat(10_001);
    const { results, end } = await recorded(async (client) => {
      for (const text of [many, `${many} select 1/0`]) {
        client.send(query(text));
        got.push(...(await client.until('Z')));
      }
    });
    const rows = got.filter(({ type }) => type === 'D').slice(0, 10_001);
    const rest = restOf(rows.slice(5), 9_996);
    expect(results).toMatchObject([
      { op: 1, status: 'ok', rows: 10_001, bytes: bytesOf(rows).length, kept: 5, rest },
      { op: 2, status: 'error', error: { code: '22012' }, rows: 10_001, kept: 5, rest },
    ]);
    expect(end).not.toHaveProperty('unfinished');
  });
});

describe('a COPY', () => {
  it.each(['app', 'none', 'masked'])('of many chunks has every row counted once (%s)', async (connection) => {
    const got: Frame[] = [];
    const kept = connection === 'none' ? 0 : 5;
    const { results } = await recorded(async (client) => {
      client.send(query('copy (select n, t from t, generate_series(1, 500)) to stdout'));
      got.push(...(await client.until('Z')));
    }, connection);
    const rows = got.filter(({ type }) => type === 'd');
    expect(rows).toHaveLength(50_000);
    const bytes = bytesOf(rows).length;
    expect(results).toMatchObject([
      { tag: 'COPY 50000', rows: 50_000, bytes, kept, rest: restOf(rows.slice(kept), 50_000 - kept) },
    ]);
  });

  it.each(['binary', 'csv header', 'text header'])('has no rows but rows (%s)', async (format) => {
    for (const [connection, kept] of [
      ['app', 5],
      ['none', 0],
    ] as const) {
      const { results } = await recorded(async (client) => {
        client.send(query(`copy t to stdout with (format ${format.replace(' ', ', ')})`));
        await client.until('Z');
      }, connection);
      expect(results).toMatchObject([{ tag: 'COPY 100', rows: 100, kept, rest: { rows: 100 - kept } }]);
    }
  });
});

describe('values', () => {
  it('of a binary cursor, and those that are not UTF-8, are as bytes', async () => {
    const { results } = await recorded(
      async (client) => {
        client.send(
          query('begin; declare c binary cursor for select 258, 3; fetch c; commit; select n from t limit 1'),
        );
        await client.until('Z');
        client.send(query("select chr(228), 'a'"));
        await client.until('Z');
      },
      'app',
      { client_encoding: 'LATIN1' },
    );
    expect(results.filter(({ values }) => values !== undefined).map(({ values }) => values)).toEqual([
      [['\\x00000102', '\\x00000003']],
      [['1']],
      [['\\xe4', 'a']],
    ]);
  });

  it('that a function gave that was called by its number, as large objects are read, are a row', async () => {
    const argument = (value: number) => Buffer.concat([int32(4), int32(value)]);
    // int4pl(2, 3), binary in, and out as asked.
    const call = (format: number) =>
      message('F', int32(177), int16(1), int16(1), int16(2), argument(2), argument(3), int16(format));
    const got: Frame[] = [];
    const { results } = await recorded(async (client) => {
      for (const format of [1, 0]) {
        client.send(call(format));
        got.push(...(await client.until('Z')));
      }
    }, 'calls');
    const sizes = got.filter(({ type }) => type === 'V').map((one) => bytesOf([one]).length);
    expect(results).toMatchObject([
      { status: 'ok', rows: 1, bytes: sizes[0], values: [['\\x00000005']] },
      { status: 'ok', rows: 1, bytes: sizes[1], values: [['5']] },
    ]);
  });
});

describe('a text', () => {
  it('that is not UTF-8 is on record with its bytes', async () => {
    const bytes = Buffer.from("select 'M\xfcller\\' as v", 'latin1');
    const zero = Buffer.alloc(1);
    const { lines, results } = await recorded(
      async (client) => {
        client.send(message('Q', bytes, zero));
        await client.until('Z');
        client.send(message('P', '', bytes, zero, int16(0)), bind('', ''), execute(''), sync());
        await client.until('Z');
        client.send(query("copy (select chr(252), 'plain') to stdout"));
        await client.until('Z');
      },
      'app',
      { client_encoding: 'LATIN1' },
    );
    const intents = lines.filter(({ kind }) => kind === 'intent');
    const said = { text: "select 'M\\xfcller\\\\' as v", bytes: bytes.toString('base64') };
    expect(intents.slice(0, 2)).toMatchObject([said, said]);
    expect(intents[2]).not.toHaveProperty('bytes');
    const value = `\\x${Buffer.from('M\xfcller\\', 'latin1').toString('hex')}`;
    expect(results.map(({ values }) => values)).toEqual([[[value]], [[value]], [['\\xfc', 'plain']]]);
  });
});
