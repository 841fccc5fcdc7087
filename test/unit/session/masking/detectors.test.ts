import { expect, test } from 'vitest';
import type { Detector } from '../../../../src/session/masking/detectors/detector.ts';
import { DETECTORS, type DetectorName } from '../../../../src/session/masking/detectors/index.ts';
import { Scanner } from '../../../../src/session/masking/scanner.ts';

/** The text with every find in brackets. */
function mark(text: string, names: readonly DetectorName[]): string {
  const scanner = new Scanner(names.map((name) => ({ detector: DETECTORS[name], tag: name })));
  const finds = [...(scanner.scan(text) ?? [])].sort((a, b) => a.start - b.start);
  let out = '';
  let copied = 0;
  for (let i = 0; i < finds.length; ) {
    const { start } = finds[i]!;
    let { end } = finds[i]!;
    for (i++; i < finds.length && finds[i]!.start < end; i++) end = Math.max(end, finds[i]!.end);
    out += `${text.slice(copied, start)}[${text.slice(start, end)}]`;
    copied = end;
  }
  return out + text.slice(copied);
}

function table(name: DetectorName, rows: readonly string[]): void {
  test.each(rows)(`${name}: %s`, (marked) => {
    expect(mark(marked.replaceAll(/[[\]]/g, ''), [name])).toBe(marked);
  });
}

table('credit-card', [
  '[4111111111111111]',
  'card [4111 1111 1111 1111], thanks',
  '[4111-1111-1111-1111] 12/25',
  '[4111 1111 1111 1111] 12 25',
  '[4111\u00a01111\u00a01111\u00a01111]',
  'ID[4111111111111111]x',
  '12 [5500005555555559]',
  '[378282246310005] [3782 822463 10005]',
  '[6011111111111117] [3530111333300000]',
  '[30569309025904] [2223003122003222] [6759649826438453]',
  '[4222222222222]',
  '{"card":[4111111111111111]}',
  '4111111111111112',
  '41111111111111111',
  '9111111111111111',
  '0.4111111111111111',
  '4111 11 1111 1111 11',
  '5500005555555559012345',
  '1234567890123',
  '2026-11-20 07:18:33.123456',
  '',
]);

table('iban', [
  '[DE89370400440532013000]',
  'to [DE89 3704 0044 0532 0130 00].',
  '[GB29NWBK60161331926819] [gb29nwbk60161331926819]',
  '[FR1420041010050500013M02606]',
  '[NO9386011117947]',
  '[MT84MALT011000012345MTLCAST001S]',
  'IBAN:[NL91-ABNA-0417-1643-00]',
  'DE89370400440532013001',
  'DE8937040044053201300',
  'DE893704004405320130000',
  'XX89370400440532013000',
  'ADE89370400440532013000',
  'DE89',
  'DE89 3704  0044 0532 0130 00',
]);

table('us-ssn', [
  '[123-45-6789]',
  'ssn [123 45 6789].',
  'ssn=[123–45–6789]',
  '000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000',
  '078-05-1120',
  '123-45 6789',
  '1123-45-6789',
  '123-45-67890',
  '1-123-45-6789',
  '123-45-6789-1',
  '123456789',
  '123-45-678',
]);

table('email', [
  '[alice@example.com]',
  'mail <[alice.smith+tag@sub.example.co.uk]>, or',
  "[o'brien@example.com] '[alice@example.com]'",
  '["john doe"@example.com]',
  '[müller@bücher.example]',
  'mailto:[a@b.co]',
  '?email=[a_b@example.org]&x',
  '[a@example.com].',
  '[a@example.com]-',
  '[a@xn--bcher-kva.xn--p1ai]',
  '[a@b.co]@c',
  'user@localhost',
  '@example.com',
  'a@b',
  'a@1.2',
  'a @example.com',
  '@@@@',
]);

table('phone', [
  '[+49 30 1234567]',
  '[+1 (555) 123-4567]',
  '[+442079460958]',
  'tel:[+49 (0)30 123456]',
  '[030 12345678] [030/1234567] [0171-1234567]',
  '[(030) 1234567]',
  '[01 23 45 67 89]',
  '[0049 30 1234567]',
  '[212-555-0123] [212.555.0123] [(212) 555-0123]',
  '1-[212-555-0123]',
  '+1234567',
  '1+442079460958',
  '2125550123',
  '112-555-0123',
  '212-155-0123',
  '12-212-555-0123',
  '2026-11-20 07:18:33',
  '01.02.2024 and 2024-01-02',
  '0.123456789',
  '0012345678',
  '8f14e45f-ceea-467f-a5b6-e1f3c7d9a001',
]);

table('ip', [
  '[10.20.30.40]',
  'from [10.20.30.40]:8080, [255.255.255.255].',
  '[2001:db8::1] [::1] [fe80::1ff:fe23:4567:890a]',
  '[2001:0db8:85a3:0000:0000:8a2e:0370:7334]',
  '[::ffff:10.0.0.1]',
  '256.1.1.1',
  '1.2.3',
  '1.2.3.4.5',
  'v1.2.3.4',
  '07:18:33',
  'std::string 1::int a::b x::1',
  'a::date',
  '12:30:00:11:22',
  '::',
]);

