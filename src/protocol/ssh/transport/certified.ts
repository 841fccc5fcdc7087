// Host certificates for ssh2, which knows none: the exchange hash is over the certificate (RFC 4253 §8), the signature by the
// key in it. ssh2 reads the host's key three times when it finishes an exchange, for the hash first, then to verify. Where a
// later version did it otherwise, the signature would not fit and the host be refused; ssh-host-keys.test.ts would fail.
// Refuses to know: whether a certificate counts.

import { kindOf } from '../keys/host-keys.ts';

export interface Exchange {
  _hostKey: Buffer | undefined;
  readonly negotiated: { serverHostKey: string };
}

/** To call before the exchange goes on: `shown` has been verified to be about `key`. */
export function readAsCertificate(exchange: Exchange, shown: Buffer, key: Buffer): void {
  let first = true;
  exchange.negotiated.serverHostKey = kindOf(key);
  Object.defineProperty(exchange, '_hostKey', {
    configurable: true,
    get: () => {
      const read = first ? shown : key;
      first = false;
      return read;
    },
    set: (value: Buffer | undefined) => {
      Object.defineProperty(exchange, '_hostKey', { configurable: true, writable: true, value });
    },
  });
}
