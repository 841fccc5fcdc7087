// Evidence for an auditor: a bundle made by the gateway and from its data directory, the same each time, verified offline
// from itself alone; what it says is what happened; no text of the record becomes markup.

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Report, Row, SectionName } from '../../src/session/report/types.ts';
import type { Client } from '../support/gateway.ts';
import { logEntries } from '../support/log.ts';
import { SYSTEM_PYTHON } from '../support/needs.ts';
import { copyUnder, eventually, filesUnder, sleep } from '../support/process.ts';
import { pendingReview } from '../support/reviews.ts';
import { allSealed } from '../support/sessions.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';

const NASTY = `drop table "<script>alert('x')</script>\u202e"`;

let stage: Stage;
let bob: Client;
let auditor: Client;
let vkey: string;
let config: Record<string, unknown>;
let span: readonly string[];

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({
      connections: {
        app: connectionTo(server, 'app', { labels: { env: 'prod' } }),
        vault: connectionTo(server, 'app', { labels: { env: 'vault' } }),
        scratch: connectionTo(server, 'app', { recording: 'best-effort' }),
      },
      access: [
        { who: { groups: ['engineering', 'dba'] }, to: { names: ['app', 'scratch'] } },
        { who: { groups: ['engineering'] }, to: { names: ['vault'] }, breakGlass: { max: '1h', reason: 'required' } },
        {
          who: { groups: ['engineering'] },
          to: { names: ['vault'] },
          grant: { max: '2h', reviewers: { groups: ['dba'] } },
        },
      ],
      rules: [
        { name: 'no-drop', when: { does: ['drop'] }, then: 'deny', message: 'use a migration' },
        {
          name: 'writes',
          when: { does: ['insert', 'create'] },
          then: 'review',
          reviewers: { groups: ['dba'] },
          wait: '5m',
        },
      ],
      masks: [{ name: 'pii', columns: ['customers.ssn'], as: 'partial' }],
      roles: { auditor: { groups: ['auditors'] }, admin: { groups: ['admins'] } },
      change: { by: 'alice', approvedBy: 'carol', reference: 'CHG-1' },
    }),
    {
      setup: "create table customers (n int, ssn text); insert into customers values (1, '123-45-6789')",
      database: 'app',
    },
  );
  bob = await stage.gateway.user('bob', { groups: ['dba'] });
  auditor = await stage.gateway.user('iris', { groups: ['auditors'] });
  vkey = (await auditor.runOk(['audit', 'checkpoint', '--key'])).stdout.trim();
  config = JSON.parse(readFileSync(stage.gateway.configFile, 'utf8')) as Record<string, unknown>;
  const from = new Date(Date.now() - 3_600_000).toISOString();
  await happen();
  await sleep(50);
  span = ['--from', from, '--to', new Date().toISOString(), '--seed', 'of 2026'];
});
afterAll(() => stage?.stop());

async function happen(): Promise<void> {
  const { alice, gateway } = stage;
  for (let i = 0; i < 4; i++) await alice.exec('app', ['psql', '-c', `select ssn, ${i} from customers`]);
  await alice.exec('app', ['psql', '-c', NASTY]);
  await alice.exec('scratch', ['psql', '-c', 'select 1']);
  const approved = alice.exec('app', ['psql', '-c', 'create table approved (n int)'], { args: ['--reason', 'CHG-2'] });
  const review = await pendingReview(bob, 'approved');
  await bob.runOk(['reviews', 'approve', review.id, '--reason', 'looks right']);
  await approved;
  const denied = alice.exec('app', ['psql', '-c', 'insert into customers values (2)']);
  await bob.runOk(['reviews', 'deny', (await pendingReview(bob, 'values (2)')).id, '--reason', 'not now']);
  await denied;
  await alice.runOk(['request', 'vault', '--break-glass', '--for', '10m', '--reason', 'the site is down']);
  await alice.exec('vault', ['psql', '-c', 'select 2']);
  // One that cannot be loaded, and one in which the break-glass line is gone.
  gateway.writeConfig({ ...config, rules: [{ name: 'x', then: 'nothing' }] }, 'postgres');
  await eventually('the bad configuration is refused', async () => {
    const all = await logEntries(gateway.data);
    return all.some(({ kind, fields }) => kind === 'policy' && fields.what === 'refused');
  });
  const [open, , grant] = config.access as object[];
  gateway.writeConfig({ ...config, access: [open, grant], change: { by: 'bob', approvedBy: 'bob' } }, 'postgres');
  await eventually('the new configuration is in force', async () => {
    const all = await logEntries(gateway.data);
    return all.filter(({ kind, fields }) => kind === 'policy' && fields.document !== undefined).length >= 2;
  });
  await allSealed(gateway);
}

