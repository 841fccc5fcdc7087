import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { LogEntry } from '../../../../src/session/log/audit.ts';
import { WhoHadAccess } from '../../../../src/session/report/access.ts';
import { buildReport } from '../../../../src/session/report/build.ts';
import { reportFiles } from '../../../../src/session/report/bundle.ts';
import { CONTROL_IDS, sectionsOf } from '../../../../src/session/report/controls.ts';
import { Happenings } from '../../../../src/session/report/happenings.ts';
import { markup } from '../../../../src/session/report/markup.ts';
import { Operations } from '../../../../src/session/report/operations.ts';
import { page } from '../../../../src/session/report/page.ts';
import { Policies } from '../../../../src/session/report/policies.ts';
import { READER } from '../../../../src/session/report/reader.ts';
import { Reviews } from '../../../../src/session/report/reviews.ts';
import { Sample } from '../../../../src/session/report/sample.ts';
import { TABLES } from '../../../../src/session/report/tables.ts';
import type { ReportRequest } from '../../../../src/session/report/types.ts';
import { repository } from '../../../support/process.ts';

it('the reader in a bundle is that of FORMAT.md', () => {
  const format = readFileSync(join(repository, 'src/session/recorder/FORMAT.md'), 'utf8');
  expect(READER).toBe(/```python\n([\s\S]*?)```/.exec(format)![1]);
});

it('every table of the sections belongs to a control, and each control names tables that there are', () => {
  expect([...sectionsOf(CONTROL_IDS)].sort()).toEqual(Object.keys(TABLES).sort());
});

it('a sample depends on the seed and the sessions, not on their order', () => {
  const sessions = Array.from({ length: 200 }, (_, i) => ({ session: `s-${i}` }));
  const chosen = (seed: string, all: readonly { session: string }[]) => {
    const sample = new Sample(seed, 7);
    for (const one of all) sample.offer(one);
    return [sample.chosen, sample.population];
  };
  expect(chosen('a', sessions)).toEqual(chosen('a', sessions.toReversed()));
  expect(chosen('a', sessions)).not.toEqual(chosen('b', sessions));
  expect(chosen('a', sessions.slice(0, 3))[0]).toHaveLength(3);
  const none = new Sample('a', 0);
  for (const one of sessions) none.offer(one);
  expect(none.chosen).toEqual([]);
});

it('whatever is put into markup is text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const { text: made } = markup`<b title="${text}">${text}</b>`;
      const [, title, content] = /^<b title="([^<>"']*)">([^<>"']*)<\/b>$/.exec(made)!;
      expect(title).toBe(content);
      expect(content).not.toMatch(/[\p{Cf}\u202e]/u);
    }),
    { numRuns: 200 },
  );
  expect(markup`${'\u202e'}${'\u0000'}${markup`<i>`}`.text).toBe('\\u{202e}\\u{0}<i>');
});

const REQUEST: ReportRequest = {
  ...{
    controls: ['CC6.1', 'CC7.3'],
    from: Date.UTC(2026, 0, 2),
    to: Date.UTC(2026, 0, 3),
    seed: 's',
    sample: 5,
    rows: 3,
  },
};
const DAY = 86_400_000;

function entries(count: number): { entries: LogEntry[]; lines: (session: string) => object[] } {
  const all: LogEntry[] = [];
  const add = (at: number, kind: string, fields: object) =>
    all.push({ index: all.length, at: new Date(at).toISOString(), kind, fields: fields as LogEntry['fields'] });
  const principal = { kind: 'person', subject: 'alice', issuer: 'local', groups: ['a'], claims: {} };
  add(REQUEST.from - DAY, 'log', { what: 'began', origin: 'log.example' });
  add(REQUEST.from - DAY, 'policy', { what: 'in force', version: 'v0', document: 'old' });
  add(REQUEST.from - 1000, 'policy', { what: 'loaded', version: 'v1', document: 'older' });
  for (let i = 0; i < count; i++) {
    const at = REQUEST.from - DAY + (i / count) * 3 * DAY;
    add(at, 'access', { verdict: 'allow', session: `s-${i}`, principal, connection: 'db' });
    add(at + 10, 'recording', { session: `s-${i}`, digest: `d-${i}`, lines: 3, bytes: 100 });
  }
  add(REQUEST.to + 1, 'policy', { what: 'loaded', version: 'v2', document: 'new' });
  const lines = (session: string) => {
    const letIn = all.find(({ kind, fields }) => kind === 'access' && fields.session === session)!;
    return [
      { seq: 0, at: letIn.at, kind: 'open', prev: '', policy: 'v1' },
      {
        seq: 1,
        at: letIn.at,
        kind: 'intent',
        prev: '',
        op: 1,
        text: 'drop <b>',
        verdict: 'deny',
        rule: 'r',
        parts: [],
      },
      { seq: 2, at: letIn.at, kind: 'seal', prev: '' },
    ];
  };
  return { entries: all, lines };
}

