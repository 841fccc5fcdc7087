// Who may do what, when what was true is so no more: a policy that changed while somebody waited for an approval, somebody
// who was shut out and is let in again, a token that ended while its tunnel lay in reserve. By the API and the command line.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DialledTunnel, TunnelDialer } from '../../src/tunnel/dial.ts';
import { type Client, type Gateway, startGateway } from '../support/gateway.ts';
import { eventually } from '../support/process.ts';
import { startupMessage } from '../support/wire.ts';

/** Nothing answers there: what is asked here is answered before. */
const connection = {
  protocol: 'postgres',
  target: { host: '127.0.0.1', port: 1, database: 'app', tls: 'disable' },
  credentials: { user: 'app', password: 'env:TARGET_PASSWORD' },
};

const access = {
  open: { who: { groups: ['engineering', 'robots'] }, to: { names: ['app'] } },
  glass: { who: { groups: ['engineering'] }, to: { names: ['vault'] }, breakGlass: { max: '1h' } },
  others: { who: { groups: ['others'] }, to: { names: ['vault'] } },
  vault: (max: string, reviewers: object) => ({
    who: { groups: ['engineering'] },
    to: { names: ['vault'] },
    grant: { max, reviewers },
  }),
};

function configuration(grant: object, mask: object = {}): Record<string, unknown> {
  return {
    roles: { admin: { groups: ['admins'] }, auditor: [{ who: { groups: ['auditors'] }, reason: 'required' }] },
    connections: { app: connection, vault: connection },
    access: [access.open, grant],
    masks: [
      {
        name: 'pii',
        to: { names: ['app'] },
        columns: ['people.ssn'],
        unmask: { max: '1h', reviewers: { groups: ['dba'] }, ...mask },
      },
    ],
  };
}

const before = configuration(access.vault('8h', { groups: ['dba'], count: 1 }));

let gateway: Gateway;
let alice: Client;
let bob: Client;
/** Of a service account that administers. */
let readerSecret: string;

beforeAll(async () => {
  gateway = await startGateway({ config: before, env: { TARGET_PASSWORD: 'none' } });

  alice = await gateway.user('alice', { groups: ['engineering'] });
  bob = await gateway.user('bob', { groups: ['dba'] });
  readerSecret = await addRobot('reader', 'admins');
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

/** In force when it returns. */
async function reload(config: Record<string, unknown>): Promise<void> {
  const loaded = () => gateway.log.split('configuration loaded').length;
  const so = loaded();
  gateway.writeConfig(config, undefined);
  gateway.process.kill('SIGHUP');
  await eventually('the new configuration', async () => loaded() > so);
}

/** What a service account of that name gets for its secret. */
async function tokenOf(name: string, secret: string): Promise<string> {
  const form = { grant_type: 'client_credentials', client_id: name, client_secret: secret };
  const type = 'application/x-www-form-urlencoded';
  const answer = await gateway.call('POST', '/api/v1/token', { body: new URLSearchParams(form).toString(), type });
  return (JSON.parse(answer.body) as { access_token: string }).access_token;
}

/** Adds one, by the command line on the machine itself. */
async function addRobot(name: string, group = 'robots'): Promise<string> {
  return (await gateway.admin(['service-accounts', 'add', name, '--group', group])).stdout.trim();
}

const statusOf = async (token: string) => (await gateway.call('GET', '/api/v1/me', { token })).status;

/** What the log has of these kinds. */
async function entries(kinds: string): Promise<Record<string, unknown>[]> {
  const token = await tokenOf('reader', readerSecret);
  const path = `/api/v1/audit/export?since=2020-01-01T00:00:00Z&kinds=${kinds}`;
  const { body } = await gateway.call('GET', path, { token });
  return body
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { data: Record<string, unknown> }).data);
}

