// A disk that fails, goes away or does not answer under a running gateway (disk-faults.c between it and the C library):
// nothing runs that is not on record, the record says what happened, and all goes on without anybody's help.

import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { onFailingDisk } from '../support/disk-faults.ts';
import type { Connected } from '../support/gateway.ts';
import { logEntries } from '../support/log.ts';
import { describeWith } from '../support/needs.ts';
import { eventually } from '../support/process.ts';
import { chainProblems, readRecordings, recordedStatements } from '../support/recordings.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { fields, query, WireClient } from '../support/wire.ts';

describeWith(['linux', 'gcc'], 'a disk of the recordings that fails', () => {
  let stage: Stage;
  let fault: (what: string) => void = () => {};
  let tags = 0;
  const opened: WireClient[] = [];
  let connected: Connected;

  beforeAll(async () => {
    stage = await startStage({ databases: ['app'], config: { log_statement: "'all'" } }, (server) => ({
      connections: {
        plain: connectionTo(server, 'app'),
        power: connectionTo(server, 'app', { labels: { env: 'prod' } }),
        loose: connectionTo(server, 'app', { recording: 'best-effort' }),
      },
      recordings: { defaults: [{ labels: { env: 'prod' }, durability: 'synced', onFailure: 'refuse-new' }] },
      limits: { recording_slow_write_ms: 30 },
    }));
    fault = await onFailingDisk(stage.gateway);
    connected = await stage.alice.connect(['plain', 'power', 'loose'], [], { quiet: true });
  });
  afterEach(() => {
    fault('');
    for (const client of opened.splice(0)) client.destroy();
  });
  afterAll(async () => {
    await connected?.stop();
    await stage?.stop();
  });

  const tag = () => `fault-${tags++}-`;

  async function client(name: string): Promise<WireClient> {
    const one = await WireClient.connect({ port: connected.ports[name]!, user: 'alice', database: 'app' });
    opened.push(one);
    return one;
  }

  /** What came of it: nothing for a statement that ran, otherwise what the client was told. */
  async function run(one: WireClient, text: string): Promise<string | undefined> {
    one.send(query(`select '${text}'`));
    const frames = await one.until('Z').catch(() => []);
    const error = frames.find(({ type }) => type === 'E');
    if (error !== undefined) return String(fields(error.body).M);
    return one.closed ? 'closed' : undefined;
  }

  const ran = (text: string) => stage.server.log().includes(text);

  /** Everything that the server was asked is in a recording, and all recordings are sealed and whole, with no restart. */
  async function everythingOnRecord(): Promise<void> {
    for (const one of opened.splice(0)) one.close();
    const recordings = await eventually('everything is sealed', () => {
      const all = readRecordings(stage.gateway.recordings);
      const marks = readdirSync(join(stage.gateway.recordings, 'open')).filter((name) => name.startsWith('s-'));
      return marks.length === 0 && all.every((one) => chainProblems(one).length === 0) ? all : undefined;
    });
    const recorded = recordedStatements(recordings).join('\n');
    const seen = [...stage.server.log().matchAll(/statement: select '(fault-\d+-)/g)].map(([, one]) => one as string);
    expect(seen.filter((one) => !recorded.includes(one))).toEqual([]);
    const verified = await stage.alice.run(['audit', 'verify', stage.gateway.recordings]);
    expect(verified.code, verified.stdout).toBe(0);
  }

  const failures = async (session?: string) =>
    (await logEntries(stage.gateway.data)).filter(
      ({ kind, fields: of }) => kind === 'failure' && (session === undefined || of.session === session),
    );

  it.each(['ENOSPC', 'EIO', 'EROFS'])('%s at a write ends the session before the statement runs', async (code) => {
    const before = (await failures()).length;
    const one = await client('plain');
    expect(await run(one, tag())).toBeUndefined();
    fault(`write ${code}`);
    const text = tag();
    expect(await run(one, text)).toMatch(/record|closed/);
    expect(ran(text)).toBe(false);
    fault('');
    // The next one works at once.
    expect(await run(await client('plain'), tag())).toBeUndefined();
    await everythingOnRecord();
    const told = (await failures()).slice(before);
    expect(JSON.stringify(told)).toContain('recording failed');
    expect(stage.gateway.log).toContain('cannot write the recording');
  });

  it('a commit that fails ends the session, and with refuse-new no other begins until it works again', async () => {
    const one = await client('power');
    expect(await run(one, tag())).toBeUndefined();
    fault('sync EIO');
    const text = tag();
    expect(await run(one, text)).toMatch(/record|closed/);
    expect(ran(text)).toBe(false);
    await expect(client('power')).rejects.toThrow(/record/);
    fault('');
    await eventually('sessions begin again', () => client('power').catch(() => undefined));
    await everythingOnRecord();
  });

  it('a file that cannot be made refuses the session with the reason', async () => {
    fault('open EROFS');
    const refused = await client('plain').then(
      () => '',
      (error: Error) => error.message,
    );
    expect(refused).toMatch(/cannot begin the recording: EROFS/);
    // Where the gateway keeps its files is for its own log.
    expect(refused).not.toContain('recordings/');
    await eventually('it is told there', () =>
      /cannot begin the recording: EROFS[^\n]*recordings\//.test(stage.gateway.log),
    );
    fault('');
    expect(await run(await client('plain'), tag())).toBeUndefined();
  });

  it('best-effort goes on unrecorded, and that is shown wherever it applies', async () => {
    const one = await client('loose');
    expect(await run(one, tag())).toBeUndefined();
    fault('write ENOSPC');
    const text = `unrecorded-${tag()}`;
    expect(await run(one, text)).toBeUndefined();
    expect(ran(text)).toBe(true);
    const { sessions } = await stage.alice.json<{ sessions: { id: string; connection: string; recording: object }[] }>([
      'sessions',
      'ls',
      '--state',
      'open',
    ]);
    const mine = sessions.find(({ connection }) => connection === 'loose')!;
    fault('');
    one.close();
    await eventually('its end is known', async () => {
      const { stdout } = await stage.alice.run(['sessions', 'show', mine.id]);
      return /ended/.test(stdout) && /UNRECORDED/.test(stdout);
    });
    expect((await stage.alice.run(['sessions', 'ls'])).stdout).toContain('UNRECORDED');
    expect((await stage.alice.run(['ls'])).stdout).toContain('best-effort');
    expect((await stage.alice.run(['describe', 'loose'])).stdout).toContain('UNRECORDED (best-effort)');
    expect(connected.process.output).toMatch(/^loose: ready.*recording best-effort/m);
    expect(await failures(mine.id)).toEqual([
      expect.objectContaining({ fields: expect.objectContaining({ what: 'recording failed', unrecorded: true }) }),
    ]);
    await everythingOnRecord();
  });

  it('one that does not answer holds up its own statements and nobody else', async () => {
    const ready = () => eventually('sessions begin', () => client('power').catch(() => undefined));
    const [sure, other] = [await ready(), await ready()];
    expect(await run(sure, tag())).toBeUndefined();
    fault('write stall\nsync stall');
    const text = tag();
    const waiting = run(sure, text);
    const second = run(other, tag());
    // Neither the API nor the login pages wait for it.
    for (let i = 0; i < 3; i++) expect((await stage.gateway.get('/healthz')).status).toBe(200);
    expect((await stage.alice.run(['ls'])).code).toBe(0);
    expect(ran(text)).toBe(false);
    fault('');
    expect(await waiting).toBeUndefined();
    expect(await second).toBeUndefined();
    await everythingOnRecord();
  });

  it('a slow one is left to a thread of its own, buffered too', async () => {
    const one = await client('plain');
    fault('write delay 50');
    expect(await run(one, tag())).toBeUndefined();
    fault('write stall');
    const text = tag();
    const waiting = run(one, text);
    for (let i = 0; i < 3; i++) expect((await stage.gateway.get('/healthz')).status).toBe(200);
    expect(ran(text)).toBe(false);
    fault('');
    expect(await waiting).toBeUndefined();
    await everythingOnRecord();
  });

  it('a directory that is removed ends the sessions in it, with nothing of them lost', async () => {
    const one = await client('power');
    expect(await run(one, tag())).toBeUndefined();
    const lost = tag();
    expect(await run(one, lost)).toBeUndefined();
    // Out of the way first: the gateway makes it again while it is being emptied.
    const gone = `${stage.gateway.recordings}.gone`;
    renameSync(stage.gateway.recordings, gone);
    rmSync(gone, { recursive: true });
    const text = tag();
    expect(await run(one, text)).toMatch(/record|closed/);
    expect(ran(text)).toBe(false);
    expect(await run(await eventually('the next begins', () => client('power').catch(() => undefined)), tag())).toBe(
      undefined,
    );
    for (const left of opened.splice(0)) left.close();
    const recordings = await eventually('both are sealed', () => {
      const all = readRecordings(stage.gateway.recordings);
      return all.length === 2 && all.every((each) => chainProblems(each).length === 0) ? all : undefined;
    });
    expect(recordedStatements(recordings).join('\n')).toContain(lost);
  });
});
