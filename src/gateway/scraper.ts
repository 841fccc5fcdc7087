// Who may read /metrics: it names connections. By default this machine itself, and admins and auditors; with a token of its
// own whoever has that; or anybody, where the configuration says so. Refuses to know: what is measured.

import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { userError } from '../core/errors.ts';
import { parseSecretRef } from '../core/secret.ts';
import { Outage } from '../session/outage.ts';
import type { Parts } from './parts.ts';
import { authenticate } from './tunnels.ts';

/** Asks each request. Errors: login_needed, forbidden, token_invalid, token_expired. */
export function scraperGate(parts: Parts): (request: IncomingMessage) => Promise<void> {
  const outage = new Outage(parts.log, 'read the token of /metrics (metrics.token)');
  return (request) => admit(parts, outage, request);
}

async function admit(parts: Parts, outage: Outage, request: IncomingMessage): Promise<void> {
  const { open, token } = parts.configuration().metrics;
  if (open || (token === undefined && fromHere(request))) return;
  const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer === undefined) {
    throw userError('login_needed', 'metrics are for this machine, and for those who say who they are', {
      fix: 'give a token of an admin or auditor, or set metrics.token in the configuration of the gateway',
    });
  }
  if (token !== undefined && (await isToken(parts, outage, token, bearer))) return;
  const { principal } = await authenticate(parts, request);
  if (parts.roles(principal).length > 0) return;
  throw userError('forbidden', 'metrics are for admins and auditors', { fix: 'ask an administrator' });
}

/** One that cannot be read is nobody's; admins and auditors have their own. */
async function isToken(parts: Parts, outage: Outage, token: string, bearer: string): Promise<boolean> {
  try {
    const value = await parts.credentials.read(parseSecretRef(token)!);
    outage.worked();
    return value !== '' && same(bearer, value);
  } catch (thrown) {
    outage.failed(thrown);
    return false;
  }
}

/** A proxy on this machine passes on what comes from elsewhere, and says so. */
function fromHere({ socket, headers }: IncomingMessage): boolean {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  const passedOn = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) => headers[name] !== undefined);
  return !passedOn && (address === '::1' || address.startsWith('127.'));
}

function same(a: string, b: string): boolean {
  const digest = (text: string) => hash('sha256', text, 'buffer');
  return timingSafeEqual(digest(a), digest(b));
}
