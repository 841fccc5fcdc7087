// Verbs against a gateway that answers what it is told to: what is asked, what is shown, which code comes out.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/process.ts';
import { type Answers, fakeGateway } from './fake-gateway.ts';
import { hoopctl, memoryIo } from './memory-io.ts';

const alice = { kind: 'person', subject: 'u1', issuer: 'corp', email: 'alice@example.com', groups: ['dba'] };
const agent = { ...alice, kind: 'agent', actor: 'claude' };
const past = '2026-01-05T09:00:00.000Z';

const connection = {
  name: 'prod-db',
  protocol: 'wire',
  labels: { env: 'prod' },
  access: 'open',
  described: { database: 'app' },
  recording: { rows: 1000, bytes: 1048576 },
};
const session = {
  id: 's-1',
  principal: agent,
  connection: 'prod-db',
  protocol: 'wire',
  client: '10.0.0.9:5000',
  state: 'ended',
  startedAt: past,
  endedAt: past,
  end: { code: 'session_killed', message: 'enough' },
  operations: 3,
  denied: 1,
  fromClient: 100,
  toClient: 2048,
  recording: { bytes: 512, lines: 9, digest: 'abc', sealed: true },
};
const review = {
  id: 'r-1',
  kind: 'operation',
  state: 'pending',
  requester: agent,
  connection: 'prod-db',
  session: 's-1',
  rule: 'agent-writes',
  text: 'delete from t\nwhere id = $1',
  params: ['7', null],
  reviewers: { groups: ['dba'], count: 2 },
  decisions: [{ by: 'bob', decision: 'approve', at: past, reason: 'fine' }],
  createdAt: past,
  expiresAt: past,
};

/** Runs as text and as JSON; the JSON has to be one object. */
async function both(answers: Answers, ...argv: string[]) {
  await using gateway = await fakeGateway(answers);
  const text = await gateway.run(argv);
  const json = await gateway.run([...argv, '--json']);
  return { text, json: { ...json, value: JSON.parse(json.out) as Record<string, unknown> }, asked: gateway.asked };
}

describe('ls', () => {
  it('has a line for a connection, without the keys of its host', async () => {
    const key = `ssh-ed25519 ${'A'.repeat(68)}`;
    const described = { user: 'deploy', 'host-key': key };
    const connections = [{ name: 'web-1', protocol: 'ssh', labels: { env: 'prod' }, access: 'open', described }];
    await using gateway = await fakeGateway({ 'GET connections': { connections } });
    const { out } = await gateway.run(['ls']);
    expect(out).toMatch(/^web-1 +ssh +open +env=prod +deploy$/m);
    expect(out).not.toContain('AAAA');
  });

  it('lists what I may reach', async () => {
    const answer = { connections: [connection, { ...connection, name: 'x', access: 'grant', labels: {} }] };
    const { text, json, asked } = await both({ 'GET connections': answer }, 'ls');
    expect(text).toEqual({
      code: 0,
      out: 'NAME     PROTOCOL  ACCESS  LABELS    DETAILS\nprod-db  wire      open    env=prod  app\nx        wire      grant             app\n',
      err: '',
    });
    expect(json.value).toEqual(answer);
    expect(asked[0]!.headers.authorization).toMatch(/^Bearer /);
  });

  it('says so when that is nothing', async () => {
    const { text } = await both({ 'GET connections': { connections: [] } }, 'ls');
    expect(text.out).toBe('nothing: no access line of the gateway names you\n');
  });
});

