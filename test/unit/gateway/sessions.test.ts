import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localAdmin } from '../../../src/cli/admin-local.ts';
import { House, until } from '../../support/gateway-house.ts';

let house: House;
let alice: string;
let bob: string;

beforeAll(async () => {
  house = await House.open();
  alice = await house.person('alice', ['dev']);
  bob = await house.person('bob', ['dba']);
});
afterAll(() => house.close());

describe('a session through a tunnel', () => {
  it('begins with the first bytes, forwards what is allowed and refuses the rest by rule', async () => {
    const client = await house.tunnel(alice, 'prod-db', { 'hoopctl-reason': encodeURIComponent('für Ticket 7') });
    expect((await house.call(alice, 'GET', '/api/v1/sessions?state=open')).body.sessions).toEqual([]);
    client.say('say hello');
    expect(await client.line()).toBe('say hello');
    client.say('drop everything');
    expect(await client.line()).toBe('REFUSED no-drop');
    expect(house.received).not.toContain('drop');
    const { sessions } = (await house.call(alice, 'GET', '/api/v1/sessions?state=open')).body;
    expect(sessions).toHaveLength(1);
    expect(sessions[0]).toMatchObject({
      connection: 'prod-db',
      reason: 'für Ticket 7',
      via: 'tunnel',
      protocol: 'lines',
    });
    expect(sessions[0].principal).toMatchObject({ kind: 'person', subject: 'alice', issuer: 'corp' });
    const id = sessions[0].id;
    await until(() => client.events.length >= 3);
    expect(client.events[0]).toEqual({ type: 'session', id });
    expect(client.events.filter((event) => event.type === 'operation')).toEqual([
      { type: 'operation', n: 1, text: 'say hello', verdict: 'allow' },
      { type: 'operation', n: 2, text: 'drop everything', verdict: 'deny', rule: 'no-drop' },
    ]);
    // Counted where it has begun, also in the list.
    const { body: now } = await house.call(alice, 'GET', '/api/v1/sessions?state=open');
    expect(now.sessions).toMatchObject([{ id, operations: 2, denied: 1 }]);
    client.end();
    await until(async () => (await house.call(alice, 'GET', `/api/v1/sessions/${id}`)).body.state === 'ended');
    const ended = (await house.call(alice, 'GET', `/api/v1/sessions/${id}`)).body;
    expect(ended).toMatchObject({ operations: 2, denied: 1, recording: { sealed: true } });
    const recording = (await house.call(alice, 'GET', `/api/v1/sessions/${id}/recording`)).body as string;
    expect(recording).toContain('"text":"say hello"');
    expect(recording.trim().split('\n').at(-1)).toContain('"kind":"seal"');
  });

  it('tells a client that asks for it only what is refused or waits, and records the run that it belongs to', async () => {
    const client = await house.tunnel(alice, 'prod-db', { 'hoopctl-events': 'notable', 'hoopctl-run': 'run-abc123' });
    client.say('say hello');
    expect(await client.line()).toBe('say hello');
    client.say('drop everything');
    expect(await client.line()).toBe('REFUSED no-drop');
    await until(() => client.events.some((event) => event.type === 'operation'));
    expect(client.events.filter((event) => event.type === 'operation')).toEqual([
      { type: 'operation', n: 2, text: 'drop everything', verdict: 'deny', rule: 'no-drop' },
    ]);
    const id = String(client.events[0]?.id);
    const recording = (await house.call(alice, 'GET', `/api/v1/sessions/${id}/recording`)).body as string;
    expect(JSON.parse(recording.split('\n')[0]!)).toMatchObject({ kind: 'open', run: 'run-abc123' });
    client.end();
    await until(async () => (await house.call(alice, 'GET', `/api/v1/sessions/${id}`)).body.state === 'ended');
  });

  it('is refused before the upgrade with the API’s own error', async () => {
    await expect(house.tunnel(alice, 'hidden-db')).rejects.toMatchObject({ code: 'no_such_connection' });
    await expect(house.tunnel(alice, 'guarded-db')).rejects.toMatchObject({
      code: 'grant_needed',
      fix: expect.stringContaining('hoopctl request guarded-db'),
    });
    await expect(house.tunnel('nonsense', 'prod-db')).rejects.toMatchObject({ code: 'token_invalid' });
  });

  it('suggests only names that the principal may know', async () => {
    await expect(house.tunnel(alice, 'prod-bd')).rejects.toMatchObject({ fix: 'did you mean "prod-db"?' });
    const error = await house.tunnel(alice, 'hiden-db').catch((thrown) => thrown);
    expect(error.fix).not.toContain('hidden-db');
  });

  it('shows the agent beside the person, and an agent of an admin does not administer', async () => {
    const token = await house.person('carol', ['dev', 'admins']);
    const me = await house.call(token, 'GET', '/api/v1/me', undefined, { 'hoopctl-agent': 'claude' });
    expect(me.body).toMatchObject({ principal: { kind: 'agent', subject: 'carol', actor: 'claude' }, roles: [] });
    const declared = await house.person('carol', ['dev', 'admins'], 'claude');
    const other = await house.call(declared, 'GET', '/api/v1/me', undefined, { 'hoopctl-agent': 'somebody-else' });
    expect(other.body.principal.actor).toBe('claude');
  });

  it('is killed at once by its owner, with the reason, and by nobody else but an admin', async () => {
    const client = await house.tunnel(alice, 'prod-db');
    client.say('say hello');
    await client.line();
    const id = client.events[0]!.id as string;
    const other = await house.person('dave', ['dev']);
    expect((await house.call(other, 'POST', `/api/v1/sessions/${id}/kill`, {})).status).toBe(404);
    const auditor = await house.person('erin', ['auditors']);
    expect((await house.call(auditor, 'POST', `/api/v1/sessions/${id}/kill`, {})).status).toBe(403);
    expect((await house.call(alice, 'POST', `/api/v1/sessions/${id}/kill`, { reason: 'oops' })).status).toBe(200);
    expect(await client.line()).toBe('END session_killed');
    await until(() => client.events.some((event) => event.type === 'end'));
    expect(client.events.find((event) => event.type === 'end')).toMatchObject({
      session: id,
      code: 'session_killed',
      message: expect.stringContaining('oops'),
    });
  });

  it('is cut when its principal is revoked, and lifted again lets it log in', async () => {
    const admin = await house.person('root', ['admins']);
    const token = await house.person('frank', ['dev']);
    const client = await house.tunnel(token, 'prod-db');
    client.say('say hello');
    await client.line();
    const answer = await house.call(admin, 'POST', '/api/v1/admin/revocations', {
      issuer: 'corp',
      subject: 'frank',
      reason: 'left the company',
    });
    expect(answer.body).toEqual({ ok: true, sessionsEnded: 1 });
    expect(await client.line()).toBe('END principal_revoked');
    const refused = await house.call(token, 'GET', '/api/v1/me');
    expect(refused).toMatchObject({ status: 401, body: { error: { code: 'principal_revoked' } } });
    const lifted = await house.call(admin, 'DELETE', '/api/v1/admin/revocations?issuer=corp&subject=frank');
    expect(lifted.status).toBe(200);
    // Not what was taken away; the issuer tells of whole seconds only.
    expect((await house.call(token, 'GET', '/api/v1/me')).status).toBe(401);
    let again = '';
    await until(async () => {
      again = await house.person('frank', ['dev']).catch(() => '');
      return again !== '';
    });
    expect((await house.call(again, 'GET', '/api/v1/me')).status).toBe(200);
  });

  it('is not shut out by a name that no issuer has; a subject that never came is told', async () => {
    const admin = await house.person('root', ['admins']);
    const client = await house.tunnel(await house.person('harriet', ['dev']), 'prod-db');
    client.say('say hello');
    await client.line();
    client.end();
    const revoke = async (issuer: string, subject: string) =>
      (await house.call(admin, 'POST', '/api/v1/admin/revocations', { issuer, subject })).body;
    const error = { code: 'not_found', message: 'there is no issuer "crop"', next: 'did you mean "corp"?' };
    expect(await revoke('crop', 'harriet')).toEqual({ error });
    const list = 'it is one of local, service-accounts, corp, ci-bot';
    expect(await revoke('elsewhere', 'harriet')).toMatchObject({ error: { next: list } });
    const { body: listed } = await house.call(admin, 'GET', '/api/v1/admin/revocations');
    expect(listed.revocations.filter(({ subject }: { subject: string }) => subject === 'harriet')).toEqual([]);
    expect(await revoke('corp', 'nobody-yet')).toEqual({
      ...{ ok: true, sessionsEnded: 0 },
      warning: 'no session of "nobody-yet" of the issuer "corp" is on record',
    });
    expect((await revoke('corp', 'harriet@example.com')).warning).toMatch(/; did you mean "harriet"\?$/);
    expect(Object.keys(await revoke('corp', 'harriet'))).toEqual(['ok', 'sessionsEnded']);
    // The issuers are known there too, though the configuration is not.
    await using local = await localAdmin(house.data, 'somebody', {});
    await expect(local.revoke('crop', 'harriet', undefined)).rejects.toMatchObject({ fix: 'did you mean "corp"?' });
  });

  it('goes on when its token is revoked, which no new one can be opened with', async () => {
    const token = await house.person('grace', ['dev']);
    const client = await house.tunnel(token, 'prod-db');
    client.say('say one');
    await client.line();
    expect((await house.call(token, 'POST', '/api/v1/token/revoke')).status).toBe(200);
    expect((await house.call(token, 'GET', '/api/v1/me')).body.error.code).toBe('token_invalid');
    client.say('say two');
    expect(await client.line()).toBe('say two');
    await expect(house.tunnel(token, 'prod-db')).rejects.toMatchObject({ code: 'token_invalid' });
    client.end();
  });

  it('does not hurt another when its protocol crashes', async () => {
    const [first, second] = [await house.tunnel(alice, 'prod-db'), await house.tunnel(alice, 'prod-db')];
    first.say('say hello');
    second.say('say hello');
    await Promise.all([first.line(), second.line()]);
    first.say('crash');
    second.say('say still here');
    expect(await second.line()).toBe('say still here');
    second.end();
  });
});

