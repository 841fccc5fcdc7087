// Keys and certificates against ssh-keygen's: what it writes is read, what is written it reads.

import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { issueUserCertificate, readCertificate, whyNot } from '../../../../../src/protocol/ssh/keys/certificate.ts';
import { Ed25519Key } from '../../../../../src/protocol/ssh/keys/ed25519.ts';
import { check, kindOf, knownHosts } from '../../../../../src/protocol/ssh/keys/host-keys.ts';
import { readPrivateKey } from '../../../../../src/protocol/ssh/keys/private-key.ts';
import { blobOf, publicKey, verifySignature } from '../../../../../src/protocol/ssh/keys/public-key.ts';
import { removeDirectory, temporaryDirectory } from '../../../../support/process.ts';

const directory = temporaryDirectory('keys');
afterAll(() => removeDirectory(directory));

const keygen = (...args: string[]) => execFileSync('ssh-keygen', ['-q', ...args], { cwd: directory, stdio: 'pipe' });
const blob = (file: string) => Buffer.from(readFileSync(join(directory, file), 'utf8').split(' ')[1]!, 'base64');
const text = (file: string) => readFileSync(join(directory, file), 'utf8');

const KINDS = [
  ['ed25519', []],
  ['ecdsa', ['-b', '256']],
  ['ecdsa', ['-b', '384']],
  ['ecdsa', ['-b', '521']],
  ['rsa', ['-b', '2048']],
] as const;
const FORMATS = [
  ['as OpenSSH writes it', []],
  ['as PEM', ['-m', 'PEM']],
  ['as PKCS #8', ['-m', 'PKCS8']],
] as const;

describe('private keys', () => {
  const cases = KINDS.flatMap(([kind, size]) =>
    FORMATS.filter(([, format]) => format.length === 0 || kind === 'rsa' || size.join('') === '-b256').flatMap(
      ([how, format]) => ['', 'a passphrase'].map((phrase) => ({ kind, size, how, format, phrase })),
    ),
  );
  it.each(cases)('$kind $size $how, passphrase "$phrase", sign what their public halves verify', (one) => {
    const file = `k-${one.kind}-${one.size.join('')}-${one.format.join('')}-${one.phrase.length}`;
    keygen('-t', one.kind, ...one.size, ...one.format, '-N', one.phrase, '-f', join(directory, file));
    const signer = readPrivateKey(text(file), one.phrase === '' ? undefined : one.phrase);
    if (typeof signer === 'string') throw new Error(signer);
    expect(signer.blob).toEqual(blob(`${file}.pub`));
    for (const algorithm of signer.algorithms) {
      const signature = signer.sign(algorithm, Buffer.from('text'));
      expect(verifySignature(signer.blob, Buffer.from('text'), signature, algorithm)).toBe(true);
      expect(verifySignature(signer.blob, Buffer.from('other'), signature, algorithm)).toBe(false);
      expect(verifySignature(signer.blob, Buffer.from('text'), signature, 'ssh-rsa')).toBe(false);
    }
    if (one.phrase === '') return;
    expect(readPrivateKey(text(file), undefined)).toBe('is encrypted, and "passphrase" is not given');
    expect(readPrivateKey(text(file), 'another')).toBe('cannot be read with the "passphrase" that is given');
  });

  it('that are none, too short or of a kind that is not used are told apart', () => {
    expect(readPrivateKey('hello', undefined)).toContain('is no private key');
    keygen('-t', 'rsa', '-b', '1024', '-N', '', '-f', join(directory, 'short'));
    expect(readPrivateKey(text('short'), undefined)).toContain('RSA of less than 2048 bits');
    expect(publicKey(blob('short.pub'))).toBeUndefined();
  });

  it('ECDSA numbers are padded and cut as mpints have to be', () => {
    keygen('-t', 'ecdsa', '-b', '521', '-N', '', '-f', join(directory, 'many'));
    const signer = readPrivateKey(text('many'), undefined);
    if (typeof signer === 'string') throw new Error(signer);
    for (let i = 0; i < 100; i++) {
      const data = Buffer.from(String(i));
      expect(verifySignature(signer.blob, data, signer.sign(signer.algorithms[0]!, data))).toBe(true);
    }
  });
});

