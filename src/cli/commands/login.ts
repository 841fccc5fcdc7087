// `hoopctl login`: trust the gateway, confirm on any device who we are, keep the login.

import { HoopctlError } from '../../core/errors.ts';
import type { IssuerRef, KnownGateway } from '../../login/gateways.ts';
import type { Trust } from '../../login/http.ts';
import type { DeviceCode } from '../../login/issuer.ts';
import { command as define } from '../command.ts';
import type { Context } from '../context.ts';
import { jsonLine, oneLine, printable } from '../text.ts';

const options = {
  issuer: { value: 'NAME', help: 'which of the gateway’s issuers to log in at' },
  browser: { negated: true, help: 'do not open a browser' },
  qr: { negated: true, help: 'do not print a QR code' },
  forgetCertificate: {
    trusted: true,
    help: 'forget the certificate that was trusted for this gateway, and look at the new one',
  },
} as const;

export const command = define({
  options,
  arguments: [
    {
      name: 'url',
      optional: true,
      help: 'the gateway: host, host:port or URL (default: the current one)',
      complete: 'gateways',
    },
  ],
  notes: `A host without a port means port 7443. The login is kept in the system's keychain, or, where there is none, in a
file that only you can read; HOOPCTL_KEYCHAIN=file or =secret-service decides. Jobs need no login: see HOOPCTL_TOKEN_FILE,
HOOPCTL_TOKEN, HOOPCTL_CLIENT_ID with HOOPCTL_CLIENT_SECRET_FILE, HOOPCTL_ID_TOKEN in the README.`,
  run: async (values, context) => {
    const { findPlace } = await import('../gateway.ts');
    const { openGateways } = await import('../../login/gateways.ts');
    const { chooseIssuer } = await import('../../login/discovery.ts');
    const { openIssuer } = await import('../../login/issuer.ts');
    const { exchange } = await import('../../login/exchange.ts');
    const { io } = context;
    const gateways = openGateways(context.paths);
    // Named on the command line it is the user's own word, whatever a project file says.
    const place = findPlace(
      values.url === undefined ? context : { ...context, globals: { ...context.globals, gatewayFrom: 'flag' } },
      gateways,
      values.url ?? context.globals.gateway,
    );
    const known = values.forgetCertificate && place.known ? { ...place.known, ca: undefined } : place.known;
    const { trust, facts } = await reach(context, place.url, known);
    warnOfSkew(context, facts.clockSkewMs);
    const ref = chooseIssuer(
      facts.issuers,
      await wantedIssuer(context, facts.issuers, values.issuer, known),
      known?.issuer?.name,
    );
    const issuer = await openIssuer(ref, place.url, trust);
    const tokens = await issuer.device(
      (code) => show(context, place.url, code, values),
      context.signal,
      (why) => io.say(`${why}; still waiting`),
    );
    const { token, expiresAt, principal } = await exchange(
      place.url,
      trust,
      { by: 'token', ...tokens.subject },
      context.signal,
    );
    const account = `${place.url} ${Math.random().toString(36).slice(2, 10)}`;
    const kept = {
      v: 1 as const,
      ...(tokens.refreshToken === undefined ? {} : { refreshToken: tokens.refreshToken }),
      subject: tokens.subject,
      gatewayToken: token,
      gatewayTokenExpiresAt: expiresAt,
    };
    // Of a machine whose logins are in files it was said before.
    const told = gateways.all().some(({ store: place }) => place === 'file');
    const store = await keep(context, account, JSON.stringify(kept), told);
    const gateway: KnownGateway = {
      url: place.url,
      ...(trust.ca === undefined ? {} : { ca: trust.ca }),
      issuer: ref,
      store,
      account,
      ...(principal === undefined
        ? {}
        : { principal: { subject: principal.subject, email: principal.email, groups: principal.groups } }),
      since: new Date().toISOString(),
    };
    await forgetBefore(context, await gateways.save(gateway, true), trust);
    const who = principal?.email ?? principal?.subject ?? 'somebody';
    await context.print({ gateway: place.url, issuer: ref.name, principal, keptIn: store }, () => {
      const groups = principal?.groups.length ? `, in ${principal.groups.join(', ')}` : '';
      return `${oneLine(`logged in to ${place.url} as ${who}${groups}`)}\n`;
    });
  },
});

