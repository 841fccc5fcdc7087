// The record through the wire: complete, bound line by line, written before anything happens, readable and steerable by
// the command line; logs and metrics beside it.

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../support/gateway.ts';
import { eventually } from '../support/process.ts';
import { chainProblems, type Line, type Recording, readRecordings } from '../support/recordings.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { bind, execute, fields, int32, parse, query, sync, WireClient } from '../support/wire.ts';

let stage: Stage;
let auditor: Client;
let admin: Client;

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({
      connections: {
        app: connectionTo(server, 'app', { labels: { env: 'prod' }, recording: { rows: 5 } }),
        masked: connectionTo(server, 'app', { labels: { env: 'masked' }, recording: { rows: 5 } }),
      },
      masks: [{ name: 'text', to: { labels: { env: 'masked' } }, columns: ['t.t'], as: { fixed: '***' } }],
      rules: [{ name: 'no-drop', when: { does: ['drop'] }, then: 'deny' }],
      recordings: { compress: false },
    }),
    {
      setup: "create table t (n int, t text); insert into t select i, 'text ' || i from generate_series(1, 100) i",
      database: 'app',
    },
  );
  auditor = await stage.gateway.user('iris', { groups: ['auditors'] });
  admin = await stage.gateway.user('root', { groups: ['admins'] });
});
afterAll(() => stage?.stop());

interface Open {
  client: WireClient;
  stop(): Promise<void>;
}

async function open(args: string[] = [], connection = 'app'): Promise<Open> {
  const connected = await stage.alice.connect(connection, args);
  const client = await WireClient.connect({ port: connected.port, user: 'alice', database: 'app' });
  return {
    client,
    stop: async () => {
      client.close();
      await connected.stop();
    },
  };
}

/** The sealed recording in which a statement stands. */
function recordingWith(text: string, sealed = true): Promise<Recording> {
  return eventually(`the recording of ${text}`, () =>
    readRecordings(stage.gateway.recordings).find(
      ({ lines }) =>
        lines.some((line) => line.kind === 'intent' && line.text === text) &&
        (!sealed || lines.at(-1)?.kind === 'seal'),
    ),
  );
}

const of = (lines: readonly Line[], kind: string) => lines.filter((line) => line.kind === kind);