describe('describe', () => {
  const details = {
    ...connection,
    access: 'grant',
    grant: { maxMs: 7_200_000, reviewers: ['dba'], count: 1 },
    coverage: ['statements are parsed'],
    rules: ['no-drop'],
    masks: [],
    capabilities: { mask: true, hold: false },
  };

  it('shows how a connection is reached and what is inspected there', async () => {
    const { text, json } = await both({ 'GET connections/prod-db': details }, 'describe', 'prod-db');
    expect(text.out).toContain('on request, at most 2h, approved by 1 of dba: hoopctl request prod-db');
    expect(text.out).toContain(
      'the gateway can  mask what comes back\nit cannot        hold an operation for a review\n',
    );
    expect(text.out).toContain('what is inspected:\n  statements are parsed\n');
    expect(json.value).toEqual(details);
  });

  it('names the connection that was perhaps meant', async () => {
    await using gateway = await fakeGateway({
      'GET connections': { connections: [connection] },
      'GET connections/prod-bd': [
        404,
        { error: { code: 'no_such_connection', message: 'there is no connection "prod-bd"' } },
      ],
    });
    expect(await gateway.run(['describe', 'prod-bd'])).toEqual({
      code: 1,
      out: '',
      err: `hoopctl: there is no connection "prod-bd"\n  next: did you mean 'prod-db'? see 'hoopctl ls' for what you can reach\n`,
    });
  });
});

describe('whoami', () => {
  it('shows who the gateway takes me for', async () => {
    const { text, json } = await both({ 'GET me': { principal: agent, roles: ['admin'], expiresAt: past } }, 'whoami');
    expect(text.out).toMatch(/^who +alice@example\.com$/m);
    expect(text.out).toMatch(/^agent +claude$/m);
    expect(json.value).toMatchObject({ principal: agent, roles: ['admin'] });
  });

  it('tells the gateway who acts for me, percent-encoded', async () => {
    await using gateway = await fakeGateway({ 'GET me': { principal: agent, roles: [] } });
    await gateway.run(['whoami', '--agent', 'clàude']);
    await gateway.run(['whoami'], { env: { HOOPCTL_AGENT: 'other' } });
    expect(gateway.asked.map((one) => one.headers['hoopctl-agent'])).toEqual(['cl%C3%A0ude', 'other']);
  });
});

describe('token', () => {
  it('prints nothing but the token on stdout', async () => {
    const issued = { token: 'secret', expiresAt: past, protocol: 'postgres', user: 'alice', native: 'gw:15432' };
    const { text, json, asked } = await both(
      { 'POST connections/prod-db/token': issued },
      'token',
      'prod-db',
      '--ttl',
      '5m',
      '--reason',
      'why?',
    );
    expect(text.out).toBe('secret\n');
    expect(text.err).toContain('user alice, database prod-db, at gw:15432');
    expect(json.value).toEqual(issued);
    expect(asked[0]).toMatchObject({ body: { ttl: '5m' }, headers: { 'hoopctl-reason': 'why%3F' } });
  });

  it.each([
    [
      'postgres',
      "o'brien",
      'gw:15432',
      "user o'brien, database web-1, at gw:15432",
      `PGSSLMODE=verify-full PGSSLROOTCERT=system psql -h gw -p 15432 -U 'o'\\''brien' web-1`,
    ],
    ['ssh', 'alice', '[::1]:2222', 'user web-1, at [::1]:2222', 'use it with: ssh -p 2222 web-1@::1'],
  ])('says what to connect with, as clients of %s have it', async (protocol, user, native, facts, example) => {
    const issued = { token: 'secret', expiresAt: past, protocol, user, native };
    await using gateway = await fakeGateway({ 'POST connections/web-1/token': issued });
    const { err } = await gateway.run(['token', 'web-1']);
    expect(err).toContain(`${facts}; expires`);
    expect(err).toContain(example);
  });

  it('says where to go in no words of a protocol that it does not know, or where there is no listener', async () => {
    const issued = { token: 'secret', expiresAt: past, protocol: 'newer', user: 'alice', native: 'gw:1' };
    const none = { ...issued, protocol: 'ssh', native: undefined };
    await using gateway = await fakeGateway({ 'POST connections/a/token': issued, 'POST connections/b/token': none });
    expect((await gateway.run(['token', 'a'])).err).toMatch(/^at gw:1; expires [^\n]+\n$/);
    expect((await gateway.run(['token', 'b'])).err).toMatch(/^user b, the gateway has no native listener[^\n]+\n$/);
  });

  it('refuses what is no duration before asking anybody', async () => {
    await using gateway = await fakeGateway({});
    expect((await gateway.run(['token', 'prod-db', '--ttl', 'soon'])).code).toBe(2);
    expect(gateway.asked).toEqual([]);
  });
});

