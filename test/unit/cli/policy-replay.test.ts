// What a new policy would have said of recorded sessions.

import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/process.ts';
import { hoopctl } from './memory-io.ts';

const folder = temporaryDirectory('replay');
const principal = { kind: 'person', subject: 'u1', issuer: 'corp', email: null, groups: ['dba'], claims: {} };

function recording(name: string, texts: readonly string[]): string {
  const at = '2026-01-05T09:00:00.000Z';
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
  - { name: pii, columns: [customers.ssn] }
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
  });
  const words = await hoopctl(['policy', 'replay', document, '--data', folder]);
  expect(words.out).toMatch(/allow → deny .*drop table t {2}\(no-drop\)/);
  expect(words.out).toMatch(/4 statements: 2 decided otherwise, 1 with masked columns\n$/);
});

it('says what is wrong with what it is asked', async () => {
  expect((await hoopctl(['policy', 'replay', document])).err).toContain('--data is missing');
  const soon = await hoopctl(['policy', 'replay', document, '--data', folder, '--since', 'soon']);
  expect(soon.err).toContain("--since is 'soon'");
});
