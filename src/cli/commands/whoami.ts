// `hoopctl whoami`: who the gateway takes us for.

import type { PrincipalFacts } from '../../login/exchange.ts';
import { command as define } from '../command.ts';
import { facts, localTime } from '../text.ts';

interface Me {
  readonly principal: PrincipalFacts;
  readonly roles: readonly string[];
  readonly expiresAt?: string | number;
}

export const command = define({
  run: async (_, context) => {
    const api = await context.api();
    const me = await api.call<Me>('me', { signal: context.signal });
    const { principal } = me;
    await context.print({ gateway: api.access.url, ...me }, () =>
      facts([
        ['who', principal.email ?? principal.subject],
        ['subject', principal.email === undefined ? undefined : principal.subject],
        ['kind', principal.kind],
        ['agent', principal.actor],
        ['issuer', principal.issuer],
        ['groups', principal.groups.join(', ')],
        ['roles', me.roles.join(', ')],
        ['gateway', api.access.url],
        ['token until', me.expiresAt === undefined ? undefined : localTime(me.expiresAt)],
      ]),
    );
  },
});
