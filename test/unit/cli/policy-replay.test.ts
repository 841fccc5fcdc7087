// What a new policy would have said of recorded sessions.

import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/process.ts';
import { hoopctl } from './memory-io.ts';

const folder = temporaryDirectory('replay');
const principal = { kind: 'person', subject: 'u1', issuer: 'corp', email: null, groups: ['dba'], claims: {} };

const start = Date.now() - 3_600_000;
const time = (seconds: number) => new Date(start + seconds * 1000).toISOString();

function recording(name: string, texts: readonly string[], more: readonly object[] = []): string {
  const at = time(0);
  const lines = [
    { seq: 0, at, kind: 'open', session: name, principal, connection: 'prod-db', prev: '0'.repeat(64) },
    ...texts.map((text, i) => ({
      seq: i + 1,
      at,
      kind: 'intent',
      op: i + 1,
      text,
      verdict: 'allow',
      prev: '0'.repeat(64),
    })),
    ...more,
  ];
  const directory = join(folder, 'recordings/2026/01/05');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${name}.jsonl`);
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

const document = join(folder, 'new.yaml');
writeFileSync(
  document,
  `connections:
  prod-db:
    protocol: postgres
    target: { host: 127.0.0.1, database: app, tls: disable }
    credentials: { user: app, password: env:PW }
access:
  - { who: { groups: [dba] }, to: { names: [prod-db] } }
rules:
  - { name: no-drop, when: { does: [drop] }, then: deny }
  - { name: ask, when: { does: [delete] }, then: review, reviewers: { groups: [dba] } }
masks:
  - { name: pii, columns: [customers.ssn], detect: [email] }
`,
);

it('tells what would have been refused, held and masked, and nothing of what stays', async () => {
  recording('s-1', ['select 1', 'drop table t', 'delete from t where id = 1', 'select ssn from customers']);
  const old = recording('s-old', ['drop table older']);
  utimesSync(old, 0, 0);
  const { code, out } = await hoopctl(['policy', 'replay', document, '--data', folder, '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    operations: 4,
    differ: [
      { session: 's-1', op: 2, was: 'allow', now: 'deny', rule: 'no-drop', text: 'drop table t' },
      { op: 3, now: 'review', rule: 'ask' },
    ],
    masked: [{ op: 4, masks: ['pii'] }],
    unjudged: { detectors: ['pii'], distinct: [] },
  });
  const words = await hoopctl(['policy', 'replay', document, '--data', folder]);
  expect(words.out).toMatch(/allow → deny .*drop table t {2}\(no-drop\)/);
  expect(words.out).toMatch(
    /4 statements: 2 decided otherwise, 1 with masked columns\nnot judged: .*detectors of mask pii/,
  );
});

it('counts budgets by what came of each statement, over all sessions of a day, and says what it cannot know', async () => {
  const one = (op: number, at: number, rows: number) => [
    { kind: 'intent', at: time(at), op, text: 'select * from t', verdict: 'allow' },
    {
      kind: 'result',
      at: time(at + 1),
      op,
      part: 0,
      status: 'ok',
      tag: `SELECT ${rows}`,
      rows,
      bytes: rows * 10,
      us: 2e6,
    },
  ];
  const data = temporaryDirectory('replay-budgets');
  const open = (session: string) => ({ kind: 'open', at: time(0), session, principal, connection: 'prod-db' });
  const files = {
    's-1': [open('s-1'), ...one(1, 1, 40), ...one(2, 5, 40), ...one(3, 9, 1)],
    's-2': [open('s-2'), ...one(1, 3, 10)],
    // Judged by what it reached, which its text does not say.
    's-3': [
      open('s-3'),
      {
        ...one(1, 10, 0)[0]!,
        text: 'select * from v',
        parts: [{ does: ['select'], read: ['v', 'public.secret'], through: { 'public.secret': ['view public.v'] } }],
      },
    ],
    's-4': [
      open('s-4'),
      { kind: 'intent', at: '2020-01-01T00:00:00.000Z', op: 1, text: 'drop table t', verdict: 'allow' },
    ],
  };
  for (const [name, lines] of Object.entries(files)) {
    writeFileSync(
      join(data, `${name}.jsonl`),
      lines.map((line, seq) => `${JSON.stringify({ seq, ...line, prev: '0'.repeat(64) })}\n`).join(''),
    );
  }
  const file = join(data, 'new.yaml');
  const rule = (name: string, budget: string) =>
    `  - { name: ${name}, when: { does: [select], relations: [t], budget: ${budget} }, then: deny }\n`;
  writeFileSync(
    file,
    `connections:
  prod-db:
    protocol: postgres
    target: { host: 127.0.0.1, database: app, tls: disable }
    credentials: { user: app, password: env:PW }
access:
  - { who: { groups: [dba] }, to: { names: [prod-db] } }
rules:
${rule('rows', '{ rows: 60, per: day }')}${rule('values', '{ distinct: { column: t.id, max: 5 }, per: session }')}
  - { name: secret, when: { relations: [public.secret] }, then: deny }
`,
  );
  const { out } = await hoopctl(['policy', 'replay', file, '--data', data, '--json']);
  expect(JSON.parse(out)).toMatchObject({
    operations: 5,
    differ: [
      { session: 's-1', op: 2, now: 'allow', cut: { rule: 'rows', bound: '60 rows' } },
      { session: 's-1', op: 3, now: 'deny', rule: 'rows' },
      { session: 's-3', op: 1, now: 'deny', rule: 'secret' },
    ],
    unjudged: { detectors: [], distinct: ['values'] },
  });
  const words = await hoopctl(['policy', 'replay', file, '--data', data]);
  expect(words.out).toMatch(/allow → allow, cut after 60 rows by rows .*#2/);
  expect(words.out).toMatch(/not judged: how many distinct values rule values/);
});

it('says what is wrong with what it is asked', async () => {
  expect((await hoopctl(['policy', 'replay', document])).err).toContain('--data is missing');
  const soon = await hoopctl(['policy', 'replay', document, '--data', folder, '--since', 'soon']);
  expect(soon.err).toContain("--since is 'soon'");
});

it('judges an operation by what is on record of it, not by its text as a command', async () => {
  const data = temporaryDirectory('replay-hosts');
  const yaml = (rules: string) => `connections:
  host:
    protocol: ssh
    target: { host: 10.0.0.7, hostKeys: ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] }
    credentials: { user: app, password: env:PW }
  prod-db:
    protocol: postgres
    target: { host: 127.0.0.1, database: app, tls: disable }
    credentials: { user: app, password: env:PW }
