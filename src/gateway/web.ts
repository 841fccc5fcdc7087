// The HTTPS listener: HTTP API, embedded issuer, tunnels. Decides by path whose request it is, nothing else.

import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { userError } from '../core/errors.ts';
import type { Authenticated } from '../session/identity/authenticator.ts';
import { principalKey } from '../session/identity/principal.ts';
import { errorBody, publicError, statusOf } from './api/errors.ts';
import { watchCaller } from './api/live.ts';
import { openApi } from './api/openapi.ts';
import { type Auth, mount, type Role, type Route } from './api/route.ts';
import { apiRoutes } from './api/routes.ts';
import type { Certificates } from './certificates/certificates.ts';
import type { Address } from './document.ts';
import type { EmbeddedIssuer } from './issuer/issuer.ts';
import { REQUEST_BYTES } from './limits.ts';
import { listenOn } from './native.ts';
import type { Newcomers } from './newcomers.ts';
import type { Parts } from './parts.ts';
import { scraperGate } from './scraper.ts';
import { authenticate, type Tunnels } from './tunnels.ts';

export interface Readiness {
  readonly ready: boolean;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface WebOptions {
  readonly certificates: Certificates;
  readonly newcomers: Newcomers;
  /** What `/readyz` says. */
  readonly ready: () => Promise<Readiness>;
  /** Aborted when the gateway stops. */
  readonly stopping: AbortSignal;
}

/** Listens before it can answer: the public URL may be known only from the port. */
export class WebListener {
  readonly #server: Server;
  readonly #options: WebOptions;
  #handle: ((request: IncomingMessage, response: import('node:http').ServerResponse) => void) | undefined;
  #tunnels: Tunnels | undefined;

  constructor(options: WebOptions) {
    this.#options = options;
    const { cert, key } = options.certificates.current;
    this.#server = createServer({
      cert,
      key,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      maxHeaderSize: 32 * 1024,
      handshakeTimeout: 10_000,
      headersTimeout: 10_000,
      requestTimeout: 60_000,
      // How often the two above are looked at.
      connectionsCheckingInterval: 5000,
      keepAliveTimeout: 60_000,
      noDelay: true,
    });
    options.newcomers.watch(this.#server);
    options.certificates.watch((certificate) =>
      this.#server.setSecureContext({ cert: certificate.cert, key: certificate.key, minVersion: 'TLSv1.2' }),
    );
    this.#server.on('request', (request, response) => {
      if (this.#handle === undefined) response.writeHead(503).end();
      else this.#handle(request, response);
    });
    this.#server.on('upgrade', (request, socket, head) => {
      if (this.#tunnels === undefined) socket.destroy();
      else this.#tunnels.upgrade(request, socket, head);
    });
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  /** Errors: port_taken, config_invalid. */
  async listen(address: Address): Promise<AddressInfo> {
    await listenOn(this.#server, address);
    return this.#server.address() as AddressInfo;
  }

  /** From here on it answers. */
  serve(parts: Parts, issuer: EmbeddedIssuer | undefined, tunnels: Tunnels): void {
    this.#tunnels = tunnels;
    const app = makeApp(parts, this.#options);
    const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
    this.#handle = (request, response) => {
      response.setHeader('strict-transport-security', 'max-age=31536000');
      const path = request.url ?? '/';
      if (issuer !== undefined && (path.startsWith('/oidc/') || path === '/oidc')) issuer.handle(request, response);
      else void answer(request, response);
    };
  }

  /** Accepts nobody any more; requests that are being answered may end. */
  close(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  /** Ends every connection, tunnels too. */
  destroy(): void {
    this.#server.closeAllConnections();
  }
}

function makeApp(parts: Parts, { ready, stopping }: WebOptions): Hono {
  const app = new Hono();
  app.onError((thrown, context) => {
    const error = publicError(thrown, parts.log, `${context.req.method} ${context.req.path}`);
    const headers: Record<string, string> = { 'cache-control': 'no-store' };
    const status = statusOf(error);
    if (status === 401) headers['www-authenticate'] = 'Bearer';
    return context.json(errorBody(error), status as 400, headers);
  });
  app.notFound((context) => {
    const error = userError('not_found', `there is nothing at "${context.req.path.slice(0, 200)}"`, {
      fix: 'see /openapi.json',
    });
    return context.json(errorBody(error), 404);
  });
  app.use(async (context, next) => {
    const started = performance.now();
    await next();
    context.header('x-content-type-options', 'nosniff');
    const ms = Math.round(performance.now() - started);
    parts.log.debug({ method: context.req.method, path: context.req.path, status: context.res.status, ms }, 'request');
  });
  const routes: Route[] = apiRoutes(parts, ready);
  mount(app, routes, {
    authenticate: (context, auth) => admit(parts, context, auth),
    address: (context) => {
      const { remoteAddress, remotePort } = (context.env as HttpBindings).incoming.socket;
      return `${remoteAddress ?? 'unknown'}:${remotePort ?? 0}`;
    },
    stopping,
    watchCaller: watchCaller({ now: () => parts.clock.now(), revocations: parts.revocations }),
    bodyLimit: () => parts.configuration().limit(REQUEST_BYTES),
  });
  const document = openApi(routes, parts.version, parts.publicUrl);
  app.get('/openapi.json', (context) => context.json(document));
  const admitScraper = scraperGate(parts);
  app.get('/metrics', async (context) => {
    await admitScraper((context.env as HttpBindings).incoming);
    return context.body(await parts.metrics.text(), 200, { 'content-type': parts.metrics.contentType });
  });
  return app;
}

async function admit(
  parts: Parts,
  context: Context,
  auth: Auth,
): Promise<{ caller: Authenticated | undefined; roles: readonly Role[] }> {
  if (auth === 'none') return { caller: undefined, roles: [] };
  const caller = await authenticate(parts, (context.env as HttpBindings).incoming, 'api');
  const roles = parts.roles(caller.principal);
  const allowed = auth === 'token' || roles.includes('admin') || (auth === 'auditor' && roles.includes('auditor'));
  if (!allowed) {
    noteForbidden(parts, context, caller);
    throw userError('forbidden', `this needs the role ${auth}, which you do not have`, {
      fix: "ask an administrator, or see roles in the gateway's configuration",
    });
  }
  return { caller, roles };
}

/** What somebody tried to change without the role for it; what was only looked for is no act. */
function noteForbidden(parts: Parts, { req, env }: Context, { principal }: Authenticated): void {
  if (req.method === 'GET' || req.method === 'HEAD') return;
  const { remoteAddress, remotePort } = (env as HttpBindings).incoming.socket;
  const client = `${remoteAddress ?? 'unknown'}:${remotePort ?? 0}`;
  const what = `${req.method} ${req.path.slice(0, 200)}`;
  const fields = { verdict: 'deny', code: 'forbidden', what, principal, client, via: 'api' };
  parts.refusals.note('access', principalKey(principal), fields);
}
