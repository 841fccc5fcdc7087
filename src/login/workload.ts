// Proofs of identity that need no login: tokens and secrets that the environment of a workload gives.
// Refuses to know: policy about them; that is the gateway's.

import { readFileSync } from 'node:fs';
import { peerError, userError } from '../core/errors.ts';
import type { TokenSource } from './access.ts';
import type { Proof } from './exchange.ts';
import { readText, send, type Trust } from './http.ts';
import { bearerSource, proofSource } from './tokens.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface WorkloadSource {
  /** The variable it came from, for `status` and `doctor`. */
  readonly from: string;
  readonly tokens: TokenSource;
}

/** Variables that carry a secret of hoopctl: never handed to a child process. */
export const SECRET_VARIABLES: readonly string[] = [
  'HOOPCTL_TOKEN',
  'HOOPCTL_TOKEN_FILE',
  'HOOPCTL_CLIENT_ID',
  'HOOPCTL_CLIENT_SECRET',
  'HOOPCTL_CLIENT_SECRET_FILE',
  'HOOPCTL_ID_TOKEN',
  'ACTIONS_ID_TOKEN_REQUEST_URL',
  'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
];

/**
 * What the environment says outright, the first of: HOOPCTL_TOKEN_FILE, HOOPCTL_TOKEN, HOOPCTL_CLIENT_ID with
 * HOOPCTL_CLIENT_SECRET_FILE or HOOPCTL_CLIENT_SECRET, HOOPCTL_ID_TOKEN. Stronger than a stored login.
 */
export function explicitSource(env: Environment, url: string, trust: Trust): WorkloadSource | undefined {
  const file = env.HOOPCTL_TOKEN_FILE;
  if (file) return fromToken('HOOPCTL_TOKEN_FILE', () => readSecret(file, 'HOOPCTL_TOKEN_FILE'), url, trust);
  const token = env.HOOPCTL_TOKEN;
  if (token) return fromToken('HOOPCTL_TOKEN', async () => token, url, trust);
  const clientId = env.HOOPCTL_CLIENT_ID;
  if (clientId) {
    const proof = async (): Promise<Proof> => ({ by: 'secret', clientId, clientSecret: await clientSecret(env) });
    return { from: 'HOOPCTL_CLIENT_ID', tokens: proofSource(url, trust, proof) };
  }
  const idToken = env.HOOPCTL_ID_TOKEN;
  if (idToken) return fromToken('HOOPCTL_ID_TOKEN', async () => idToken, url, trust);
  return undefined;
}

async function clientSecret(env: Environment): Promise<string> {
  if (env.HOOPCTL_CLIENT_SECRET_FILE) return readSecret(env.HOOPCTL_CLIENT_SECRET_FILE, 'HOOPCTL_CLIENT_SECRET_FILE');
  if (env.HOOPCTL_CLIENT_SECRET) return env.HOOPCTL_CLIENT_SECRET;
  throw userError('login_needed', 'HOOPCTL_CLIENT_ID is set without a secret', {
    fix: 'set HOOPCTL_CLIENT_SECRET_FILE (or HOOPCTL_CLIENT_SECRET) too',
  });
}

/**
 * The CI's own token endpoint, used where there is neither an explicit token nor a login. GitHub Actions: needs
 * `permissions: id-token: write`. The audience asked for is HOOPCTL_AUDIENCE, or the gateway's address.
 */
export function ciSource(env: Environment, url: string, trust: Trust): WorkloadSource | undefined {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: endpoint, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer } = env;
  if (!endpoint || !bearer) return undefined;
  const proof = async (): Promise<Proof> => {
    const address = new URL(endpoint);
    address.searchParams.set('audience', env.HOOPCTL_AUDIENCE || url);
    const answer = await send(address, {}, { headers: { authorization: `Bearer ${bearer}` } });
    const text = await readText(answer);
    const value = answer.status === 200 ? (JSON.parse(text) as { value?: unknown }).value : undefined;
    if (typeof value !== 'string') {
      throw peerError('gateway_error', `the CI gave no identity token: HTTP status ${answer.status}`, {
        fix: "give the job the permission 'id-token: write'",
      });
    }
    return { by: 'token', token: value, type: 'jwt' };
  };
  return { from: 'ACTIONS_ID_TOKEN_REQUEST_URL', tokens: proofSource(url, trust, proof) };
}

/** A token of the gateway itself is used as it is; any other is shown to the gateway in exchange for one. */
function fromToken(from: string, read: () => Promise<string>, url: string, trust: Trust): WorkloadSource {
  const exchanged = proofSource(url, trust, async () => ({ by: 'token', token: await read(), type: 'jwt' }));
  const bearer = bearerSource(read);
  return {
    from,
    tokens: { token: async (options) => (isGatewayToken(await read(), url) ? bearer : exchanged).token(options) },
  };
}

/** Gateway tokens are `iss` = its public address with the audience `gateway`; nothing is verified here. */
function isGatewayToken(token: string, url: string): boolean {
  const [, payload] = token.split('.');
  if (payload === undefined) return false;
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { iss?: unknown; aud?: unknown };
    return claims.iss === url || claims.aud === 'gateway';
  } catch {
    return false;
  }
}

async function readSecret(path: string, variable: string): Promise<string> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw userError('login_needed', `cannot read '${path}' that ${variable} names: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (text === '') throw userError('login_needed', `'${path}' that ${variable} names is empty`);
  return text;
}
