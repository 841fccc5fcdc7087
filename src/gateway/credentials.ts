// Credentials of connections that are not there, found before the first session needs them: the gateway runs all the same,
// other connections work. Refuses to know: any secret, any protocol.

import { formatPath, type Path } from '../config/problem.ts';
import type { Log } from '../core/log.ts';
import type { CredentialResolver, Missing } from '../target/credentials.ts';
import type { Configuration, Connection } from './configuration.ts';

export interface MissingCredential extends Missing {
  readonly connection: string;
  /** Where in the document it is written. */
  readonly path: Path;
}

/** Every one, in the order of the document. Never rejects. */
export async function missingCredentials(
  { connections }: Pick<Configuration, 'connections'>,
  resolver: CredentialResolver,
): Promise<readonly MissingCredential[]> {
  const written = [...connections.values()].flatMap((connection) => [...credentialsOf(connection)]);
  const found = await Promise.all(
    written.map(async ({ value, ...where }) => ({ ...where, missing: await resolver.missing(value) })),
  );
  return found.flatMap(({ missing, ...where }) => (missing === undefined ? [] : [{ ...where, ...missing }]));
}

/** What the gateway itself needs to send, and when it is not there cannot. */
type Senders = Pick<Configuration, 'webhooks' | 'exports' | 'objects'>;

export interface MissingSecret extends Missing {
  readonly path: Path;
  /** What does not work without. */
  readonly stops: string;
}

/** Every one, in the order of the document. Never rejects. */
export async function missingSecrets(
  senders: Senders,
  resolver: CredentialResolver,
): Promise<readonly MissingSecret[]> {
  const found = [...secretsOf(senders)].map(async ({ value, ...where }) => {
    const missing = await resolver.missing(value);
    return missing === undefined ? [] : [{ ...where, ...missing }];
  });
  return (await Promise.all(found)).flat();
}

/** A line of the log for each. Never rejects. */
export async function warnOfCredentials(
  configuration: Pick<Configuration, 'connections'> & Senders,
  resolver: CredentialResolver,
  log: Log,
): Promise<void> {
  for (const { connection, path, reference, why, fix } of await missingCredentials(configuration, resolver)) {
    const message = `a credential is not there: ${reference} ${why}; every session of "${connection}" will fail`;
    log.warn({ connection, where: formatPath(path), fix }, message);
  }
  for (const { path, reference, why, fix, stops } of await missingSecrets(configuration, resolver)) {
    log.warn({ where: formatPath(path), fix }, `a secret is not there: ${reference} ${why}; ${stops}`);
  }
}

interface Secret {
  readonly path: Path;
  readonly value: unknown;
  readonly stops: string;
}

/** References of what is sent elsewhere, with what does not work without. */
function* secretsOf({ webhooks, exports, objects }: Senders): Generator<Secret> {
  for (const [i, { name, url, secret }] of webhooks.entries()) {
    const stops = `webhook "${name}" is sent nothing`;
    yield { path: ['webhooks', i, 'url'], value: url, stops };
    yield { path: ['webhooks', i, 'secret'], value: secret, stops };
  }
  for (const [i, one] of exports.entries()) {
    const stops = `export "${one.name}" is sent nothing`;
    if (one.to === 'file') continue;
    yield { path: ['exports', i, 'key'], value: one.key, stops };
    if (one.to === 'syslog') continue;
    yield { path: ['exports', i, 'url'], value: one.url, stops };
    if (one.to === 'webhook') yield { path: ['exports', i, 'secret'], value: one.secret, stops };
    else {
      for (const [header, value] of Object.entries(one.headers)) {
        yield { path: ['exports', i, 'headers', header], value, stops };
      }
    }
  }
  for (const [key, value] of Object.entries(objects?.credentials ?? {})) {
    const stops = 'no recording goes to object storage';
    yield { path: ['recordings', 'store', 's3', 'credentials', key], value, stops };
  }
}

interface Written {
  readonly connection: string;
  readonly path: Path;
  readonly value: unknown;
}

/** Also those of hosts on the way: whatever is called `credentials`, wherever a protocol has it. */
function* credentialsOf({ name: connection, config }: Connection): Generator<Written> {
  function* walk(value: unknown, path: Path): Generator<Written> {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inside] of Object.entries(value)) {
      const here = [...path, Array.isArray(value) ? Number(key) : key];
      if (path.at(-1) === 'credentials') yield { connection, path: here, value: inside };
      else yield* walk(inside, here);
    }
  }
  yield* walk(config, ['connections', connection]);
}
