// Against two implementations that are not ours: typage (npm) and, where it is installed, Debian's age.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decryptAge, encryptAge } from '../../../../../src/session/recorder/age/age.ts';
import { decodeBech32, encodeBech32 } from '../../../../../src/session/recorder/age/bech32.ts';
import {
  newIdentity,
  parseIdentities,
  parseRecipient,
  recipientProblem,
} from '../../../../../src/session/recorder/age/keys.ts';
import { describeWith } from '../../../../support/needs.ts';

const content = Buffer.from('{"session":"s-1","key":"00ff"}\n');

function somebody() {
  const { file, recipient } = newIdentity(new Date(0));
  return { file, recipient: parseRecipient(recipient), identities: parseIdentities(file, 'key.txt') };
}

describe('age files', () => {
  it('are opened by every recipient and by nobody else', () => {
    const [one, other, stranger] = [somebody(), somebody(), somebody()];
    const file = encryptAge(content, [one.recipient, other.recipient]);
    expect(decryptAge(file, one.identities)).toEqual(content);
    expect(decryptAge(file, other.identities)).toEqual(content);
    expect(decryptAge(file, stranger.identities)).toBeUndefined();
    expect(decryptAge(file, [...stranger.identities, ...other.identities])).toEqual(content);
  });

  it('with any bit changed are refused, never opened to something else', () => {
    const { recipient, identities } = somebody();
    const file = encryptAge(content, [recipient]);
    for (let bit = 0; bit < file.length * 8; bit++) {
      const changed = Buffer.from(file);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      let found: Buffer | undefined;
      try {
        found = decryptAge(changed, identities);
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'recording_invalid' });
      }
      expect(found, `bit ${bit}`).toBeUndefined();
    }
    for (let length = 0; length < file.length; length++) {
      expect(() => decryptAge(file.subarray(0, length), identities), `${length} bytes`).toThrow('the key file');
    }
  });

  it('are what typage reads and writes', async () => {
    const secret = await generateX25519Identity();
    const recipient = await identityToRecipient(secret);
    expect(recipientProblem(recipient)).toBeUndefined();
    const decrypter = new Decrypter();
    decrypter.addIdentity(secret);
    const ours = encryptAge(content, [somebody().recipient, parseRecipient(recipient)]);
    expect(Buffer.from(await decrypter.decrypt(ours))).toEqual(content);
    const encrypter = new Encrypter();
    encrypter.addRecipient(somebody().recipient.text);
    encrypter.addRecipient(recipient);
    const theirs = await encrypter.encrypt(content);
    expect(decryptAge(theirs, parseIdentities(`${secret}\n`, 'key.txt'))).toEqual(content);
    const identity = somebody();
    const line = identity.file.split('\n').find((one) => !one.startsWith('#'))!;
    expect(await identityToRecipient(line)).toBe(identity.recipient.text);
  });
});

describeWith(['age'], 'age files and the age of the system', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'age-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('each reads what the other writes, and each other’s identities', () => {
    const [keyFile, cipher] = [join(folder, 'key.txt'), join(folder, 'x.age')];
    const ours = somebody();
    writeFileSync(keyFile, ours.file);
    expect(execFileSync('age-keygen', ['-y', keyFile], { encoding: 'utf8' }).trim()).toBe(ours.recipient.text);
    writeFileSync(cipher, encryptAge(content, [somebody().recipient, ours.recipient]));
    expect(execFileSync('age', ['-d', '-i', keyFile, cipher])).toEqual(content);
    const theirs = join(folder, 'theirs.txt');
    execFileSync('age-keygen', ['-o', theirs], { stdio: 'ignore' });
    const identities = parseIdentities(readFileSync(theirs, 'utf8'), theirs);
    const recipient = identities[0]!.recipient.text;
    expect(readFileSync(theirs, 'utf8')).toContain(recipient);
    const written = execFileSync('age', ['-r', ours.recipient.text, '-r', recipient], { input: content });
    expect(decryptAge(written, identities)).toEqual(content);
  });
});

describe('recipients and identities', () => {
  it('are told apart from what is none, without showing a secret', () => {
    const { recipient, file } = somebody();
    const secret = file.split('\n').find((line) => line.startsWith('AGE-'))!;
    expect(recipientProblem(recipient.text)).toBeUndefined();
    expect(recipientProblem(recipient.text.toUpperCase())).toBeUndefined();
    const flipped = recipient.text.replace(/.$/, (last) => (last === 'q' ? 'p' : 'q'));
    expect(recipientProblem(flipped)).toContain('checksum');
    expect(recipientProblem(recipient.text.slice(0, -1))).toContain('expected an age X25519 recipient: age1');
    expect(recipientProblem(`A${recipient.text.slice(1)}`)).toContain('checksum');
    expect(recipientProblem('ssh-ed25519 AAAA')).toContain('SSH keys and recipients of plugins cannot be used');
    expect(recipientProblem('bob')).toContain('expected an age X25519 recipient');
    expect(recipientProblem(encodeBech32('age', new Uint8Array(32)))).toContain('shares no secret');
    for (const problem of [recipientProblem(secret), recipientProblem(secret.toLowerCase())]) {
      expect(problem).toContain('is secret');
      expect(problem?.toUpperCase()).not.toContain(secret);
    }
    const refuse = (text: string) => () => parseIdentities(text, 'key.txt');
    expect(refuse('# nothing\n')).toThrow('no line of it is an identity');
    expect(refuse(`${recipient.text}\n`)).toThrow('line 1 is a recipient, the public half');
    expect(refuse(`\n${secret.slice(0, -1)}\n`)).toThrow('line 2 is no whole AGE-SECRET-KEY-1… (not shown)');
    expect(refuse('age-encryption.org/v1\n')).toThrow('it is itself encrypted');
  });

  // From BIP 173's list of test vectors, those within its 90 characters too.
  it.each([
    ['a12uel5l', 'a', ''],
    ['abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw', 'abcdef', '00443214c74254b635cf84653a56d7c675be77df'],
  ])('bech32: %s', (text, prefix, hex) => {
    expect(decodeBech32(prefix, text)?.toString('hex')).toBe(hex);
    expect(decodeBech32(prefix, text.toUpperCase())?.toString('hex')).toBe(hex);
    expect(encodeBech32(prefix, Buffer.from(hex, 'hex'))).toBe(text);
    expect(decodeBech32(prefix, text.replace(/.$/, 'b'))).toBeUndefined();
  });
});
