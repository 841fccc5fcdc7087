// The embedded OpenID Connect issuer: local users, device flow, refresh rotation; mounted at /oidc of the gateway's listener.
// Refuses to know: principals, policy. To the rest of the gateway it is an issuer like any other, but for its keys.

import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import Provider from 'oidc-provider';
import { type IssuerKeys, localKeys } from '../../session/identity/keys.ts';
import type { KeyFile } from '../keys.ts';
import { LOGINS_PER_MINUTE } from '../limits.ts';
import { Attempts } from './attempts.ts';
import { CLIENT_ID, providerConfiguration, SCOPES } from './configuration.ts';
import { answer, type EmbeddedIssuerOptions, type IssuerContext } from './context.ts';
import { interaction } from './interaction.ts';
import { errorPage, PAGE_HEADERS } from './pages.ts';
import { Rate } from './rate.ts';

/** Where the issuer lives under the gateway's public URL. */
export const ISSUER_PATH = '/oidc';

export interface EmbeddedIssuer {
  readonly issuer: string;
  readonly clientId: string;
  /** What a client asks for. */
  readonly scopes: readonly string[];
  readonly keys: IssuerKeys;
  /** Answers every request under ISSUER_PATH. */
  handle(request: IncomingMessage, response: ServerResponse): void;
}

export function createEmbeddedIssuer(options: EmbeddedIssuerOptions): EmbeddedIssuer {
  const { publicUrl, clock, log } = options;
  const context: IssuerContext = {
    ...options,
    // A user's name can be guessed at by anybody, so its pause stays short; an address pays for itself.
    byUser: new Attempts({ clock, free: 5, maxPauseMs: 60_000 }),
    byAddress: new Attempts({ clock, free: 20, maxPauseMs: 15 * 60_000 }),
    prefilled: new WeakMap(),
  };
  const issuer = publicUrl + ISSUER_PATH;
  const failed = (error: Error) => log.error({ error: error.message, stack: error.stack }, 'issuer failed');
  const make = () => {
    const made = new Provider(issuer, providerConfiguration(context));
    addInterval(made, options.interval ?? 1);
    made.on('server_error', (_ctx, error) => failed(error));
    // Without a listener koa prints to stderr.
    (made as EventEmitter).on('error', failed);
    return { provider: made, serve: made.callback(), kid: options.keys.current().kid };
  };
  let current = make();
  const rate = new Rate(clock, options.loginsPerMinute ?? (() => LOGINS_PER_MINUTE.value));
  const host = new URL(publicUrl).host;
  return {
    issuer,
    clientId: CLIENT_ID,
    scopes: SCOPES,
    keys: localKeys(
      () => options.keys.jwks(),
      () => options.keys.refresh(),
    ),
    handle(request, response) {
      for (const [name, value] of Object.entries(PAGE_HEADERS)) response.setHeader(name, value);
      const address = request.socket.remoteAddress ?? 'unknown';
      const full = request.url ?? '/';
      // URLs that the provider makes name the public host, whatever name this request used.
      request.headers.host = host;
      Object.assign(request, { originalUrl: full });
      request.url = full.slice(ISSUER_PATH.length) || '/';
      const pause = takesGuess(request) ? context.byAddress.pause(address) : 0;
      if (pause > 0) return tooMany(response, pause);
      const matched = /^\/interaction\/([\w-]{1,64})$/.exec(request.url.split('?')[0]!);
      const begins = beginsOf(request);
      const wait = begins === undefined ? 0 : rate.take(`${begins} ${address}`);
      if (wait > 0) return tooMany(response, wait, begins === 'login');
      // It takes its keys when it is made; all that it keeps is in the store.
      if (current.kid !== options.keys.current().kid) current = make();
      const { provider, serve } = current;
      if (request.url === '/jwks') return void publicKeys(options.keys, response);
      if (matched !== null) {
        interaction(provider, context, request, response, matched[1]!).catch((error: Error) => {
          log.warn({ error: error.message }, 'login page refused');
          answer(response, 400, errorPage('This login has expired or was begun in another browser.'));
        });
        return;
      }
      prefillCode(request, context);
      void serve(request, response);
    },
  };
}

/** All gateways' keys, and those that sign no more: the provider knows only those that it may sign with. */
async function publicKeys(keys: KeyFile, response: ServerResponse): Promise<void> {
  await keys.refresh().catch(() => {});
  response.writeHead(200, { 'content-type': 'application/jwk-set+json; charset=utf-8' });
  response.end(JSON.stringify(keys.jwks()));
}

/** `?user_code=` would make the provider answer with a page that needs a script: the form is filled in instead. */
function prefillCode(request: IncomingMessage, context: IssuerContext): void {
  if (request.method !== 'GET' || !request.url!.startsWith('/device?')) return;
  const code = new URL(request.url!, 'http://x').searchParams.get('user_code');
  if (code === null) return;
  context.prefilled.set(request, code.slice(0, 32));
  request.url = '/device';
  Object.assign(request, { originalUrl: `${ISSUER_PATH}/device` });
}

/** The provider's device response has no `interval`; without it clients wait 5 s between polls. */
function addInterval(provider: Provider, interval: number): void {
  provider.use(async (ctx, next) => {
    await next();
    const body: unknown = ctx.body;
    if (ctx.oidc?.route === 'device_authorization' && ctx.status === 200 && typeof body === 'object' && body !== null) {
      ctx.body = { ...body, interval };
    }
  });
}

/** What terminals send. Nobody guesses it: who guesses must not keep the logins of all at the same address from being renewed. */
const OF_TERMINALS = new Set(['/token', '/token/revocation', '/device/auth']);

/** The provider takes its paths in any case, and with a slash behind. */
function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?')[0]!.toLowerCase().replace(/\/$/, '');
}

/** A password or a user code. */
function takesGuess(request: IncomingMessage): boolean {
  return request.method === 'POST' && !OF_TERMINALS.has(pathOf(request));
}

/** What the request makes the store keep, whoever it comes from. */
function beginsOf(request: IncomingMessage): 'login' | 'page' | undefined {
  const path = pathOf(request);
  if (path === '/device/auth') return 'login';
  return path === '/device' && request.method !== 'POST' ? 'page' : undefined;
}

/** `json`: a terminal asks (RFC 6749 §5.2 has the form, RFC 8628 §3.5 the word). */
function tooMany(response: ServerResponse, pauseMs: number, json = false): void {
  const seconds = Math.ceil(pauseMs / 1000);
  const text = `Too many tries from your address. Wait ${seconds} s, then try again.`;
  response.setHeader('retry-after', String(seconds));
  if (!json) {
    answer(response, 429, errorPage(text));
    return;
  }
  response.writeHead(429, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: 'slow_down', error_description: text }));
}
