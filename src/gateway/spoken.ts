// Operations that a test of the policy, an explanation or a recording speaks of, as the protocol of their connection
// understands them. Offline: addresses are compared as the configuration writes them. Refuses to know: rules.

import { canonicalHost, isLoopback } from '../core/hosts.ts';
import type { Protocol, Spoken, Understood } from '../protocol/contract.ts';

interface Speaking {
  readonly protocol: Protocol;
  readonly config: unknown;
  readonly address: { readonly host: string; readonly port: number };
}

/** @param connections by name; the one that is named has to be there. Errors: usage, where it is not understood. */
export async function understand(
  connections: ReadonlyMap<string, Speaking>,
  name: string,
  spoken: Spoken,
): Promise<Understood | undefined> {
  const { protocol, config, address: own } = connections.get(name)!;
  // A loopback address of a host is the host itself.
  const at = (host: string) => canonicalHost(isLoopback(host) ? own.host : host);
  const neighbour = (host: string, port: number) =>
    [...connections].find(([, { address }]) => address.port === port && canonicalHost(address.host) === at(host))?.[0];
  return protocol.analyse({ ...spoken, neighbour }, config);
}
