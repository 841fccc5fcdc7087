// A refused statement behaves as a failed one would (promise 7): SQLSTATE 42501, the rule and what to do next; the
// session goes on; a transaction, also the implicit one of a pipeline, is where the server's own error would have left it.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith } from '../support/needs.ts';
import { eventually } from '../support/process.ts';
import { type Recording, readRecordings } from '../support/recordings.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { openWay, WAYS } from '../support/ways.ts';
import { bind, execute, type Frame, fields, parse, query, sync, WireClient } from '../support/wire.ts';

const SETUP = 'create table t (n int primary key); insert into t values (1), (2), (3); create table precious (n int);';

let stage: Stage;

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'], config: { log_statement: "'all'" } },
    (server) => ({
      connections: { app: connectionTo(server, 'app') },
      rules: [
        { name: 'no-drop', when: { does: ['drop', 'truncate'] }, then: 'deny', message: 'use a migration' },
        { name: 'no-wipe', when: { does: ['delete', 'update'], unbounded: true }, then: 'deny' },
      ],
    }),
    { setup: SETUP, database: 'app' },
  );
});
afterAll(() => stage?.stop());

async function wire(): Promise<{ client: WireClient; stop(): Promise<void> }> {
  const connected = await stage.alice.connect('app');
  const client = await WireClient.connect({ port: connected.port, user: 'alice', database: 'app' });
  return {
    client,
    stop: async () => {
      client.close();
      await connected.stop();
    },
  };
}

/** A conversation as lines: `E 42501`, `C SELECT 1`, `Z T`. */
function transcript(frames: readonly Frame[]): string[] {
  return frames.flatMap(({ type, body }) => {
    if (type === 'E') return [`E ${fields(body).C}`];
    if (type === 'C') return [`C ${body.subarray(0, -1).toString()}`];
    if (type === 'Z') return [`Z ${body.toString()}`];
    return type === 'N' || type === 'S' ? [] : [type];
  });
}

