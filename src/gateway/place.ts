// What a data directory says of its gateway: its id among the gateways of one store, and where that store is, so that
// `hoopctl admin --data` finds the same one. Never the store's URL: the reference to it, as it is in the configuration.

import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { ourError, userError } from '../core/errors.ts';
import { newGatewayId } from '../core/ids.ts';
import { type Limit, limit } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import { parseSecretRef, type SecretRef } from '../core/secret.ts';
import type { ObjectReader } from '../store/elsewhere.ts';
import { openStore, type Store, type StoreOptions } from '../store/index.ts';
import { CredentialResolver, nameOf } from '../target/credentials.ts';
import { readIfThere, writePrivate } from './files.ts';

/** Connections of one gateway to a store in PostgreSQL. */
export const STORE_CONNECTIONS: Limit = limit('store_connections', 'count', 10, 1);
/** How long a store in PostgreSQL may take to be connected to, and to answer one query. */
export const STORE_MS: Limit = limit('store_ms', 'ms', 10_000, 1);

export interface Place {
  readonly id: string;
  /** Undefined: embedded. */
  readonly store?: StorePlace;
}

export interface StorePlace {
  /** A reference, as configured. */
  readonly postgres: string;
  /** What relative paths in it are relative to. */
  readonly directory: string;
}

const FILE = 'gateway.json';

/** Undefined where no gateway was ever started. Errors: store_failed. */
export function readPlace(data: string): Place | undefined {
  const text = readIfThere(join(data, FILE));
  if (text === undefined) return undefined;
  try {
    const place = JSON.parse(text) as Place;
    if (typeof place.id === 'string') return place;
  } catch {
    // Told below.
  }
  throw ourError('store_failed', `cannot read "${join(data, FILE)}": it is damaged`, {
    fix: 'move it away: the gateway makes a new one, and a new id, at its next start',
  });
}

/** At start: the id stays, the store is the configured one. */
export function keepPlace(data: string, store: StorePlace | undefined): Place {
  const before = readPlace(data);
  const place: Place = { id: before?.id ?? newGatewayId(), ...(store === undefined ? {} : { store }) };
  if (JSON.stringify(place) !== JSON.stringify(before)) {
    writePrivate(join(data, FILE), `${JSON.stringify(place, null, 2)}\n`);
  }
  return place;
}

export interface OpenPlaceOptions {
  readonly data: string;
  readonly place: Place | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly limit?: (declared: Limit) => Limit;
  /** Whether entries of the log survive a loss of power when they are taken; left out: no. */
  readonly logSynced?: () => boolean;
  /** Whether sealed recordings are compressed; left out: no. */
  readonly compress?: () => boolean;
  /** Reads recordings that are in object storage. */
  readonly objects?: ObjectReader;
}

/** Errors: store_failed, credentials_unavailable (the reference leads to nothing), config_invalid (its URL). */
export function openPlace({
  data,
  place,
  clock,
  log,
  env,
  compress,
  objects,
  logSynced,
  limit = (one) => one,
}: OpenPlaceOptions): Promise<Store> {
  const options: StoreOptions = {
    directory: data,
    clock,
    gateway: place?.id,
    limit,
    log,
    ...(compress === undefined ? {} : { compress }),
    ...(objects === undefined ? {} : { objects }),
    ...(logSynced === undefined ? {} : { logSynced }),
  };
  const at = place?.store;
  if (at === undefined) return openStore(options);
  const { directory } = at;
  const url = storeUrl(at, { env, log, clock });
  const [connections, timeoutMs] = [limit(STORE_CONNECTIONS).value, limit(STORE_MS).value];
  return openStore({ ...options, postgres: { url, directory, log, connections, timeoutMs } });
}

/** The URL with its password, asked anew at each call. Errors: store_failed; of the call: credentials_unavailable. */
export function storeUrl(
  { postgres, directory }: StorePlace,
  { env, log, clock }: Pick<OpenPlaceOptions, 'env' | 'log' | 'clock'>,
): () => Promise<string> {
  const reference = parseSecretRef(postgres);
  if (reference === undefined) throw ourError('store_failed', 'store.postgres is no reference');
  const secrets = new CredentialResolver({ environment: env, directory, log, clock });
  return () => secrets.read(reference).catch((thrown: unknown) => unavailable(reference, thrown));
}

function unavailable(reference: SecretRef, thrown: unknown): never {
  const why = (thrown as NodeJS.ErrnoException).code ?? (thrown as Error).message;
  throw userError('credentials_unavailable', `cannot find the store: ${nameOf(reference)}: ${why}`, {
    fix: 'set what store.postgres in the configuration refers to, also for "hoopctl admin --data"',
  });
}
