// The record in a stranger's hands: a running gateway's data, its log over HTTPS, checkpoints kept elsewhere, a witness,
// proofs and receipts; a kill, a changed key, and a log that was set back.

import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Chain, encodeFields, lineDigest } from '../../src/session/recorder/line.ts';
import { type Client, hoopctl } from '../support/gateway.ts';
import { logEntries } from '../support/log.ts';
import { eventually } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';

let stage: Stage;
let auditor: Client;
let vkey: string;
beforeAll(async () => {
  stage = await startStage({ databases: ['app'] }, (server) => ({ connections: { app: connectionTo(server, 'app') } }));
  auditor = await stage.gateway.user('iris', { groups: ['auditors'] });
  vkey = (await auditor.runOk(['audit', 'checkpoint', '--key'])).stdout.trim();
});
afterAll(() => stage?.stop());

interface Verified {
  ok: boolean;
  places: {
    log: { size: number; origin: string };
    recordings?: { count: number };
    problems: { code: string; message: string }[];
    notes: string[];
  }[];
}

/** `audit verify --json`; `code` is the exit code that is due. */
async function verify(args: readonly string[], code = 0): Promise<Verified['places'][number]> {
  const { stdout, ...done } = await auditor.run(['audit', 'verify', ...args, '--json']);
  expect(done.code, `${stdout}\n${done.stderr}`).toBe(code);
  return (JSON.parse(stdout) as Verified).places[0]!;
}

const psql = (text: string) => ['app', '--receipts', 'receipts', '--', 'psql', '-Atc', text];

it('a running gateway’s record verifies, from its directory and over HTTPS, and a session’s user can prove what it said', async () => {
  const done = await stage.alice.runOk(['exec', ...psql('select 1')]);
  expect(done.stderr).toBe('');
  const [name] = readdirSync(join(stage.alice.home, 'receipts'));
  const receipt = join(stage.alice.home, 'receipts', name!);
  const session = name!.replace('.receipt.json', '');
  const open = await stage.alice.connect('app');
  const found = await verify([stage.gateway.data, '--key', vkey]);
  expect(found.problems).toEqual([]);
  expect(found.recordings!.count).toBeGreaterThan(0);
  await open.stop();
  const remote = await verify([`${stage.gateway.url}/log/`, '--key', vkey]);
  expect(remote.log.origin).toBe(found.log.origin);
  expect((await stage.alice.run(['audit', 'checkpoint'])).stderr).toContain('role auditor');
  await stage.alice.runOk(['sessions', 'export', session, '-o', 'mine.jsonl']);
  const mine = join(stage.alice.home, 'mine.jsonl');
  await verify([receipt, '--recording', mine, '--key', vkey]);
  writeFileSync(mine, readFileSync(mine, 'utf8').replace('select 1', 'select 2'));
  const forged = await verify([receipt, '--recording', mine, '--key', vkey], 1);
  expect(forged.problems.map(({ code }) => code)).toContain('recording_changed');
  const { stdout } = await auditor.runOk(['audit', 'prove', session]);
  const proof = join(auditor.home, 'seal.tlog-proof');
  writeFileSync(proof, stdout);
  await verify([proof, '--key', vkey]);
  expect(await logEntries(stage.gateway.data)).toContainEqual(
    expect.objectContaining({
      kind: 'policy',
      fields: expect.objectContaining({ document: readFileSync(stage.gateway.configFile, 'utf8') }),
    }),
  );
});

/** An entry that nobody took, behind those that did not come under a checkpoint: by whoever can write to the log, not to the keys. */
function addToJournal(data: string, kind: string, fields: object): void {
  const folder = join(data, 'log', 'journal');
  const path = join(folder, readdirSync(folder).sort().at(-1)!);
  const last = readFileSync(path, 'utf8').trimEnd().split('\n').at(-1)!;
  const chain = new Chain({ seq: (JSON.parse(last) as { seq: number }).seq + 1, head: lineDigest(last) });
  writeFileSync(path, chain.next(Date.now(), kind, encodeFields({ ...fields })), { flag: 'a' });
}

