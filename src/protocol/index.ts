// The registry: one lazy line a protocol. Nobody else names one.

import type { Protocol } from './contract.ts';

const PROTOCOLS = {
  ssh: async () => (await import('./ssh/index.ts')).ssh,
  postgres: async () => (await import('./postgres/index.ts')).postgres,
} satisfies Record<string, () => Promise<{ readonly name: string }>>;

export function protocolNames(): readonly string[] {
  return Object.keys(PROTOCOLS);
}

/** The protocol of that name, loaded on first use; undefined when there is none. */
export async function loadProtocol(name: string): Promise<Protocol | undefined> {
  const load = (PROTOCOLS as Record<string, () => Promise<unknown>>)[name];
  return load === undefined ? undefined : ((await load()) as Protocol);
}