async function verify(bundle: string, code = 0): Promise<{ codes: string[]; notes: string }> {
  const { stdout, ...done } = await auditor.run(['audit', 'verify', bundle, '--key', vkey, '--json']);
  expect(done.code, `${stdout}\n${done.stderr}`).toBe(code);
  const [place] = (JSON.parse(stdout) as { places: { problems: { code: string }[]; notes: string[] }[] }).places;
  return { codes: place!.problems.map((one) => one.code), notes: place!.notes.join('\n') };
}

const at = (name: string) => join(auditor.home, name);
const text = (bundle: string, name: string) => readFileSync(join(at(bundle), name), 'utf8');

it('the gateway makes a bundle that verifies offline, says what happened, and comes out the same again', async () => {
  const told = await auditor.json<{ recordings: number; bundle: string }>(['audit', 'report', ...span, '-o', 'one']);
  const first = await verify(at('one'));
  expect(first).toEqual({
    codes: [],
    notes: expect.stringMatching(
      /the report on CC6\.1,.*C1\.1 from \S+ to \S+ was made at \S+ for iris@example\.com, seed "of 2026"/,
    ),
  });
  expect(told.recordings).toBe(9);
  const report = JSON.parse(text('one', 'report.json')) as Report;
  const rows = (name: SectionName): readonly Row[] => report.sections[name]!.rows;
  expect(report.summary).toMatchObject({ sessions: 9, 'operations denied or held back': 2, reviews: 2, exceptions: 3 });
  expect(report.verification).toEqual({ log: [], recordings: 9, wrong: [], missing: [] });
  expect(rows('access')).toContainEqual({
    ...{
      who: 'alice@example.com',
      issuer: 'local',
      kind: 'person',
      groups: 'engineering',
      connection: 'vault',
      sessions: 1,
    },
    access: 'with a grant of up to 2h that 1 of dba approves; the glass may be broken for 1h',
    versions: report.versions[0]!.version.slice(0, 12),
  });
  expect(rows('access')).toContainEqual(
    expect.objectContaining({ who: 'bob@example.com', connection: 'app', access: 'open', versions: 'all in force' }),
  );
  expect(rows('access').some(({ who, connection }) => who === 'bob@example.com' && connection === 'vault')).toBe(false);
  expect(rows('denied')).toEqual([
    expect.objectContaining({ rule: 'no-drop', text: NASTY, who: 'alice@example.com', operation: 1 }),
    expect.objectContaining({ rule: expect.stringMatching(/^review r-\S+ denied$/), connection: 'app' }),
  ]);
  expect(rows('reviews').map(({ state, decisions }) => [state, decisions])).toEqual([
    ['used', expect.stringMatching(/^approve by bob@example\.com at \S+: "looks right" \(entry \d+\)$/)],
    ['denied', expect.stringMatching(/^deny by bob@example\.com at \S+: "not now" \(entry \d+\)$/)],
  ]);
  expect(rows('policies').map(({ what, approvedBy, problem }) => [what, approvedBy, problem])).toEqual([
    ['in force', 'carol', undefined],
    ['refused', undefined, expect.stringContaining('rules')],
    ['loaded', 'bob', 'approved by who changed it'],
  ]);
  expect(rows('changes').map(({ does, verdict, rule }) => [does, verdict, rule])).toEqual([
    ['drop', 'deny', 'no-drop'],
    ['create', 'review', 'writes'],
  ]);
  expect(rows('masks')).toContainEqual(
    expect.objectContaining({ mask: 'pii', column: 'ssn', what: 'masked', results: 4 }),
  );
  expect(rows('exceptions').map(({ what }) => what)).toEqual(
    expect.arrayContaining(['the glass was broken', 'best-effort recording', 'a configuration was refused']),
  );
  expect(rows('grants')).toContainEqual(expect.objectContaining({ action: 'break-glass', reason: 'the site is down' }));
  await auditor.runOk(['audit', 'report', ...span, '-o', 'two']);
  expect(text('two', 'bundle.json')).toBe(text('one', 'bundle.json'));
  expect((await verify(at('two'))).notes).toContain('2 reports are on record');
});