describe('sessions', () => {
  it('ls asks for what was wanted and shows who, where and why it ended', async () => {
    const { text, json, asked } = await both(
      { 'GET sessions': { sessions: [session] } },
      'sessions',
      'ls',
      '--state',
      'ended',
      '--connection',
      'prod-db',
      '--limit',
      '5',
    );
    expect(asked[0]!.call).toBe('GET sessions?state=ended&connection=prod-db&limit=5');
    expect(text.out).toMatch(/^s-1 +ended +alice@example\.com \(agent: claude\) +prod-db .* 3 +1 +enough$/m);
    expect(json.value).toEqual({ sessions: [session] });
  });

  it('show shows one', async () => {
    const { text, json } = await both({ 'GET sessions/s-1': session }, 'sessions', 'show', 's-1');
    expect(text.out).toMatch(/^why +enough \(session_killed\)$/m);
    expect(text.out).toMatch(/^recording +9 lines, 512 B, sealed as abc$/m);
    expect(json.value).toEqual(session);
  });

  it('kill ends each and says why', async () => {
    await using gateway = await fakeGateway({
      'POST sessions/s-1/kill': { ok: true },
      'POST sessions/s-2/kill': { ok: true },
    });
    const { code, out } = await gateway.run(['sessions', 'kill', 's-1', 's-2', '--reason', 'enough']);
    expect({ code, out }).toEqual({ code: 0, out: 's-1 killed\ns-2 killed\n' });
    expect(gateway.asked.map(({ call, body }) => ({ call, body }))).toEqual([
      { call: 'POST sessions/s-1/kill', body: { reason: 'enough' } },
      { call: 'POST sessions/s-2/kill', body: { reason: 'enough' } },
    ]);
  });

  it('an id stays one part of the path, whatever is in it', async () => {
    await using gateway = await fakeGateway({});
    await gateway.run(['sessions', 'show', '../admin/users?x']);
    expect(gateway.asked[0]!.call).toBe('GET sessions/..%2Fadmin%2Fusers%3Fx');
  });

  it('tail prints what happens as it happens', async () => {
    const events = [
      { type: 'begin', session: 's-1', principal: 'alice', connection: 'prod-db', at: 0 },
      { type: 'operation', session: 's-1', n: 1, at: 0, text: 'select\n1\u001b[2J', verdict: 'deny', rule: 'no-1' },
      { type: 'result', session: 's-1', n: 1, at: 0, part: 0, status: 'ok', rows: 2 },
      { type: 'review', session: 's-1', id: 'r-1', state: 'pending', at: 0 },
      { type: 'lost', count: 3 },
      { type: 'end', session: 's-1', code: 'client_closed', message: 'over', at: 0 },
    ];
    const lines = events.map((event) => `${JSON.stringify(event)}\n`).join('');
    await using gateway = await fakeGateway({ 'GET sessions/s-1/tail': lines });
    const { out } = await gateway.run(['sessions', 'tail', 's-1']);
    expect(out.replace(/^\d\d:\d\d:\d\d /gm, '')).toBe(
      [
        's-1 alice on prod-db',
        's-1 #1 deny by no-1  select 1\\x1b[2J',
        's-1 #1 → ok, 2 rows',
        's-1 review r-1 pending',
        '… 3 events were lost: this is too slow',
        's-1 ended: over (client_closed)',
        '',
      ].join('\n'),
    );
    expect((await gateway.run(['sessions', 'tail', 's-1', '--json'])).out).toBe(lines);
  });

  it('tail of all says so when it may, and not before it is refused', async () => {
    await using gateway = await fakeGateway({ 'GET sessions/tail': '' });
    expect((await gateway.run(['sessions', 'tail'])).err).toBe('watching all sessions, Ctrl-C to stop\n');
    const refusal = { error: { code: 'forbidden', message: 'auditors only' } };
    await using other = await fakeGateway({ 'GET sessions/tail': [403, refusal] });
    const { code, err } = await other.run(['sessions', 'tail']);
    expect([code, err]).toEqual([3, 'hoopctl: auditors only\n']);
  });

  it('export writes the bytes as they are, or none', async () => {
    const folder = temporaryDirectory('export');
    const bytes = '{"seq":0}\n{"seq":1}\n';
    await using gateway = await fakeGateway({
      'GET sessions/s-1': { id: 's-1', recording: { bytes: 20, sealed: true } },
      'GET sessions/s-1/recording': bytes,
    });
    const file = join(folder, 'r.jsonl');
    expect(await gateway.run(['sessions', 'export', 's-1', '-o', file])).toEqual({
      code: 0,
      out: `${file} (20 B)\n`,
      err: '',
    });
    expect(readFileSync(file, 'utf8')).toBe(bytes);
    expect((await gateway.run(['sessions', 'export', 's-1', '-o', '-'])).out).toBe(bytes);
    const other = join(folder, 'other.jsonl');
    expect((await gateway.run(['sessions', 'export', 's-2', '-o', other])).code).toBe(1);
    expect(() => readFileSync(other)).toThrow('ENOENT');
  });
});