function build(count: number) {
  const record = entries(count);
  const source = {
    async *entries(from: number) {
      yield* record.entries.slice(from);
    },
    async *lines(session: string) {
      for (const line of record.lines(session)) yield { line: line as never, end: 0 };
    },
  };
  const read = async (document: string) => `cannot read ${document}`;
  const verify = async (wanted: readonly object[]) => ({ log: [], recordings: wanted.length, wrong: [], missing: [] });
  return buildReport({ source, request: REQUEST, read, verify });
}

it('counts all of the span and nothing else, lists a few, and takes what tables name into the bundle', async () => {
  const { report, recordings } = await build(1000);
  // The span is one of three days.
  expect(report.summary.sessions).toBe(333);
  expect(report.summary.operations).toBe(report.days.reduce((sum, { deny }) => sum + deny, 0));
  expect(report.sections.denied).toMatchObject({ total: report.summary.operations });
  expect(report.sections.denied!.rows).toHaveLength(3);
  expect(report.sections.sample!.rows).toHaveLength(5);
  const named = report.sections.denied!.rows.map(({ session }) => session);
  expect(recordings.map(({ session }) => session)).toEqual(expect.arrayContaining(named));
  expect(report.versions).toEqual([{ version: 'v1', from: expect.any(String), to: undefined }]);
  expect(report.sections.lines!.rows).toEqual([
    expect.objectContaining({ line: 'cannot be read any more: cannot read older' }),
  ]);
  expect(report.sections).not.toHaveProperty('masks');
});

it('a reason of one decision cannot pose as another decision', () => {
  const reviews = new Reviews(9);
  const entry = (index: number, fields: object) =>
    reviews.entry(
      { index, at: '2026-01-02T00:00:00.000Z', kind: 'review', fields: fields as LogEntry['fields'] },
      true,
    );
  entry(1, { review: 'r-1', of: 'operation', principal: { subject: 'alice', issuer: 'local' } });
  const reason = 'no" (entry 3); approve by carol at 2026-01-02T00:00:00.000Z: "fine';
  entry(2, { review: 'r-1', verdict: 'deny', by: 'bob', reason, state: 'denied' });
  const said = `deny by bob at 2026-01-02T00:00:00.000Z: ${JSON.stringify(reason)} (entry 2)`;
  expect(reviews.sections().reviews.rows).toMatchObject([{ decisions: said }]);
});

it('counts what is encrypted, which its tables lack', () => {
  const operations = new Operations(3);
  const facts = { ran: { session: 's-1' }, who: 'alice', connection: 'app' } as never;
  const line = { seq: 1, at: '2026-01-02T00:00:00.000Z', kind: 'intent', prev: '', op: 1, verdict: 'deny', rule: 'r' };
  operations.line({ ...line, parts: [{ does: ['drop'] }], text: 'drop table t' }, facts);
  operations.line({ ...line, op: 2, enc: 'AAAA' }, facts);
  operations.line({ ...line, op: 2, kind: 'masks', enc: 'AAAA' }, facts);
  operations.over();
  expect([operations.total, operations.encrypted, operations.denied]).toEqual([2, 1, 2]);
  expect(operations.sections()).toMatchObject({ changes: { total: 1 }, masks: { total: 0 } });
});

it('counts what masks refuse or hold once, as they decided', () => {
  const operations = new Operations(9);
  const facts = { ran: { session: 's-1' }, who: 'alice', connection: 'app' } as never;
  const intent = (op: number, verdict: string) => {
    const line = { seq: op, at: '2026-01-02T00:00:00.000Z', kind: 'intent', prev: '', op, verdict };
    operations.line({ ...line, text: `text ${op}`, parts: [{ does: ['create'] }] }, facts);
  };
  for (const [op, verdict] of [
    ...[[1, 'allow'] as const, [1, 'deny'] as const, [2, 'allow'] as const, [2, 'review'] as const],
    ...[[3, 'allow'] as const],
  ])
    intent(op, verdict);
  operations.over();
  // Of two more sessions.
  intent(3, 'allow');
  operations.over();
  intent(1, 'allow');
  operations.over();
  expect(operations.days).toEqual([{ day: '2026-01-02', allow: 3, review: 1, deny: 1 }]);
  expect([operations.total, operations.denied]).toEqual([5, 1]);
  expect(operations.sections().changes.rows.map(({ verdict }) => verdict)).toEqual([
    'deny',
    'review',
    'allow',
    'allow',
    'allow',
  ]);
});

