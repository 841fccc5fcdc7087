import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { startGateway } from '../../../src/gateway/start.ts';
import { openStore } from '../../../src/store/index.ts';
import { House, until } from '../../support/gateway-house.ts';
import { logEntries } from '../../support/log.ts';

const houses: House[] = [];
afterEach(async () => {
  for (const house of houses.splice(0)) await house.close();
});

async function open(more: Record<string, unknown> = {}): Promise<House> {
  const house = await House.open(more);
  houses.push(house);
  return house;
}

const ALL = [{ who: { groups: ['dev'] }, to: { names: ['*'] } }];
const logged = (house: House, message: string) => house.log.filter((one) => one.message.includes(message));

describe('a reload', () => {
  it('counts for the next operation of a live session', async () => {
    const house = await open();
    const alice = await house.person('alice', ['dev']);
    const client = await house.tunnel(alice, 'prod-db');
    client.say('drop one');
    expect(await client.line()).toBe('REFUSED no-drop');
    house.configure({ rules: [] });
    await until(() => logged(house, 'configuration loaded').length > 0);
    client.say('drop two');
    expect(await client.line()).toBe('drop two');
    client.end();
  });

  it('of a bad version keeps the old one, says why, and recovers', async () => {
    const house = await open();
    const alice = await house.person('alice', ['dev']);
    house.configure({ rules: [{ name: 'x', when: { dose: ['drop'] }, then: 'deny' }] });
    await until(() => logged(house, 'new configuration refused').length > 0);
    const [line] = logged(house, 'new configuration refused');
    expect(String(line!.fields.problems)).toMatch(/gateway\.yaml:\d+:\d+: unknown key "dose".*did you mean "does"/);
    const ready = await house.call(undefined, 'GET', '/readyz');
    expect(ready.status).toBe(200);
    expect(ready.body.configuration.refused).toContain('1 problem');
    expect(JSON.stringify(ready.body)).not.toContain('dose');
    const client = await house.tunnel(alice, 'prod-db');
    client.say('drop one');
    expect(await client.line()).toBe('REFUSED no-drop');
    client.end();
    house.configure();
    await until(async () => (await house.call(undefined, 'GET', '/readyz')).body.configuration.refused === undefined);
    const metrics = (await house.call(undefined, 'GET', '/metrics')).body;
    expect(metrics).toContain('hoopctl_configuration_reloads_total{result="refused"} 1');
  });

  it('of a version that lost the mark at its end keeps the old one: it was cut', async () => {
    const house = await open();
    const whole = `${readFileSync(house.config, 'utf8')}\n...\n`;
    writeFileSync(house.config, whole);
    await until(() => logged(house, 'configuration loaded').length > 0);
    writeFileSync(house.config, '{}\n');
    await until(() => logged(house, 'new configuration refused').length > 0);
    expect(String(logged(house, 'new configuration refused')[0]!.fields.problems)).toContain('the file was cut');
    writeFileSync(house.config, `# again\n${whole}`);
    await until(() => logged(house, 'configuration loaded').length > 1);
  });

  it('of a version whose own test fails keeps the old one', async () => {
    const house = await open();
    const before = (await house.call(undefined, 'GET', '/readyz')).body.configuration.version;
    const test = { as: { groups: ['dev'] }, to: 'prod-db', run: 'drop x', expect: 'deny' };
    house.configure({ rules: [], tests: [test] });
    expect(await house.gateway.reload()).toBe(false);
    expect((await house.call(undefined, 'GET', '/readyz')).body.configuration.version).toBe(before);
    house.configure({ tests: [test] });
    expect(await house.gateway.reload()).toBe(true);
  });

  it.each(['', '\n', '# Who reaches what.\n\n'])(
    'of a file that a full disk left empty keeps the old version: %j',
    async (left) => {
      const house = await open();
      const alice = await house.person('alice', ['dev']);
      const client = await house.tunnel(alice, 'prod-db');
      writeFileSync(join(house.directory, 'gateway.yaml'), left);
      expect(await house.gateway.reload()).toBe(false);
      expect(String(logged(house, 'new configuration refused')[0]!.fields.problems)).toContain('the file is empty');
      client.say('drop one');
      expect(await client.line()).toBe('REFUSED no-drop');
      client.end();
    },
  );

  it('that removes a connection ends its sessions', async () => {
    const house = await open();
    const alice = await house.person('alice', ['dev']);
    const client = await house.tunnel(alice, 'prod-db');
    client.say('say hello');
    await client.line();
    house.configure({ connections: {}, access: [], rules: [] });
    expect(await client.line()).toBe('END access_denied');
  });

  it('says what counts only after a restart', async () => {
    const house = await open();
    house.configure({ publicUrl: 'https://gw.example.com' });
    await until(() => logged(house, 'configuration loaded').length > 0);
    expect(logged(house, 'configuration loaded')[0]!.fields.restartNeeded).toEqual(['publicUrl']);
  });
});

