// Somebody else at the door: what their first bytes show, and an answer in their own protocol where it has one.
// Refuses to know: what a right client does.

import { type HoopctlError, peerError } from '../../../core/errors.ts';

export interface Mismatch {
  readonly error: HoopctlError;
  /** Bytes that the stranger's program can show its user. */
  readonly answer: Buffer;
}

const HTTP = /^(GET |HEAD|POST|PUT |PATC|DELE|OPTI|CONN|TRAC|PRI )/;

/** The handshake record of a TLS ClientHello (RFC 8446 §5.1). */
export const isTls = (first: Buffer): boolean => first[0] === 0x16 && first[1] === 0x03;

/** `first`: eight bytes that are no startup packet of PostgreSQL; undefined when they show nothing known. */
export function mismatch(first: Buffer): Mismatch | undefined {
  const text = first.toString('latin1');
  if (HTTP.test(text)) {
    const body = 'this port speaks PostgreSQL, not HTTP: use a PostgreSQL client (psql, a driver)\n';
    const head = [
      'HTTP/1.1 400 Bad Request',
      'Content-Type: text/plain',
      `Content-Length: ${body.length}`,
      'Connection: close',
    ];
    return {
      error: peerError('protocol_mismatch', 'an HTTP client connected to a PostgreSQL port', {
        fix: 'use a PostgreSQL client',
      }),
      answer: Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`),
    };
  }
  if (text.startsWith('SSH-')) {
    return {
      error: peerError('protocol_mismatch', 'an SSH client connected to a PostgreSQL port', {
        fix: 'use a PostgreSQL client',
      }),
      answer: Buffer.from('this port speaks PostgreSQL, not SSH\r\n'),
    };
  }
  if (isTls(first)) {
    return {
      error: peerError('protocol_mismatch', 'a client began TLS at once on a port that is plain: the tunnel encrypts', {
        fix: 'connect with sslmode=disable, and without sslnegotiation=direct',
      }),
      // Alert, fatal, unexpected_message (RFC 8446 §6.2).
      answer: Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x0a]),
    };
  }
  return undefined;
}