describe('a refused statement at the wire', () => {
  it('is an ErrorResponse with 42501, the rule, a hint and the session; the session goes on', async () => {
    const { client, stop } = await wire();
    client.send(query('drop table precious'));
    const frames = await client.until('Z');
    expect(transcript(frames)).toEqual(['E 42501', 'Z I']);
    const said = fields(frames.find(({ type }) => type === 'E')?.body as Buffer);
    expect(said.S).toBe('ERROR');
    expect(said.M).toContain('no-drop');
    expect(`${said.M} ${said.H} ${said.D}`).toContain('use a migration');
    expect(said.H).toBeTruthy();
    expect(JSON.stringify(said)).toMatch(/s-[0-9a-z]{19}/);
    client.send(query('select 1'));
    expect(transcript(await client.until('Z'))).toEqual(['T', 'D', 'C SELECT 1', 'Z I']);
    await stop();
  });

  it('aborts an open transaction as an error of the server does', async () => {
    const { client, stop } = await wire();
    const say = async (text: string) => {
      client.send(query(text));
      return transcript(await client.until('Z'));
    };
    expect(await say('begin')).toEqual(['C BEGIN', 'Z T']);
    expect(await say('insert into t values (10)')).toEqual(['C INSERT 0 1', 'Z T']);
    expect(await say('truncate precious')).toEqual(['E 42501', 'Z E']);
    expect(await say('select 1')).toEqual(['E 25P02', 'Z E']);
    expect(await say('commit')).toEqual(['C ROLLBACK', 'Z I']);
    expect(await stage.server.query('select n from t where n = 10', 'app')).toEqual([]);
    // A savepoint before it brings the transaction back.
    expect(await say('begin; insert into t values (11); savepoint s')).toContain('Z T');
    expect(await say('drop table precious')).toEqual(['E 42501', 'Z E']);
    expect(await say('rollback to s')).toEqual(['C ROLLBACK', 'Z T']);
    expect(await say('commit')).toEqual(['C COMMIT', 'Z I']);
    expect(await stage.server.query('delete from t where n = 11 returning n', 'app')).toHaveLength(1);
    await stop();
  });

  it('in one message with others takes them all with it: none is sent', async () => {
    const { client, stop } = await wire();
    client.send(query('insert into t values (20); drop table precious; insert into t values (21)'));
    expect(transcript(await client.until('Z'))).toEqual(['E 42501', 'Z I']);
    expect(await stage.server.query('select n from t where n in (20, 21)', 'app')).toEqual([]);
    await stop();
  });

  it('in a pipeline rolls back its implicit transaction and skips up to the Sync', async () => {
    const { client, stop } = await wire();
    const run = (name: string, text: string) => [parse(name, text), bind('', name), execute('')];
    client.send(
      ...run('', 'insert into t values (30)'),
      ...run('', 'drop table precious'),
      ...run('', 'insert into t values (31)'),
      sync(),
      ...run('', 'insert into t values (32)'),
      sync(),
    );
    const first = transcript(await client.until('Z'));
    expect(first.slice(0, 3)).toEqual(['1', '2', 'C INSERT 0 1']);
    expect(first.slice(-2)).toEqual(['E 42501', 'Z I']);
    expect(first).not.toContain('C DROP TABLE');
    expect(transcript(await client.until('Z'))).toEqual(['1', '2', 'C INSERT 0 1', 'Z I']);
    expect(await stage.server.query('select n from t where n in (30, 31, 32)', 'app')).toEqual([{ n: 32 }]);
    await stage.server.query('delete from t where n = 32', 'app');
    await stop();
  });

  it('that was prepared is refused at Parse or Execute, and its name can be used again', async () => {
    const { client, stop } = await wire();
    client.send(parse('d', 'delete from t'), sync());
    const parsed = transcript(await client.until('Z'));
    if (!parsed.includes('E 42501')) {
      client.send(bind('', 'd'), execute(''), sync());
      expect(transcript(await client.until('Z'))).toContain('E 42501');
    }
    client.send(parse('e', 'select $1::int'), bind('', 'e', ['7']), execute(''), sync());
    expect(transcript(await client.until('Z'))).toEqual(['1', '2', 'D', 'C SELECT 1', 'Z I']);
    expect((await stage.server.query('select count(*)::int as n from t', 'app'))[0]).toEqual({ n: 3 });
    await stop();
  });

  it('never reaches the server, whatever way it came', async () => {
    const log = stage.server.log();
    expect(log).toContain('insert into t values (32)');
    for (const line of log.split('\n')) {
      if (!/(statement|execute [^:]*): /.test(line)) continue;
      expect(line).not.toMatch(/drop table precious|truncate precious|: delete from t$/i);
    }
  });

  it('is in the recording with its verdict and rule', async () => {
    const denied = (recordings: Recording[]) =>
      recordings.flatMap(({ lines }) => lines.filter((line) => line.kind === 'intent' && line.verdict === 'deny'));
    const found = await eventually('the denied intents', () => {
      const lines = denied(readRecordings(stage.gateway.recordings));
      return lines.length > 0 ? lines : undefined;
    });
    expect(found.some((line) => line.rule === 'no-drop' && line.text === 'drop table precious')).toBe(true);
  });
});

describeWith(['psql'], 'a refused statement in psql', () => {
  for (const name of WAYS) {
    it(`shows the error, and the script goes on (${name})`, async () => {
      const way = await openWay(name, stage.alice, 'app');
      const done = await way.run('psql', ['-X', '-At', '-v', 'VERBOSITY=verbose'], {
        input:
          'drop table precious;\nselect 41 + 1;\nbegin;\nupdate t set n = n;\nselect 1;\nrollback;\nselect count(*) from t;\n',
      });
      expect(done.stdout.split('\n').filter((line) => line !== '')).toEqual(['42', 'BEGIN', 'ROLLBACK', '3']);
      expect(done.stderr).toMatch(/ERROR: {2}42501: .*no-drop/);
      expect(done.stderr).toMatch(/ERROR: {2}42501: .*no-wipe/);
      expect(done.stderr).toMatch(/ERROR: {2}25P02: /);
      expect(done.stderr).toMatch(/HINT: /);
      await way.stop();
    });
  }
});
