// `hoopctl logout`: revoke and forget. What was pinned stays, so that a changed certificate is noticed at the next login.

import { command as define } from '../command.ts';

export const command = define({
  arguments: [{ name: 'url', optional: true, help: 'the gateway (default: the current one)', complete: 'gateways' }],
  run: async ({ url }, context) => {
    const { openGateways } = await import('../../login/gateways.ts');
    const { findPlace, findTrust } = await import('../gateway.ts');
    const { endLogin } = await import('../logout.ts');
    const gateways = openGateways(context.paths);
    const { known, url: origin } = findPlace(context, gateways, url ?? context.globals.gateway);
    if (known?.account === undefined) {
      await context.print({ gateway: origin, loggedOut: false }, () => `not logged in to ${origin}\n`);
      return;
    }
    const ended = await endLogin(context, known, await findTrust(context, { url: origin, known }));
    await gateways.forget(origin);
    for (const problem of ended.problems) context.io.say(`warning: not revoked at ${problem}`);
    await context.print({ gateway: origin, loggedOut: true, ...ended }, () => `logged out of ${origin}\n`);
  },
});
