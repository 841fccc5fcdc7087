// The gateway's token endpoint: an issuer's token or a service account's secret → a short-lived token of the gateway
// (RFC 8693, RFC 6749 §4.4). Refuses to know: where either token is kept.

import { type ErrorCode, type HoopctlError, peerError, userError } from '../core/errors.ts';
import { readText, send, type Trust } from './http.ts';

export interface PrincipalFacts {
  readonly kind: string;
  readonly subject: string;
  readonly issuer: string;
  readonly email?: string;
  readonly groups: readonly string[];
  readonly actor?: string;
}

export interface GatewayToken {
  readonly token: string;
  /** By our own clock: ms since the epoch. */
  readonly expiresAt: number;
  readonly principal: PrincipalFacts | undefined;
}

export type Proof =
  | { readonly by: 'token'; readonly token: string; readonly type: 'id_token' | 'access_token' | 'jwt' }
  | { readonly by: 'secret'; readonly clientId: string; readonly clientSecret: string };

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** Errors: token_invalid, token_expired, principal_revoked and what else the gateway says; gateway_unreachable. */
export async function exchange(url: string, trust: Trust, proof: Proof, signal?: AbortSignal): Promise<GatewayToken> {
  const form: Record<string, string> =
    proof.by === 'token'
      ? {
          grant_type: EXCHANGE,
          subject_token: proof.token,
          subject_token_type: `urn:ietf:params:oauth:token-type:${proof.type}`,
        }
      : { grant_type: 'client_credentials', client_id: proof.clientId, client_secret: proof.clientSecret };
  const asked = Date.now();
  const answer = await send(new URL('/api/v1/token', url), trust, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
    signal,
  });
  const text = await readText(answer);
  let said: Record<string, unknown>;
  try {
    said = JSON.parse(text) as Record<string, unknown>;
  } catch {
    said = {};
  }
  if (answer.status !== 200) throw refusal(answer.status, said, proof);
  if (typeof said.access_token !== 'string' || typeof said.expires_in !== 'number') {
    throw peerError('gateway_error', `'${url}' gave no token`, { fix: 'check that the address is a hoopctl gateway' });
  }
  return {
    token: said.access_token,
    // Counted from before the question: never later than the gateway means it, whatever its clock says.
    expiresAt: asked + said.expires_in * 1000,
    principal: said.principal as PrincipalFacts | undefined,
  };
}

/** Revokes the gateway token itself. */
export async function revokeGatewayToken(url: string, trust: Trust, token: string): Promise<void> {
  const answer = await send(new URL('/api/v1/token/revoke', url), trust, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  answer.body.destroy();
  if (answer.status >= 300 && answer.status !== 401) {
    throw peerError('gateway_error', `the gateway did not revoke the token: HTTP status ${answer.status}`);
  }
}

function refusal(status: number, said: Record<string, unknown>, proof: Proof): HoopctlError {
  const error = said.error as { code?: string; message?: string; next?: string } | string | undefined;
  // OAuth's own form has a string, ours an object.
  const code = typeof error === 'object' ? error.code : undefined;
  const message = typeof error === 'object' ? error.message : ((said.error_description as string | undefined) ?? error);
  const next = typeof error === 'object' ? error.next : undefined;
  if (status >= 500) {
    return peerError('gateway_error', `the gateway could not give a token: ${message ?? `HTTP status ${status}`}`, {
      fix: next ?? "try again later; if it stays so, the gateway's log tells more",
    });
  }
  const what = proof.by === 'secret' ? `the service account '${proof.clientId}'` : 'the token shown to it';
  return userError(
    (code ?? 'token_invalid') as ErrorCode,
    `the gateway refused ${what}: ${message ?? `HTTP status ${status}`}`,
    {
      fix:
        next ??
        (proof.by === 'secret'
          ? 'check the client id and its secret'
          : "run 'hoopctl login' again, or renew the token"),
    },
  );
}
