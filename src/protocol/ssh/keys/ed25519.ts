// An Ed25519 key of the gateway's own (RFC 8709), made from 32 bytes that the gateway keeps.

import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { HostKey } from 'ssh2/lib/protocol/Protocol.js';
import { SshWriter } from '../wire/message.ts';

export const ED25519 = 'ssh-ed25519';
/** PKCS #8 (RFC 8410 §7) up to the 32 bytes of the seed. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

export class Ed25519Key implements HostKey {
  readonly type = ED25519;
  readonly #key: KeyObject;
  /** `string "ssh-ed25519", string key`. */
  readonly blob: Buffer;

  /** `seed`: 32 bytes. */
  constructor(seed: Uint8Array) {
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(this.#key).export({ format: 'der', type: 'spki' });
    this.blob = new SshWriter().text(ED25519).blob(spki.subarray(-32)).finish();
  }

  getPublicSSH(): Buffer {
    return this.blob;
  }

  /** 64 bytes. */
  sign(data: Buffer): Buffer {
    return sign(null, data, this.#key);
  }

  /** As in authorized_keys and known_hosts. */
  get line(): string {
    return `${ED25519} ${this.blob.toString('base64')}`;
  }
}
