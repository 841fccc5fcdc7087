// What is offered to the other side: nothing that OpenSSH has switched off for being weak (SHA-1, CBC, group 1).
// ssh2 adds strict key exchange (OpenSSH PROTOCOL, 1.9), which both sides then insist on.

import type { AlgorithmLists } from 'ssh2/lib/protocol/Protocol.js';
import { certifiedName } from '../keys/certificate.ts';

/**
 * Exchanges of keys with clients: whoever reaches the listener has the gateway compute one, before saying who it is. The
 * larger groups and curves take 7 to 40 ms of the thread that serves everybody, these about one.
 */
export const KEX_WITH_CLIENTS = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'diffie-hellman-group14-sha256',
];
/** With hosts, which the configuration names. */
export const KEX_WITH_HOSTS = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group16-sha512',
  'diffie-hellman-group18-sha512',
  'diffie-hellman-group14-sha256',
];
/** GCM first: it runs in OpenSSL, and is the fastest here. */
const CIPHERS = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes256-ctr',
];
const MACS = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'];

/** Kinds of host keys that a target may show, in order of preference. */
export const HOST_KEY_ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/** Kinds of certificates that a target may show; RSA's are not read (transport/certified.ts). */
export const HOST_CERTIFICATE_ALGORITHMS = HOST_KEY_ALGORITHMS.filter((name) => !name.startsWith('rsa-')).map(
  certifiedName,
);

/** `kex`: the exchanges of keys, with the names of extensions that a client and a server put at their end. */
export function offer(hostKeys: readonly string[], kex: readonly string[]): AlgorithmLists {
  const direction = { cipher: CIPHERS, mac: MACS, compress: ['none'], lang: [] };
  return { kex: [...kex], serverHostKey: [...hostKeys], cs: direction, sc: direction };
}