describe('reviews and grants through the API', () => {
  it('holds an operation until somebody else approves it', async () => {
    const client = await house.tunnel(alice, 'prod-db');
    client.say('say review me');
    const [, id] = (await client.line()).split(' ');
    expect((await house.call(alice, 'POST', `/api/v1/reviews/${id}/approve`, {})).status).toBe(403);
    const stranger = await house.person('dave', ['dev']);
    expect((await house.call(stranger, 'GET', `/api/v1/reviews/${id}`)).status).toBe(404);
    const pending = (await house.call(bob, 'GET', '/api/v1/reviews?state=pending')).body.reviews;
    expect(pending).toEqual([expect.objectContaining({ id, text: 'say review me', rule: 'ask-dba' })]);
    expect((await house.call(bob, 'GET', '/metrics')).body).toContain('hoopctl_reviews_pending 1');
    expect((await house.call(bob, 'POST', `/api/v1/reviews/${id}/approve`, { reason: 'fine' })).status).toBe(200);
    expect(await client.line()).toBe('say review me');
    client.end();
  });

  it('gives access for a time, and cuts the session when the grant is revoked', async () => {
    const asked = await house.call(alice, 'POST', '/api/v1/grants', {
      connection: 'guarded-db',
      for: '8h',
      reason: 'why',
    });
    expect(asked.body).toMatchObject({ kind: 'grant', state: 'pending', forMs: 3_600_000 });
    await house.call(bob, 'POST', `/api/v1/reviews/${asked.body.id}/approve`, {});
    const listed = (await house.call(alice, 'GET', '/api/v1/connections')).body.connections;
    expect(listed.map((one: { name: string; access: string }) => [one.name, one.access])).toEqual([
      ['guarded-db', 'granted'],
      ['prod-db', 'open'],
    ]);
    const client = await house.tunnel(alice, 'guarded-db');
    client.say('say hello');
    expect(await client.line()).toBe('say hello');
    const { grants } = (await house.call(alice, 'GET', '/api/v1/grants')).body;
    const stranger = await house.person('dave', ['dev']);
    expect((await house.call(stranger, 'POST', `/api/v1/grants/${grants[0].id}/revoke`, {})).status).toBe(404);
    const revoked = await house.call(bob, 'POST', `/api/v1/grants/${grants[0].id}/revoke`, {});
    expect(revoked.body.state).toBe('revoked');
    expect(await client.line()).toBe('END grant_ended');
    await expect(house.tunnel(alice, 'guarded-db')).rejects.toMatchObject({ code: 'grant_needed' });
  });

  it('streams reviews to those who may decide them', async () => {
    const stop = new AbortController();
    const watching = house.stream(bob, '/api/v1/reviews/watch', stop.signal);
    const client = await house.tunnel(alice, 'prod-db');
    client.say('say review again');
    const [, id] = (await client.line()).split(' ');
    const seen = (await watching.next()).value;
    expect(seen).toMatchObject({ id, state: 'pending' });
    client.end();
    stop.abort();
    await watching.return(undefined).catch(() => {});
  });
});