describe('reviews', () => {
  it('ls shows what waits', async () => {
    const { text, asked } = await both({ 'GET reviews': { reviews: [review] } }, 'reviews', 'ls');
    expect(asked[0]!.call).toBe('GET reviews?state=pending');
    expect(text.out).toMatch(
      /^r-1 +pending +alice@example\.com \(agent: claude\) +prod-db .* delete from t where id = \$1$/m,
    );
  });

  it('show has all that a reviewer needs', async () => {
    const { text, json } = await both({ 'GET reviews/r-1': review }, 'reviews', 'show', 'r-1');
    expect(text.out).toContain('statement\n    delete from t\n    where id = $1\nvalues\n    $1 = 7\n    $2 = NULL\n');
    expect(text.out).toMatch(/^reviewers +2 of dba$/m);
    expect(text.out).toMatch(/^approve +by bob .*: fine$/m);
    expect(json.value).toEqual(review);
  });

  it('show hides nothing of what would run', async () => {
    const held = { ...review, text: 'delete from "customers\u200b"', params: ['\u00a0'] };
    const { text } = await both({ 'GET reviews/r-1': held }, 'reviews', 'show', 'r-1');
    expect(text.out).toContain('    delete from "customers\\u200b"\nvalues\n    $1 = \\xa0\n');
    const list = await both({ 'GET reviews': { reviews: [held] } }, 'reviews', 'ls');
    expect(list.text.out).toContain('delete from "customers\\u200b"');
  });

  it('approve and deny say what came of it', async () => {
    await using gateway = await fakeGateway({
      'POST reviews/r-1/approve': review,
      'POST reviews/r-2/approve': { ...review, state: 'approved' },
      'POST reviews/r-2/deny': { ...review, state: 'denied' },
      'POST reviews/r-3/approve': [
        403,
        { error: { code: 'forbidden', message: 'you asked for it yourself', next: 'ask another' } },
      ],
    });
    expect((await gateway.run(['reviews', 'approve', 'r-1'])).out).toBe(
      'r-1 approved; another reviewer has to agree\n',
    );
    expect((await gateway.run(['reviews', 'approve', 'r-2'])).out).toBe('r-2 approved\n');
    expect((await gateway.run(['reviews', 'deny', 'r-2', '--reason', 'no'])).out).toBe('r-2 denied\n');
    expect(gateway.asked.at(-1)!.body).toEqual({ reason: 'no' });
    expect(await gateway.run(['reviews', 'approve', 'r-3'])).toEqual({
      code: 3,
      out: '',
      err: 'hoopctl: you asked for it yourself\n  next: ask another\n',
    });
  });

  it('watch shows each as it is at that moment', async () => {
    const lines = `${JSON.stringify(review)}\n${JSON.stringify({ ...review, state: 'approved' })}\n`;
    await using gateway = await fakeGateway({ 'GET reviews/watch': lines });
    const { out } = await gateway.run(['reviews', 'watch']);
    expect(out).toContain('hoopctl reviews approve r-1\n');
    expect(out).toMatch(/\nr-1 approved\n\n$/);
    expect((await gateway.run(['reviews', 'watch', '--json'])).out).toBe(lines);
  });
});

