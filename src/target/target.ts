// One connection's real server, as a protocol sees it: dial it, log in to it. Composed by the gateway, one a connection.

import type { Limit } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { Target } from '../protocol/contract.ts';
import type { CredentialResolver } from './credentials.ts';
import { type Address, dialTcp } from './dial.ts';

export interface TargetOptions<Config> {
  readonly address: Address;
  /** The protocol's own validated part of the configuration. */
  readonly config: Config;
  /** As written: literals and references. */
  readonly credentials: Readonly<Record<string, unknown>>;
  readonly resolver: CredentialResolver;
  readonly log: Log;
  readonly timeout?: Limit;
}

export function createTarget<Config>(options: TargetOptions<Config>): Target<Config> {
  const { address, log, timeout } = options;
  return {
    connection: address.connection,
    config: options.config,
    dial: (signal, to) =>
      dialTcp({ ...address, ...to }, signal, {
        log,
        ...(timeout === undefined ? {} : { timeout }),
      }),
    credentials: (others) => options.resolver.resolve(address.connection, others ?? options.credentials),
  };
}
