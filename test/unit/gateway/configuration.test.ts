import { describe, expect, it } from 'vitest';
import { formatProblems } from '../../../src/config/problem.ts';
import { limit } from '../../../src/core/limits.ts';
import { configurationJsonSchema, readConfiguration } from '../../../src/gateway/configuration.ts';
import { parseAddress } from '../../../src/gateway/document.ts';
import { lines } from '../../support/line-protocol.ts';

async function read(text: string) {
  return readConfiguration(text, { file: 'gateway.yaml', directory: '/nowhere', now: 0, protocols: [lines as never] });
}

/** `line: message` of each problem. */
async function problems(text: string): Promise<string[]> {
  const result = await read(text);
  return formatProblems(result.problems ?? result.configuration.failures)
    .split('\n')
    .map((line) => line.replace(/^gateway\.yaml:(\d+):\d+: /, '$1: '));
}

const CONNECTION = '{ protocol: lines, target: { host: h, port: 1 }, credentials: { user: u } }';

const connection = (more: string) => `{ ${CONNECTION.slice(2, -2)}, ${more} }`;

describe('a configuration', () => {
  it('may be empty: everything has a default', async () => {
    const { configuration } = await read('');
    expect(configuration).toMatchObject({ publicUrl: undefined, tls: undefined, stopGraceMs: 30_000 });
    expect(configuration!.identity).toMatchObject({ embedded: true, issuers: [], workloads: [] });
    expect(configuration!.roles.admin).toEqual({ groups: ['admins'] });
  });

  it('has its listeners at different places', async () => {
    const wrong = ['gateway: 127.0.0.1:7443, lines: 127.0.0.1:7443', 'gateway: 0.0.0.0:7443, lines: 127.0.0.1:7443'];
    for (const listen of wrong) {
      expect(await problems(`listen: { ${listen} }`)).toEqual([
        '1: listen.lines is "127.0.0.1:7443", expected another port than listen.gateway has',
      ]);
    }
    const good = ['gateway: 127.0.0.1:7443, lines: 127.0.0.2:7443', 'gateway: 127.0.0.1:0, lines: 127.0.0.1:0'];
    for (const listen of good) expect((await read(`listen: { ${listen} }`)).problems).toBeUndefined();
  });

  it('sets no limit so low that nothing works, nor in words', async () => {
    const text = 'limits: { access_token_ms: 15, sessions: 0, recording_pack_after_ms: 0, connection_token_ms: 15m }';
    expect(await problems(text)).toEqual([
      '1: limits.access_token_ms is 15 ms, expected at least 1000: with less nothing works',
      '1: limits.sessions is 0, expected at least 1: with less nothing works',
      '1: limits.connection_token_ms is "15m", expected a number',
    ]);
  });

  it('is read into what the gateway works with', async () => {
    const { configuration } = await read(`
listen: { gateway: "[::1]:7443", lines: 0.0.0.0:9000 }
publicUrl: https://gw.example.com/
identity:
  issuers: [ { name: corp, issuer: https://id.example.com, clientId: hoopctl } ]
  workloads: [ { name: ci, issuer: https://ci.example.com, audience: gw, when: { ref: refs/heads/main } } ]
connections:
  db: { protocol: lines, target: { host: h, port: 1 }, credentials: { user: u, password: env:PW }, labels: { env: prod },
        recording: { rows: 5, bytes: 64KiB }, session: { maxAge: 2h } }
limits: { sessions: 3 }
stop: { grace: 1m30s }
`);
    expect(configuration!.listen.gateway).toEqual({ host: '::1', port: 7443 });
    expect([...configuration!.listen.native]).toEqual([['lines', { host: '0.0.0.0', port: 9000 }]]);
    expect(configuration!.publicUrl).toBe('https://gw.example.com');
    expect(configuration!.identity.embedded).toBe(false);
    expect(configuration!.identity.issuers[0]).toMatchObject({ groups: 'groups' });
    expect(configuration!.identity.workloads[0]!.when).toEqual({ ref: ['refs/heads/main'] });
    expect(configuration!.connections.get('db')).toMatchObject({
      recording: { rows: 5, bytes: 65_536, durability: 'buffered', onFailure: 'end-session' },
      maxAgeMs: 7_200_000,
      address: { host: 'h', port: 1 },
      credentials: { user: 'u', password: 'env:PW' },
      config: { target: { host: 'h', port: 1 } },
    });
    expect(configuration!.stopGraceMs).toBe(90_000);
    expect(configuration!.limit(limit('sessions', 'count', 10))).toMatchObject({ value: 3 });
    expect(configuration!.limit(limit('other', 'count', 10))).toMatchObject({ value: 10 });
  });

  it('says how each connection is recorded: its own word, the first default with its labels, the built-in', async () => {
    const { configuration } = await read(`
connections:
  a: ${connection('labels: { env: prod, tier: gold }, recording: { rows: 7 }')}
  b: ${connection('labels: { env: prod }, recording: { durability: buffered, onFailure: best-effort }')}
  c: ${connection('recording: best-effort')}
  d: ${CONNECTION}
recordings:
  compress: false
  defaults:
    - { labels: { env: prod, tier: gold }, onFailure: refuse-new }
    - { labels: { env: prod }, durability: synced, onFailure: end-session, rows: 3 }
`);
    const recorded = (name: string) => configuration!.connections.get(name)!.recording;
    const { rows, bytes } = recorded('d');
    expect(recorded('a')).toEqual({ rows: 7, bytes, durability: 'synced', onFailure: 'refuse-new', encrypt: null });
    expect(recorded('b')).toEqual({ rows: 3, bytes, durability: 'buffered', onFailure: 'best-effort', encrypt: null });
    expect(recorded('c')).toEqual({ rows, bytes, durability: 'buffered', onFailure: 'best-effort', encrypt: null });
    expect(recorded('d')).toEqual({
      ...{ rows: 1000, bytes: 1_048_576, durability: 'buffered', onFailure: 'end-session', encrypt: null },
    });
    expect(configuration!.compress).toBe(false);
    expect(await problems(`connections: { a: ${connection('recording: { durability: maybe }')} }`)).toHaveLength(1);
    expect(await problems(`connections: { a: ${connection('recording: none')} }`)).toHaveLength(1);
  });

  it('refuses a default for labels that no connection has: what it says would be nowhere', async () => {
    const written = (labels: string) =>
      `connections: { a: ${connection('labels: { env: prod }')} }\nrecordings: { defaults: [{ labels: { ${labels} }, durability: synced }] }`;
    for (const good of ['env: prod', '']) expect((await read(written(good))).problems).toBeUndefined();
    for (const typo of ['env: prd', 'evn: prod', 'env: prod, tier: gold']) {
      expect(await problems(written(typo))).toEqual([
        '2: recordings.defaults[0].labels are those of no connection, expected labels that at least one has',
      ]);
    }
  });

  it('encrypts recordings for whom the connection or its labels say', async () => {
    const [one, other] = [
      'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p',
      'age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg',
    ];
    const { configuration } = await read(`
connections:
  a: ${connection('labels: { env: prod }')}
  b: ${connection(`labels: { env: prod }, recording: { encrypt: { recipients: [${other}, ${one}] } }`)}
  c: ${connection('labels: { env: prod }, recording: { encrypt: off }')}
  d: ${CONNECTION}
recordings:
  defaults: [{ labels: { env: prod }, encrypt: { recipients: [${one}] } }]
`);
    const encrypted = (name: string) =>
      configuration!.connections.get(name)!.recording.encrypt?.recipients.map(({ text }) => text);
    expect(['a', 'b', 'c', 'd'].map(encrypted)).toEqual([[one], [other, one], undefined, undefined]);
    expect(configuration!.connections.get('a')!.recording.encrypt?.gatewayReads).toBe(false);
    const refused = async (written: string) => {
      const found = await problems(`connections:\n  a: ${connection(`recording: { encrypt: ${written} }`)}`);
      return found.join('\n');
    };
    const wrong = await refused(`{ recipients: [${one.replace(/p$/, 'q')}] }`);
    expect(wrong).toContain('recipients[0] is "age1ql3z7');
    expect(wrong).toContain('expected a recipient whose checksum holds');
    expect(wrong).toMatch(/^2: /);
    const secret = 'AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX';
    const leaked = await refused(`{ recipients: [${secret}] }`);
    expect(leaked).toContain('"AGE-SECRET-KEY-1…", which is secret: expected its recipient');
    expect(leaked).not.toContain(secret.slice(0, 20));
    expect(await refused('{ recipients: [] }')).toContain('expected at least 1 item');
    expect(await refused('{}')).toContain('"recipients" is missing');
    expect(await refused('on')).toContain('"off"');
    expect(await refused('{ recipients: [ssh-ed25519 AAAA] }')).toContain('SSH keys');
  });

  it('tells every problem at once, of shape and of sense', async () => {
    const found = await problems(`connections:
  prod: { protocol: lines, target: { host: h }, credentials: { user: u, password: hunter2 } }
acess: []
rules:
  - { name: a, when: { does: [explode] }, then: deny }
  - { name: b, when: { does: [drop] }, then: maybe }
  - { name: a, to: { names: [prdo] }, then: deny }
limits: { sesions: 1, tunnel_ping_ms: 5, search_ms: 9, signing_key_ms: 86400000 }
tls: { cert: missing.pem, key: missing-key.pem }
`);
    expect(found.map((line) => line.split(':')[0])).toEqual(['2', '2', '3', '5', '6', '7', '7', '8', '8', '9', '9']);
    expect(found.join('\n')).not.toContain('hunter2');
    expect(found.filter((line) => line.startsWith('8:')).join()).toMatch(
      /sesions is no limit.*tunnel_ping_ms is fixed/,
    );
    expect(found[3]).toContain('"explode" is in the vocabulary of none');
  });

  it('tells what is wrong with the rest of what is wrong already', async () => {
    const found = await problems(`connections:
  prod: { protocol: lines, target: { host: h, port: 1 }, credentials: { user: u, password: "env:PW" } }
  other: { protocol: lnes, target: { host: h, port: 1 }, credentials: { user: u, password: "env:PW" } }
access: [ { who: { groups: [a] }, to: { names: [prod] } } ]
rules:
  - { name: a, to: { names: [prod] }, when: { does: [explode], bogus: 1 }, then: deny }
  - { name: b, to: { names: [prod] }, when: { does: [explode], time: { zone: Mars, days: [mon] } }, wait: soon, then: deny }
  - { name: a, to: { names: [other] }, when: { does: [whatever] }, then: deny }
  - { name: c, to: { names: [othr] }, then: deny }
`);
    const at = (line: number, what: string) => expect.stringMatching(new RegExp(`^${line}: .*${what}`));
    expect(found).toEqual([
      at(3, '"lnes"'),
      at(6, '"explode" is in the vocabulary of none'),
      at(6, 'bogus'),
      at(7, '"explode" is in the vocabulary of none'),
      at(7, 'zone'),
      at(7, 'wait'),
      at(8, 'name "a" is already'),
      at(8, '"whatever" is in the vocabulary of none'),
      at(9, 'did you mean "other"'),
    ]);
  });

  it.each([
    ['is a mistake for one', 'lnes'],
    ['is none', 'telepathy'],
    ['is left out', undefined],
  ])('tells what else is wrong where a protocol %s', async (_, protocol) => {
    const found = await problems(`connections:
  odd:
    ${protocol === undefined ? '' : `protocol: ${protocol}`}
    target: { host: h, port: x }
    credentials: { user: u, password: hunter2 }
    lables: { env: prod }
    recording: { rows: -1 }
  prod: ${CONNECTION.replace('port: 1', 'port: y')}
rules:
  - { name: everywhere, when: { does: [explode] }, then: deny }
  - { name: there, to: { names: [odd] }, when: { does: [drop] }, then: deny }`);
    expect(found.map((line) => line.split(':')[0])).toEqual([
      protocol === undefined ? '4' : '3',
      '4',
      '5',
      '6',
      '7',
      '8',
      '10',
    ]);
    expect(found.join('\n')).not.toContain('hunter2');
  });

  it('does not let a secret be written out, whatever its field is called', async () => {
    const [problem] = await problems(`connections:
  prod: { protocol: lines, target: { host: h, port: 1 }, credentials: { user: u, password: "env:" } }`);
    expect(problem).toBe(
      '2: connections.prod.credentials.password is written out (not shown), expected a reference: env:NAME, file:PATH or exec:COMMAND',
    );
  });

  it('blames no rule for a connection that is wrong', async () => {
    const found = await problems(`connections:
  prod: { protocol: lnes, target: { host: h, port: 1 }, credentials: { user: u } }
access: [ { who: { groups: [a] }, to: { names: [prod] } } ]`);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain('"lnes"');
  });

  it('has names of issuers that no other may pass for', async () => {
    const issuer = (name: string) => `{ name: ${name}, issuer: https://id.example.com, clientId: x }`;
    expect(await problems(`identity: { issuers: [ ${issuer('local')} ] }`)).toHaveLength(1);
    expect(await problems(`identity: { issuers: [ ${issuer('corp')}, ${issuer('corp')} ] }`)).toHaveLength(1);
    const [clear] = await problems(
      'identity: { issuers: [ { name: c, issuer: http://id.example.com, clientId: x } ] }',
    );
    expect(clear).toContain('https://');
  });

  it('tells at which test it fails', async () => {
    const found = await problems(`connections: { db: ${CONNECTION} }
access: [ { who: { groups: [a] }, to: { names: [db] } } ]
tests:
  - { as: { groups: [a] }, to: db, run: drop x, expect: allow }
  - { as: { groups: [a] }, to: db, run: drop x, expect: deny }`);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^5: tests\[1\] fails: got allow/);
  });

  it('has a JSON Schema for editors', async () => {
    const schema = (await configurationJsonSchema()) as { properties: Record<string, unknown> };
    expect(Object.keys(schema.properties)).toEqual(
      expect.arrayContaining(['listen', 'identity', 'connections', 'access', 'rules', 'masks', 'limits']),
    );
  });
});

describe('an address', () => {
  it.each([
    ['127.0.0.1:7443', '127.0.0.1', 7443],
    [':7443', '0.0.0.0', 7443],
    ['[::1]:0', '::1', 0],
    ['gw.example.com:443', 'gw.example.com', 443],
  ])('%s', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port });
  });

  it.each(['7443', 'host', 'host:99999', '::1:7443', 'http://host:80', ''])('%s is none', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});
