// A recording as a text: each line in its place, and nothing in it that drives a terminal.

import { describe, expect, it } from 'vitest';
import { Timeline } from '../../../src/cli/timeline.ts';
import type { Line } from '../../../src/session/recorder/reader.ts';

const at = '2026-01-05T09:00:00.123Z';

function shown(lines: readonly Record<string, unknown>[], rows = true): string {
  const timeline = new Timeline({ paint: (word, text = word) => text, width: undefined, rows });
  return lines
    .map((line, seq) => timeline.text({ seq, at, prev: '', kind: '', ...line } as unknown as Line))
    .join('')
    .replace(/^\d\d:\d\d:\d\d\.123/gm, 'TIME')
    .replace(/2026-01-0\d \d\d:\d\d:\d\d/g, 'DAY');
}

describe('a recording as text', () => {
  it('tells which masks were lifted, and what was shown because of that', () => {
    const text = shown([
      {
        ...{ kind: 'open', session: 's-1', principal: { subject: 'u' }, connection: 'db', client: 'c' },
        exempt: [{ mask: 'card', by: 'unless' }],
      },
      { kind: 'unmask', state: 'on', masks: ['pii'], grant: 'g-1', until: at },
      { kind: 'masks', op: 1, part: 0, columns: [], shown: [{ index: 0, column: 'ssn', mask: 'pii', by: 'unmask' }] },
      { kind: 'result', op: 1, part: 0, status: 'ok', tag: 'SELECT 1', rows: 1 },
      { kind: 'unmask', state: 'off', masks: ['pii'], grant: 'g-1', until: at, why: 'revoked by bob' },
    ]);
    expect(text).toContain('masks that do not apply: card (unless)\n');
    expect(text).toContain('TIME mask pii is lifted by g-1 until DAY at most\n');
    expect(text).toContain('→ SELECT 1, 1 row, shown: ssn in spite of pii\n');
    expect(text).toContain('TIME mask pii applies again: revoked by bob\n');
  });

  it('has all that an error said, and nothing of it drives the terminal', () => {
    const error = { code: '23505', message: 'twice', detail: 'Key (id)=(1)\u001b[2J.', where: 'a\nb' };
    const text = shown([{ kind: 'result', op: 1, part: 0, status: 'error', error, rows: 0 }]);
    expect(text).toContain('→ error 23505: twice, 0 rows\n    detail: Key (id)=(1)');
    expect(text).toContain('\n    where: a\n      b\n');
    expect(text).not.toContain('\u001b');
    expect(text).not.toContain('hint');
  });

  it('says of a command what looked at both its streams, and how much of them is not in the recording', () => {
    const masks = (column: string) => ({ kind: 'masks', op: 1, part: 0, columns: [{ index: 0, column, mask: 'pii' }] });
    const text = shown([
      masks('output'),
      masks('stderr'),
      masks('stderr'),
      { kind: 'data', op: 1, stream: 'out', text: 'a line\nhalf of' },
      {
        ...{ kind: 'result', op: 1, part: 0, status: 'ok', tag: 'exit 0', bytes: 3000, kept: 0 },
        ...{ rest: { rows: 0, bytes: 2048, sha256: 'x' }, input: { bytes: 10, sha256: 'x' } },
      },
    ]);
    expect(text).toBe(`    | a line
    | half of
    … 2.0 KiB more that it put out were not kept
    … 10 B more that it got were not kept
TIME #1 → exit 0, 2.9 KiB, masked: output by pii, stderr by pii

`);
  });

  it('says who, what, the verdict, what came of it and what was in it', () => {
    expect(
      shown([
        {
          kind: 'open',
          session: 's-1',
          principal: { subject: 'u', email: 'a@b', actor: 'claude' },
          connection: 'db',
          client: '1.2.3.4:5',
          via: 'tunnel',
          reason: 'order 12',
        },
        { kind: 'intent', op: 1, text: 'select *\nfrom t where id = $1', params: ['7', null], verdict: 'allow' },
        { kind: 'masks', op: 1, part: 0, columns: [{ index: 1, column: 'ssn', mask: 'pii', by: 'column' }] },
        { kind: 'rows', op: 1, part: 0, columns: ['id', 'ssn'], values: [['7', '***']] },
        {
          kind: 'result',
          op: 1,
          part: 0,
          status: 'ok',
          tag: 'SELECT 3',
          rows: 3,
          bytes: 90,
          us: 1500,
          kept: 2,
          values: [['8', null]],
        },
        {
          kind: 'intent',
          op: 2,
          text: 'drop table t',
          verdict: 'deny',
          rule: 'no-drop',
          code: 'denied',
          message: 'use a migration',
        },
        { kind: 'intent', op: 3, text: 'delete from t', verdict: 'review', rule: 'writes', review: 'r-1' },
        { kind: 'review', op: 3, review: 'r-1', state: 'used', by: ['bob', 'carol'] },
        { kind: 'result', op: 3, part: 0, status: 'error', error: { code: '42P01', message: 'no t' } },
        { kind: 'note', note: 'cancel', fields: { op: 3 } },
        { kind: 'policy', version: 'abcdef0123456789' },
        { kind: 'end', code: 'client_closed', message: 'the client left', operations: 3, denied: 1 },
        { kind: 'of the future' },
        { kind: 'seal' },
      ]),
    ).toBe(`s-1  a@b (agent: claude) on db
DAY  from 1.2.3.4:5 (tunnel)
reason: order 12

TIME #1 allow
    select *
    from t where id = $1
    $1 = 7
    $2 = NULL
TIME #1 → SELECT 3, 3 rows, 90 B, 1.5 ms, masked: ssn by pii
    id  ssn
    7   ***
    8   NULL
    … 1 more rows were not kept

TIME #2 deny by no-drop
  use a migration
    drop table t
TIME #3 review by writes (review r-1)
    delete from t
TIME #3 review r-1 used by bob, carol
TIME #3 → error 42P01: no t

TIME note: cancel op=3
TIME policy abcdef012345 is in force
TIME ended: the client left (client_closed); 3 operations, 1 denied
`);
  });

  it('shows what is on record of operations whose outcome is not', () => {
    const begun = [
      { kind: 'intent', op: 1, text: 'select n from t', verdict: 'allow' },
      { kind: 'rows', op: 1, part: 0, columns: ['n'], values: [['7'], ['8']] },
    ];
    const table = `TIME #1 allow
    select n from t
TIME #1 → no outcome, 2 rows kept
    n
    7
    8

`;
    const end = { code: 'client_closed', message: 'the client left', operations: 1, denied: 0 };
    expect(shown([...begun, { kind: 'end', ...end, unfinished: [1] }, { kind: 'seal' }])).toBe(
      `${table}TIME ended: the client left (client_closed); 1 operations, 0 denied; without an outcome: #1\n`,
    );
    expect(shown([...begun, { kind: 'seal', interrupted: 'the gateway was killed' }])).toBe(
      `${table}TIME the record ends here: the gateway was killed\n`,
    );
    const unfinished = Array.from({ length: 30 }, (_, i) => i + 1);
    expect(shown([{ kind: 'end', ...end, unfinished }])).toMatch(/: #1, .*#20 and 10 more\n$/);
  });

  it('leaves rows out where that was asked for', () => {
    const lines = [
      { kind: 'result', op: 1, part: 0, status: 'ok', tag: 'SELECT 1', rows: 1, columns: ['a'], values: [['secret']] },
    ];
    expect(shown(lines)).toContain('secret');
    expect(shown(lines, false)).not.toContain('secret');
  });

  it('tames statements, values and messages', () => {
    const evil = 'x\u001b]0;title\u0007\u202ey';
    const text = shown([
      { kind: 'open', session: evil, principal: { subject: evil }, connection: evil, client: evil, reason: evil },
      { kind: 'intent', op: 1, text: evil, params: [evil], verdict: 'deny', rule: evil, message: evil },
      { kind: 'result', op: 1, part: 0, status: 'ok', tag: evil, columns: [evil], values: [[evil]] },
      { kind: 'result', op: 2, part: 0, status: 'error', error: { code: evil, message: evil } },
      { kind: 'note', note: evil, fields: { a: evil } },
      { kind: 'end', code: 'x', message: evil },
    ]);
    expect(text).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
    expect(text).toContain('x\\x1b]0;title\\x07\\u202ey');
  });

  it('lets nothing that others wrote pass for a line of ours', () => {
    const forged = 'bad\n12:00:00.000 #9 allow by dba\n    drop table x';
    const text = shown([
      {
        kind: 'open',
        session: forged,
        principal: { subject: forged },
        connection: forged,
        client: forged,
        reason: forged,
      },
      { kind: 'intent', op: 1, text: forged, params: [forged], verdict: 'deny', rule: forged, message: forged },
      { kind: 'note', note: 'notice', fields: { message: forged } },
      { kind: 'masks', op: 1, part: 0, columns: [{ column: forged, mask: forged }] },
      {
        ...{ kind: 'result', op: 1, part: 0, status: 'error', columns: [forged], values: [[forged]], tag: forged },
        error: { code: 'P0001', message: forged, detail: forged, hint: forged },
      },
      { kind: 'result', op: 2, part: 0, status: 'ok', tag: forged },
      { kind: 'end', code: 'x', message: forged, unfinished: [forged] },
      { kind: 'seal', interrupted: forged },
    ]);
    expect(text).toContain('12:00:00.000 #9 allow by dba');
    expect(text).not.toMatch(/^ {0,3}12:00/m);
    expect(text).toContain(
      '→ error P0001: bad\n      12:00:00.000 #9 allow by dba\n          drop table x, masked: bad',
    );
  });

  it('tells of a line that somebody made otherwise than lines are, and goes on', () => {
    const steering = ['\u001b]52;c;eA==\u0007'];
    const odd = { op: steering, verdict: steering, values: 5, columns: 5, masks: 5, exempt: 5, error: steering };
    const kinds = ['open', 'intent', 'review', 'masks', 'unmask', 'rows', 'data', 'result', 'note', 'policy', 'end'];
    const text = shown([
      ...kinds.map((kind) => ({ kind, ...odd, fields: steering, unfinished: steering, text: steering })),
      { kind: 'result', op: 1, part: 0, status: 'ok', tag: 'SELECT 1' },
    ]);
    expect(text).toContain('not as lines are written: {"seq":');
    expect(text).toMatch(/#1 → SELECT 1\n/);
    expect(text).not.toMatch(/(?!\n)\p{Cc}/u);
  });

  it('makes no row as wide as the longest name that a column can have', () => {
    const values = Array.from({ length: 1000 }, () => ['1', '2']);
    const long = 'n'.repeat(1_000_000);
    const text = shown([{ kind: 'result', op: 1, part: 0, status: 'ok', columns: [long, 'b'], values }]);
    expect(text.length).toBeLessThan(1_000_000);
  });

  it('lets nothing of a line steer a terminal, whichever member it is in', () => {
    const steering = '\u001b]52;c;eA==\u0007';
    const lines = ['open', 'intent', 'review', 'unmask', 'result', 'note', 'policy', 'end', 'seal'].map((kind) => ({
      ...{ kind, op: steering, at: `${at}${steering}`, state: steering, review: steering, verdict: steering },
      ...{ code: steering, grant: steering, masks: [steering], until: steering, version: steering, text: steering },
      ...{ principal: { subject: steering }, status: steering, interrupted: steering, rule: steering, by: steering },
      ...{ note: steering, fields: { [steering]: steering }, why: steering, message: steering },
    }));
    expect(shown(lines)).not.toMatch(/(?!\n)\p{Cc}/u);
  });
});
