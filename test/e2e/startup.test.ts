// What a client asks for when it begins, and what the server says then: settings of the startup packet, replication, triggers
// on login. None of it is a way around rules or masks.

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Connected } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually, run } from '../support/process.ts';
import { type Line, readRecordings } from '../support/recordings.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';

const SSN = '078-05-1120';

describeWith(['psql'], 'the beginning of a session', () => {
  let stage: Stage;
  let connected: Connected;
  beforeAll(async () => {
    stage = await startStage(
      { version: 'embedded18', databases: ['app'], config: { wal_level: 'logical' } },
      (server) => ({
        connections: {
          ruled: connectionTo(server, 'app', { options: { allow: ['replication'] } }),
          free: connectionTo(server, 'app', { options: { allow: ['replication'] } }),
          masked: connectionTo(server, 'app'),
        },
        rules: [
          {
            ...{ name: 'no-replica', to: { names: ['ruled'] }, then: 'deny' },
            when: { does: ['set'], text: 'session_replication_role' },
          },
          {
            ...{ name: 'ask', to: { names: ['ruled'] }, then: 'review', reviewers: { groups: ['dba'] } },
            when: { does: ['set'], text: 'row_security' },
          },
          { name: 'no-drop', to: { names: ['ruled'] }, when: { does: ['drop'] }, then: 'deny' },
        ],
        masks: [{ name: 'pii', to: { names: ['masked'] }, columns: ['people.ssn'] }],
      }),
      {
        setup: `create table people (ssn text); insert into people values ('${SSN}'); create table precious (n int);
          create function greet() returns event_trigger language plpgsql as $$
            begin
              raise notice 'the first is %', (select ssn from public.people);
              if current_setting('app.refuse', true) = 'yes' then raise 'not %', (select ssn from public.people); end if;
            end $$;
          create event trigger greets on login execute function greet()`,
      },
    );
    connected = await stage.alice.connect(['ruled', 'free', 'masked']);
  });
  afterAll(async () => {
    await connected?.stop();
    await stage?.stop();
  });

  function psql(name: string, text: string, env: Record<string, string> = {}, more = '') {
    const to = `host=127.0.0.1 port=${connected.ports[name]} user=x dbname=app ${more}`;
    return run('psql', ['-X', to, '-At', '-c', text], { env: { ...stage.alice.env, ...env } });
  }

  const recorded = (has: (line: Line) => boolean): Promise<readonly Line[]> =>
    eventually('a sealed recording', () => {
      const found = readRecordings(stage.gateway.recordings).find(({ lines }) => lines.some(has))?.lines;
      return found?.at(-1)?.kind === 'seal' ? found : undefined;
    });

  it.each([
    ['-c session_replication_role=replica', /set is denied by rule "no-replica"/],
    ['--session-replication-role=replica', /set is denied by rule "no-replica"/],
    ['-c row_security=off', /"set row_security = off", has to be approved, and a login cannot wait/],
  ])('sets nothing that a rule keeps from being set: %s', async (options, why) => {
    const done = await psql('ruled', 'select 1', { PGOPTIONS: options });
    expect(done.stdout).toBe('');
    expect(done.stderr).toMatch(why);
  });

  it('sets what rules let be set, which is on record before the server has it', async () => {
    const done = await psql('ruled', 'show statement_timeout', {
      PGOPTIONS: '-c statement_timeout=1234ms',
      PGTZ: 'UTC',
    });
    expect(done.stdout).toBe('1234ms\n');
    const lines = await recorded(({ text }) => text === 'set statement_timeout = 1234ms');
    const shown = lines.filter(({ kind }) => kind === 'intent' || kind === 'result');
    expect(shown.map(({ kind, text, status }) => [kind, text ?? status])).toEqual([
      ['intent', 'set statement_timeout = 1234ms'],
      ['result', 'ok'],
      ['intent', 'show statement_timeout'],
      ['result', 'ok'],
    ]);
  });

  it('has what a trigger on login says without values that are masked, and on record', async () => {
    expect((await psql('free', 'select 11')).stderr).toContain(`the first is ${SSN}`);
    const noticed = await recorded(({ text }) => text === 'select 11');
    expect(noticed).toContainEqual(expect.objectContaining({ kind: 'note', note: 'notice' }));
    const masked = await psql('masked', 'select 12');
    expect(masked.stderr).toContain('masks apply here');
    const refused = await psql('masked', 'select 13', { PGOPTIONS: '-c app.refuse=yes' });
    expect(refused.stderr).toContain('the target refused the connection');
    const lines = [
      ...(await recorded(({ text }) => text === 'select 12')),
      ...(await recorded(({ text }) => text === 'set app.refuse = yes')),
    ];
    expect(masked.stderr + refused.stderr + JSON.stringify(lines)).not.toContain(SSN);
  });

  it('of a replication connection has its commands on record, and takes no SQL where rules apply', async () => {
    const system = await psql('ruled', 'IDENTIFY_SYSTEM', {}, 'replication=database');
    expect(system.stdout).toMatch(/^\d+\|/);
    await recorded(({ note, fields }) => note === 'replication' && (fields as Line).text === 'IDENTIFY_SYSTEM');
    const done = await psql('ruled', ' drop table precious', {}, 'replication=database');
    expect(done.stderr).toContain('SQL on a replication connection is not decided');
    expect(await stage.server.query(`select to_regclass('precious')::text as found`, 'app')).toEqual([
      { found: 'precious' },
    ]);
    const free = await psql('free', 'select 21', {}, 'replication=database');
    expect(free.stdout).toBe('21\n');
    await recorded(({ note, fields }) => note === 'replication' && (fields as Line).text === 'select 21');
  });
});
