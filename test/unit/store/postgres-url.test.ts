import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePostgresUrl, placeOf } from '../../../src/store/postgres-url.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'url-'));
  writeFileSync(join(directory, 'ca.pem'), 'authority');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const parse = (text: string) => parsePostgresUrl(text, directory);

describe('the URL of a state store', () => {
  it('is taken apart, and told without its login', () => {
    const address = parse('postgresql://al%40ice:s%2Fcret@db.example.com/state?options=-c%20search_path%3Dhoopctl\n');
    expect(address).toMatchObject({ host: 'db.example.com', port: 5432, database: 'state', user: 'al@ice' });
    expect(address).toMatchObject({ password: 's/cret', options: '-c search_path=hoopctl' });
    expect(placeOf(address)).toBe('PostgreSQL at db.example.com:5432, database "state"');
    expect(placeOf(parse('postgres://[::1]:6000/x'))).toBe('PostgreSQL at [::1]:6000, database "x"');
  });

  it('means TLS that is checked, unless it says otherwise in so many words', () => {
    expect(parse('postgres://u@h/d').ssl).toEqual({ rejectUnauthorized: true });
    expect(parse('postgres://u@h/d?sslmode=disable').ssl).toBe(false);
    expect(parse('postgres://u@h/d?sslmode=require').ssl).toMatchObject({ rejectUnauthorized: false });
    const ca = Buffer.from('authority');
    expect(parse('postgres://u@h/d?sslmode=require&sslrootcert=ca.pem').ssl).toMatchObject({
      ca,
      rejectUnauthorized: true,
    });
    expect(parse('postgres://u@h/d?sslrootcert=ca.pem').ssl).toMatchObject({ ca, rejectUnauthorized: true });
    expect(parse('postgres://u@h/d?sslrootcert=system').ssl).toMatchObject({ rejectUnauthorized: true });
    expect(parse('postgres://u:p@/d?host=/run/postgresql')).toMatchObject({ host: '/run/postgresql', ssl: false });
  });

  it.each([
    ['host=db password=hunter2', 'no URL'],
    ['mysql://u:hunter2@h/d', 'no URL'],
    ['postgres://u:hunter2@/d', 'names no host'],
    ['postgres://u:hunter2@h', 'names no database'],
    ['postgres://u:hunter2%zz@h/d', '"%"'],
    ['postgres://u:hunter2@h/d?sslmode=prefer', 'sslmode is "prefer"'],
    ['postgres://u:hunter2@h/d?sslmod=require', '"sslmod" is not known'],
    ['postgres://u:hunter2@h/d?sslrootcert=none.pem', 'ENOENT'],
  ])('%s is refused, and not shown', (url, why) => {
    expect(() => parse(url)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
    expect(() => parse(url)).toThrow(why);
    expect(() => parse(url)).not.toThrow('hunter2');
  });
});
