// The ways to prove to a host who we are (RFC 4252, RFC 4256): a certificate for this session alone, a key, a password.
// Refuses to know: sockets, hosts, in which order a host wants them.

import { randomBytes } from 'node:crypto';
import { peerError } from '../../../core/errors.ts';
import { certifiedName, issueUserCertificate } from '../keys/certificate.ts';
import { Ed25519Key } from '../keys/ed25519.ts';
import { readPrivateKey } from '../keys/private-key.ts';
import { Message, message, SshReader, SshWriter } from '../wire/message.ts';
import type { Place } from './host.ts';

/** How long a session's certificate is good for: the login, not the session, which goes on. ms */
const CERTIFICATE_MS = 5 * 60_000;
/** Clocks of hosts differ. ms */
const TOLERANCE_MS = 60_000;
const PERMITS = [
  'permit-pty',
  'permit-port-forwarding',
  'permit-agent-forwarding',
  'permit-X11-forwarding',
  'permit-user-rc',
];

/** One way: what is sent, and what is answered where the host asks back (message 60 of the method). */
export interface Method {
  readonly name: string;
  request(user: string, sessionId: Buffer): Buffer;
  answer?(payload: Buffer): Buffer | undefined;
}

export interface Secrets {
  readonly key?: string;
  readonly passphrase?: string;
  readonly password?: string;
  readonly certificate?: string;
}

/** Errors: credentials_unavailable. */
export function methods(secrets: Secrets, place: Place, certified: () => Method): Method[] {
  const { key, passphrase, password, certificate } = secrets;
  const ways: Method[] = [];
  if (certificate !== undefined) ways.push(certified());
  if (key !== undefined) ways.push(...keyed(key, passphrase, place));
  if (password !== undefined) ways.push(withPassword(password), asked(password));
  return ways;
}

/** RFC 4252 §7; RSA with SHA-2 (RFC 8332), never SHA-1. */
function keyed(text: string, passphrase: string | undefined, { name }: Place): Method[] {
  const signer = readPrivateKey(text, passphrase);
  if (typeof signer === 'string') {
    throw peerError('credentials_unavailable', `credential "key" of ${name} ${signer}`, {
      fix: 'give it as ssh-keygen writes it, or as PEM, with its passphrase where it has one',
    });
  }
  return signer.algorithms.map((algorithm) => ({
    name: `the key (${algorithm})`,
    request: (user, sessionId) =>
      signed(user, sessionId, algorithm, signer.blob, (data) => signer.sign(algorithm, data)),
  }));
}

/** `keyId` is what the host's log shows. */
export function certified(authority: Ed25519Key, user: string, keyId: string): Method {
  const key = new Ed25519Key(randomBytes(32));
  const now = Date.now();
  const blob = issueUserCertificate(key.blob, authority, {
    keyId,
    principals: [user],
    validAfter: (now - TOLERANCE_MS) / 1000,
    validBefore: (now + CERTIFICATE_MS) / 1000,
    extensions: Object.fromEntries(PERMITS.map((name) => [name, ''])),
  });
  return {
    name: "the session's certificate",
    request: (name, sessionId) =>
      signed(name, sessionId, certifiedName(key.type), blob, (data) =>
        // The signature is the key's, so it has the key's name, not the certificate's.
        new SshWriter().text(key.type).blob(key.sign(data)).finish(),
      ),
  };
}

function signed(
  user: string,
  sessionId: Buffer,
  algorithm: string,
  blob: Buffer,
  sign: (data: Buffer) => Buffer,
): Buffer {
  const request = message(Message.USERAUTH_REQUEST, 1024)
    .text(user)
    .text('ssh-connection')
    .text('publickey')
    .boolean(true)
    .text(algorithm)
    .blob(blob)
    .finish();
  const data = Buffer.concat([new SshWriter().blob(sessionId).finish(), request]);
  return Buffer.concat([request, new SshWriter().blob(sign(data)).finish()]);
}

function withPassword(password: string): Method {
  return {
    name: 'the password',
    request: (user) =>
      message(Message.USERAUTH_REQUEST)
        .text(user)
        .text('ssh-connection')
        .text('password')
        .boolean(false)
        .text(password)
        .finish(),
  };
}

/** Keyboard-interactive for hosts that ask for the password that way: once, where exactly one hidden thing is asked for. */
function asked(password: string): Method {
  let given = false;
  return {
    name: 'the password, asked for',
    request: (user) =>
      message(Message.USERAUTH_REQUEST)
        .text(user)
        .text('ssh-connection')
        .text('keyboard-interactive')
        .text('')
        .text('')
        .finish(),
    answer: (payload) => {
      const reader = SshReader.of(payload, 'USERAUTH_INFO_REQUEST');
      for (let skipped = 0; skipped < 3; skipped++) reader.text();
      const count = reader.uint32();
      // A word to be read, and nothing to be said.
      if (count === 0) return message(Message.USERAUTH_INFO_RESPONSE).uint32(0).finish();
      reader.text();
      // What is shown as it is typed is no password, and a second question is one that we have no answer to.
      if (count > 1 || reader.boolean() || given) return undefined;
      given = true;
      return message(Message.USERAUTH_INFO_RESPONSE).uint32(1).text(password).finish();
    },
  };
}
