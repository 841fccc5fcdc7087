// Events of every kind that the record has, some with what is hard to write: for the tests of the formats.

import { type ExportEvent, exportEvent, type Product } from '../../../../src/session/export/event.ts';
import type { RecordEvent } from '../../../../src/session/recorder/follow.ts';
import { ALICE } from '../../../support/record.ts';

export const PRODUCT: Product = {
  version: '1.2.3',
  gateway: 'https://gw.example.com',
  datastore: (name) => name === 'sql',
};

const AT = '2026-11-20T07:00:00.123Z';
const SESSION = 's-01gxv8hr0abcdefghjkm';

export const HOSTILE = [
  `plain`,
  `"double" 'single' \`back\` ""`,
  'two\nlines\r\nthree\rfour',
  "=cmd()|' /C calc'!A0",
  '+1',
  '-1',
  '@SUM(1)',
  '＝1+1',
  '\tx',
  "'quoted",
  'a|b\\c=d]e"f',
  'nul \0 in it',
  'half \ud83e pair, \udd8a',
  'fox 🦊, ü, \u2028 \u0085 \ufeff',
  ' leading and trailing ',
  ',;\t,',
  '',
  'x'.repeat(10_000),
  '🦊'.repeat(5000),
  '\\'.repeat(3000),
];

const OPENING = {
  ...{ format: 1, session: SESSION, principal: ALICE, connection: 'prod-db', protocol: 'sql', labels: { env: 'prod' } },
  ...{ client: '10.1.2.3:40001', via: 'tunnel', reason: 'ticket 7', policy: 'a'.repeat(64), gateway: '1.2.3' },
};

const AGENT = { ...ALICE, kind: 'agent', actor: 'claude', email: undefined };

let count = 0;

function session(kind: string, fields: object, opening: object = OPENING): ExportEvent {
  return made({ from: 'session', kind, session: SESSION, fields: { ...fields } }, opening);
}

function log(kind: string, fields: object): ExportEvent {
  return made({ from: 'log', kind, session: undefined, fields: { ...fields } }, undefined);
}

function made(
  one: Pick<RecordEvent, 'from' | 'kind' | 'session' | 'fields'>,
  opening: object | undefined,
): ExportEvent {
  count += 1;
  const id = `${one.session ?? 'log'}:${count}`;
  const event = exportEvent({ ...one, id, at: AT, number: count }, opening as never, false)!;
  return { ...event, sequence: count };
}

const parts = [{ does: ['update'], written: ['public.customers'] }];
const intent = { op: 1, how: 'query', parts, verdict: 'allow' };

export const EVENTS: readonly ExportEvent[] = [
  session('open', OPENING),
  session('policy', { version: 'b'.repeat(64) }),
  ...HOSTILE.map((text) => session('intent', { ...intent, text, params: [text, null] })),
  session('intent', {
    ...intent,
    text: 'drop table t',
    verdict: 'deny',
    rule: 'no-drop',
    code: 'denied',
    message: 'no',
  }),
  session('intent', { ...intent, text: 'select 1', verdict: 'review', rule: 'r', review: 'r-1' }),
  session(
    'intent',
    { ...intent, text: 'GET /x', how: 'request', parts: [] },
    { ...OPENING, protocol: 'web', principal: AGENT },
  ),
  session('review', { op: 1, review: 'r-1', state: 'denied', by: ['bob'], message: 'not now' }),
  session('masks', { op: 1, part: 0, columns: [{ index: 0, column: 'ssn', mask: 'pii', by: 'column' }] }),
  session('result', {
    op: 1,
    part: 0,
    status: 'ok',
    tag: 'SELECT 3',
    rows: 3,
    bytes: 90,
    us: 1234,
    kept: 3,
    values: [['x']],
  }),
  session('result', { op: 1, part: 0, status: 'error', us: 12, error: { code: '42P01', message: 'no "table"' } }),
  session('note', { note: 'cancel', fields: { by: 'client' } }),
  session('end', { code: 'client_closed', message: 'bye', operations: 1, denied: 0, fromClient: 9, toClient: 9 }),
  session('seal', { lines: 9, digest: 'c'.repeat(64) }),
  session('missing', { lines: 9, have: 3 }),
  log('start', { version: '1.2.3', policy: 'a'.repeat(64), url: 'https://gw.example.com' }),
  log('stop', {}),
  log('login', { ok: true, address: '::ffff:10.1.2.3:40001', principal: ALICE }),
  log('login', { ok: false, address: '2001:db8::1', code: 'token_invalid' }),
  log('login', { issuer: 'local', user: 'mallory', address: '10.1.2.3', ok: false }),
  log('token', { what: 'issued', jti: 'j', connection: 'prod-db', principal: 'alice@example.com' }),
  log('token', { what: 'revoked', jti: 'j', by: 'alice@example.com' }),
  log('access', {
    verdict: 'allow',
    session: SESSION,
    connection: 'prod-db',
    principal: ALICE,
    client: '10.1.2.3:4',
    via: 'native',
  }),
  log('access', { verdict: 'deny', code: 'access_denied', connection: 'x', principal: AGENT, client: '[::1]:4' }),
  log('recording', { session: SESSION, connection: 'prod-db', digest: 'c'.repeat(64), lines: 9, bytes: 900 }),
  log('review', { review: 'r-1', state: 'expired', why: 'nobody' }),
  log('grant', { grant: 'g-1', action: 'break-glass', principal: ALICE, connection: 'prod-db', reason: HOSTILE[9] }),
  log('policy', { what: 'refused', problems: ['line 1: no'], inForce: 'a'.repeat(64) }),
  log('admin', { what: 'user added', by: 'root@example.com', user: 'bob' }),
  log('playback', { what: 'recording', session: SESSION, by: 'auditor@example.com' }),
  log('export', { what: 'destination begins', export: 'siem', index: 0 }),
  log('failure', { what: 'recording failed', session: SESSION, message: 'disk full' }),
];