it('a witness cosigns what only grew, over kills and changed keys; a log that was set back is noticed by everybody', async () => {
  const kept = join(auditor.home, 'kept');
  writeFileSync(kept, (await auditor.runOk(['audit', 'checkpoint'])).stdout);
  const witness = ['audit', 'witness', '--state', 'witness'];
  await auditor.runOk([...witness, '--name', 'witness.example/w1', '--key', vkey]);
  const own = (await auditor.runOk([...witness, '--vkey'])).stdout.trim();
  // Until the gateway is configured with it nothing is taken, and what has to be configured is said.
  const untold = await auditor.run([...witness, '--submit']);
  expect([untold.code, untold.stderr]).toEqual([2, expect.stringContaining(`log: { witnesses: ["${own}"] }`)]);
  const config = JSON.parse(readFileSync(stage.gateway.configFile, 'utf8')) as Record<string, unknown>;
  const busy = stage.alice.start(['exec', 'app', '--', 'psql', '-Atc', 'select pg_sleep(60)']);
  const writing = join(stage.gateway.recordings, 'open');
  await eventually('a session is being recorded', () => readdirSync(writing).length > 0);
  expect((await verify([stage.gateway.data, '--key', vkey])).notes.join('\n')).toContain('still being written');
  await stage.gateway.stop('SIGKILL');
  await busy.stop('SIGKILL');
  // Nobody writes it any more, here or in a copy.
  const killed = await verify([stage.gateway.data, '--key', vkey]);
  expect(killed.problems).toEqual([]);
  expect(killed.notes.join('\n')).toContain('no gateway is at work here');
  expect(killed.notes.join('\n')).not.toContain('still being written');
  cpSync(join(stage.gateway.data, 'log'), join(auditor.home, 'older'), { recursive: true });
  addToJournal(stage.gateway.data, 'purge', { session: 's-forged', by: 'retention', reason: 'ninety days' });
  stage.gateway.writeConfig({ ...config, log: { witnesses: [own] } }, 'postgres');
  await stage.gateway.start();
  // It signs nothing of what it did not take itself.
  expect(await logEntries(stage.gateway.data)).toContainEqual(
    expect.objectContaining({ fields: expect.objectContaining({ problem: expect.stringContaining('somebody else') }) }),
  );
  expect((await logEntries(stage.gateway.data)).filter(({ kind }) => kind === 'purge')).toEqual([]);
  const admin = await stage.gateway.user('root', { groups: ['admins'] });
  const next = (await admin.runOk(['admin', 'log', 'rotate'])).stdout.trim();
  expect(next).not.toBe(vkey);
  await stage.alice.runOk(['exec', ...psql('select 2')]);
  // A receipt stands for itself, by the key that was pinned before there was another one.
  const later = readdirSync(join(stage.alice.home, 'receipts')).sort().at(-1)!;
  await verify([join(stage.alice.home, 'receipts', later), '--key', vkey]);
  await auditor.runOk([...witness, '--submit']);
  const found = await verify([stage.gateway.data, '--key', vkey, '--since', kept, '--witness', own]);
  expect(found.problems).toEqual([]);
  expect(found.notes.join('\n')).toMatch(/continues that of .*\n.*witness witness\.example\/w1 cosigned/s);
  const newer = join(auditor.home, 'newer');
  writeFileSync(newer, (await auditor.runOk(['audit', 'checkpoint'])).stdout);

  await stage.gateway.stop();
  rmSync(join(stage.gateway.data, 'log'), { recursive: true });
  cpSync(join(auditor.home, 'older'), join(stage.gateway.data, 'log'), { recursive: true });
  const back = await verify([stage.gateway.data, '--key', vkey, '--since', newer], 1);
  expect(back.problems.map(({ code }) => code)).toEqual(expect.arrayContaining(['rolled_back', 'recording_extra']));
  const refused = await auditor.run([...witness, stage.gateway.data]);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('was rolled back')]);
  await stage.gateway.start();
  expect(existsSync(join(stage.gateway.data, 'log.damaged'))).toBe(true);
  expect(await logEntries(stage.gateway.data)).toContainEqual(
    expect.objectContaining({
      kind: 'failure',
      fields: expect.objectContaining({ what: 'log damaged', problem: expect.stringContaining('rolled back') }),
    }),
  );
  const again = await verify([stage.gateway.data, '--key', vkey, '--since', newer], 1);
  expect(again.problems.map(({ code }) => code)).toEqual(expect.arrayContaining(['since_other_log', 'key_unknown']));
});

it('an older log beside a store that went on, with its keys, is told at the start', async () => {
  const { gateway, alice } = stage;
  const session = async () => alice.runOk(['exec', 'app', '--', 'psql', '-Atc', 'select 4']);
  const said = 'the log is not the one of before';
  const parts = ['log', 'keys'];
  await session();
  await gateway.stop();
  for (const part of parts) cpSync(join(gateway.data, part), join(auditor.home, 'then', part), { recursive: true });
  await gateway.start();
  expect(gateway.log).not.toContain(said);
  await session();
  await gateway.stop();
  for (const part of parts) {
    rmSync(join(gateway.data, part), { recursive: true });
    cpSync(join(auditor.home, 'then', part), join(gateway.data, part), { recursive: true });
  }
  await gateway.start();
  expect(gateway.log).toContain(said);
  const told = { kind: 'failure', fields: expect.objectContaining({ what: 'the log was lost or set back' }) };
  expect(await logEntries(gateway.data)).toContainEqual(expect.objectContaining(told));
  // Its own sessions are there from here on.
  await session();
  await gateway.stop();
  await gateway.start();
  expect(gateway.log).toContain('gateway runs');
  expect(gateway.log).not.toContain(said);
});

it('a store that was lost, or is damaged, is told at the start: in its log, and on record', async () => {
  const { gateway } = stage;
  await stage.alice.runOk(['exec', 'app', '--', 'psql', '-Atc', 'select 3']);
  await gateway.stop();
  const path = join(gateway.data, 'store.db');
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  await gateway.start();
  expect(gateway.log).toContain('the store is not the one of before');
  const told = { kind: 'failure', fields: expect.objectContaining({ what: 'the store was lost or set back' }) };
  expect(await logEntries(gateway.data)).toContainEqual(expect.objectContaining(told));
  await gateway.stop();
  writeFileSync(path, Buffer.alloc(8192, 'x'));
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
  const refused = await hoopctl(['serve', '--data', gateway.data], { env: auditor.env });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('next: the file is damaged');
  expect(refused.stderr).not.toContain('fault of hoopctl');
});