const inBase64 = (text: string) => Buffer.from(text).toString('base64url');
const header = inBase64('{"alg":"HS256","typ":"JWT"}');
const payload = inBase64('{"sub":"alice"}');
table('jwt', [
  `[${header}.${payload}.c2lnbmF0dXJl]`,
  `Bearer [${header}.${payload}.c2ln-YX_R1cmU], then`,
  `[${header}.${payload}.]`,
  `token=[${header}.a.b.c.d].`,
  // The shortest; a name that is escaped; blanks behind; a name that is none of the header's.
  `[${inBase64('{"alg":0}')}.a.b]`,
  `[${inBase64('{"\\u0061lg":"none"}')}.a.]`,
  `[${inBase64('{"alg":"none"}\r\n ')}.a.b]`,
  `${inBase64('{"typ":"algebra"}')}.a.b`,
  `${inBase64('{"alg": }')}.a.b`,
  'eyJ',
  'eyJhbGciOiJIUzI1NiJ9',
  'eyJub3QganNvbg.eyJub3QganNvbg.x',
  `x${header}.${payload}.c2ln`,
]);

table('pem-private-key', [
  '[-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----]\nrest',
  'a [-----BEGIN RSA PRIVATE KEY-----\\nMIIB\\n-----END RSA PRIVATE KEY-----] b',
  '[-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl]',
  '[-----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n-----END PGP PRIVATE KEY BLOCK-----]',
  '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
  '-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----',
  '----------------------',
]);

const a = (count: number) => 'aB3dE6gH9'.repeat(20).slice(0, count);
table('cloud-key', [
  'id [AKIAIOSFODNN7EXAMPLE] secret',
  `aws_secret_access_key = "[${'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'}]"`,
  `"SecretAccessKey": "[${'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'}]"`,
  `[AIza${a(35)}] [GOCSPX-${a(28)}]`,
  `[ghp_${a(36)}] [github_pat_${a(82)}] [glpat-${a(20)}]`,
  `[xoxb-${a(30)}] https://[hooks.slack.com/services/T00000000/B00000000/${a(24)}]`,
  `[sk_live_${a(24)}] [sk-ant-${a(40)}] [sk-proj-${a(40)}]`,
  `[npm_${a(36)}] [hf_${a(34)}] [SG.${a(22)}.${a(43)}]`,
  `AccountName=x;AccountKey=[${a(86)}==];EndpointSuffix`,
  `abc [xyz8Q~${a(34)}]`,
  `[ghs_${'Z'.repeat(3000)}]`,
  'AKIAIOSFODNN7EXAMPL',
  'AKIAIOSFODNN7EXAMPLEE',
  'xAKIAIOSFODNN7EXAMPLE',
  'sk-learn and task-force, sig=short, accountkey',
  `ghp_${a(20)}`,
]);

table('url-password', [
  'postgres://user:[s3cret]@host:5432/db',
  'https://:[tok:en@x]@host/',
  "redis://u:[p%40ss]@h'",
  'https://host/a:b@c',
  'https://user@host',
  'https://user:@host',
  'a://b://c',
]);

test('names outside ASCII and triggers at the edges of a text do not confuse the scan', () => {
  expect(mark('naïve@exämple.com 4111111111111111é', ['email', 'credit-card'])).toBe(
    '[naïve@exämple.com] [4111111111111111]é',
  );
});

test('inside a token that was found none is looked for', () => {
  const scanner = new Scanner([{ detector: DETECTORS['cloud-key'], tag: 1 }]);
  const token = 'xoxb-'.repeat(1000);
  expect(scanner.scan(`${token} ${token}`)).toEqual([
    { start: 0, end: token.length, tag: 1 },
    { start: token.length + 1, end: 2 * token.length + 1, tag: 1 },
  ]);
});

test('a name before a run that is longer than any key asks once for all of it', () => {
  let asked = 0;
  const find: Detector['find'] = (codes, at, end) => {
    asked++;
    return DETECTORS['cloud-key'].find(codes, at, end);
  };
  const scanner = new Scanner([{ detector: { ...DETECTORS['cloud-key'], find }, tag: 1 }]);
  const run = 64 * 1024 + 4;
  expect(scanner.scan('sig='.repeat(50_000))).toEqual(
    [0, run, 2 * run, 3 * run].map((at) => ({ start: at + 4, end: Math.min(at + run, 200_000), tag: 1 })),
  );
  expect(asked).toBe(4);
});

test('a text made of triggers is scanned in linear time', () => {
  const names = Object.keys(DETECTORS) as DetectorName[];
  for (const unit of [
    'eyJ',
    'eyJ.',
    'eyJ-',
    '-----BEGIN ',
    '-----BEGIN PRIVATE KEY-----',
    'xoxb-',
    '://',
    '1:',
    '@',
    'a@',
    '+1',
    '0 ',
    '1.',
    'sk-',
    '4 ',
    '4111 ',
    'DE89 ',
    '::',
    'f:',
  ]) {
    const scanner = new Scanner(names.map((name) => ({ detector: DETECTORS[name], tag: name })));
    let steps = 0;
    const text = unit.repeat(Math.ceil(40_000 / unit.length));
    const counting = new Scanner(
      names.map((name) => {
        const find: Detector['find'] = (codes, at, end) => {
          steps++;
          return DETECTORS[name].find(codes, at, end);
        };
        return { detector: { ...DETECTORS[name], find }, tag: name };
      }),
    );
    expect(counting.scan(text)?.length ?? 0).toBe(scanner.scan(text)?.length ?? 0);
    expect(steps).toBeLessThan(text.length * names.length);
  }
});