describe('request', () => {
  const asked = { 'POST grants': { ...review, kind: 'grant', text: '' } };
  const ending = (state: string) => ({ ...asked, 'GET reviews/r-1': { ...review, state } });

  it('says who has to do what', async () => {
    await using gateway = await fakeGateway(asked);
    const { code, out } = await gateway.run(['request', 'prod-db', '--for', '2h', '--reason', 'order 12']);
    expect({ code, out }).toEqual({
      code: 0,
      out: 'r-1 waits for a reviewer; they run: hoopctl reviews approve r-1\n',
    });
    expect(gateway.asked[0]!.body).toEqual({ connection: 'prod-db', for: '2h', reason: 'order 12' });
  });

  it('says when less was asked for than was said, and only then', async () => {
    await using gateway = await fakeGateway({ 'POST grants': { ...asked['POST grants'], forMs: 7_200_000 } });
    expect((await gateway.run(['request', 'prod-db', '--for', '9h'])).err).toBe(
      'asked for 2h, the most that the gateway allows here, not 9h\n',
    );
    expect((await gateway.run(['request', 'prod-db', '--for', '2h'])).err).toBe('');
  });

  it('says it of broken glass too', async () => {
    const grant = { id: 'g-1', until: past };
    await using gateway = await fakeGateway({
      'POST grants': { ...asked['POST grants'], forMs: 3_600_000, grant },
    });
    const { out, err } = await gateway.run(['request', 'prod-db', '--break-glass', '--for', '3h', '--reason', 'fire']);
    expect(out).toMatch(/^g-1 gives access to prod-db until /);
    expect(err).toContain('asked for 1h, the most that the gateway allows here, not 3h\n');
  });

  it('--wait tells an approval that became a grant as one', async () => {
    await using gateway = await fakeGateway(ending('used'));
    expect((await gateway.run(['request', 'prod-db', '--wait', '1m'])).out).toBe('r-1 approved\n');
  });

  it.each([
    ['approved', 0],
    ['denied', 3],
    ['expired', 5],
  ])('--wait ends with the decision: %s is %i', async (state, code) => {
    await using gateway = await fakeGateway(ending(state));
    expect((await gateway.run(['request', 'prod-db', '--wait', '1m'])).code).toBe(code);
  });

  it('--wait ends with 5 when nobody decides', async () => {
    await using gateway = await fakeGateway(ending('pending'));
    const { code, err } = await gateway.run(['request', 'prod-db', '--wait', '100ms']);
    expect(code).toBe(5);
    expect(err).toContain("nobody decided on 'r-1' within 100ms");
  });
});

describe('grants', () => {
  it('ls and revoke', async () => {
    const grant = {
      id: 'g-1',
      principal: { subject: 'u1', issuer: 'corp', name: 'alice' },
      connection: 'prod-db',
      state: 'active',
      until: past,
    };
    await using gateway = await fakeGateway({ 'GET grants': { grants: [grant] }, 'POST grants/g-1/revoke': grant });
    expect((await gateway.run(['grants', 'ls'])).out).toMatch(/^g-1 +alice +prod-db +access +active /m);
    expect((await gateway.run(['grants', 'revoke', 'g-1'])).out).toBe('g-1 revoked\n');
  });
});

