// The certificate that the gateway's listeners show: its own, made and renewed in DATA/tls, or one given in the
// configuration, read again when it changes. Refuses to know: who listens.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { watchFile } from '../../config/watch.ts';
import type { Clock } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { readIfThere, writePrivate } from '../files.ts';

export interface CertificatesOptions {
  /** DATA/tls. */
  readonly directory: string;
  /** PEM files given in the configuration; the gateway's own authority when there are none. */
  readonly given?: { readonly cert: string; readonly key: string };
  /** DNS names and IP addresses that clients use. */
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /** How often given files are looked at, in ms. */
  readonly watchMs?: number;
}

export interface ServerCertificate {
  /** PEM: the server's certificate and what leads to the authority. */
  readonly cert: string;
  readonly key: string;
  readonly context: SecureContext;
}

/** A certificate of our own is made anew when it has less than this left. */
const RENEW_BEFORE = 30 * 86_400_000;

/** Loaded only when a certificate has to be made: as much code as a tenth of the gateway. */
const making = () => import('./authority.ts');

/** How often the own certificate's age is looked at. */
const RENEW_EVERY = 6 * 3_600_000;

export class Certificates {
  readonly #options: CertificatesOptions;
  readonly #watchers = new Set<(certificate: ServerCertificate) => void>();
  #current!: ServerCertificate;
  #stop: () => void = () => {};

  private constructor(options: CertificatesOptions) {
    this.#options = options;
  }

  /** Errors: config_invalid when a given certificate cannot be used, store_failed. */
  static async open(options: CertificatesOptions): Promise<Certificates> {
    const certificates = new Certificates(options);
    if (options.given === undefined) {
      await certificates.renew();
      const timer = setInterval(() => void certificates.renew().catch(certificates.#complain), RENEW_EVERY);
      timer.unref();
      certificates.#stop = () => clearInterval(timer);
    } else {
      const { cert, key } = options.given;
      certificates.#use(readGiven(cert, key));
      const watching = [cert, key].map((path) =>
        watchFile(path, () => certificates.#reload(cert, key), { pollMs: options.watchMs ?? 5000 }),
      );
      certificates.#stop = () => watching.forEach((one) => void one.stop());
    }
    return certificates;
  }

  get current(): ServerCertificate {
    return this.#current;
  }

  /** PEM of the authority that clients have to trust, where it is our own. */
  get authority(): string | undefined {
    return this.#options.given === undefined ? readIfThere(join(this.#options.directory, 'ca.pem')) : undefined;
  }

  /** SHA-256 of the authority's certificate, or of the server's where one is given: `AB:CD:…`, for people to compare. */
  get fingerprint(): string {
    return new X509Certificate(this.authority ?? this.#current.cert).fingerprint256;
  }

  /** Calls back with each new certificate. */
  watch(watcher: (certificate: ServerCertificate) => void): void {
    this.#watchers.add(watcher);
  }

  close(): void {
    this.#stop();
    this.#watchers.clear();
  }

  /** Makes the own certificate where there is none, or the one there is runs out or lacks a name. */
  async renew(): Promise<void> {
    const { directory, names, clock, log } = this.#options;
    const now = new Date(clock.now());
    const file = (name: string) => join(directory, name);
    let authority = readPair(file('ca.pem'), file('ca-key.pem'));
    if (authority === undefined || !stillGood(authority.certificate, [], now)) {
      authority = await (await making()).createAuthority(now);
      writePrivate(file('ca-key.pem'), authority.key);
      writePrivate(file('ca.pem'), authority.certificate, 0o644);
      log.info({ file: file('ca.pem') }, 'made a new certificate authority');
    }
    let server = readPair(file('server.pem'), file('server-key.pem'));
    const good = server !== undefined && stillGood(server.certificate, names, now) && signedBy(server, authority);
    if (server === undefined || !good) {
      server = await (await making()).issueServerCertificate(authority, names, now);
      writePrivate(file('server-key.pem'), server.key);
      writePrivate(file('server.pem'), server.certificate, 0o644);
      log.info({ names }, 'made a new server certificate');
    } else if (this.#current !== undefined) {
      return;
    }
    this.#use(secure(server.certificate + authority.certificate, server.key));
  }

  #reload(cert: string, key: string): void {
    try {
      this.#use(readGiven(cert, key));
      this.#options.log.info({ cert }, 'read the new certificate');
    } catch (error) {
      this.#complain(error);
    }
  }

  #use(certificate: ServerCertificate): void {
    this.#current = certificate;
    for (const watcher of this.#watchers) watcher(certificate);
  }

  readonly #complain = (error: unknown) => {
    this.#options.log.error({ error: String(error) }, 'cannot use the new certificate: the old one stays in use');
  };
}

function secure(cert: string, key: string): ServerCertificate {
  return { cert, key, context: createSecureContext({ cert, key, minVersion: 'TLSv1.2' }) };
}

function readPair(certificatePath: string, keyPath: string): { certificate: string; key: string } | undefined {
  const certificate = readIfThere(certificatePath);
  const key = readIfThere(keyPath);
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}

/** Whether a certificate is one for all of these DNS names and IP addresses, with enough time left. */
function stillGood(certificate: string, names: readonly string[], now: Date): boolean {
  const parsed = new X509Certificate(certificate);
  if (parsed.validToDate.getTime() - now.getTime() < RENEW_BEFORE) return false;
  const match = (name: string) =>
    isIP(name) === 0 ? parsed.checkHost(name, { subject: 'never', wildcards: false }) : parsed.checkIP(name);
  return names.every((name) => match(name) !== undefined);
}

function signedBy(server: { certificate: string; key: string }, authority: { certificate: string }): boolean {
  const certificate = new X509Certificate(server.certificate);
  // A kill between the two writes leaves a key that belongs to another certificate.
  return (
    certificate.verify(new X509Certificate(authority.certificate).publicKey) &&
    certificate.checkPrivateKey(createPrivateKey(server.key))
  );
}

function readGiven(certPath: string, keyPath: string): ServerCertificate {
  const cert = readIfThere(certPath);
  const key = readIfThere(keyPath);
  const missing = cert === undefined ? certPath : keyPath;
  if (cert === undefined || key === undefined) {
    throw userError('config_invalid', `cannot use the certificate of tls: "${missing}" does not exist`);
  }
  try {
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) throw new Error('the key is another one’s');
    return secure(cert, key);
  } catch (error) {
    throw userError(
      'config_invalid',
      `cannot use the certificate "${certPath}" with the key "${keyPath}": ${String(error)}`,
      {
        fix: 'tls.cert is a PEM certificate chain, tls.key its PEM private key without a passphrase',
      },
    );
  }
}
