import { describe, expect, it } from 'vitest';
import { schema } from '../../../../../src/protocol/postgres/schema.ts';
import {
  applicationName,
  chooseDatabase,
  connectionAndDatabase,
  guardProblem,
  namesPinned,
  settingsIn,
  upstreamParameters,
  wantsReplication,
} from '../../../../../src/protocol/postgres/startup/parameters.ts';

const config = (databases?: '*' | string[]) =>
  schema.parse({
    target: { host: 'db', database: 'app', ...(databases === undefined ? {} : { databases }) },
    credentials: { user: 'app_rw', password: 'env:PW' },
  });

describe('the database', () => {
  it("is the connection's own when none, the connection or itself is asked for", () => {
    for (const asked of [undefined, '', 'prod-db', 'app'])
      expect(chooseDatabase(config(), 'prod-db', asked)).toBe('app');
  });

  it('is another one only where the connection allows it', () => {
    expect(chooseDatabase(config(['reports']), 'prod-db', 'reports')).toBe('reports');
    expect(chooseDatabase(config('*'), 'prod-db', 'anything')).toBe('anything');
    expect(() => chooseDatabase(config(['reports']), 'prod-db', 'secret')).toThrow(
      expect.objectContaining({ code: 'not_found', fix: 'ask for "app", "reports"' }),
    );
  });

  it('may follow the connection after a slash on a native listener', () => {
    expect([undefined, '', 'prod-db', 'prod-db/reports', 'prod-db/'].map(connectionAndDatabase)).toEqual([
      {},
      {},
      { connection: 'prod-db' },
      { connection: 'prod-db', database: 'reports' },
      { connection: 'prod-db', database: '' },
    ]);
  });
});

describe('options', () => {
  it('are settings in every spelling that the server takes', () => {
    expect(settingsIn('-c a=1 -cB-C=2 --d-e=3\\ 4  -c f=g=h')).toEqual([
      { name: 'a', value: '1' },
      { name: 'b_c', value: '2' },
      { name: 'd_e', value: '3 4' },
      { name: 'f', value: 'g=h' },
    ]);
  });

  it('are not understood when they are anything else', () => {
    for (const options of ['-f s', '-c', '-c a', '-W 3', 'x']) expect(settingsIn(options)).toBeUndefined();
  });
});

describe('a guarded session', () => {
  const problem = (parameters: Record<string, string>) => guardProblem(new Map(Object.entries(parameters)))?.code;

  it('refuses parameters that change how SQL is read, wherever they stand', () => {
    expect(problem({ client_encoding: 'LATIN1' })).toBe('denied');
    expect(problem({ options: '-c client_encoding=latin1' })).toBe('denied');
    expect(problem({ options: '--standard-conforming-strings=off' })).toBe('denied');
    expect(problem({ standard_conforming_strings: 'off' })).toBe('denied');
    expect(problem({ Client_Encoding: 'SJIS' })).toBe('denied');
    expect(problem({ options: '-d 5' })).toBe('denied');
  });

  it('takes what does not', () => {
    expect(
      problem({
        client_encoding: 'utf-8',
        DateStyle: 'ISO',
        options: '-c standard_conforming_strings=on -c work_mem=1MB',
      }),
    ).toBeUndefined();
    expect(problem({ client_encoding: 'SQL_ASCII', application_name: 'x' })).toBeUndefined();
  });

  it('knows whether names resolve as usual', () => {
    expect(namesPinned(new Map([['options', '-c search_path=evil']]))).toBe(false);
    expect(namesPinned(new Map([['role', 'x']]))).toBe(false);
    expect(namesPinned(new Map([['DateStyle', 'ISO']]))).toBe(true);
  });
});

describe('what the server gets', () => {
  const to = { user: 'app_rw', database: 'app', principal: 'alice@example.com', guarded: true, tellPrincipal: true };

  it("is the client's settings with our user, database, encoding and principal", () => {
    const parameters = new Map(
      Object.entries({ user: 'alice', database: 'prod-db', DateStyle: 'ISO', '_pq_.x': 'y', application_name: 'psql' }),
    );
    expect([...upstreamParameters(parameters, to)]).toEqual([
      ['user', 'app_rw'],
      ['database', 'app'],
      ['DateStyle', 'ISO'],
      ['application_name', 'psql (alice@example.com via hoopctl)'],
      ['client_encoding', 'UTF8'],
    ]);
  });

  it('leaves application_name and encoding alone where nothing asks for them', () => {
    const parameters = new Map([['application_name', 'psql']]);
    expect([...upstreamParameters(parameters, { ...to, guarded: false, tellPrincipal: false })]).toEqual([
      ['user', 'app_rw'],
      ['database', 'app'],
      ['application_name', 'psql'],
    ]);
  });

  it('keeps the name within what the server keeps, the principal before the program', () => {
    const name = applicationName('a very long program name', 'somebody.with.a.long.name@example.com');
    expect(name).toBe('a very long (somebody.with.a.long.name@example.com via hoopctl)');
    expect(Buffer.byteLength(applicationName('ü'.repeat(80), 'ö'.repeat(80)))).toBe(63);
    expect(applicationName('', 'a@b')).toBe('(a@b via hoopctl)');
  });
});

describe('replication', () => {
  it('is asked for by any true value and by "database"', () => {
    const asks = (value?: string) => wantsReplication(new Map(value === undefined ? [] : [['replication', value]]));
    expect(['true', 'on', 'yes', '1', 'database', 'DATABASE'].map(asks)).toEqual(Array(6).fill(true));
    expect([undefined, 'false', 'off', 'no', '0', 'F'].map(asks)).toEqual(Array(6).fill(false));
  });
});
