// Who am I, and a token for it: discovery for clients, token exchange (RFC 8693), client credentials, revocation of one's own.

import { z } from 'zod';
import { asHoopctlError, userError } from '../../core/errors.ts';
import type { Authenticated } from '../../session/identity/authenticator.ts';
import { displayName } from '../../session/identity/principal.ts';
import type { Parts } from '../parts.ts';
import { withoutPort } from '../refusals.ts';
import { decodeHeader, type Route, route } from './route.ts';
import { iso, okShape, principalShape, showPrincipal, timeShape } from './shapes.ts';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const SUBJECT_TYPES = [
  'urn:ietf:params:oauth:token-type:id_token',
  'urn:ietf:params:oauth:token-type:access_token',
  'urn:ietf:params:oauth:token-type:jwt',
] as const;

const tokenForm = z.discriminatedUnion('grant_type', [
  z.object({
    grant_type: z.literal(EXCHANGE),
    subject_token: z.string().min(1),
    subject_token_type: z.enum(SUBJECT_TYPES).default(SUBJECT_TYPES[0]),
    actor: z
      .string()
      .optional()
      .describe('Name of the agent that acts for the subject; never replaces one in the token.'),
  }),
  z.object({
    grant_type: z.literal('client_credentials'),
    client_id: z.string().optional().describe("The service account's name; or HTTP Basic."),
    client_secret: z.string().optional(),
    actor: z.string().optional(),
  }),
]);

const tokenShape = z.object({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  issued_token_type: z.string(),
  expires_in: z.int().describe('Seconds.'),
  principal: principalShape,
});

export function identityRoutes(parts: Parts): Route[] {
  return [wellKnown(parts), token(parts), revoke(parts), me(parts)];
}

function wellKnown(parts: Parts): Route {
  return route({
    method: 'get',
    path: '/.well-known/hoopctl',
    summary: 'What a client has to know to log in.',
    tag: 'identity',
    auth: 'none',
    answer: z.object({
      version: z.string(),
      name: z.string(),
      issuers: z.array(
        z.object({
          name: z.string(),
          issuer: z.string(),
          clientId: z.string(),
          scopes: z.array(z.string()),
          audience: z.string().optional(),
        }),
      ),
      native: z.record(z.string(), z.string()).describe('Protocol → host:port of its native listener.'),
    }),
    handle: async () => ({
      version: parts.version,
      name: new URL(parts.publicUrl).host,
      issuers: parts.issuers(),
      native: parts.native(),
    }),
  });
}

function token(parts: Parts): Route {
  return route({
    method: 'post',
    path: '/api/v1/token',
    summary: "Exchanges an issuer's token, or a service account's secret, for a token of this gateway (RFC 8693).",
    tag: 'identity',
    auth: 'none',
    form: tokenForm,
    answer: tokenShape,
    async handle({ body, raw, address }) {
      const agent = body.actor ?? decodeHeader(raw.req.header('hoopctl-agent'), 'Hoopctl-Agent');
      let found: Authenticated;
      try {
        found =
          body.grant_type === EXCHANGE
            ? await parts.authenticator.exchange(body.subject_token, agent)
            : await serviceAccount(parts, body, raw.req.header('authorization'), agent);
      } catch (error) {
        parts.metrics.logins.inc({ issuer: 'none', result: 'refused' });
        const { code } = asHoopctlError(error);
        parts.refusals.note('login', withoutPort(address), { ok: false, address, code });
        throw error;
      }
      const { principal } = found;
      parts.audit.append('login', { ok: true, address, principal: showPrincipal(principal) });
      parts.metrics.logins.inc({ issuer: principal.issuer, result: 'ok' });
      const issued = await parts.tokens.issue(principal);
      return {
        access_token: issued.token,
        token_type: 'Bearer' as const,
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        expires_in: Math.floor((issued.expiresAt - parts.clock.now()) / 1000),
        principal: showPrincipal(principal),
      };
    },
  });
}

/** Errors: usage. */
function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw userError('usage', 'client id and secret in HTTP Basic are not form-encoded (RFC 6749 §2.3.1)');
  }
}

async function serviceAccount(
  parts: Parts,
  body: { client_id?: string | undefined; client_secret?: string | undefined },
  authorization: string | undefined,
  agent: string | undefined,
): Promise<Authenticated> {
  let { client_id: name, client_secret: secret } = body;
  if (authorization?.startsWith('Basic ')) {
    // RFC 6749 §2.3.1: both halves are form-encoded first.
    const [id = '', password = ''] = Buffer.from(authorization.slice(6), 'base64').toString('utf8').split(/:(.*)/s);
    name = formDecoded(id);
    secret = formDecoded(password);
  }
  if (!name || !secret) {
    throw userError('usage', 'client_id or client_secret is missing', {
      fix: 'send both in the form, or as HTTP Basic',
    });
  }
  return parts.authenticator.serviceAccount(name, secret, agent);
}

function revoke(parts: Parts): Route {
  return route({
    method: 'post',
    path: '/api/v1/token/revoke',
    summary: 'Revokes the token that this call is made with. Live sessions go on.',
    tag: 'identity',
    auth: 'token',
    answer: okShape,
    async handle({ caller }) {
      if (caller.jti !== undefined) {
        parts.audit.append('token', { what: 'revoked', jti: caller.jti, by: displayName(caller.principal) });
        await parts.revocations.revokeToken(caller.jti, caller.expiresAt);
      }
      return { ok: true as const };
    },
  });
}

function me(_parts: Parts): Route {
  return route({
    method: 'get',
    path: '/api/v1/me',
    summary: 'Who this call is made by.',
    tag: 'identity',
    auth: 'token',
    answer: z.object({ principal: principalShape, roles: z.array(z.enum(['admin', 'auditor'])), expiresAt: timeShape }),
    handle: async ({ caller, roles }) => ({
      principal: { ...showPrincipal(caller.principal), claims: { ...caller.principal.claims } },
      roles: [...roles],
      expiresAt: iso(caller.expiresAt),
    }),
  });
}