describe('a stop', () => {
  it('accepts nothing new, waits for sessions, and seals every recording', async () => {
    const house = await open();
    const alice = await house.person('alice', ['dev']);
    const spare = await house.tunnel(alice, 'prod-db');
    const client = await house.tunnel(alice, 'prod-db');
    client.say('say hello');
    await client.line();
    const closing = house.gateway.close({ graceMs: 60_000 });
    expect(await spare.line()).toBe('<closed>');
    await expect(house.tunnel(alice, 'prod-db')).rejects.toMatchObject({ code: 'gateway_stopping' });
    expect((await house.call(undefined, 'GET', '/readyz')).status).toBe(503);
    client.say('say goodbye');
    expect(await client.line()).toBe('say goodbye');
    client.end();
    await closing;
    expect(readdirSync(join(house.data, 'recordings', 'open'))).toEqual([]);
  });

  it('answers meanwhile what it is asked, and is no failure to whoever comes', async () => {
    const house = await open();
    const alice = await house.person('alice', ['dev']);
    const client = await house.tunnel(alice, 'prod-db');
    client.say('say hello');
    await client.line();
    const about = () => house.call(alice, 'GET', '/api/v1/connections/prod-db');
    const before = await about();
    expect(before.body.native).toMatch(/^127\.0\.0\.1:\d+$/);
    const closing = house.gateway.close({ graceMs: 60_000 });
    expect(await about()).toEqual(before);
    expect((await house.call(undefined, 'GET', '/.well-known/hoopctl')).status).toBe(200);
    await expect(house.tunnel(alice, 'prod-db')).rejects.toMatchObject({
      ...{ code: 'gateway_stopping', fault: 'peer', fix: 'try again later' },
      message: 'the gateway is stopping, and takes no new sessions',
    });
    client.end();
    await closing;
    expect(house.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('ends with a reason what has not ended in time; a second call waits no longer', async () => {
    const house = await open();
    const alice = await house.person('alice', ['dev']);
    const client = await house.tunnel(alice, 'prod-db');
    client.say('say hello');
    await client.line();
    void house.gateway.close({ graceMs: 3_600_000 });
    await house.gateway.close();
    expect(await client.line()).toBe('END gateway_stopping');
    const store = await openStore({ directory: house.data, clock: systemClock });
    expect(await store.sessions.list()).toEqual([
      expect.objectContaining({ state: 'ended', endCode: 'gateway_stopping', sealed: true }),
    ]);
    await store.close();
  });

  it('is asked for by the signal too', async () => {
    const stop = new AbortController();
    const house = new House();
    const gateway = await startGateway({
      data: house.data,
      listen: '127.0.0.1:0',
      log: { debug() {}, info() {}, warn() {}, error() {} },
      env: {},
      version: '0',
      signal: stop.signal,
    });
    stop.abort();
    await gateway.close();
  });
});

describe('a credential that is not there', () => {
  const connections = (house: House, password: string) => ({
    db: {
      protocol: 'lines',
      target: { host: '127.0.0.1', port: house.targetPort },
      credentials: { user: 'u', password },
    },
  });

  it('is warned of at start and at each reload, and told to admins by its reference', async () => {
    const house = await open({ roles: { admin: { groups: ['dba'] } } });
    expect(logged(house, 'a credential is not there')).toEqual([]);
    const more = { access: ALL, rules: [], roles: { admin: { groups: ['dba'] } } };
    house.configure({ ...more, connections: connections(house, 'env:NOT_SET') });
    await until(() => logged(house, 'a credential is not there').length > 0);
    expect(logged(house, 'a credential is not there')[0]).toMatchObject({
      level: 'warn',
      message: 'a credential is not there: env:NOT_SET is not set; every session of "db" will fail',
      fields: { connection: 'db', where: 'connections.db.credentials.password' },
    });
    house.configure({ ...more, connections: connections(house, 'file:missing.txt') });
    await until(() => logged(house, 'file:missing.txt cannot be read (ENOENT)').length > 0);
    await house.gateway.close();
    house.log.length = 0;
    await house.start();
    expect(logged(house, 'file:missing.txt cannot be read (ENOENT)')).toHaveLength(1);
    const told = await house.call(await house.person('dana', ['dba']), 'GET', '/api/v1/admin/credentials');
    expect(told.body.missing).toEqual([
      {
        connection: 'db',
        where: 'connections.db.credentials.password',
        reference: 'file:missing.txt',
        why: 'cannot be read (ENOENT)',
        fix: expect.any(String),
      },
    ]);
    const others = await house.call(await house.person('alice', ['dev']), 'GET', '/api/v1/admin/credentials');
    expect(others.status).toBe(403);
    writeFileSync(join(house.directory, 'missing.txt'), 'secret', { mode: 0o600 });
    const mended = await house.call(await house.person('dana', ['dba']), 'GET', '/api/v1/admin/credentials');
    expect(mended.body).toEqual({ missing: [], secrets: [], issuers: [] });
  });
});

describe('a secret of what the gateway sends', () => {
  it('is warned of before there is anything to send, with what it stops', async () => {
    const hook = { name: 'ops', url: 'https://hooks.example.com', secret: 'env:NO_HOOK', events: ['*'] };
    const siem = { name: 'siem', to: 'otlp', url: 'http://127.0.0.1:1', headers: { authorization: 'file:nothing' } };
    const house = await open({ webhooks: [hook], exports: [siem], roles: { admin: { groups: ['dba'] } } });
    await until(() => logged(house, 'a secret is not there').length >= 2);
    expect(logged(house, 'a secret is not there').map(({ message, fields }) => [fields.where, message])).toEqual([
      ['webhooks[0].secret', 'a secret is not there: env:NO_HOOK is not set; webhook "ops" is sent nothing'],
      [
        'exports[0].headers.authorization',
        'a secret is not there: file:nothing cannot be read (ENOENT); export "siem" is sent nothing',
      ],
    ]);
    const told = await house.call(await house.person('dana', ['dba']), 'GET', '/api/v1/admin/credentials');
    expect(told.body.secrets).toMatchObject([
      {
        where: 'webhooks[0].secret',
        reference: 'env:NO_HOOK',
        why: 'is not set',
        stops: 'webhook "ops" is sent nothing',
      },
      { where: 'exports[0].headers.authorization', reference: 'file:nothing' },
    ]);
    await until(() => logged(house, 'an export receiver takes no events').length > 0);
    expect(logged(house, 'an export receiver takes no events')[0]!.fields.error).toMatch(
      /^its secret is not there: file:nothing cannot be read: /,
    );
  });
});

describe('an issuer', () => {
  it('that does not answer as what it is configured as is warned of at the start, and at each reload', async () => {
    const house = await open();
    const corp = { name: 'corp', issuer: house.issuer.url, clientId: 'hoopctl' };
    const warned = () => logged(house, 'no token of an issuer can be checked for now').map(({ fields }) => fields);
    house.configure({ identity: { issuers: [{ ...corp, issuer: `${house.issuer.url}/` }] } });
    await until(() => warned().length > 0);
    expect(warned()[0]).toMatchObject({ issuer: 'corp', error: expect.stringContaining('names the issuer') });
    await house.gateway.close();
    house.log.length = 0;
    await house.start();
    await until(() => warned().length > 0);
  });
});

describe('a start', () => {
  it('with a configuration that lost the mark at its end goes on, and says so once', async () => {
    const house = await open();
    const whole = readFileSync(house.config, 'utf8');
    const told = () => logged(house, 'the file was cut').length;
    const again = async (text: string) => {
      await house.gateway.close();
      writeFileSync(house.config, text);
      await house.start();
      return told();
    };
    expect(await again(`${whole}\n...\n`)).toBe(0);
    expect(await again(whole)).toBe(1);
    expect(await again(whole)).toBe(1);
    // Also where it came with a reload.
    writeFileSync(house.config, `${whole}\n...\n`);
    await until(() => logged(house, 'configuration loaded').length > 0);
    expect(await again(whole)).toBe(2);
  });

  it('without a configuration tells how to make the first administrator, who can then log in', async () => {
    const house = new House();
    house.issuer = { url: 'http://127.0.0.1:1', stop() {} } as never;
    await house.start({ config: undefined, listen: '127.0.0.1:0' } as never);
    houses.push(house);
    expect(house.gateway.hints.join()).toContain(`hoopctl admin users add NAME --group admins --data ${house.data}`);
    const hello = (await house.call(undefined, 'GET', '/.well-known/hoopctl')).body;
    expect(hello.issuers).toEqual([
      expect.objectContaining({ name: 'local', issuer: `${house.gateway.url}/oidc`, clientId: 'hoopctl' }),
    ]);
    await house.addUser('root', 'correct horse battery', ['admins']);
    await house.gateway.close({ graceMs: 0 });
    await house.start({ config: undefined, listen: '127.0.0.1:0' } as never);
    expect(house.gateway.hints).toEqual([]);
    // An issuer is added beside it.
    const hints = async (embedded: boolean | undefined) => {
      await house.gateway.close({ graceMs: 0 });
      const corp = { name: 'corp', issuer: 'http://127.0.0.1:1', clientId: 'hoopctl' };
      house.configure({ identity: { issuers: [corp], ...(embedded === undefined ? {} : { embedded }) } });
      await house.start();
      return house.gateway.hints.join();
    };
    expect(await hints(undefined)).toContain('the embedded issuer is off, as there are identity.issuers: its one user');
    expect(await hints(true)).toBe('');
    expect(await hints(false)).toBe('');
  });

  it.each([
    [{ groups: ['dba-*', 'platform team'] }, "add NAME --group 'platform team' --data"],
    [{ groups: ['dba-*'] }, /add NAME --group GROUP --data .*, where roles\.admin asks for GROUP like dba-\*$/],
    [{ subjects: ['root'] }, 'add root --data'],
    [
      { emails: ['Alice@example.com'], groups: ['ops'], kinds: ['person'] },
      'add NAME --group ops --email Alice@example.com --data',
    ],
    [{ claims: { team: 'x' } }, /roles\.admin asks for; add others: hoopctl admin users add NAME --data/],
  ])('with roles %j tells what makes somebody an admin by them', async (admin, told) => {
    const house = new House();
    house.issuer = { url: 'http://127.0.0.1:1', stop() {} } as never;
    house.configure({ identity: {}, roles: { admin } });
    await house.start();
    houses.push(house);
    expect(house.gateway.hints.join()).toMatch(told);
  });

  it('on data that another gateway uses is refused, and harms neither', async () => {
    const house = await open();
    const second = new House();
    const start = startGateway({
      data: house.data,
      listen: '127.0.0.1:0',
      log: { debug() {}, info() {}, warn() {}, error() {} },
      env: {},
      version: '0',
    });
    await expect(start).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining(house.data) });
    expect((await house.call(undefined, 'GET', '/healthz')).status).toBe(200);
    expect(second.log).toEqual([]);
  });

  it('that fails leaves nothing behind: the next one works', async () => {
    const house = await open();
    await house.gateway.close({ graceMs: 0 });
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    await expect(house.start({ listen: `127.0.0.1:${port}` })).rejects.toMatchObject({ code: 'port_taken' });
    house.configure({ rules: 'nonsense' });
    await expect(house.start()).rejects.toMatchObject({ code: 'config_invalid' });
    taken.close();
    house.configure();
    await house.start();
    expect((await house.call(undefined, 'GET', '/healthz')).status).toBe(200);
  });

  it('names every problem of a configuration with its place', async () => {
    const house = await open();
    await house.gateway.close({ graceMs: 0 });
    writeFileSync(
      house.config,
      [
        'listen: { gateway: nowhere }',
        'limits: { sesions: 3 }',
        'connections:',
        '  Prod: { protocol: lines, target: { host: h, port: 1 }, credentials: { user: u } }',
        '  two: { protocol: lnes, target: { host: h, port: 1 }, credentials: { user: u } }',
        'access: [ { who: { groups: [a] }, to: { names: [three] } } ]',
      ].join('\n'),
    );
    const error = await house.start().catch((thrown) => thrown);
    expect(error.code).toBe('config_invalid');
    expect(error.message).toMatch(/gateway\.yaml:1:\d+: listen\.gateway is "nowhere", expected host:port/);
    expect(error.message).toMatch(/gateway\.yaml:4:\d+: /);
    expect(error.message).toMatch(/gateway\.yaml:5:\d+: .*"lnes"/);
    writeFileSync(house.config, 'limits: { sesions: 3 }\naccess: [ { who: { groups: [a] }, to: { names: [three] } } ]');
    const second = await house.start().catch((thrown) => thrown);
    expect(second.message).toMatch(/gateway\.yaml:1:\d+: limits\.sesions is no limit, did you mean "sessions"\?/);
    expect(second.message).toMatch(/gateway\.yaml:2:\d+: .*selects no connection/);
  });

  it('keeps keys private', async () => {
    const house = await open();
    // What is written aside has its own name a moment later.
    const names = readdirSync(join(house.data, 'keys')).filter((name) => !name.endsWith('.tmp'));
    for (const name of names) {
      expect([name, statSync(join(house.data, 'keys', name)).mode & 0o077]).toEqual([name, 0]);
    }
    expect(statSync(house.data).mode & 0o077).toBe(0);
    // What the log signed last is there once it has.
    const kept = names.filter((name) => name !== 'log-signed.json');
    expect(kept.sort()).toEqual(['cookies.json', 'issuer.json', 'log-taken', 'log.json', 'mask.key', 'tokens.json']);
  });
});

describe('the gateway’s log', () => {
  it('has logins, access and stops, in order', async () => {
    const house = await open({ access: ALL });
    const alice = await house.person('alice', ['dev']);
    const client = await house.tunnel(alice, 'prod-db');
    client.say('say hello');
    await client.line();
    client.end();
    await house.exchange(await house.issuer.token({ sub: 'x', aud: 'other' }));
    await house.gateway.close();
    const entries = await logEntries(house.data);
    expect(entries.map((one) => one.kind).sort()).toEqual([
      'access',
      'log',
      'login',
      'login',
      'policy',
      'recording',
      'start',
      'stop',
    ]);
    expect(entries.filter((one) => one.kind === 'login').map((one) => one.fields.ok)).toEqual([true, false]);
    expect(JSON.stringify(entries)).not.toContain(alice);
  });
});

describe('signing keys', () => {
  it('take over from one another while the gateway runs; tokens of before go on', async () => {
    const house = await open({ limits: { signing_key_ms: 500 } });
    const alice = await house.person('alice', ['dev']);
    const kids = async () => {
      const { body } = await house.call(undefined, 'GET', '/oidc/jwks');
      const { keys } = JSON.parse(body) as { keys: { kid: string }[] };
      return keys.map(({ kid }) => kid);
    };
    const [first] = await kids();
    await until(async () => (await kids()).length > 1);
    expect(await kids()).toContain(first);
    await until(() => logged(house, 'a new key signs from now on').some(({ fields }) => fields.keys === 'tokens'));
    const bob = await house.person('bob', ['dev']);
    for (const token of [alice, bob]) expect((await house.call(token, 'GET', '/api/v1/me')).status).toBe(200);
  });
});