describe('whoever watches live', () => {
  it('is told no more once the role that let them is gone', async () => {
    const carol = await gateway.user('carol', { groups: ['auditors'] });
    const tail = carol.start(['sessions', 'tail', '--all', '--reason', 'a look']);
    await eventually('it is watched', () => tail.output.includes('watching'));
    try {
      await reload({ ...before, roles: { admin: { groups: ['admins'] }, auditor: [{ who: { groups: ['others'] } }] } });
      const { code } = await tail.exited;
      expect([code, tail.output]).toEqual([3, expect.stringContaining('you may not read this any more')]);
    } finally {
      await reload(before);
    }
  });
});

describe('a request for a grant that waited while the policy changed', () => {
  it.each([
    ['gives less', configuration(access.vault('10m', { groups: ['dba'], count: 1 })), /for 10m at most/],
    ['asks others', configuration(access.vault('8h', { groups: ['security'], count: 1 })), /wants 1 of security/],
    ['asks more people', configuration(access.vault('8h', { groups: ['dba'], count: 2 })), /wants 2 of dba/],
    ['wants a reason', configuration(access.vault('8h', { groups: ['dba'], reason: 'required' })), /wants a reason/],
    ['leaves it to the glass', configuration(access.glass), /lets nobody approve it/],
    ['gives nothing', configuration(access.others), /gives no grant/],
  ])('is not approved where the policy in force %s', async (_, after, why) => {
    const { id } = await alice.json<{ id: string }>(['request', 'vault', '--for', '8h']);
    try {
      await reload(after);
      const refused = await bob.run(['reviews', 'approve', id]);
      expect([refused.code, refused.stderr]).toEqual([expect.any(Number), expect.stringMatching(why)]);
      expect(refused.code).not.toBe(0);
      expect((await alice.json<{ grants: unknown[] }>(['grants', 'ls'])).grants).toEqual([]);
    } finally {
      await reload(before);
    }
    await bob.runOk(['reviews', 'deny', id]);
  });

  it('is not approved where a mask is to be lifted that has become another', async () => {
    const { id } = await alice.json<{ id: string }>(['request', 'app', '--unmask', 'pii', '--for', '1h']);
    try {
      await reload(configuration(access.vault('8h', { groups: ['dba'] }), { max: '10m' }));
      const refused = await bob.run(['reviews', 'approve', id]);
      expect([refused.code === 0, refused.stderr]).toEqual([false, expect.stringMatching(/policy has changed/)]);
    } finally {
      await reload(before);
    }
  });

  it('is approved where the change has nothing to do with it', async () => {
    const { id } = await alice.json<{ id: string }>(['request', 'vault', '--for', '20m']);
    await reload({ ...before, limits: { logins_per_minute: 100 } });
    await bob.runOk(['reviews', 'approve', id]);
    const { grants } = await alice.json<{ grants: { id: string; connection: string }[] }>(['grants', 'ls']);
    expect(grants).toMatchObject([{ connection: 'vault', state: 'active' }]);
    await alice.runOk(['grants', 'revoke', grants[0]!.id]);
  });
});

