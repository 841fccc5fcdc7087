import { describe, expect, it } from 'vitest';
import { exportsSchema } from '../../../../src/gateway/exports/schema.ts';

const problems = (one: object, ...more: object[]) =>
  (exportsSchema.safeParse([one, ...more]).error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );

const syslog = { name: 'siem', to: 'syslog', address: 'siem.example.com:6514' };
const otlp = { name: 'otel', to: 'otlp', url: 'https://otel.example.com/v1/logs' };

describe('the section exports', () => {
  it('takes destinations with their defaults', () => {
    const [one] = exportsSchema.parse([syslog]);
    expect(one).toMatchObject({
      kinds: ['*'],
      from: 'beginning',
      rows: false,
      facility: 13,
      maxBytes: 8192,
      confirm: 'close',
    });
    expect(
      problems({ name: 'f', to: 'file', path: '/x', format: 'csv' }, otlp, { ...syslog, address: '[::1]:6514' }),
    ).toEqual([]);
  });

  it.each([
    ['an unknown destination', { name: 'x', to: 'carrier-pigeon' }, /0\.to/],
    ['an unknown key', { ...syslog, tls: true }, /tls/],
    ['an address without a port', { ...syslog, address: 'siem.example.com' }, /0\.address: expected host:port/],
    ['a kind that is none', { ...syslog, kinds: ['statements'] }, /0\.kinds\.0: expected \*, log\.KIND/],
    ['a certificate without its key', { ...syslog, certFile: 'x.pem' }, /0\.certFile: expected certFile and key/],
    [
      'a key that is written out',
      { ...syslog, certFile: 'x.pem', key: '-----BEGIN' },
      /0\.key: is written out \(not shown\)/,
    ],
    [
      'a header that is written out',
      { ...otlp, headers: { authorization: 'Bearer x' } },
      /authorization: is written out/,
    ],
    ['plain http to another machine', { ...otlp, url: 'http://otel.example.com/v1/logs' }, /0\.url: expected an https/],
    ['a webhook without a secret', { name: 'h', to: 'webhook', url: 'https://h.example.com' }, /0\.secret/],
    ['CSV where it has no lines', { ...syslog, format: 'csv' }, /0\.format/],
  ])('refuses %s', (_, one, problem) => {
    expect(problems(one).join('\n')).toMatch(problem);
  });

  it('refuses two destinations in one file', () => {
    const file = (name: string, path: string) => ({ name, to: 'file', path });
    expect(problems(file('a', '/x'), file('b', '/y'), file('c', '/x'))).toEqual([
      '2.path: expected a file that no other destination is written to',
    ]);
    expect(problems(file('a', '/dev/stdout'), file('b', '/dev/stdout'))).toEqual([]);
  });

  it('refuses a name twice', () => {
    expect(problems(syslog, { ...otlp, name: 'siem' })).toEqual(['1.name: expected a name not used before']);
  });
});