access:
  - { who: { groups: [dba] }, to: { names: ["*"] } }
rules:
${rules}`;
  const forbids = '  - { name: no-reboot, to: { names: [host] }, when: { programs: [reboot] }, then: deny }\n';
  const opaque = 'what is typed in a shell cannot be decided';
  const unseen = 'the bytes of a forwarding are not inspected';
  const intents = [
    { how: 'shell', text: 'shell', verdict: 'deny', rule: 'opaque', parts: [{ does: ['shell'], opaque }] },
    { how: 'sftp', text: 'read /etc/shadow', parts: [{ does: ['sftp-read'], places: ['/etc/shadow'] }] },
    {
      ...{ how: 'forward', text: '10.0.0.5:443', verdict: 'deny', rule: 'opaque' },
      parts: [{ does: ['forward'], places: ['10.0.0.5:443'], opaque: unseen }],
    },
    { how: 'forward', text: '10.0.0.5:5432', parts: [{ does: ['forward'], places: ['10.0.0.5:5432'] }] },
    { how: 'exec', text: 'rm -rf /srv', parts: [{ does: ['exec'], programs: ['rm'] }] },
    { how: 'shell', text: 'shell', parts: [{ does: ['shell'] }] },
  ];
  const statements = [
    {
      how: 'execute',
      text: 'execute p',
      executes: 'drop table t',
      parts: [{ does: ['execute', 'drop'], written: ['t'] }],
    },
    { how: 'function-call', text: 'function 2200', parts: [{ does: ['call'], functions: ['2200'], opaque: 'a call' }] },
    { how: 'query', text: 'selec 1', parts: [{ does: [], opaque: 'it does not parse' }] },
  ];
  for (const [session, connection, list] of [
    ['s-1', 'host', intents],
    ['s-2', 'prod-db', statements],
  ] as const) {
    const lines = [
      { kind: 'open', session, principal, connection },
      ...list.map((one, i) => ({ kind: 'intent', op: i + 1, verdict: 'allow', ...one })),
    ];
    writeFileSync(
      join(data, `${session}.jsonl`),
      lines.map((line, seq) => `${JSON.stringify({ seq, at: time(0), ...line, prev: '0'.repeat(64) })}\n`).join(''),
    );
  }
  const differ = async (rules: string) => {
    const file = join(data, 'new.yaml');
    writeFileSync(file, yaml(rules));
    const { code, out, err } = await hoopctl(['policy', 'replay', file, '--data', data, '--json']);
    expect([code, err]).toEqual([0, '']);
    const found = JSON.parse(out).differ as { session: string; op: number; was: string; now: string; rule?: string }[];
    return found.map(({ session, op, was, now, rule }) => `${session} #${op} ${was} → ${now} ${rule}`).sort();
  };
  // The rules that were in force.
  expect(await differ(forbids)).toEqual([]);
  expect(await differ(`${forbids}  - { name: no-shell, when: { does: [shell] }, then: deny }\n`)).toEqual([
    's-1 #6 allow → deny no-shell',
  ]);
  expect(await differ(`${forbids}  - { name: shells, when: { does: [shell] }, then: allow }\n`)).toEqual([
    's-1 #1 deny → allow shells',
  ]);
  const others = [
    '  - { name: quiet, to: { names: [host] }, when: { places: [/etc/shadow, "10.0.0.5:5432"] }, then: deny }\n',
    '  - { name: recursive, to: { names: [host] }, when: { programs: [rm], arguments: ["-*r*"] }, then: deny }\n',
    '  - { name: no-drop, to: { names: [prod-db] }, when: { does: [drop], text: "drop table" }, then: deny }\n',
  ];
  expect(await differ(forbids + others.join(''))).toEqual([
    's-1 #2 allow → deny quiet',
    's-1 #4 allow → deny quiet',
    's-1 #5 allow → deny recursive',
    's-2 #1 allow → deny no-drop',
    's-2 #2 allow → deny opaque',
    's-2 #3 allow → deny opaque',
  ]);
});

