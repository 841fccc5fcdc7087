// Detectors find what is inside of values: JSON with escapes, XML with entities, hstore, arrays, ranges, rows, bytea; in text and in
// binary, where numbers are no digits.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { attempt, MODES } from '../attempts.ts';
import { type Guarded, openGuarded } from '../guarded.ts';

const CARD = '4111111111111111';
const MAIL = 'bob@example.com';
const ESCAPED = [...MAIL].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join('');
const ENTITIES = [...MAIL].map((c) => `&#${c.charCodeAt(0)};`).join('');
const PEM = [
  '-----BEGIN PRIVATE KEY-----',
  'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj',
  '-----END PRIVATE KEY-----',
].join('\\n');

/** Type and value with something to be found, and the same without. */
const VALUES: [type: string, secret: string, clean: string][] = [
  ['json', `{"a": "\\u0034${CARD.slice(1)}"}`, '{"a": "\\u0034x", "b": "\\u00e9\\""}'],
  ['json', `{"m": "${ESCAPED}"}`, '{"m": "\\u0062ob"}'],
  ['json', '{"u": "http:\\/\\/bob:hunter2secret@h.example\\/x"}', '{"u": "http:\\/\\/h.example"}'],
  ['json', `{"k": "${PEM}"}`, '{"k": "-----BEGIN PUBLIC KEY-----"}'],
  ['jsonb', `{"a": {"b": [${CARD}]}, "k": "${PEM}"}`, '{"a": 1}'],
  ['json[]', `{"{\\"m\\": \\"${ESCAPED.replaceAll('\\', '\\\\')}\\"}"}`, '{"{}"}'],
  ['hstore', `a=>${CARD}, b=>"x"`, 'a=>1'],
  ['xml', `<a b="${MAIL}"/>`, '<a b="x"/>'],
  ['xml', `<a>${ENTITIES}</a>`, '<a>&#98;</a>'],
  ['bigint[]', `{1,${CARD}}`, '{1,2}'],
  ['numeric[]', `{1,${CARD}}`, '{1,2}'],
  ['text[]', `{"x y",${CARD}}`, '{a,b}'],
  ['int8range', `[${CARD},${BigInt(CARD) + 1n})`, '[1,5)'],
  ['int8multirange', `{[${CARD},${BigInt(CARD) + 1n})}`, '{[1,5)}'],
  ['pair', `(${CARD},x)`, '(1,x)'],
  ['pair', `(1,${MAIL})`, '(1,"b o")'],
  ['pair[]', `{"(${CARD},x)"}`, '{"(1,x)"}'],
  ['bytea', `\\x${Buffer.from(`mail ${MAIL}`).toString('hex')}`, '\\x00ff'],
];

let guarded: Guarded;

beforeAll(async () => {
  const columns = VALUES.map(([type], i) => `v${i} ${type}`).join(', ');
  const row = (which: 1 | 2) => VALUES.map((value) => `'${value[which]}'`).join(', ');
  guarded = await openGuarded({
    setup: `create extension hstore; create type pair as (a bigint, b text); create table held (${columns});
      insert into held values (${row(1)}), (${row(2)});`,
    policy: {
      masks: [{ name: 'found', detect: ['credit-card', 'email', 'url-password', 'pem-private-key'], as: 'full' }],
    },
  });
});
afterAll(() => guarded?.close());

async function values(mode: 'simple' | 'binary', column: string): Promise<(Buffer | null)[]> {
  const client = await guarded.connect();
  const [frames = []] = await attempt(client, mode, [`select ${column} from held`]);
  client.close();
  const rows = frames.filter(({ type }) => type === 'D');
  return rows.map(({ body }) => (body.readInt32BE(2) < 0 ? null : body.subarray(6)));
}

it.each(VALUES.map(([type, secret], i) => [i, type, secret] as const))('%i: %s %s', async (i, type, secret) => {
  for (const mode of ['simple', 'binary'] as const) {
    const [found, clean] = await values(mode, `v${i}`);
    const [direct] = await guarded.server.query(`select v${i}::text as v from held offset 1`, 'app');
    // In a document what was found is replaced, everything else becomes NULL.
    if (type.startsWith('json') && type !== 'json[]') {
      expect(found?.toString()).toContain('***');
      expect(() => JSON.parse(found!.toString().slice(found![0] === 1 ? 1 : 0))).not.toThrow();
      for (const part of [CARD, MAIL, ESCAPED, 'hunter2', 'MIIEvQ']) expect(found?.toString()).not.toContain(part);
    } else expect([mode, secret, found]).toEqual([mode, secret, null]);
    expect(clean, mode).not.toBeNull();
    if (mode === 'simple') expect(clean?.toString()).toBe((direct as { v: string }).v);
  }
});

it('a parameter that the server reports, set to what a statement has read', async () => {
  for (const mode of MODES) {
    const client = await guarded.connect();
    const answers = await attempt(client, mode, [
      "select set_config('application_name', trim(v7::text, '<a b=/>\"'), false) is null from held limit 1",
      "select set_config('application_name', 'a tool', false) is null",
    ]);
    client.close();
    const reported = answers.flat().filter(({ type }) => type === 'S');
    expect(reported.map(({ body }) => body.toString())).toEqual(
      ['***', 'a tool'].map((value) => `application_name\0${value}\0`),
    );
  }
});