describe('admin', () => {
  it('takes a password from standard input and from nowhere else without a terminal', async () => {
    await using gateway = await fakeGateway({ 'POST admin/users': { name: 'bob', groups: ['dba'], createdAt: past } });
    const env = { HOOPCTL_GATEWAY: gateway.url, HOOPCTL_TOKEN: gateway.token };
    const io = memoryIo({ env });
    io.typed.end('hunter2\n');
    const { run } = await import('../../../src/cli/run.ts');
    expect(await run(io, ['admin', 'users', 'add', 'bob', '-g', 'dba', '-g', 'ops', '--password-stdin'])).toBe(0);
    expect(gateway.asked[0]!.body).toEqual({ name: 'bob', groups: ['dba', 'ops'], password: 'hunter2' });
    expect(io.out() + io.err()).not.toContain('hunter2');
    const refused = await gateway.run(['admin', 'users', 'add', 'bob']);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('--password-stdin');
  });

  it('shows a secret once, alone on stdout', async () => {
    const made = { name: 'ci', groups: [], createdAt: past, rotatedAt: past, secret: 'hush' };
    await using gateway = await fakeGateway({
      'POST admin/service-accounts': made,
      'POST admin/service-accounts/ci/rotate': made,
    });
    expect((await gateway.run(['admin', 'service-accounts', 'add', 'ci'])).out).toBe('hush\n');
    expect((await gateway.run(['admin', 'service-accounts', 'rotate', 'ci'])).out).toBe('hush\n');
  });

  it('revokes and says what was cut', async () => {
    await using gateway = await fakeGateway({
      'POST admin/revocations': { ok: true, sessionsEnded: 2 },
      'DELETE admin/revocations': { ok: true },
    });
    expect((await gateway.run(['admin', 'revocations', 'add', 'corp', 'u1'])).out).toBe(
      'u1 of corp is shut out; 2 sessions cut\n',
    );
    await gateway.run(['admin', 'revocations', 'rm', 'corp', 'u1']);
    expect(gateway.asked.at(-1)!.call).toBe('DELETE admin/revocations?issuer=corp&subject=u1');
  });

  it('works on a data directory without a gateway, and only on one', async () => {
    const { openStore } = await import('../../../src/store/index.ts');
    const data = join(temporaryDirectory('data'), 'data');
    expect((await hoopctl(['admin', 'users', 'ls', '--data', data])).err).toContain(
      `'${data}' is no gateway's data directory`,
    );
    await (await openStore({ directory: data, clock: { now: () => Date.now() } })).close();
    const io = memoryIo();
    io.typed.end('a good password 31415\n');
    const { run } = await import('../../../src/cli/run.ts');
    expect([
      await run(io, ['admin', 'users', 'add', 'ann', '-g', 'admins', '--password-stdin', '--data', data]),
      io.err(),
    ]).toEqual([0, '']);
    expect((await hoopctl(['admin', 'users', 'ls', '--data', data])).out).toMatch(/^ann +admins /m);
    // Whoever only looks takes nothing away.
    const groups = (...more: string[]) => hoopctl(['admin', 'users', 'groups', 'ann', ...more, '--data', data]);
    expect(await groups()).toMatchObject({ code: 2, out: '', err: expect.stringContaining('no group is named') });
    expect((await groups('--none', '-g', 'dba')).code).toBe(2);
    expect((await groups('-g', 'dba', '-g', 'admins')).out).toBe('ann is in dba, admins\n');
    expect(await groups('--none')).toMatchObject({
      out: 'ann is in no group\n',
      err: expect.stringContaining('this counts from the next token on'),
    });
    const { out } = await hoopctl(['admin', 'service-accounts', 'add', 'ci', '--data', data]);
    expect(out).toMatch(/^\S{20,}\n$/);
    const revoke = (...whom: string[]) => hoopctl(['admin', 'revocations', 'add', ...whom, '--data', data]);
    expect(await revoke('local', 'ann')).toMatchObject({ code: 0, err: '' });
    const typo = await revoke('local', 'anm');
    expect([typo.code, typo.err]).toEqual([
      0,
      'warning: there is no "anm" at the issuer "local" now; did you mean "ann"?\n',
    ]);
    expect((await revoke('service-accounts', 'cl')).err).toContain('did you mean "ci"?');
    const store = await openStore({ directory: data, clock: { now: () => Date.now() } });
    await store.keyValues.set('issuers/gw-1', JSON.stringify(['local', 'service-accounts', 'corp']));
    await store.close();
    const refused = await revoke('locl', 'ann');
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('did you mean "local"?')]);
    expect((await hoopctl(['admin', 'revocations', 'ls', '--data', data])).out).toMatch(
      /^local +ann .*tester on this machine/m,
    );
    expect((await hoopctl(['admin', 'users', 'rm', 'ann', '--data', data])).out).toBe('ann removed\n');
    expect((await hoopctl(['admin', 'users', 'rm', 'ann', '--data', data])).code).toBe(1);
  });
});

