// The end of a login: revoked at the gateway and at its issuer, and forgotten here whatever they say.

import type { KnownGateway } from '../login/gateways.ts';
import type { Trust } from '../login/http.ts';
import type { Context } from './context.ts';
import { keychainOptions } from './gateway.ts';

export interface Ended {
  readonly gatewayRevoked: boolean;
  /** `none`: there was no refresh token to revoke. */
  readonly issuerRevoked: boolean | 'none';
  /** Why something was not revoked. */
  readonly problems: readonly string[];
}

export async function endLogin(context: Context, gateway: KnownGateway, trust: Trust): Promise<Ended> {
  const { storeOf } = await import('../login/keychain.ts');
  const { lockPath, parseKept } = await import('../login/tokens.ts');
  const { withLock } = await import('../login/lock.ts');
  if (gateway.account === undefined) return { gatewayRevoked: false, issuerRevoked: 'none', problems: [] };
  const account = gateway.account;
  const store = storeOf(gateway.store ?? 'file', keychainOptions(context));
  const problems: string[] = [];
  // Under the lock of renewals: one under way would otherwise bring the login back to life.
  const kept = await withLock(lockPath(context.paths, gateway), 60_000, async () => {
    const found = parseKept(await store.get(account));
    await store.delete(account);
    return found;
  });
  if (kept === undefined) return { gatewayRevoked: false, issuerRevoked: 'none', problems };
  const attempt = async (what: string, work: () => Promise<boolean>): Promise<boolean> => {
    try {
      const done = await work();
      if (!done) problems.push(`${what}: it offers no revocation`);
      return done;
    } catch (error) {
      const { message } = error as Error;
      problems.push(message.startsWith(what) ? message : `${what}: ${message}`);
      return false;
    }
  };
  const { revokeGatewayToken } = await import('../login/exchange.ts');
  const gatewayRevoked = await attempt('gateway', async () => {
    await revokeGatewayToken(gateway.url, trust, kept.gatewayToken);
    return true;
  });
  const { refreshToken } = kept;
  if (refreshToken === undefined || gateway.issuer === undefined)
    return { gatewayRevoked, issuerRevoked: 'none', problems };
  const { openIssuer } = await import('../login/issuer.ts');
  const ref = gateway.issuer;
  const issuerRevoked = await attempt(`issuer '${ref.name}'`, async () =>
    (await openIssuer(ref, gateway.url, trust)).revoke(refreshToken),
  );
  return { gatewayRevoked, issuerRevoked, problems };
}