describe('a recording', () => {
  it('says who, from where, what, the verdict, the outcome and the rows up to the limit', async () => {
    const { client, stop } = await open(['--reason', 'ticket 7', '--agent', 'claude']);
    client.send(query('select * from t order by n'));
    const got = (await client.until('Z')).filter(({ type }) => type === 'D');
    client.send(parse('', 'select $1::int as a, $2::text as b'), bind('', '', ['7', null]), execute(''), sync());
    await client.until('Z');
    client.send(query('select 1/0'));
    await client.until('Z');
    client.send(query('drop table t'));
    await client.until('Z');
    client.send(query('insert into t values (0); select 1'));
    await client.until('Z');
    await stop();
    const recording = await recordingWith('select * from t order by n');
    const { lines } = recording;
    expect(chainProblems(recording)).toEqual([]);
    expect(lines[0]).toMatchObject({
      kind: 'open',
      format: 1,
      connection: 'app',
      labels: { env: 'prod' },
      reason: 'ticket 7',
      principal: { subject: expect.any(String), email: 'alice@example.com', actor: 'claude', groups: ['engineering'] },
    });
    const intents = of(lines, 'intent');
    expect(intents.map(({ text, verdict }) => [text, verdict])).toEqual([
      ['select * from t order by n', 'allow'],
      ['select $1::int as a, $2::text as b', 'allow'],
      ['select 1/0', 'allow'],
      ['drop table t', 'deny'],
      ['insert into t values (0); select 1', 'allow'],
    ]);
    expect(intents[1]?.params).toEqual(['7', null]);
    expect(intents[3]?.rule).toBe('no-drop');
    const results = of(lines, 'result');
    expect(results[0]).toMatchObject({ op: 1, status: 'ok', tag: 'SELECT 100', rows: 100 });
    expect(Number(results[0]?.bytes)).toBeGreaterThan(1000);
    expect(results.find(({ op }) => op === 3)).toMatchObject({ status: 'error', error: { code: '22012' } });
    expect(results.filter(({ op }) => op === 5).map(({ tag }) => tag)).toEqual(['INSERT 0 1', 'SELECT 1']);
    const kept = lines
      .filter(({ op, values }) => op === 1 && values !== undefined)
      .flatMap(({ values }) => values as unknown[]);
    expect(kept).toHaveLength(5);
    expect(kept[4]).toEqual(['5', 'text 5']);
    // What is not kept can be proven by whoever has it: a digest of the messages as the client got them.
    const rest = Buffer.concat(got.slice(5).flatMap(({ body }) => [Buffer.from('D'), int32(body.length + 4), body]));
    const sha256 = createHash('sha256').update(rest).digest('hex');
    expect(results[0]?.rest).toEqual({ rows: 95, bytes: rest.length, sha256 });
    expect(of(lines, 'end')).toHaveLength(1);
  });

  it('pairs fifty pipelined statements with fifty outcomes', async () => {
    const { client, stop } = await open();
    const many = Array.from({ length: 50 }, (_, i) => [
      parse('', `select ${i} /* pipelined */`),
      bind('', ''),
      execute(''),
    ]);
    client.send(...many.flat(), sync());
    await client.until('Z');
    await stop();
    const { lines } = await recordingWith('select 0 /* pipelined */');
    const intents = of(lines, 'intent');
    expect(intents).toHaveLength(50);
    for (const [i, intent] of intents.entries()) {
      expect(intent.text).toBe(`select ${i} /* pipelined */`);
      const outcome = lines.find((line) => line.kind === 'result' && line.op === intent.op);
      expect(outcome).toMatchObject({ status: 'ok', rows: 1, values: [[String(i)]] });
      expect(outcome?.seq).toBeGreaterThan(intent.seq);
    }
  });

  it('holds COPY both ways and notifications', async () => {
    const { client, stop } = await open();
    client.send(query('copy t (n) to stdout'));
    await client.until('Z');
    client.send(query('copy t (n) from stdin'));
    await client.until('G');
    client.send(Buffer.from('64000000083132330a', 'hex'), Buffer.from('6300000004', 'hex'));
    await client.until('Z');
    await stop();
    const { lines } = await recordingWith('copy t (n) from stdin');
    expect(of(lines, 'result').map(({ tag }) => tag)).toEqual([expect.stringMatching(/^COPY 10\d$/), 'COPY 1']);
  });

  it.each([
    ['app', ['6', 'text 6']],
    ['masked', ['6', '***']],
  ])('counts every row of a COPY once, kept or not (%s)', async (connection, sixth) => {
    const { client, stop } = await open([], connection);
    const text = `copy (select * from t where n > 0 order by n limit 100) to stdout /* ${connection} */`;
    client.send(query(text));
    const got = (await client.until('Z')).filter(({ type }) => type === 'd');
    await stop();
    const { lines } = await recordingWith(text);
    const [result] = of(lines, 'result');
    expect(result).toMatchObject({ tag: 'COPY 100', kept: 5 });
    expect(got[5]?.body.toString()).toBe(`${sixth.join('\t')}\n`);
    const rest = Buffer.concat(got.slice(5).flatMap(({ body }) => [Buffer.from('d'), int32(body.length + 4), body]));
    const sha256 = createHash('sha256').update(rest).digest('hex');
    expect(result?.rest).toEqual({ rows: 95, bytes: rest.length, sha256 });
  });

  it('has what masks refuse among what was denied', async () => {
    const { client, stop } = await open([], 'masked');
    const refused = ["select n from t where t like 'text 1%'", 'create table copied as select t from t'];
    for (const text of refused) {
      client.send(query(text));
      expect((await client.until('Z')).map(({ type }) => type)).toContain('E');
    }
    client.send(query('select 1 /* behind the refused */'));
    await client.until('Z');
    await stop();
    const { lines } = await recordingWith('select 1 /* behind the refused */');
    expect(of(lines, 'intent').map(({ op, verdict, rule, code }) => [op, verdict, rule, code])).toEqual([
      [1, 'allow', undefined, undefined],
      [1, 'deny', 'text', 'denied'],
      [2, 'allow', undefined, undefined],
      [2, 'deny', 'text', 'denied'],
      [3, 'allow', undefined, undefined],
    ]);
    const end = lines.find(({ kind }) => kind === 'end');
    expect(end).toMatchObject({ operations: 3, denied: 2 });
    expect(end?.unfinished).toBeUndefined();
    const replayed = (await auditor.runOk(['sessions', 'replay', String(lines[0]?.session)])).stdout;
    expect(replayed).toContain('#1 deny by text\n  refused by mask "text"');
    expect(replayed.split("like 'text 1%'")).toHaveLength(2);
    const found = await eventually('the index has them', async () => {
      const args = ['sessions', 'search', '--verdict', 'deny', '--connection', 'masked'];
      const { operations } = await auditor.json<{ operations: { op: number; text: string; rule: string }[] }>(args);
      return operations.length === 2 ? operations : undefined;
    });
    expect(found.map(({ text }) => text).sort()).toEqual(refused.toSorted());
  });

  it('of which any byte is changed does not verify', async () => {
    const { file, bytes } = await recordingWith('select 0 /* pipelined */');
    const good = await stage.alice.run(['audit', 'verify', file]);
    expect(good.code, good.stdout + good.stderr).toBe(0);
    const copy = join(stage.alice.home, 'tampered.jsonl');
    const lines = bytes.toString().split('\n').slice(0, -1);
    const tampered: Record<string, string> = {
      'a statement changed': bytes.toString().replace('select 7 ', 'select 8 '),
      'a line removed': lines.toSpliced(5, 1).join('\n'),
      'two lines swapped': lines.toSpliced(5, 2, lines[6] as string, lines[5] as string).join('\n'),
      'a line repeated': lines.toSpliced(5, 0, lines[5] as string).join('\n'),
      'the tail cut': lines.slice(0, -3).join('\n'),
      'the first line removed': lines.slice(1).join('\n'),
    };
    for (const [what, text] of Object.entries(tampered)) {
      writeFileSync(copy, text.endsWith('\n') ? text : `${text}\n`);
      const done = await stage.alice.run(['audit', 'verify', copy]);
      expect(done.code, `${what}: ${done.stdout}`).toBe(1);
    }
  });
});