it('counts results and not their columns, and who was let in once', () => {
  const operations = new Operations(3);
  const facts = { ran: { session: 's-1' }, who: 'alice', connection: 'app' } as never;
  const masks = (columns: object[]) =>
    operations.line({ seq: 1, at: '2026-01-02T00:00:00.000Z', kind: 'masks', prev: '', op: 1, columns }, facts);
  const ssn = { column: 'c.ssn', mask: 'pii' };
  masks([ssn, { ...ssn, index: 1 }, { column: 'c.phone', mask: 'pii' }]);
  masks([ssn]);
  masks([]);
  expect(operations.masks).toBe(2);
  const { rows } = operations.sections().masks;
  expect(rows.map(({ column, results }) => [column, results])).toEqual([
    ['c.ssn', 2],
    ['c.phone', 1],
  ]);
  const happenings = new Happenings(9);
  const entry = (kind: string, fields: object) =>
    happenings.entry({ index: 0, at: '2026-01-02T00:00:00.000Z', kind, fields: fields as LogEntry['fields'] }, true);
  entry('login', { issuer: 'local', user: 'alice', address: '::1', ok: true });
  entry('login', { ok: true, principal: { subject: 'alice', issuer: 'local' } });
  entry('export', { what: 'copy taken', by: 'iris' });
  entry('export', { what: 'receiver takes events again', export: 'siem', afterMs: 1 });
  entry('purge', { what: 'key', session: 's-1', reason: 'r', by: 'b' });
  expect([happenings.logins, happenings.readings]).toEqual([1, 1]);
  expect(happenings.sections().exceptions.rows.map(({ what }) => what)).toEqual([
    'export receiver takes events again',
    'key of a recording erased',
  ]);
});

it('says how many versions of the policy it did not read, and until when each was in force', async () => {
  const policies = new Policies(500, async () => ({ connections: [], access: () => ({ access: 'none' }), lines: [1] }));
  for (let i = 0; i < 150; i++) {
    const fields = { what: 'loaded', version: `v${i}`, document: 'd' };
    policies.entry({ index: i, at: new Date(DAY + i).toISOString(), kind: 'policy', fields }, true);
  }
  const again = { what: 'in force', version: 'v149', document: 'd' };
  policies.entry({ index: 150, at: new Date(DAY + 150).toISOString(), kind: 'policy', fields: again }, true);
  expect([policies.inForce.length, policies.unread]).toEqual([100, 50]);
  expect(policies.versions.at(-1)!.to).toBe(new Date(DAY + 100).toISOString());
  const { lines } = await new WhoHadAccess(policies, 500).sections();
  expect(lines.rows.at(-1)).toEqual({ version: 'not read', line: expect.stringMatching(/^50 more came into force/) });
});

it('gives nobody the sessions of who has the same name at another issuer', async () => {
  const view = { connections: [{ name: 'db', labels: {} }], access: () => ({ access: 'allow' }), lines: [] };
  const policies = new Policies(9, async () => view as never);
  const fields = { what: 'loaded', version: 'v1', document: 'd' };
  policies.entry({ index: 0, at: new Date(DAY).toISOString(), kind: 'policy', fields }, true);
  const access = new WhoHadAccess(policies, 9);
  for (const [issuer, sessions] of Object.entries({ corp: 2, local: 1 })) {
    const principal = { kind: 'person', subject: 'alice', issuer, groups: [], claims: {} };
    const letIn = { index: 1, at: new Date(DAY).toISOString(), kind: 'access', fields: { principal } };
    access.entry(letIn);
    for (let i = 0; i < sessions; i++) {
      access.over({
        ran: { session: 's', letIn, sealed: undefined },
        who: 'alice',
        connection: 'db',
        opening: undefined,
      });
    }
  }
  const { rows } = (await access.sections()).access;
  expect(rows.map(({ who, issuer, sessions }) => [who, issuer, sessions])).toEqual([
    ['alice', 'corp', 2],
    ['alice', 'local', 1],
  ]);
});

it('is the same when it is made again, and says the same in the page', async () => {
  const [one, two] = [reportFiles(await build(50)), reportFiles(await build(50))];
  expect(one).toEqual(two);
  const html = page((await build(50)).report);
  expect(html).toContain('drop &lt;b&gt;');
  expect(html).toMatch(/\d+ more are not listed: a table lists 3 at most/);
});

it('a session that is not over has no seal to be sampled by, and is counted', async () => {
  const record = entries(2);
  const open = { ...record, entries: record.entries.filter(({ fields }) => fields.digest !== 'd-1') };
  const source = {
    async *entries() {
      yield* open.entries;
    },
    async *lines() {},
  };
  const verify = async () => ({ log: [], recordings: 0, wrong: [], missing: [] });
  const { report } = await buildReport({ source, request: REQUEST, read: async () => 'no', verify });
  expect(report.summary).toMatchObject({ sessions: 1, 'sessions without a seal': 1, 'sessions to sample from': 0 });
  expect(report.sections.exceptions!.rows).toContainEqual(expect.objectContaining({ what: 'there is no recording' }));
});
