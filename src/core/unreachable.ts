// Why a TLS or TCP connection to the gateway could not be made, in words: the one place, for the HTTP API and the tunnel.
// Refuses to know: what was to be sent.

import { type HoopctlError, peerError, userError } from './errors.ts';

const UNKNOWN_ISSUER = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
]);

const INVALID: Record<string, (host: string) => string> = {
  ERR_TLS_CERT_ALTNAME_INVALID: (host) => `is not for the name '${host}'`,
  CERT_HAS_EXPIRED: () => 'has expired',
  CERT_NOT_YET_VALID: () => 'is not valid yet',
};

const WORDS: Record<string, string> = {
  ECONNREFUSED: 'connection refused, nothing listens there',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'the host name could not be looked up',
  ECONNRESET: 'the connection was reset',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to the host',
  EPROTO: 'it does not speak TLS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS',
};

/**
 * The error of a failed connection to `url`. `pinned`: particular certificates were trusted instead of the system's.
 * Codes: gateway_certificate_unknown, gateway_certificate_changed, gateway_certificate_invalid, gateway_unreachable.
 */
export function connectionError(url: URL, pinned: boolean, error: Error): HoopctlError {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (UNKNOWN_ISSUER.has(code)) return pinned ? changed(url, error) : unknown(url, error);
  const invalid = INVALID[code];
  if (invalid !== undefined) {
    const why = `${invalid(url.hostname)}: ${error.message}`;
    return peerError('gateway_certificate_invalid', `the certificate of '${url.host}' ${why}`, {
      fix: code.startsWith('CERT_')
        ? "compare this machine's clock with the gateway's"
        : 'use a name that the certificate has',
      cause: error,
    });
  }
  return peerError('gateway_unreachable', `cannot reach '${url.origin}': ${reason(error)}`, {
    fix: 'check the address and the network, then try again',
    cause: error,
  });
}

function unknown(url: URL, cause: Error): HoopctlError {
  return userError(
    'gateway_certificate_unknown',
    `the certificate of '${url.host}' is signed by nobody this machine trusts`,
    { fix: `run 'hoopctl login ${url.origin}' on a terminal to look at it, or pass --ca-file`, cause },
  );
}

function changed(url: URL, cause: Error): HoopctlError {
  return peerError(
    'gateway_certificate_changed',
    `the certificate of '${url.host}' is not signed by the CA trusted for it`,
    {
      fix: `ask who runs the gateway; if the change is right, 'hoopctl login ${url.origin} --forget-certificate'`,
      cause,
    },
  );
}

function reason(error: Error): string {
  const inner = error instanceof AggregateError ? (error.errors[0] as Error | undefined) : undefined;
  const { code, message } = (inner ?? error) as NodeJS.ErrnoException;
  return WORDS[code ?? ''] ?? message;
}
