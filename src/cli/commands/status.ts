// `hoopctl status`: the gateways this user knows and the state of each login, without a network: as it was found last.

import { command as define } from '../command.ts';
import { EXIT } from '../exit.ts';
import { printable, relativeTime, table } from '../text.ts';

export const command = define({
  notes: `Exit code 4 when there is no login to the current gateway. Asks no gateway, and tells of a login that was refused
when it was last renewed; whoami and doctor ask.`,
  run: async (_, context) => {
    const { openGateways } = await import('../../login/gateways.ts');
    const { keychainOptions } = await import('../gateway.ts');
    const { storeOf } = await import('../../login/keychain.ts');
    const { parseKept } = await import('../../login/tokens.ts');
    const { explicitSource } = await import('../../login/workload.ts');
    const gateways = openGateways(context.paths);
    const current = gateways.current()?.url;
    const now = Date.now();
    const rows = await Promise.all(
      gateways.all().map(async (known) => {
        let login: 'none' | 'ok' | 'expired' | 'refused' | 'unreadable' = 'none';
        let problem: string | undefined;
        if (known.account !== undefined) {
          try {
            const kept = parseKept(await storeOf(known.store ?? 'file', keychainOptions(context)).get(known.account));
            problem = kept?.refused?.message;
            if (problem !== undefined) login = 'refused';
            else if (kept !== undefined)
              login = kept.refreshToken !== undefined || kept.gatewayTokenExpiresAt > now ? 'ok' : 'expired';
          } catch (error) {
            login = 'unreadable';
            problem = (error as Error).message;
          }
        }
        return {
          url: known.url,
          current: known.url === current,
          login,
          ...(problem === undefined ? {} : { problem }),
          principal: known.principal,
          issuer: known.issuer?.name,
          keptIn: known.store,
          certificate: known.ca === undefined ? 'system' : 'pinned',
          since: known.since,
        };
      }),
    );
    const explicit = explicitSource(context.io.env, current ?? '', {})?.from;
    await context.print(
      { current, gateways: rows, ...(explicit === undefined ? {} : { environment: explicit }) },
      () => {
        const note = explicit === undefined ? '' : `${explicit} is set and used instead of any login\n`;
        if (rows.length === 0) return `${note}no gateway is known: run 'hoopctl login GATEWAY_URL'\n`;
        return (
          note +
          table(
            ['', 'gateway', 'login', 'who', 'issuer', 'since', 'kept in', 'certificate'],
            rows.map((row) => [
              row.current ? '*' : '',
              row.url,
              row.login,
              row.principal?.email ?? row.principal?.subject ?? '',
              row.issuer ?? '',
              row.since === undefined ? '' : relativeTime(row.since, now),
              row.keptIn ?? '',
              row.certificate,
            ]),
          ) +
          rows
            .filter(({ problem }) => problem !== undefined)
            .map(({ url, login, problem }) => `${url}: ${login}: ${printable(problem!)}; run 'hoopctl login ${url}'\n`)
            .join('')
        );
      },
    );
    const usable = explicit !== undefined || rows.some((row) => row.current && row.login === 'ok');
    return usable ? EXIT.ok : EXIT.login;
  },
});
