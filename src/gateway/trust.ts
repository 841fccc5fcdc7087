// Whose tokens count, from the configuration in force; issuers' keys stay cached across reloads.

import type { Clock } from '../core/clock.ts';
import { LOCAL_ISSUER, type Trust, type TrustedIssuer } from '../session/identity/authenticator.ts';
import { type IssuerKeys, RemoteKeys } from '../session/identity/keys.ts';
import type { Configuration } from './configuration.ts';
import type { EmbeddedIssuer } from './issuer/issuer.ts';
import type { IssuerHint, Parts, Unanswered } from './parts.ts';

export class TrustInForce {
  readonly #configuration: () => Configuration;
  readonly #clock: Clock;
  readonly #embedded: EmbeddedIssuer | undefined;
  readonly #keys = new Map<string, IssuerKeys>();
  #made: { readonly from: Configuration; readonly trust: Trust } | undefined;

  constructor(configuration: () => Configuration, clock: Clock, embedded: EmbeddedIssuer | undefined) {
    this.#configuration = configuration;
    this.#clock = clock;
    this.#embedded = embedded;
  }

  get trust(): Trust {
    const from = this.#configuration();
    if (this.#made?.from !== from) this.#made = { from, trust: this.#make(from) };
    return this.#made.trust;
  }

  /** How clients log in, the first being the one to take unless they choose. */
  hints(): IssuerHint[] {
    const hints: IssuerHint[] = this.#configuration().identity.issuers.map(
      ({ name, issuer, clientId, scopes, audience }) => ({
        name,
        issuer,
        clientId,
        scopes: [...scopes],
        ...(audience === undefined ? {} : { audience }),
      }),
    );
    const embedded = this.#embedded;
    if (embedded !== undefined) {
      const { issuer, clientId, scopes } = embedded;
      hints.push({ name: LOCAL_ISSUER, issuer, clientId, scopes: [...scopes] });
    }
    return hints;
  }

  /** Issuers elsewhere that do not answer as what they are configured as, in order; `tell` as soon as it is known. Never rejects. */
  async unanswered(tell?: (one: Unanswered) => void): Promise<readonly Unanswered[]> {
    const { issuers, workloads } = this.trust;
    const asked = (list: 'issuers' | 'workloads', all: readonly { name: string; keys: IssuerKeys }[]) =>
      all.map(async ({ name, keys }, i): Promise<Unanswered[]> => {
        const error = await keys.resolver().then(
          () => undefined,
          ({ message }: Error) => message,
        );
        if (error === undefined) return [];
        const fix = 'check its URL in identity; it is asked again at each token, and is well as soon as it answers';
        const one = { name, path: ['identity', list, i, 'issuer'], error, fix };
        tell?.(one);
        return [one];
      });
    // The embedded one comes behind those of the configuration.
    return (await Promise.all([...asked('issuers', issuers), ...asked('workloads', workloads)])).flat();
  }

  #make({ identity }: Configuration): Trust {
    const issuers: TrustedIssuer[] = identity.issuers.map(({ name, issuer, clientId, audience, groups, caFile }) => ({
      name,
      issuer,
      audiences: audience === undefined ? [clientId] : [clientId, audience],
      groups,
      keys: this.#keysOf(name, issuer, caFile),
    }));
    const embedded = this.#embedded;
    if (embedded !== undefined) {
      const { issuer, clientId, keys } = embedded;
      issuers.push({ name: LOCAL_ISSUER, issuer, audiences: [clientId], groups: 'groups', keys });
    }
    return {
      issuers,
      workloads: identity.workloads.map(({ name, issuer, audience, subject, groups, when, caFile }) => ({
        name,
        issuer,
        audiences: [audience],
        ...(subject === undefined ? {} : { subject }),
        groups,
        when,
        keys: this.#keysOf(name, issuer, caFile),
      })),
    };
  }

  #keysOf(name: string, issuer: string, caFile: string | undefined): IssuerKeys {
    const id = JSON.stringify([name, issuer, caFile]);
    let keys = this.#keys.get(id);
    if (keys === undefined) {
      keys = new RemoteKeys({ name, issuer, clock: this.#clock, ...(caFile === undefined ? {} : { caFile }) });
      this.#keys.set(id, keys);
    }
    return keys;
  }
}

/** A line of the log for each issuer that does not answer: nobody would see it before a login. Never rejects. */
export async function warnOfIssuers({
  unansweredIssuers,
  log,
}: Pick<Parts, 'unansweredIssuers' | 'log'>): Promise<void> {
  await unansweredIssuers(({ name, error, fix }) =>
    log.warn({ issuer: name, error, fix }, 'no token of an issuer can be checked for now'),
  );
}
