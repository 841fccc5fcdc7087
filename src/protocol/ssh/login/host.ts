// One host on the way to the target, the target itself or a jump host: what is known of its key, and what is said of it.
// Refuses to know: how it is logged in to.

import { readFile } from 'node:fs/promises';
import { type HoopctlError, peerError, userError } from '../../../core/errors.ts';
import { check, fingerprint, type Known, kindOf, knownHosts, parsePinned, type Verdict } from '../keys/host-keys.ts';
import type { HostConfig } from '../schema.ts';

/** How messages name it. */
export interface Place {
  /** `"prod-host"`, `jump host 1 of "prod-host"`. */
  readonly name: string;
  /** `the host of "prod-host"`, `jump host 1 of "prod-host"`. */
  readonly host: string;
}

export class HostIdentity {
  readonly #known: Known;
  readonly #place: Place;
  readonly #name: string;
  #shown: Buffer | undefined;

  private constructor(known: Known, place: Place, name: string) {
    this.#known = known;
    this.#place = place;
    this.#name = name;
  }

  /** Errors: target_certificate, where the file cannot be read. */
  static async of(config: HostConfig, place: Place): Promise<HostIdentity> {
    const { host, port, hostKeys = [], hostAuthorities = [], hostKeyAlias: alias, knownHosts: path } = config;
    const pinned = hostKeys.map((text) => parsePinned(text)!);
    const filed =
      path === undefined ? undefined : knownHosts(await read(path, place), alias ?? host, alias ? 22 : port);
    const own = hostAuthorities.flatMap((text) => {
      const one = parsePinned(text)!;
      return 'key' in one ? [one.key] : [];
    });
    const known: Known = {
      keys: [...pinned.flatMap((one) => ('key' in one ? [one.key] : [])), ...(filed?.keys ?? [])],
      fingerprints: pinned.flatMap((one) => ('fingerprint' in one ? [one.fingerprint] : [])),
      authorities: [...own, ...(filed?.authorities ?? [])],
      revoked: filed?.revoked ?? [],
    };
    return new HostIdentity(known, place, alias ?? host);
  }

  /** Kinds of keys that are known of it: asked for before others. */
  get kinds(): readonly string[] {
    return this.#known.keys.map(kindOf);
  }

  /** Whether certificates count for it. */
  get certificates(): boolean {
    return this.#known.authorities.length > 0;
  }

  /** The host's own key, out of the certificate where it showed one. Errors: target_certificate. */
  verify(shown: Buffer): Buffer {
    // When keys are exchanged anew it is the same host still.
    if (this.#shown !== undefined && !this.#shown.equals(shown))
      throw this.#refused(shown, { known: false, reason: 'changed' });
    const verdict = check(shown, this.#known, this.#name, Date.now());
    if (!verdict.known) throw this.#refused(shown, verdict);
    this.#shown = shown;
    return verdict.key;
  }

  #refused(key: Buffer, { reason, why }: Extract<Verdict, { known: false }>): HoopctlError {
    const { name, host } = this.#place;
    const shown = `${kindOf(key)} ${fingerprint(key)}`;
    const text = {
      changed: `the host key of ${name} is not the one that is configured: it shows ${shown}`,
      revoked: `the host key of ${name} is revoked in its knownHosts file: ${shown}`,
      unknown: `nothing is known of ${host}, which shows ${shown}`,
      certificate: `the host certificate of ${name} ${why}`,
    }[reason];
    const changed = 'hostKeys, hostAuthorities or knownHosts changed by the administrator';
    return peerError('target_certificate', text, {
      fix: `nothing was sent to it; if the host really has a new key or certificate, have it renewed there, or ${changed}`,
    });
  }
}

async function read(path: string, { name }: Place): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw userError('target_certificate', `cannot read the knownHosts file of ${name}: ${error.code}`, {
      fix: "the gateway's administrator finds the path in its configuration",
    });
  });
}