/** The gateway's facts, with whatever trust it takes: given, pinned, the system's, or the user's word. */
async function reach(context: Context, url: string, known: KnownGateway | undefined) {
  const { discover } = await import('../../login/discovery.ts');
  const { findTrust } = await import('../gateway.ts');
  let trust: Trust = await findTrust(context, { url, known });
  try {
    return { trust, facts: await discover(url, trust, context.signal) };
  } catch (error) {
    if (!(error instanceof HoopctlError)) throw error;
    const { askTrust, changedCertificate } = await import('../trust.ts');
    if (error.code === 'gateway_certificate_changed' && known?.ca !== undefined && known.ca === trust.ca) {
      throw await changedCertificate(context, url, known.ca, error);
    }
    if (error.code !== 'gateway_certificate_unknown') throw error;
    trust = { ca: await askTrust(context, url) };
    return { trust, facts: await discover(url, trust, context.signal) };
  }
}

/** The one named; on a terminal the one that the user picks where there are several and none was used before. */
async function wantedIssuer(
  { io, json }: Context,
  issuers: readonly IssuerRef[],
  named: string | undefined,
  known: KnownGateway | undefined,
): Promise<string | undefined> {
  const names = issuers.map((issuer) => issuer.name);
  const settled = named !== undefined || names.length < 2 || names.includes(known?.issuer?.name ?? '');
  if (settled || json || !io.interactive) return named;
  const { choose } = await import('../prompt.ts');
  return choose(io, 'The gateway has several issuers', names);
}

/** A clock this wrong makes tokens look expired or not yet valid; we allow for it, others will not. */
const SKEW_WORTH_SAYING_MS = 60_000;

function warnOfSkew(context: Context, skewMs: number | undefined): void {
  if (skewMs === undefined || Math.abs(skewMs) < SKEW_WORTH_SAYING_MS) return;
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  context.io.say(
    `this machine's clock is ${seconds} s ${skewMs > 0 ? 'behind' : 'ahead of'} the gateway's; going on, but set it right`,
  );
}

async function show(
  context: Context,
  gateway: string,
  code: DeviceCode,
  values: { browser: boolean; qr: boolean },
): Promise<void> {
  const { io } = context;
  if (context.json) {
    const verification = { url: code.url, completeUrl: code.completeUrl, code: code.userCode };
    io.say(jsonLine({ verification }, io.terminal.stderr).trimEnd());
    return;
  }
  const page = code.completeUrl ?? code.url;
  const picture = values.qr ? await qr(context, page) : '';
  const bold = io.color.stderr ? (text: string) => `\u001b[1m${text}\u001b[22m` : (text: string) => text;
  io.say(
    `${picture}To log in to ${gateway}, open\n\n    ${bold(printable(code.url))}\n\nand enter the code\n\n    ${bold(printable(code.userCode))}\n`,
  );
  const { browserCommand, openBrowser } = await import('../browser.ts');
  const browser = values.browser ? browserCommand(io) : undefined;
  if (browser !== undefined) {
    io.say('A browser was opened; check that it shows the same code.');
    await openBrowser(browser, page);
  }
  const { formatDuration } = await import('../../core/clock.ts');
  io.say(`Waiting for you to confirm it (at most ${formatDuration(code.expiresInMs)}, Ctrl-C to stop)`);
}

/** Only on a terminal that can show it whole. */
async function qr({ io }: Context, text: string): Promise<string> {
  if (!io.terminal.stderr || io.env.TERM === 'dumb') return '';
  const { renderUnicodeCompact } = await import('uqr');
  const picture = renderUnicodeCompact(text, { border: 2 });
  return picture.split('\n')[0]!.length <= io.columns ? `${picture}\n\n` : '';
}

async function keep(context: Context, account: string, secret: string, told: boolean): Promise<'keychain' | 'file'> {
  const { storeSecret } = await import('../../login/keychain.ts');
  const { keychainChoice, keychainOptions } = await import('../gateway.ts');
  const { store, warning } = await storeSecret(keychainChoice(context), keychainOptions(context), account, secret);
  if (warning !== undefined && !told) context.io.say(`warning: ${warning}`);
  return store.kind;
}

/**
 * The login that this one replaced, which may have come while this one was confirmed, is revoked, so that it does not live on
 * unseen; failing to is no reason to fail.
 */
async function forgetBefore(context: Context, before: KnownGateway | undefined, trust: Trust): Promise<void> {
  if (before?.account === undefined) return;
  const { endLogin } = await import('../logout.ts');
  await endLogin(context, before, trust).catch(() => {});
}