describe('a name that is given again', () => {
  it('to a service account takes no token of the one before', async () => {
    const token = await tokenOf('nightly', await addRobot('nightly'));
    expect(await statusOf(token)).toBe(200);
    await gateway.admin(['service-accounts', 'rm', 'nightly']);
    await eventually('the token is refused', async () => (await statusOf(token)) === 401);
    const secret = await addRobot('nightly');
    await eventually('the new one is let in', async () => (await statusOf(await tokenOf('nightly', secret))) === 200);
    expect(await statusOf(token)).toBe(401);
    // Whatever is remembered is in the store.
    await gateway.stop();
    await gateway.start();
    expect(await statusOf(token)).toBe(401);
  });

  it('to a user takes neither token nor login of the one before', async () => {
    const before = await gateway.user('sam', { groups: ['engineering'] });
    const admin = await tokenOf('reader', readerSecret);
    const call = (method: string, path: string, body?: object) =>
      gateway.call(method, path, { token: admin, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    expect((await call('DELETE', '/api/v1/admin/users/sam')).status).toBe(200);
    const another = { name: 'sam', groups: [], password: 'password-of-another-sam' };
    expect((await call('POST', '/api/v1/admin/users', another)).status).toBe(200);
    expect((await before.run(['whoami'])).code).toBe(4);
  });

  it('to somebody let in again needs a login: that of a lost laptop is none', async () => {
    const lost = await gateway.user('tom', { groups: ['engineering'] });
    await gateway.admin(['revocations', 'add', 'local', 'tom', '--reason', 'laptop lost']);
    await eventually('it is refused', async () => (await lost.run(['whoami'])).code === 4);
    await gateway.admin(['revocations', 'rm', 'local', 'tom']);
    const found = await gateway.login('tom');
    await eventually('tom is let in', async () => (await found.run(['whoami'])).code === 0);
    expect((await lost.run(['whoami'])).code).toBe(4);
  });
});

describe('a tunnel in reserve', () => {
  const dial = (token: string) =>
    new TunnelDialer({
      url: gateway.url,
      ca: readFileSync(gateway.caFile, 'utf8'),
      headers: async () => ({ Authorization: `Bearer ${token}` }),
    }).dial('app');

  /** What its client is told until it is closed. */
  async function taken(tunnel: DialledTunnel): Promise<string> {
    let told = '';
    tunnel.stream.onData = (bytes) => {
      told += bytes.toString();
    };
    tunnel.start();
    tunnel.stream.write(startupMessage({ user: 'any', database: 'app' }));
    await tunnel.closed;
    return told;
  }

  const sessions = async (token: string) =>
    (JSON.parse((await gateway.call('GET', '/api/v1/sessions', { token })).body) as { sessions: unknown[] }).sessions;

  it('begins no session with a token that was revoked since', async () => {
    const secret = await addRobot('leaver');
    const token = await tokenOf('leaver', secret);
    const tunnel = await dial(token);
    expect((await gateway.call('POST', '/api/v1/token/revoke', { token })).status).toBe(200);
    expect(await taken(tunnel)).toMatch(/token refused: it was revoked/);
    expect(await sessions(await tokenOf('leaver', secret))).toEqual([]);
  });

  it('begins no session with a token that has expired since', async () => {
    const secret = await addRobot('late');
    await reload({ ...before, limits: { access_token_ms: 3000 } });
    try {
      const token = await tokenOf('late', secret);
      const tunnel = await dial(token);
      await eventually('the token has expired', async () => (await statusOf(token)) === 401);
      await taken(tunnel);
    } finally {
      await reload(before);
    }
    expect(await sessions(await tokenOf('late', secret))).toEqual([]);
  });
});

describe('who is refused', () => {
  it('is on record: who was revoked, at the API and at a tunnel, and who has not the role for a change', async () => {
    const token = await tokenOf('gone', await addRobot('gone'));
    const body = JSON.stringify({ name: 'me-too', groups: ['admins'], password: 'password-of-me-too' });
    expect((await gateway.call('POST', '/api/v1/admin/users', { token, body })).status).toBe(403);
    await gateway.admin(['revocations', 'add', 'service-accounts', 'gone']);
    await eventually('it is refused', async () => (await statusOf(token)) === 401);
    const headers = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      'sec-websocket-protocol': 'hoopctl.tunnel.v1',
    };
    expect((await gateway.call('GET', '/api/v1/connections/app/tunnel', { token, headers })).status).toBe(401);
    const found = await entries('log.login,log.access');
    const refused = { ok: false, code: 'principal_revoked', user: 'gone', issuer: 'service-accounts' };
    for (const via of ['api', 'tunnel']) expect(found).toContainEqual(expect.objectContaining({ ...refused, via }));
    expect(found).toContainEqual(
      expect.objectContaining({
        ...{ verdict: 'deny', code: 'forbidden', what: 'POST /api/v1/admin/users', via: 'api' },
        principal: expect.objectContaining({ subject: 'gone' }),
      }),
    );
  });
});