describe('an answer that goes on', () => {
  const last = async (lines: AsyncGenerator<Record<string, unknown>>) => {
    const all: Record<string, unknown>[] = [];
    for await (const line of lines) all.push(line);
    return all.at(-1);
  };

  it('ends with the token that let its reader in, and with a revocation, and says so', async () => {
    const short = await House.open({ limits: { access_token_ms: 5000 }, roles: { auditor: { groups: ['audit'] } } });
    const token = await short.person('eve', ['dba', 'audit']);
    const signal = new AbortController().signal;
    const ends = ['/api/v1/reviews/watch', '/api/v1/sessions/tail'].map((path) =>
      last(short.stream(token, path, signal)),
    );
    expect(await Promise.all(ends)).toEqual([
      { end: { code: 'token_expired', message: expect.any(String) } },
      { end: { code: 'token_expired', message: expect.any(String) } },
    ]);
    await short.close();
    const frank = await house.person('frank', ['dba']);
    const watching = last(house.stream(frank, '/api/v1/reviews/watch', signal));
    const admin = await house.person('root', ['admins']);
    const revoked = { issuer: 'corp', subject: 'frank' };
    expect((await house.call(admin, 'POST', '/api/v1/admin/revocations', revoked)).status).toBeLessThan(300);
    expect(await watching).toMatchObject({ end: { code: 'principal_revoked' } });
  });
});