describe('an error of the gateway', () => {
  it('keeps its code, rule, session and what to do next', async () => {
    const error = {
      code: 'grant_needed',
      message: 'access is by request',
      next: 'hoopctl request prod-db',
      rule: 'r',
      session: 's-1',
    };
    await using gateway = await fakeGateway({ 'GET connections': [403, { error }] });
    const { code, err } = await gateway.run(['ls', '--json']);
    expect(code).toBe(3);
    expect(JSON.parse(err)).toEqual({ error });
  });

  it('that is no JSON is told with its status', async () => {
    await using gateway = await fakeGateway({ 'GET connections': [502, '<html>bad gateway</html>'] });
    expect(await gateway.run(['ls'])).toEqual({
      code: 1,
      out: '',
      err: 'hoopctl: the gateway answered with HTTP status 502\n',
    });
  });

  it('401 is tried once more with another token, then told', async () => {
    let calls = 0;
    const answers = new Proxy({} as Answers, {
      get: (_, call) => {
        if (call !== 'GET me') return undefined;
        calls += 1;
        return [401, { error: { code: 'token_expired', message: 'the token has expired' } }];
      },
    });
    await using gateway = await fakeGateway(answers);
    expect((await gateway.run(['whoami'])).code).toBe(4);
    expect(calls).toBe(2);
  });
});

