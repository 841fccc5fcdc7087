// Looks at the certificate that a gateway shows, without trusting it: what a person needs to decide, as ssh shows a key.
// Refuses to know: who is asked, where a pin is kept.

import type { X509Certificate } from 'node:crypto';
import { type HoopctlError, peerError } from '../core/errors.ts';
import { connectionError } from '../core/unreachable.ts';
import type { Trust } from './http.ts';

export interface Shown {
  /** What it says it is for or whose it is: `CN=hoopctl CA`. */
  readonly subject: string;
  readonly names: readonly string[];
  readonly validFrom: Date;
  readonly validTo: Date;
  /** `sha256:` and 64 hex digits of the DER. */
  readonly fingerprint: string;
  readonly pem: string;
  readonly selfSigned: boolean;
}

export interface Presented {
  /** The gateway's own certificate. */
  readonly leaf: Shown;
  /** What to pin: the self-signed root where the gateway sends it, otherwise the leaf itself. */
  readonly anchor: Shown;
  readonly chain: readonly Shown[];
  /** Whether the leaf is for the name that was dialled. */
  readonly nameMatches: boolean;
  /** Why a request would not go to it; undefined where it is trusted, or for its name or its dates alone is not. */
  readonly distrust: HoopctlError | undefined;
}

const CONNECT_MS = 15_000;

/** Connects, reads the chain, hangs up; nothing is sent. `trust`: what it is held against. Errors: gateway_unreachable. */
export async function inspectCertificate(url: URL, { ca }: Trust = {}): Promise<Presented> {
  const { connect } = await import('node:tls');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: Number(url.port || 443),
      ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
      // INVARIANT: nothing is written to this socket, so nothing can be told to a stranger.
      rejectUnauthorized: false,
      // The name is told apart from the chain.
      checkServerIdentity: () => undefined,
      ...(ca === undefined ? {} : { ca, allowPartialTrustChain: true }),
    });
    const fail = (why: string, cause?: unknown): void => {
      socket.destroy();
      reject(peerError('gateway_unreachable', `cannot read the certificate of '${url.host}': ${why}`, { cause }));
    };
    socket.setTimeout(CONNECT_MS, () => fail(`no answer within ${CONNECT_MS / 1000} s`));
    socket.on('error', (error) => fail(error.message, error));
    socket.on('secureConnect', () => {
      const leaf = socket.getPeerX509Certificate();
      if (leaf === undefined) return fail('it shows none');
      const why = socket.authorizationError as Error | string | undefined;
      socket.destroy();
      resolve({ ...present(leaf, host), distrust: distrustOf(url, ca !== undefined, why) });
    });
  });
}

/** Node has a code here, where its types have an Error. */
function distrustOf(url: URL, pinned: boolean, why: Error | string | undefined): HoopctlError | undefined {
  if (!why) return undefined;
  const failure = typeof why === 'string' ? Object.assign(new Error(why), { code: why }) : why;
  const error = connectionError(url, pinned, failure);
  return error.code === 'gateway_certificate_invalid' ? undefined : error;
}

function present(leaf: X509Certificate, host: string): Omit<Presented, 'distrust'> {
  const chain: Shown[] = [];
  let certificate: X509Certificate | undefined = leaf;
  while (certificate !== undefined && chain.length < 10) {
    const shown = show(certificate);
    if (chain.some((earlier) => earlier.fingerprint === shown.fingerprint)) break;
    chain.push(shown);
    certificate = certificate.issuerCertificate;
  }
  const isAddress = /^[\d.]+$|:/.test(host);
  return {
    leaf: chain[0]!,
    anchor: chain.find((shown) => shown.selfSigned) ?? chain[0]!,
    chain,
    nameMatches: (isAddress ? leaf.checkIP(host) : leaf.checkHost(host)) !== undefined,
  };
}

function show(certificate: X509Certificate): Shown {
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    names: (certificate.subjectAltName ?? '')
      .split(', ')
      .filter((name) => name !== '')
      .map((name) => name.replace(/^(DNS|IP Address|URI):/, '')),
    validFrom: certificate.validFromDate,
    validTo: certificate.validToDate,
    fingerprint: normaliseFingerprint(certificate.fingerprint256)!,
    pem: certificate.toString(),
    selfSigned: certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey),
  };
}

/** `sha256:AB:CD…`, `AB:CD…` or `abcd…` → `sha256:abcd…`; undefined when it is no SHA-256. */
export function normaliseFingerprint(text: string): string | undefined {
  const hex = text
    .replace(/^sha-?256:/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  return /^[0-9a-f]{64}$/.test(hex) ? `sha256:${hex}` : undefined;
}

/** The fingerprints of the certificates in a PEM text. */
export async function fingerprintsOf(pem: string): Promise<string[]> {
  const { X509Certificate } = await import('node:crypto');
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => normaliseFingerprint(new X509Certificate(block).fingerprint256)!);
}