describe('the native listener', () => {
  async function password(token: string, connection = 'prod-db') {
    return (await house.call(token, 'POST', `/api/v1/connections/${connection}/token`, { ttl: '1m' })).body;
  }

  it('lets in with a token for the connection as password', async () => {
    const { token, user, native } = await password(alice);
    expect(user).toBe('alice@example.com');
    expect(native).toBe(`127.0.0.1:${house.gateway.native.lines!.port}`);
    const client = await house.native(user, 'prod-db', token);
    client.say('say hello');
    expect(await client.line()).toBe('say hello');
    client.end();
  });

  it('refuses another user, another connection, an API token, and a connection token at the API', async () => {
    const { token, user } = await password(alice);
    expect(await (await house.native('bob', 'prod-db', token)).line()).toBe('ERROR token_invalid');
    expect(await (await house.native(user, 'guarded-db', token)).line()).toBe('ERROR token_invalid');
    expect(await (await house.native(user, 'prod-db', alice)).line()).toBe('ERROR token_invalid');
    expect((await house.call(token, 'GET', '/api/v1/me')).status).toBe(401);
  });

  it('refuses a token that lasts longer than the limit', async () => {
    const answer = await house.call(alice, 'POST', '/api/v1/connections/prod-db/token', { ttl: '2h' });
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'limit_exceeded' } } });
  });

  it('lets a workload in with its own token, under its issuer’s name', async () => {
    const token = await house.issuer.token({ sub: 'repo:acme/app', aud: 'ci', repository: 'acme/app' });
    const client = await house.native('ci-bot', 'prod-db', token);
    client.say('say hello');
    expect(await client.line()).toBe('say hello');
    client.end();
    const foreign = await house.issuer.token({ sub: 'repo:evil/app', aud: 'ci', repository: 'evil/app' });
    expect(await (await house.native('ci-bot', 'prod-db', foreign)).line()).toBe('ERROR token_invalid');
  });
});

