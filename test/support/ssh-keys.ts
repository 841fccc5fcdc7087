// OpenSSH's private key file for a key of which only the seed is known: what a thief of the gateway's disk could make.

import { createPrivateKey, createPublicKey } from 'node:crypto';

const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

function string(value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([number(bytes.length), bytes]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** An Ed25519 key by its 32 bytes, as PROTOCOL.key has it, without a passphrase. */
export function openSshKey(seed: Buffer): string {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
  const open = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  const blob = Buffer.concat([string('ssh-ed25519'), string(open)]);
  const secret = [string('ssh-ed25519'), string(open), string(Buffer.concat([seed, open])), string('')];
  const body = Buffer.concat([number(7), number(7), ...secret]);
  const padding = Buffer.from(Array.from({ length: (8 - (body.length % 8)) % 8 }, (_, i) => i + 1));
  const file = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    ...[string('none'), string('none'), string(''), number(1), string(blob)],
    string(Buffer.concat([body, padding])),
  ]);
  const lines = file.toString('base64').match(/.{1,70}/g)!;
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`;
}