it('tells what masks refuse from what they mask, and what they refused from what they would', async () => {
  const data = temporaryDirectory('replay-masks');
  const texts = ["select * from customers where ssn like '1%'", "select * from customers where ssn = '1'", 'select 1'];
  const message = 'refused by mask "pii": matching a masked column with a pattern would let its values be guessed';
  const lines = [
    { kind: 'open', session: 's-1', principal, connection: 'prod-db' },
    ...[...texts, texts[0]].map((text, i) => ({ kind: 'intent', how: 'query', op: i + 1, text, verdict: 'allow' })),
    { kind: 'result', op: 4, part: 0, status: 'error', error: { code: '42501', message } },
    // Held by what the mask says, behind what the rules said.
    { kind: 'intent', how: 'query', op: 3, text: texts[2], verdict: 'review', rule: 'pii' },
  ];
  writeFileSync(
    join(data, 's-1.jsonl'),
    lines.map((line, seq) => `${JSON.stringify({ seq, at: time(0), ...line, prev: '0'.repeat(64) })}\n`).join(''),
  );
  const { out } = await hoopctl(['policy', 'replay', document, '--data', data, '--json']);
  expect(JSON.parse(out)).toMatchObject({
    operations: 4,
    differ: [
      { op: 1, was: 'allow', now: 'deny', rule: 'pii' },
      { op: 3, was: 'review', now: 'allow' },
    ],
    masked: [{ op: 2, masks: ['pii'] }],
  });
});