describe('who may see what', () => {
  it('shows sessions of others to auditors and admins only', async () => {
    const auditor = await house.person('erin', ['auditors']);
    const stranger = await house.person('dave', ['dev']);
    const all = (await house.call(auditor, 'GET', '/api/v1/sessions')).body.sessions;
    const behind = await house.call(auditor, 'GET', `/api/v1/sessions?after=${all[0].id}`);
    expect(behind.body.sessions).toEqual(all.slice(1));
    expect((await house.call(auditor, 'GET', '/api/v1/sessions?after=none')).status).toBe(404);
    const id = all.find((one: { principal: { subject: string } }) => one.principal.subject === 'alice').id;
    expect((await house.call(stranger, 'GET', `/api/v1/sessions/${id}`)).status).toBe(404);
    expect((await house.call(stranger, 'GET', `/api/v1/sessions/${id}/recording`)).status).toBe(404);
    expect((await house.call(stranger, 'GET', `/api/v1/sessions/${id}/tail`)).status).toBe(404);
    expect((await house.call(stranger, 'GET', '/api/v1/sessions/tail')).status).toBe(403);
    expect((await house.call(stranger, 'GET', '/api/v1/sessions')).body.sessions).toEqual([]);
    expect((await house.call(auditor, 'GET', `/api/v1/sessions/${id}`)).status).toBe(200);
    expect((await house.call(auditor, 'GET', '/api/v1/admin/users')).status).toBe(403);
    expect((await house.call(undefined, 'GET', '/api/v1/sessions')).status).toBe(401);
  });

  it('administers users and service accounts, whose secret is shown once', async () => {
    const admin = await house.person('root', ['admins']);
    const added = await house.call(admin, 'POST', '/api/v1/admin/service-accounts', { name: 'deploy', groups: ['ci'] });
    expect(added.status).toBe(200);
    const login = (secret: string) =>
      house.form('/api/v1/token', { grant_type: 'client_credentials', client_id: 'deploy', client_secret: secret });
    const answer = await login(added.body.secret);
    expect(answer.body).toMatchObject({
      token_type: 'Bearer',
      principal: { kind: 'workload', subject: 'deploy', issuer: 'service-accounts', groups: ['ci'] },
    });
    const basic = { authorization: `Basic ${btoa('%E0%A4:x')}` };
    const malformed = await house.form('/api/v1/token', { grant_type: 'client_credentials' }, basic);
    expect(malformed).toMatchObject({ status: 400, body: { error: { code: 'usage' } } });
    const rotated = await house.call(admin, 'POST', '/api/v1/admin/service-accounts/deploy/rotate', {});
    expect((await login(added.body.secret)).body.error.code).toBe('token_invalid');
    expect((await login(rotated.body.secret)).status).toBe(200);
    expect(JSON.stringify((await house.call(admin, 'GET', '/api/v1/admin/service-accounts')).body)).not.toContain(
      'secret',
    );
    await house.call(admin, 'DELETE', '/api/v1/admin/service-accounts/deploy');
    expect((await house.call(answer.body.access_token, 'GET', '/api/v1/me')).body.error.code).toBe('principal_revoked');
    const user = { name: 'zoe', password: 'correct horse battery', groups: ['dev'] };
    expect((await house.call(admin, 'POST', '/api/v1/admin/users', user)).status).toBe(200);
    expect((await house.call(admin, 'POST', '/api/v1/admin/users', user)).status).toBe(409);
    expect((await house.call(admin, 'DELETE', '/api/v1/admin/users/zoe')).status).toBe(200);
  });

  it('documents every route that it has, from what validates them', async () => {
    const { body } = await house.call(undefined, 'GET', '/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    expect(body.paths['/api/v1/sessions/{id}/kill'].post.requestBody).toBeDefined();
    expect(body.paths['/api/v1/sessions'].get.parameters.map((one: { name: string }) => one.name)).toContain('limit');
    const bad = await house.call(alice, 'GET', '/api/v1/sessions?limit=many');
    expect(bad).toMatchObject({ status: 400, body: { error: { code: 'usage' } } });
    const big = await house.call(alice, 'POST', '/api/v1/grants', { connection: 'x'.repeat(1024 * 1024), for: '1h' });
    expect(big).toMatchObject({ status: 413, body: { error: { code: 'limit_exceeded' } } });
  });

  it('keeps the target’s secret and address out of everything it told', async () => {
    const details = await house.call(alice, 'GET', '/api/v1/connections/prod-db');
    expect(details.body).toMatchObject({
      name: 'prod-db',
      coverage: ['every line is inspected'],
      rules: ['no-drop', 'ask-dba'],
    });
    const metrics = (await house.call(undefined, 'GET', '/metrics')).body as string;
    expect(metrics).toMatch(/hoopctl_operations_total\{connection="prod-db",verdict="deny"\} [1-9]/);
    const told = `${JSON.stringify(details.body)}${metrics}${JSON.stringify(house.log)}`;
    expect(told).not.toContain('hunter2');
    expect(told).not.toContain('TARGET_PASSWORD');
    expect(JSON.stringify(details.body)).not.toContain(String(house.targetPort));
    expect(readFileSync(house.config, 'utf8')).toContain('TARGET_PASSWORD');
  });
});
