// What gets nobody in at the native listener, said by a client that no OpenSSH would be: certificates without their keys,
// signatures of other logins, answers that were not asked for, requests without end.

import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { userError } from '../../../../../src/core/errors.ts';
import type { Introduction, Visitor } from '../../../../../src/protocol/contract.ts';
import { certifyClient, clientAuthority } from '../../../../../src/protocol/ssh/keys/client-certificate.ts';
import { Ed25519Key } from '../../../../../src/protocol/ssh/keys/ed25519.ts';
import { fingerprint } from '../../../../../src/protocol/ssh/keys/host-keys.ts';
import { readPrivateKey } from '../../../../../src/protocol/ssh/keys/private-key.ts';
import { DEFAULT_LIMITS } from '../../../../../src/protocol/ssh/limits.ts';
import { Door } from '../../../../../src/protocol/ssh/login/door.ts';
import type { Transport } from '../../../../../src/protocol/ssh/transport/transport.ts';
import { Message, message, SshReader, SshWriter } from '../../../../../src/protocol/ssh/wire/message.ts';

const SESSION = Buffer.alloc(32, 9);
const CERT = 'ssh-ed25519-cert-v01@openssh.com';
const services = { key: (name: string) => createHash('sha256').update(name).digest() };

/** A certificate for the key, as the gateway gives one. */
async function certificate(key: Buffer, more: { kind?: string; from?: number; until?: number } = {}): Promise<Buffer> {
  const line = await certifyClient(
    {
      publicKey: `${more.kind ?? 'ssh-ed25519'} ${key.toString('base64')}`,
      name: 'alice',
      label: 'alice@example.com',
      from: more.from ?? Date.now(),
      until: more.until ?? Date.now() + 60_000,
      assertion: async (held) => `word for ${held}`,
    },
    services,
  );
  return Buffer.from(line.split(' ')[1]!, 'base64');
}

class Stranger {
  readonly sent: Buffer[] = [];
  readonly opened: Introduction[] = [];
  readonly door: Door;
  failure: Error | undefined;

  constructor(more: Partial<Visitor> = {}) {
    const visitor = {
      via: 'native',
      open: async (introduction: Introduction) => {
        this.opened.push(introduction);
        throw userError('token_invalid', 'as if');
      },
      ...more,
    } as unknown as Visitor;
    const authority = clientAuthority(services).blob;
    this.door = new Door(visitor, { limits: DEFAULT_LIMITS, authority, patience: () => {} });
    const transport = { sessionId: SESSION, send: (bytes: Buffer) => this.sent.push(Buffer.from(bytes)) };
    this.door.attach(transport as unknown as Transport);
    this.door.opened.catch((error: Error) => {
      this.failure = error;
    });
    this.door.message(message(Message.SERVICE_REQUEST).text('ssh-userauth').finish());
  }

  /** The numbers of what was answered since the last time. */
  async answers(): Promise<number[]> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.sent.splice(0).map((bytes) => bytes[0]!);
  }

  /** A publickey request; `sign` signs what RFC 4252 §7 says, or anything else. */
  offer(blob: Buffer, algorithm: string, sign?: (data: Buffer) => Buffer): void {
    const request = new SshWriter()
      .uint8(Message.USERAUTH_REQUEST)
      .text('host')
      .text('ssh-connection')
      .text('publickey');
    const asked = request
      .boolean(sign !== undefined)
      .text(algorithm)
      .blob(blob)
      .finish();
    if (sign === undefined) this.door.message(asked);
    else {
      const data = Buffer.concat([new SshWriter().blob(SESSION).finish(), asked]);
      this.door.message(Buffer.concat([asked, new SshWriter().blob(sign(data)).finish()]));
    }
  }
}

const key = new Ed25519Key(Buffer.alloc(32, 3));
const thief = new Ed25519Key(Buffer.alloc(32, 4));
const signedBy = (one: Ed25519Key) => (data: Buffer) =>
  new SshWriter().text('ssh-ed25519').blob(one.sign(data)).finish();
const REFUSED = [Message.USERAUTH_BANNER, Message.USERAUTH_FAILURE];

