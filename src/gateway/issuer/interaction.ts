// The login page's two requests.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type Provider from 'oidc-provider';
import { answer, type IssuerContext } from './context.ts';
import { errorPage, loginPage } from './pages.ts';

const MAX_FORM_BYTES = 8192;

/** Rejects when the interaction is not this browser's or has expired. */
export async function interaction(
  provider: Provider,
  context: IssuerContext,
  request: IncomingMessage,
  response: ServerResponse,
  uid: string,
): Promise<void> {
  const details = await provider.interactionDetails(request, response);
  if (details.uid !== uid) throw new Error('interaction belongs to another browser');
  const action = `/oidc/interaction/${uid}`;
  if (request.method === 'GET') return answer(response, 200, loginPage(action, undefined));
  if (request.method !== 'POST') return answer(response, 405, errorPage('This page only knows GET and POST.'));
  const { origin } = request.headers;
  if (origin !== undefined && origin !== 'null' && origin !== new URL(context.publicUrl).origin) {
    return answer(response, 403, errorPage('This form came from another site.'));
  }
  const form = await readForm(request);
  const name = form.get('login') ?? '';
  const address = request.socket.remoteAddress ?? 'unknown';
  const pause = context.byUser.pause(name);
  if (pause > 0) {
    const seconds = Math.ceil(pause / 1000);
    response.setHeader('retry-after', String(seconds));
    return answer(response, 429, loginPage(action, name, `Too many failed tries. Wait ${seconds} s, then try again.`));
  }
  // Counted before the slow check, so that many tries at once do not all pass.
  context.byUser.failed(name);
  context.byAddress.failed(address);
  const user = await context.users.verifyPassword(name, form.get('password') ?? '');
  context.onLogin?.({ user: name, address, ok: user !== undefined });
  if (user === undefined) {
    return answer(response, 401, loginPage(action, name, 'User or password is wrong.'));
  }
  context.byUser.succeeded(name);
  context.byAddress.takeBack(address);
  await provider.interactionFinished(
    request,
    response,
    { login: { accountId: user.name, remember: true } },
    { mergeWithLastSubmission: false },
  );
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_FORM_BYTES) throw new Error('form is too long');
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