it('no text of the record becomes markup, and nothing is fetched from elsewhere', () => {
  const html = text('one', 'report.html');
  expect(html).toContain('drop table &quot;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\\u{202e}&quot;');
  expect(html).not.toMatch(/<script|javascript:|\bon\w+=|<link|<img|<iframe|@import|url\(/i);
  expect(html).not.toMatch(/(?:src|href)="(?!#)/);
  expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
  // Every picture has its words.
  expect(html.match(/<svg role="img" aria-labelledby="(\S+) (\S+)"/g)?.length).toBe(4);
});

it('a stranger with Python alone gets the same digest of a sampled recording', () => {
  const { rows } = (JSON.parse(text('one', 'report.json')) as Report).sections.sample!;
  const files = filesUnder(join(at('one'), 'recordings'));
  for (const { session, digest } of rows) {
    const file = files.find((one) => one.includes(String(session)))!;
    const said = execFileSync(SYSTEM_PYTHON, ['reader.py', join('recordings', file)], {
      cwd: at('one'),
      encoding: 'utf8',
    });
    expect(said).toContain(`digest ${String(digest)}`);
  }
});

it('whatever is changed in a bundle is named', async () => {
  cpSync(at('one'), at('bad'), { recursive: true });
  const change = (name: string, how: (old: string) => string) =>
    writeFileSync(join(at('bad'), name), how(text('bad', name)));
  change('report.html', (old) => old.replaceAll('no-drop', 'no-dr0p'));
  expect((await verify(at('bad'), 1)).codes).toEqual(['bundle_changed']);
  // With bundle.json made to fit, nothing vouches for it.
  const digest = execFileSync('sha256sum', [join(at('bad'), 'report.html')], { encoding: 'utf8' }).slice(0, 64);
  change('bundle.json', (old) => old.replace(/("report.html": ")[0-9a-f]{64}/, `$1${digest}`));
  expect((await verify(at('bad'), 1)).codes).toEqual(['bundle_unsigned']);
});

it('from the data directory it is the same, while the gateway runs and when none does, and on record', async () => {
  const data = ['--data', stage.gateway.data];
  await auditor.runOk(['audit', 'report', ...span, ...data, '-o', 'local']);
  expect(text('local', 'bundle.json')).toBe(text('one', 'bundle.json'));
  expect((await verify(at('local'))).codes).toEqual([]);
  const some = ['--control', 'CC8.1', '--sample', '2', '--rows', '1'];
  await stage.gateway.stop();
  await auditor.runOk(['audit', 'report', ...span, ...data, ...some, '-o', 'offline']);
  expect((await verify(at('offline'))).notes).toContain('on the gateway’s machine');
  const report = JSON.parse(text('offline', 'report.json')) as Report;
  expect(report.sections.sample!.rows.length).toBe(2);
  expect([report.sections.changes!.rows.length, report.sections.changes!.total]).toEqual([1, 2]);
  expect(text('offline', 'report.html')).toContain('1 more are not listed');
  await stage.gateway.start();
  expect(await logEntries(stage.gateway.data)).toContainEqual(
    expect.objectContaining({
      kind: 'export',
      fields: expect.objectContaining({ what: 'report', controls: ['CC8.1'], local: true }),
    }),
  );
  // Of a copy nobody's log vouches, unless the same report is on record; and that is said.
  copyUnder(join(stage.gateway.data, 'log'), at('copy/log'));
  copyUnder(stage.gateway.recordings, at('copy/recordings'));
  await auditor.runOk(['audit', 'report', ...span, '--data', 'copy', '-o', 'of-a-copy']);
  expect((await verify(at('of-a-copy'))).codes).toEqual([]);
  const copied = await auditor.run(['audit', 'report', ...span, '--seed', 'x', '--data', 'copy', '-o', 'of-a-copy-2']);
  expect([copied.code, copied.stderr]).toEqual([1, expect.stringContaining('nothing vouches for this report')]);
  expect((await verify(at('of-a-copy-2'), 1)).codes).toEqual(['bundle_unsigned']);
  if (process.env.KEEP_REPORT !== undefined) cpSync(at('one'), process.env.KEEP_REPORT, { recursive: true });
});

it('is for auditors, and refuses what it cannot do in words', async () => {
  const refused = await stage.alice.run(['audit', 'report', ...span, '-o', 'mine']);
  expect([refused.code, refused.stderr, existsSync(join(stage.alice.home, 'mine'))]).toEqual([
    3,
    expect.stringContaining('auditor'),
    false,
  ]);
  for (const [args, words] of [
    [['--control', 'CC9.9', '--from', '7d'], "--control is 'CC9.9', expected one of CC6.1"],
    [['--from', '1d', '--to', '2d'], '--from is not before --to'],
    [['--from', '1d', '-o', 'one'], "one' is there already"],
    [['--from', '1d', '--sample', 'all'], "--sample is 'all', expected 0 to 1000"],
  ] as const) {
    const done = await auditor.run(['audit', 'report', ...args]);
    expect([done.code, done.stderr]).toEqual([2, expect.stringContaining(words)]);
  }
  rmSync(at('one'), { recursive: true });
});