describe('certificates', () => {
  keygen('-t', 'ed25519', '-N', '', '-f', join(directory, 'ca'));
  keygen('-t', 'ecdsa', '-N', '', '-f', join(directory, 'ca-ecdsa'));
  keygen('-t', 'rsa', '-b', '2048', '-N', '', '-f', join(directory, 'ca-rsa'));
  const now = Date.parse('2026-06-01T00:00:00Z');
  let count = 0;

  /** What ssh-keygen -s signs, read. */
  function signed(args: string[], { ca = 'ca', kind = 'ed25519' } = {}) {
    const file = `subject-${count++}`;
    keygen('-t', kind, '-N', '', '-f', join(directory, file));
    keygen('-s', ca, '-I', 'an id', ...args, `${file}.pub`);
    const shown = blob(`${file}-cert.pub`);
    return { shown, certificate: readCertificate(shown)!, key: blob(`${file}.pub`) };
  }
  const always = ['-V', '20260101:20270101'];
  const host = { type: 'host', principal: (name: string) => name === 'web', now } as const;

  it.each(['ed25519', 'ecdsa', 'rsa'])('about an %s key are read, whoever signed them', (kind) => {
    for (const ca of ['ca', 'ca-ecdsa', 'ca-rsa']) {
      const { certificate, key } = signed(['-h', '-n', 'web,db', ...always], { ca, kind });
      expect(certificate).toMatchObject({ signed: true, keyId: 'an id', principals: ['web', 'db'] });
      expect(certificate.key).toEqual(key);
      expect(certificate.authority).toEqual(blob(`${ca}.pub`));
      expect(whyNot(certificate, host)).toBeUndefined();
    }
  });

  it.each([
    ['expired', ['-h', '-n', 'web', '-V', '20260101:20260201'], 'expired at 2026-02-01T00:00:00.000Z'],
    ['not yet valid', ['-h', '-n', 'web', '-V', '20260701:20270101'], 'is not valid before 2026-07-01T00:00:00.000Z'],
    ["another host's", ['-h', '-n', 'db,other', ...always], 'is for db, other'],
    ["nobody's", ['-h', ...always], 'names nobody'],
    ["a user's", ['-n', 'web', ...always], 'is no certificate of a host'],
  ])('%s do not count', (_, args, why) => {
    process.env.TZ = 'UTC';
    expect(whyNot(signed(args).certificate, host)).toBe(why);
  });

  it.each([
    ['source-address', 'source-address=10.0.0.0/8'],
    ['force-command', 'force-command=date'],
    ['any other', 'critical:whatever=x'],
  ])('with the critical option %s do not count', (_, option) => {
    const { certificate } = signed(['-n', 'alice', '-O', option, ...always]);
    const why = whyNot(certificate, { type: 'user', principal: () => true, now });
    expect(why).toMatch(/^has the critical option "[\w-]+", which is not honoured here$/);
  });

  it('changed by a bit anywhere do not count', () => {
    const { shown } = signed(['-h', '-n', 'web', ...always]);
    for (let at = 0; at < shown.length; at++) {
      const bent = Buffer.from(shown);
      bent[at]! ^= 1;
      const read = readCertificate(bent);
      // The nonce, the key, names, times: all are under the signature.
      expect(read === undefined || !read.signed, `byte ${at}`).toBe(true);
    }
  });

  it('cut short, or with more behind them, are none', () => {
    const { shown } = signed(['-h', '-n', 'web', ...always]);
    for (let length = 0; length < shown.length; length++)
      expect(readCertificate(shown.subarray(0, length))).toBeUndefined();
    expect(readCertificate(Buffer.concat([shown, Buffer.of(0)]))).toBeUndefined();
  });

  it('of ours are what ssh-keygen reads', () => {
    const authority = new Ed25519Key(Buffer.alloc(32, 7));
    keygen('-t', 'ecdsa', '-N', '', '-f', join(directory, 'mine'));
    const made = issueUserCertificate(blob('mine.pub'), authority, {
      keyId: 's-1 alice@example.com',
      principals: ['alice'],
      validAfter: now / 1000,
      validBefore: now / 1000 + 600,
      extensions: { 'permit-pty': '', 'assertion@hoopctl': 'a word' },
    });
    writeFileSync(join(directory, 'mine-cert.pub'), `${kindOf(made)} ${made.toString('base64')}\n`);
    const shown = execFileSync('ssh-keygen', ['-Lf', join(directory, 'mine-cert.pub')], {
      env: { TZ: 'UTC' },
    }).toString();
    expect(shown).toMatch(/Type: ecdsa-sha2-nistp256-cert-v01@openssh.com user certificate/);
    expect(shown).toContain('Key ID: "s-1 alice@example.com"');
    expect(shown).toContain('Valid: from 2026-06-01T00:00:00 to 2026-06-01T00:10:00');
    expect(shown).toMatch(/Principals: \n\s+alice\n/);
    expect(shown).toContain('permit-pty');
    expect(readCertificate(made)).toMatchObject({ signed: true, principals: ['alice'] });
  });

  describe('of hosts', () => {
    const { shown, key } = signed(['-h', '-n', 'web.example.com', '-V', '20200101:20400101']);
    const other = signed(['-h', '-n', 'web.example.com', '-V', '20200101:20400101'], { ca: 'ca-ecdsa' });
    const ca = text('ca.pub').split(' ').slice(0, 2).join(' ');
    const line = (one: Buffer) => `${kindOf(one)} ${one.toString('base64')}`;
    const verdict = (file: string, one = shown, port = 22) =>
      check(one, knownHosts(file, 'web.example.com', port), 'web.example.com', now);

    it.each([
      ['by @cert-authority', `@cert-authority *.example.com ${ca}`, true],
      ['by @cert-authority on another port', `@cert-authority *.example.com ${ca}`, true],
      ['by the key in it', `web.example.com ${line(key)}`, true],
      ['not by an authority of other hosts', `@cert-authority *.example.org ${ca}`, false],
      ["not by the authority's key as a host's", `web.example.com ${ca}`, false],
      ['not where the authority is revoked', `@cert-authority * ${ca}\n@revoked * ${ca}`, false],
      ['not where the key is revoked', `@cert-authority * ${ca}\n@revoked * ${line(key)}`, false],
      ['not by a marker that is not known', `@something * ${line(key)}`, false],
      ['not by an exception', `@cert-authority *.example.com,!web.example.com ${ca}`, false],
    ])('are known %s', (name, file, known) => {
      expect(verdict(file, shown, name.includes('port') ? 2222 : 22).known).toBe(known);
    });

    it('of another authority are told as such', () => {
      expect(verdict(`@cert-authority * ${ca}`, other.shown)).toMatchObject({
        known: false,
        reason: 'certificate',
        why: expect.stringMatching(/^is signed by another authority, SHA256:/),
      });
    });
  });
});

