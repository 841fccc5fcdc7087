// How oidc-provider is set up: one native client, one scope of claims, every time to live said in so many words.

import { type Configuration, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { User } from '../../session/identity/stores.ts';
import { storeAdapter } from './adapter.ts';
import type { IssuerContext } from './context.ts';
import { codePage, confirmPage, type DeviceForm, donePage, errorPage, refusedPage } from './pages.ts';

/** hoopctl itself, a public client (RFC 8252 §8.4). */
export const CLIENT_ID = 'hoopctl';
export const SCOPES = ['openid', 'offline_access', 'email', 'groups'];

const MINUTE = 60;
const DAY = 86_400;

export function providerConfiguration(context: IssuerContext): Configuration {
  return {
    adapter: storeAdapter(context.store),
    jwks: context.keys.privateJwks() as NonNullable<Configuration['jwks']>,
    cookies: { keys: [...context.cookieSecrets], short: { sameSite: 'lax' }, long: { sameSite: 'lax' } },
    clients: [
      {
        client_id: CLIENT_ID,
        client_name: 'hoopctl',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        // No code flow: another program on the user's machine could take its redirect (RFC 8252 §8.6).
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        response_types: [],
        redirect_uris: [],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    scopes: SCOPES,
    // What a client asks for is its user's choice: none may leave out who the user is, or a group that rules are about.
    claims: { openid: ['sub', 'preferred_username', 'email', 'email_verified', 'groups'] },
    // The gateway reads the id_token: its claims have to be in it.
    conformIdTokenClaims: false,
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: async () => false,
    ttl: {
      AccessToken: 10 * MINUTE,
      AuthorizationCode: MINUTE,
      ClientCredentials: 10 * MINUTE,
      DeviceCode: 10 * MINUTE,
      // A login is good for 90 days at most, and for 30 without being used.
      Grant: 90 * DAY,
      RefreshToken: 30 * DAY,
      IdToken: 10 * MINUTE,
      Interaction: 10 * MINUTE,
      Session: 8 * 60 * MINUTE,
      BackchannelAuthenticationRequest: 10 * MINUTE,
      PreAuthorizedCode: 10 * MINUTE,
    } as NonNullable<Configuration['ttl']>,
    findAccount: async (_ctx, sub) => account(await context.users.get(sub)),
    loadExistingGrant: grantEverything,
    interactions: { policy: policy(), url: (_ctx, { uid }) => `/oidc/interaction/${uid}` },
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = errorPage(out.error_description ?? out.error);
    },
    clientBasedCORS: () => false,
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId },
      deviceFlow: deviceFlow(context),
    },
  };
}

function deviceFlow(context: IssuerContext): NonNullable<NonNullable<Configuration['features']>['deviceFlow']> {
  return {
    enabled: true,
    charset: 'base-20',
    mask: '****-****',
    deviceInfo: (ctx) => ({ ip: ctx.ip, ua: ctx.get('user-agent').slice(0, 200) }),
    userCodeInputSource: async (ctx, _form, _out, error) => {
      const name = (error as Error | undefined)?.name;
      // Somebody who tries codes until one fits is slowed down by address.
      if (name === 'NotFoundError') context.byAddress.failed(ctx.req.socket.remoteAddress ?? 'unknown');
      ctx.type = 'html';
      if (name === 'AbortedError') ctx.body = refusedPage();
      else ctx.body = codePage(deviceForm(ctx), context.prefilled.get(ctx.req), problemOf(name));
    },
    userCodeConfirmSource: async (ctx, _form, _client, device, code) => {
      const facts: Record<string, string> = {};
      if (typeof device.ip === 'string') facts.Address = device.ip;
      if (typeof device.ua === 'string' && device.ua !== '') facts.Program = device.ua;
      ctx.type = 'html';
      ctx.body = confirmPage(deviceForm(ctx), code, facts);
    },
    successSource: async (ctx) => {
      ctx.type = 'html';
      ctx.body = donePage();
    },
  };
}

/** The provider's own form has inline handlers, which the pages' policy forbids. */
function deviceForm(ctx: KoaContextWithOIDC): DeviceForm {
  const state = ctx.oidc.session?.state as { secret?: string } | undefined;
  return { action: ctx.oidc.urlFor('code_verification'), xsrf: state?.secret ?? '' };
}

function problemOf(name: string | undefined): string | undefined {
  switch (name) {
    case undefined:
      return undefined;
    case 'NotFoundError':
    case 'NoCodeError':
      return 'This code is not known. Check it and try again.';
    case 'ExpiredError':
      return 'This code has expired. Run "hoopctl login" again for a new one.';
    case 'AlreadyUsedError':
      return 'This code was used already. Run "hoopctl login" again for a new one.';
    default:
      return 'That did not work. Try again.';
  }
}

function account(user: User | undefined) {
  if (user === undefined) return undefined;
  return {
    accountId: user.name,
    claims: async () => ({
      sub: user.name,
      preferred_username: user.name,
      groups: [...user.groups],
      // An administrator entered it; nobody else can.
      ...(user.email === undefined ? {} : { email: user.email, email_verified: true }),
    }),
  };
}

/** A page of consent for native clients would ask what the page that confirms the code has asked. */
function policy() {
  const base = interactionPolicy.base();
  base.get('consent')?.checks.remove('native_client_prompt');
  return base;
}

/** Our own client needs no consent page: the page that confirms the code is the question. */
async function grantEverything(ctx: KoaContextWithOIDC) {
  const { provider, client, session, result } = ctx.oidc;
  const known = result?.consent?.grantId ?? session?.grantIdFor(client!.clientId);
  const existing = known === undefined ? undefined : await provider.Grant.find(known);
  if (existing !== undefined) return existing;
  const grant = new provider.Grant({ clientId: client!.clientId, accountId: session!.accountId! });
  grant.addOIDCScope(SCOPES.join(' '));
  await grant.save();
  return grant;
}