describe('sessions', () => {
  it('are listed, shown and replayed: own ones to everybody, all to auditors', async () => {
    const { file } = await recordingWith('select * from t order by n');
    const id = file.match(/(s-[0-9a-z]+)\.jsonl$/)?.[1] as string;
    const own = await stage.alice.json<{ sessions: { id: string; state: string }[] }>([
      'sessions',
      'ls',
      '--state',
      'ended',
    ]);
    expect(own.sessions.some((session) => session.id === id)).toBe(true);
    const seen = await auditor.json<{ id: string; connection: string; denied: number }>(['sessions', 'show', id]);
    expect(seen).toMatchObject({ id, connection: 'app', denied: 1 });
    const replay = await auditor.run(['sessions', 'replay', id]);
    expect(replay.code).toBe(0);
    expect(replay.stdout).toContain('select * from t order by n');
    expect(replay.stdout).toContain('no-drop');
    expect(replay.stdout).toContain('text 5');
    const raw = await auditor.run(['sessions', 'export', id, '-o', '-']);
    expect(raw.stdout).toBe(readFileSync(file, 'utf8'));
    // Somebody without a role does not see it.
    const mallory = await stage.gateway.user('mallory');
    expect((await mallory.run(['sessions', 'show', id])).code).not.toBe(0);
    expect((await mallory.run(['sessions', 'replay', id])).stdout).not.toContain('select');
  });

  it('are followed as they happen', async () => {
    const { client, stop } = await open();
    client.send(query('select 1 /* before the tail */'));
    await client.until('Z');
    const { sessions } = await auditor.json<{ sessions: { id: string }[] }>(['sessions', 'ls', '--state', 'open']);
    const tail = auditor.start(['sessions', 'tail', sessions[0]?.id ?? '']);
    await eventually('the tail shows statements', async () => {
      client.send(query('select 2 /* tailed */'));
      await client.until('Z');
      return tail.stdout.includes('tailed');
    });
    await stop();
    await tail.exited;
  });

  it('are killed at once: the client is told why, the connection ends, the record says so', async () => {
    const { client, stop } = await open();
    client.send(query('select 3 /* to be killed */'));
    await client.until('Z');
    client.send(query('select pg_sleep(60)'));
    const { sessions } = await admin.json<{ sessions: { id: string }[] }>(['sessions', 'ls', '--state', 'open']);
    await admin.runOk(['sessions', 'kill', sessions[0]?.id ?? '', '--reason', 'runaway query']);
    const frames = await client.until('E');
    const said = fields(frames.at(-1)?.body as Buffer);
    expect(said.C).toBe('57P01');
    expect(said.M).toContain('runaway query');
    await client.ended();
    await stop();
    const { lines } = await recordingWith('select 3 /* to be killed */');
    expect(of(lines, 'end')[0]).toMatchObject({ code: 'session_killed' });
    expect(JSON.stringify(of(lines, 'end')[0])).toContain('runaway query');
    // The statement is over on the server as well.
    await eventually('the server is rid of it', async () => {
      const rows = await stage.server.query(
        "select 1 from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()",
      );
      return rows.length === 0;
    });
  });
});

describe('beside the record', () => {
  it('the log is JSON lines without secrets or results', async () => {
    const lines = stage.gateway.log.split('\n').filter((line) => line.startsWith('{'));
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
    expect(stage.gateway.log).not.toContain(stage.server.password);
    expect(stage.gateway.log).not.toContain('text 5');
  });

  it('metrics count sessions and operations in Prometheus form', async () => {
    const { status, body } = await stage.gateway.get('/metrics');
    expect(status).toBe(200);
    expect(body).toMatch(/^# TYPE hoopctl_\w+ (counter|gauge|histogram)$/m);
    expect(body).toMatch(/^hoopctl_\w*operations\w*\{[^}]*\} [1-9]/m);
  });

  it('health and readiness answer without a login, and OpenAPI describes every route', async () => {
    expect((await stage.gateway.get('/healthz')).status).toBe(200);
    expect((await stage.gateway.get('/readyz')).status).toBe(200);
    const { body } = await stage.gateway.get('/openapi.json');
    const paths = Object.keys((JSON.parse(body) as { paths: object }).paths);
    for (const path of ['/api/v1/me', '/api/v1/connections', '/api/v1/sessions', '/api/v1/reviews', '/api/v1/token']) {
      expect(paths).toContain(path);
    }
    expect((await stage.gateway.get('/api/v1/me')).status).toBe(401);
  });
});