describe('a certificate', () => {
  it('with its key opens, with what the gateway said for that key', async () => {
    const stranger = new Stranger();
    await stranger.answers();
    stranger.offer(await certificate(key.blob), CERT);
    expect(await stranger.answers()).toEqual([Message.USERAUTH_PK_OK]);
    expect(stranger.opened).toEqual([]);
    stranger.offer(await certificate(key.blob), CERT, signedBy(key));
    await stranger.answers();
    const held = fingerprint(key.blob);
    expect(stranger.opened).toEqual([
      { connection: 'host', user: 'alice', proof: { token: `word for ${held}`, key: held } },
    ]);
  });

  it.each([
    ['the signature of another key', signedBy(thief)],
    ['a signature of something else', () => signedBy(key)(Buffer.from('something else'))],
    ['the signature of another session', (data: Buffer) => signedBy(key)(Buffer.concat([Buffer.alloc(4), data]))],
    ['an empty signature', () => Buffer.alloc(0)],
    [
      "the key's, named as the certificate's",
      (data: Buffer) => new SshWriter().text(CERT).blob(key.sign(data)).finish(),
    ],
    ['a signature with more behind it', (data: Buffer) => Buffer.concat([signedBy(key)(data), Buffer.of(0)])],
  ])('with %s opens nothing', async (_, sign) => {
    const stranger = new Stranger();
    await stranger.answers();
    stranger.offer(await certificate(key.blob), CERT, sign);
    expect(await stranger.answers()).toEqual(REFUSED);
    expect(stranger.opened).toEqual([]);
  });

  it('of RSA signs with SHA-2 as it was offered, and never with SHA-1', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const signer = readPrivateKey(pem, undefined);
    if (typeof signer === 'string') throw new Error(signer);
    const blob = await certificate(signer.blob, { kind: 'ssh-rsa' });
    const name = (algorithm: string) => `${algorithm}-cert-v01@openssh.com`;
    const stranger = new Stranger();
    await stranger.answers();
    const sha1 = (data: Buffer) =>
      new SshWriter()
        .text('ssh-rsa')
        .blob(sign('sha1', data, createPrivateKey(pem)))
        .finish();
    for (const [algorithm, by] of [
      [name('ssh-rsa'), sha1],
      [name('rsa-sha2-512'), sha1],
      [name('rsa-sha2-512'), (data: Buffer) => signer.sign('rsa-sha2-256', data)],
      ['rsa-sha2-512', (data: Buffer) => signer.sign('rsa-sha2-512', data)],
    ] as const) {
      stranger.offer(blob, algorithm, by);
      expect(await stranger.answers(), algorithm).toEqual(REFUSED);
    }
    expect(stranger.opened).toEqual([]);
    stranger.offer(blob, name('rsa-sha2-512'), (data) => signer.sign('rsa-sha2-512', data));
    await stranger.answers();
    expect(stranger.opened).toHaveLength(1);
  });

  it('signed by the authority that hosts trust is none of ours', async () => {
    const blob = await certifyClient(
      {
        ...{ publicKey: key.line, name: 'alice', label: '', from: Date.now(), until: Date.now() + 60_000 },
        assertion: async () => 'word',
      },
      { key: () => services.key('ssh-user-authority') },
    );
    const stranger = new Stranger();
    await stranger.answers();
    stranger.offer(Buffer.from(blob.split(' ')[1]!, 'base64'), CERT, signedBy(key));
    expect(await stranger.answers()).toEqual([Message.USERAUTH_FAILURE]);
    expect(stranger.opened).toEqual([]);
  });

  it('that has expired a second ago opens nothing', async () => {
    const stranger = new Stranger();
    await stranger.answers();
    stranger.offer(await certificate(key.blob, { until: Date.now() - 1000 }), CERT, signedBy(key));
    expect(await stranger.answers()).toEqual(REFUSED);
    expect(stranger.opened).toEqual([]);
  });

  it('is given for keys that count alone', async () => {
    for (const publicKey of [
      '',
      'ssh-ed25519',
      'ssh-ed25519 AAAA',
      `ssh-rsa ${key.blob.toString('base64')}`,
      'a b c',
    ]) {
      const asked = { name: 'a', label: '', from: 0, until: 1, assertion: async () => '' };
      await expect(certifyClient({ ...asked, publicKey }, services)).rejects.toThrow(/is no public key/);
    }
  });
});

describe('the door', () => {
  it('bounds keys that are offered, and tries', async () => {
    const stranger = new Stranger();
    const { tries, loginRequests } = DEFAULT_LIMITS;
    for (let i = 0; i < loginRequests.value; i++) stranger.offer(thief.blob, 'ssh-ed25519');
    expect(() => stranger.offer(thief.blob, 'ssh-ed25519')).toThrow(/ssh_login_requests/);
    const other = new Stranger();
    for (let i = 0; i < tries.value; i++) other.offer(thief.blob, 'ssh-ed25519', signedBy(thief));
    await other.answers();
    expect(other.failure?.message).toMatch(/6 logins were refused \(ssh_login_tries\)/);
  });

  it('takes no answer that it did not ask for, and none twice', () => {
    const answer = () => message(Message.USERAUTH_INFO_RESPONSE).uint32(1).text('token').finish();
    const stranger = new Stranger({ openByDevice: async () => new Promise(() => {}) });
    expect(() => stranger.door.message(answer())).toThrow(/answers what was not asked/);
    const ask = message(Message.USERAUTH_REQUEST).text('host').text('ssh-connection').text('keyboard-interactive');
    stranger.door.message(ask.text('').text('').finish());
    stranger.door.message(answer());
    expect(stranger.opened).toEqual([{ connection: 'host', secret: 'token' }]);
    expect(() => stranger.door.message(answer())).toThrow(/answers what was not asked/);
  });

  it('leaves a login in a browser when the client leaves', async () => {
    const openByDevice = vi.fn((_: string, __: unknown, signal: AbortSignal) => {
      return new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    const stranger = new Stranger({ openByDevice });
    const ask = message(Message.USERAUTH_REQUEST).text('host').text('ssh-connection').text('keyboard-interactive');
    stranger.door.message(ask.text('').text('').finish());
    stranger.door.message(message(Message.USERAUTH_INFO_RESPONSE).uint32(1).text('').finish());
    const [, , signal] = openByDevice.mock.calls[0]!;
    expect(signal.aborted).toBe(false);
    stranger.door.fail(userError('client_gone', 'gone'));
    expect(signal.aborted).toBe(true);
    await stranger.answers();
    expect(stranger.failure?.message).toBe('gone');
  });

  it('offers a browser only where there is an issuer', async () => {
    const listed = async (stranger: Stranger) => {
      await stranger.answers();
      stranger.door.message(
        message(Message.USERAUTH_REQUEST).text('host').text('ssh-connection').text('none').finish(),
      );
      return SshReader.of(stranger.sent[0]!, 'USERAUTH_FAILURE').text();
    };
    expect(await listed(new Stranger())).toBe('publickey,password');
    const openByDevice = async () => new Promise<never>(() => {});
    expect(await listed(new Stranger({ openByDevice }))).toBe('publickey,keyboard-interactive,password');
  });
});