describe('known_hosts', () => {
  keygen('-t', 'ed25519', '-N', '', '-f', join(directory, 'host'));
  const key = text('host.pub').split(' ').slice(0, 2).join(' ');
  const known = (file: string, host: string, port: number) => knownHosts(file, host, port).keys.length > 0;

  it('hashed names are found, with and without a port', () => {
    const file = join(directory, 'hashed');
    writeFileSync(file, `web.example.com,10.0.0.7 ${key}\n[web.example.com]:2222 ${key}\n`);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'pipe' });
    const hashed = readFileSync(file, 'utf8');
    expect(hashed).not.toContain('example');
    expect(known(hashed, 'web.example.com', 22)).toBe(true);
    expect(known(hashed, '10.0.0.7', 22)).toBe(true);
    expect(known(hashed, 'WEB.example.com', 2222)).toBe(true);
    expect(known(hashed, 'web.example.com', 2223)).toBe(false);
    expect(known(hashed, 'db.example.com', 22)).toBe(false);
  });

  it('a plain entry is about port 22 alone', () => {
    expect(known(`web ${key}`, 'web', 2222)).toBe(false);
    expect(known(`[web]:2222 ${key}`, 'web', 2222)).toBe(true);
    expect(known(`[web]:2222 ${key}`, 'web', 22)).toBe(false);
  });

  it('comments, broken lines and keys under another name are passed over', () => {
    expect(known(`# web ${key}\nweb\nweb ssh-rsa ${key.split(' ')[1]}\n`, 'web', 22)).toBe(false);
  });
});

it('a key of ours has the blob that it is known by', () => {
  const key = new Ed25519Key(Buffer.alloc(32, 1));
  const pem = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 1)]),
    format: 'der',
    type: 'pkcs8',
  });
  expect(blobOf(createPublicKey(pem))).toEqual({ kind: 'ssh-ed25519', blob: key.blob });
});