describe('policy', () => {
  const folder = temporaryDirectory('policy');

  it('check reports every problem of a document with its place', async () => {
    const file = join(folder, 'bad.yaml');
    writeFileSync(file, 'conections: {}\nrules:\n  - { name: x, then: maybe }\n');
    const { code, out } = await hoopctl(['policy', 'check', file]);
    expect(code).toBe(1);
    expect(out).toMatch(new RegExp(`^${file}:1:1: .*conections`));
    expect(out).toMatch(new RegExp(`^${file}:3:\\d+: `, 'm'));
    const json = await hoopctl(['policy', 'check', file, '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, problems: [{ line: 1 }, { line: 3 }] });
  });

  it('check finds an empty document good, and a missing one unreadable', async () => {
    const file = join(folder, 'good.yaml');
    writeFileSync(file, '{}\n');
    expect(await hoopctl(['policy', 'check', file])).toEqual({
      code: 0,
      out: `${file} is good: 0 connections, 0 tests\n`,
      err: '',
    });
    expect((await hoopctl(['policy', 'check', join(folder, 'none.yaml')])).err).toContain('cannot read');
  });

  const document = (expected: string) => `connections:
  prod-db:
    protocol: postgres
    target: { host: 127.0.0.1, database: app, tls: disable }
    credentials: { user: app, password: env:PW }
access:
  - { who: { groups: [dba] }, to: { names: [prod-db] } }
rules:
  - { name: no-drop, when: { does: [drop] }, then: deny, message: use a migration }
tests:
  - { as: { groups: [dba] }, to: prod-db, run: "select 1", expect: allow }
  - { as: { groups: [dba] }, to: prod-db, run: "drop table t", expect: ${expected} }
`;

  it('test runs the tests of the document and says why one fails', async () => {
    const good = join(folder, 'tests.yaml');
    writeFileSync(good, document('deny'));
    expect(await hoopctl(['policy', 'test', good])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^pass .*\npass .*\n2 tests, all pass\n$/),
    });
    const bad = join(folder, 'failing.yaml');
    writeFileSync(bad, document('allow'));
    const failed = await hoopctl(['policy', 'test', bad]);
    expect(failed.code).toBe(1);
    expect(failed.out).toMatch(/^fail .*drop table t → allow\n {6}got deny by no-drop, expected allow\n/m);
    expect((await hoopctl(['policy', 'check', bad])).out).toMatch(new RegExp(`^${bad}:12:\\d+: .*fails: got deny`));
    expect(JSON.parse((await hoopctl(['policy', 'test', bad, '--json'])).out)).toMatchObject({
      ok: false,
      tests: [{ passed: true }, { passed: false }],
    });
  });

  it('explain says what would be decided and why', async () => {
    const file = join(folder, 'explain.yaml');
    writeFileSync(file, document('deny'));
    const explain = (...args: string[]) => hoopctl(['policy', 'explain', '--config', file, ...args]);
    const denied = await explain('--as', 'group=dba', '--to', 'prod-db', 'drop table t');
    expect([denied.code, denied.out]).toEqual([0, expect.stringMatching(/^deny\n(.*\n)*.*no-drop/)]);
    const stranger = await explain('--as', 'group=others', '--to', 'prod-db', 'select 1');
    // What the rules say of others is not its verdict.
    expect(stranger.out).toMatch(
      /^deny\naccess: none, .*\nverdict: deny, for want of access\nwhoever had access would get: allow, no rule matches\n/,
    );
    const none = await explain('--as', 'group=others', '--to', 'prod-db', 'select 1', '--json');
    expect(JSON.parse(none.out)).toMatchObject({
      verdict: { verdict: 'deny', rule: 'access' },
      otherwise: { verdict: 'allow' },
    });
    const json = await explain('--as', 'group=dba', '--to', 'prod-db', 'select 1', '--json');
    expect(JSON.parse(json.out)).toMatchObject({ verdict: { verdict: 'allow' } });
    expect((await explain('--to', 'prod-bd', 'select 1')).err).toContain("did you mean 'prod-db'?");
    expect((await explain('--as', 'age=7', '--to', 'prod-db', 'select 1')).code).toBe(2);
  });

  it('takes the configuration as an argument or as --config, everywhere', async () => {
    const file = join(folder, 'either.yaml');
    writeFileSync(file, document('deny'));
    const data = temporaryDirectory('policy-data');
    const verbs: [string, ...string[]][] = [['check'], ['test'], ['replay', '--data', data]];
    for (const [verb, ...more] of verbs) {
      const [first, second] = [
        await hoopctl(['policy', verb, file, ...more]),
        ['policy', verb, '--config', file, ...more],
      ];
      expect(await hoopctl(second)).toEqual(first);
      expect([verb, first.code]).toEqual([verb, 0]);
      expect(await hoopctl([...second, `${file}.other`])).toMatchObject({
        code: 2,
        err: expect.stringContaining('twice'),
      });
    }
    const asked = ['--as', 'group=dba', '--to', 'prod-db', 'drop table t'];
    expect((await hoopctl(['policy', 'explain', file, ...asked])).out).toMatch(/^deny\n/);
    // The statement alone: the configuration is where it is by default.
    expect((await hoopctl(['policy', 'explain', ...asked])).err).toContain("cannot read 'gateway.yaml'");
    expect((await hoopctl(['policy', 'explain', '--config', file, '--to', 'prod-db'])).code).toBe(2);
    const variable = { HOOPCTL_CONFIG: `${file}.other` };
    expect((await hoopctl(['policy', 'check', file], { env: variable })).code).toBe(0);
  });

  it('schema is a JSON Schema', async () => {
    const { out } = await hoopctl(['policy', 'schema']);
    expect(JSON.parse(out)).toMatchObject({
      $schema: expect.stringContaining('json-schema.org'),
      properties: { rules: {}, masks: {} },
    });
  });
});

describe('admin holds add', () => {
  it('tells of a principal of whom there is no session, and holds', async () => {
    const asked = ['admin', 'holds', 'add', '--principal', 'alcie@example.com', '--reason', 'case 7'];
    const answer = { hold: { id: 'h-1' }, late: [] };
    for (const [said, told] of [
      [{ known: false }, "no session is of 'alcie@example.com' so far"],
      [{ known: true }, ''],
      [{}, ''],
    ] as const) {
      await using gateway = await fakeGateway({ 'POST admin/holds': { ...answer, ...said } });
      const { code, out, err } = await gateway.run(asked);
      expect([code, out]).toEqual([0, 'h-1 holds the recordings of principal alcie@example.com\n']);
      expect(err).toEqual(told === '' ? '' : expect.stringContaining(told));
    }
  });
});
