// The checks of `hoopctl doctor`: each finds something out, none throws. A check that an earlier failure makes pointless
// is skipped.

import { asHoopctlError } from '../core/errors.ts';
import type { GatewayFacts } from '../login/discovery.ts';
import type { Context } from './context.ts';
import {
  findPlace,
  findTokens,
  findTrust,
  keychainChoice,
  keychainOptions,
  makeAccess,
  type Place,
} from './gateway.ts';
import { localTime, relativeTime } from './text.ts';

export interface Check {
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly found: string;
  readonly fix?: string;
}

const OLDEST_NODE = 24;
/** Tokens live for minutes: beyond this some issuers refuse. */
const SKEW_MS = 30_000;
/** A certificate that ends sooner than this wants attention. */
const EXPIRY_MS = 14 * 86_400_000;

export async function checks(context: Context): Promise<Check[]> {
  const results: Check[] = [node(context)];
  const { openGateways } = await import('../login/gateways.ts');
  let place: Place | undefined;
  const found = await attempt('gateway known', async () => {
    place = findPlace(context, openGateways(context.paths));
    return { found: place.url };
  });
  results.push(found);
  let facts: GatewayFacts | undefined;
  const reachable = await whenever(place, 'gateway reachable', async (known) => {
    const { discover } = await import('../login/discovery.ts');
    facts = await discover(known.url, await findTrust(context, known), context.signal);
    return { found: `${facts.name || 'it'} answers, version ${facts.version}` };
  });
  results.push(reachable);
  results.push(await whenever(place, 'certificate', certificate));
  results.push(await whenever(facts, 'clock', clock));
  results.push(await keychain(context));
  results.push(await whenever(facts === undefined ? undefined : place, 'login', (known) => login(context, known)));
  return results;
}

type Finding = Omit<Check, 'check' | 'state'> & { readonly state?: Check['state'] };

async function attempt(check: string, work: () => Promise<Finding>): Promise<Check> {
  try {
    return { check, state: 'ok', ...(await work()) };
  } catch (thrown) {
    const error = asHoopctlError(thrown);
    return { check, state: 'failed', found: error.message, ...(error.fix === undefined ? {} : { fix: error.fix }) };
  }
}

async function whenever<T>(given: T | undefined, check: string, work: (given: T) => Promise<Finding>): Promise<Check> {
  if (given === undefined) return { check, state: 'skipped', found: 'needs the one before' };
  return attempt(check, () => work(given));
}

function node(context: Context): Check {
  const version = context.io.nodeVersion;
  const ok = Number(version.split('.')[0]) >= OLDEST_NODE;
  return {
    check: 'node',
    state: ok ? 'ok' : 'failed',
    found: `version ${version}`,
    ...(ok ? {} : { fix: `install Node.js ${OLDEST_NODE} or later` }),
  };
}

async function certificate({ url, known }: Place): Promise<Finding> {
  if (url.startsWith('http:')) return { state: 'warning', found: 'none: plain http on this machine' };
  const { inspectCertificate } = await import('../login/certificate.ts');
  const { leaf, anchor, nameMatches } = await inspectCertificate(new URL(url));
  const until = `until ${localTime(leaf.validTo.getTime())}`;
  const trusted = known?.ca === undefined ? 'system CAs' : 'pinned';
  const found = `${leaf.names.join(', ')}, ${until}, ${trusted}, ${anchor.fingerprint}`;
  if (!nameMatches)
    return { state: 'failed', found, fix: `it is not for '${new URL(url).hostname}': use one of its names` };
  const left = leaf.validTo.getTime() - Date.now();
  if (left < 0) return { state: 'failed', found, fix: 'it has expired: the gateway needs a new one' };
  if (left < EXPIRY_MS)
    return { state: 'warning', found, fix: `it ends ${relativeTime(leaf.validTo.getTime(), Date.now())}` };
  return { found };
}

async function clock({ clockSkewMs }: GatewayFacts): Promise<Finding> {
  if (clockSkewMs === undefined) return { state: 'warning', found: 'the gateway did not say its time' };
  const seconds = Math.round(clockSkewMs / 1000);
  if (Math.abs(clockSkewMs) < SKEW_MS) return { found: `within ${Math.abs(seconds) + 1} s of the gateway's` };
  const found = `${Math.abs(seconds)} s ${seconds > 0 ? 'behind' : 'ahead of'} the gateway's`;
  return { state: 'failed', found, fix: 'set the clock, best by NTP' };
}

async function keychain(context: Context): Promise<Check> {
  return attempt('keychain', async () => {
    const choice = keychainChoice(context);
    if (choice === 'file') return { found: 'a file, as HOOPCTL_KEYCHAIN says' };
    const { systemKeychain } = await import('../login/keychain.ts');
    try {
      await systemKeychain(keychainOptions(context)).get('doctor');
      return { found: 'usable' };
    } catch (error) {
      const state = choice === 'auto' ? 'warning' : 'failed';
      const fix = 'logins go to a file that only you can read; unlock or install a keychain to change that';
      return { state, found: asHoopctlError(error).message, fix };
    }
  });
}

async function login(context: Context, place: Place): Promise<Finding> {
  const trust = await findTrust(context, place);
  const { from, tokens } = await findTokens(context, place, trust);
  const { createApi } = await import('./api.ts');
  const api = createApi(makeAccess(place.url, trust.ca, tokens, context.globals.agent));
  const me = await api.call<{ principal: { subject: string; email?: string } }>('me', { signal: context.signal });
  return { found: `${me.principal.email ?? me.principal.subject}, by ${from}` };
}
