// The URL of a state store → what the driver connects with, in libpq's words, but never without TLS by mistake.
// Refuses to know: the driver. No error here holds the URL, whose password is a secret.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { type HoopctlError, userError } from '../core/errors.ts';

export interface PostgresAddress {
  /** A name, an address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly ssl: ConnectionOptions | false;
  /** `options=-c search_path=…`. */
  readonly options: string | undefined;
}

const PARAMETERS = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'host', 'options'];
const NO_HOST = '-none-';
const MODES = ['disable', 'require', 'verify-ca', 'verify-full'];

/**
 * `postgres://user:password@host:5432/database?sslmode=…`. `sslmode` left out is `verify-full`, but for a Unix socket
 * (`host=/run/postgresql`); `allow` and `prefer`, which go on in clear text where a server offers no TLS, are refused.
 * Paths are relative to `directory`. Errors: config_invalid.
 */
export function parsePostgresUrl(text: string, directory: string): PostgresAddress {
  // libpq takes a login without a host, which is then in the parameters; the URL standard does not.
  const written = text.trim().replace(/^(postgres(?:ql)?:\/\/[^/?#]*@)(?=[/?])/, `$1${NO_HOST}`);
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol)) {
    throw invalid('it is no URL such as postgres://user:password@host:5432/database (not shown)');
  }
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) throw invalid(`parameter "${unknown}" is not known, expected ${PARAMETERS.join(', ')}`);
  const parameter = (name: string) => url.searchParams.get(name) ?? undefined;
  const named = url.hostname === NO_HOST ? '' : decode(url.hostname.replace(/^\[(.+)\]$/, '$1'));
  const host = parameter('host') ?? named;
  const database = decode(url.pathname.slice(1));
  if (host === '' || host.includes(',')) throw invalid('it names no host, or several: expected one');
  if (database === '') throw invalid('it names no database');
  return {
    host,
    port: Number(url.port || 5432),
    database,
    user: url.username === '' ? undefined : decode(url.username),
    password: url.password === '' ? undefined : decode(url.password),
    ssl: tls(host, parameter, directory),
    options: parameter('options'),
  };
}

/** Where it is, for people: never a name or password of the login. */
export function placeOf({ host, port, database }: PostgresAddress): string {
  return `PostgreSQL at ${host.includes(':') ? `[${host}]` : host}:${port}, database "${database}"`;
}

function tls(
  host: string,
  parameter: (name: string) => string | undefined,
  directory: string,
): ConnectionOptions | false {
  const socket = host.startsWith('/');
  const mode = parameter('sslmode') ?? (socket ? 'disable' : 'verify-full');
  if (!MODES.includes(mode)) {
    throw invalid(`sslmode is "${mode}", expected one of ${MODES.join(', ')}`);
  }
  if (mode === 'disable' || socket) return false;
  const file = (name: string) => {
    const path = parameter(name);
    if (path === undefined) return undefined;
    try {
      return readFileSync(resolve(directory, path));
    } catch (thrown) {
      throw invalid(`its ${name} "${path}" cannot be read: ${(thrown as NodeJS.ErrnoException).code ?? thrown}`);
    }
  };
  const ca = parameter('sslrootcert') === 'system' ? undefined : file('sslrootcert');
  const [cert, key] = [file('sslcert'), file('sslkey')];
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    // libpq: `require` with a root certificate given behaves as `verify-ca`.
    rejectUnauthorized: mode !== 'require' || ca !== undefined,
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('it has a "%" that begins no two hexadecimal digits (not shown)');
  }
}

function invalid(why: string): HoopctlError {
  return userError('config_invalid', `cannot use the URL of store.postgres: ${why}`, {
    fix: 'correct what the reference of store.postgres in the configuration leads to',
  });
}
