// The checks of `hoopctl doctor`: each finds something out, none throws. A check that an earlier failure makes pointless
// is skipped.

import { formatDuration } from '../core/clock.ts';
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
import type { ExportsAnswer, MissingCredentials, RecordingStoreItem } from './shapes.ts';
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
/** A receiver of the record that is further behind is worth a word. */
const EXPORT_LATE_MS = 5 * 60_000;

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
  results.push(
    await whenever(facts === undefined ? undefined : place, 'gateway ready', (known) => ready(context, known)),
  );
  results.push(await whenever(place, 'certificate', (known) => certificate(context, known)));
  results.push(await whenever(facts, 'clock', clock));
  results.push(await keychain(context));
  results.push(await whenever(facts === undefined ? undefined : place, 'login', (known) => login(context, known)));
  if (place !== undefined && results.at(-1)?.state === 'ok') {
    results.push(...(await exports(context, place)), ...(await credentials(context, place)));
  }
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

async function ready(context: Context, known: Place): Promise<Finding> {
  const { readiness } = await import('../login/discovery.ts');
  const said = await readiness(known.url, await findTrust(context, known), context.signal);
  if (said === undefined) return { state: 'warning', found: 'it does not say' };
  const { gateway = 'it', otherGateways: others, store, state } = said;
  const beside = others === undefined ? '' : `, ${others} other ${others === 1 ? 'gateway' : 'gateways'} on its store`;
  if (said.ready) return { found: `${gateway} takes sessions${beside}` };
  const found = store === 'ok' ? `${gateway} is ${state}` : `${gateway} cannot reach its store`;
  if (state === 'stopping')
    return { state: 'failed', found, fix: 'it takes no new sessions: try again when it is back' };
  const fix = 'new sessions and reviews are refused until it is; its log and "hoopctl serve" say why';
  return { state: 'failed', found, fix };
}

async function certificate(context: Context, place: Place): Promise<Finding> {
  const { url, known } = place;
  if (url.startsWith('http:')) return { state: 'warning', found: 'none: plain http on this machine' };
  const { inspectCertificate } = await import('../login/certificate.ts');
  const trust = await findTrust(context, place);
  const { leaf, anchor, nameMatches, distrust } = await inspectCertificate(new URL(url), trust);
  const until = `until ${localTime(leaf.validTo.getTime())}`;
  const given = trust.ca !== known?.ca;
  const trusted = trust.ca === undefined ? 'system CAs' : given ? 'by the CA given' : 'pinned';
  const found = `${leaf.names.join(', ')}, ${until}, ${trusted}, ${anchor.fingerprint}`;
  if (distrust !== undefined) {
    const { message: why, fix: next } = distrust;
    if (trust.ca === undefined) return { state: 'failed', found: `${why}: ${anchor.fingerprint}`, fix: next! };
    const { changed } = await import('./trust.ts');
    const { message, fix } = await changed(url, trust.ca, anchor, distrust);
    return {
      state: 'failed',
      found: message,
      fix: given ? 'give the CA that this gateway has now, once its fingerprint is confirmed' : fix!,
    };
  }
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

/** Nothing for whoever may not know, and where there are none. */
async function exports(context: Context, place: Place): Promise<Check[]> {
  try {
    const { api } = await apiOf(context, place);
    const answer = await api.call<ExportsAnswer>('audit/exports', { signal: context.signal });
    const checked = answer.exports.map(({ name, state, lagMs, error, to }): Check => {
      const behind = lagMs < EXPORT_LATE_MS ? '' : `, ${formatDuration(lagMs)} behind`;
      const late = state === 'failing' ? 'failed' : behind === '' ? 'ok' : 'warning';
      const fix =
        late === 'ok'
          ? {}
          : { fix: "make the receiver take events again; 'hoopctl audit exports' shows how far it is" };
      return { check: `export ${name}`, state: late, found: `${to}, ${error ?? state}${behind}`, ...fix };
    });
    return answer.recordings === undefined ? checked : [...checked, recordingStore(answer.recordings)];
  } catch {
    return [];
  }
}

/** Nothing for whoever does not administer the gateway. */
async function credentials(context: Context, place: Place): Promise<Check[]> {
  try {
    const { api } = await apiOf(context, place);
    const answer = await api.call<MissingCredentials>('admin/credentials', { signal: context.signal });
    const { missing, secrets, issuers } = answer;
    const well = "all there, as far as that shows without use: 'hoopctl policy check --live' tries them";
    const told = (check: string, found: readonly Pick<Check, 'found' | 'fix'>[] | undefined, ok: string): Check[] => {
      if (found === undefined) return [];
      if (found.length === 0) return [{ check, state: 'ok', found: ok }];
      return found.map((one) => ({ check, state: 'failed', ...one }));
    };
    const lacks = ({ where, reference, why }: (typeof missing)[number] | NonNullable<typeof secrets>[number]) =>
      `${where} is ${reference}, which ${why}`;
    return [
      ...told(
        'credentials of connections',
        missing.map((one) => ({ found: lacks(one), fix: one.fix })),
        well,
      ),
      ...told(
        'secrets of what it sends',
        secrets?.map((one) => ({ found: `${lacks(one)}; ${one.stops}`, fix: one.fix })),
        'all there',
      ),
      ...told(
        'issuers',
        issuers?.map(({ error, fix }) => ({ found: error, fix })),
        'all answer',
      ),
    ];
  } catch {
    return [];
  }
}

function recordingStore({ to, state, waiting, lagMs, error }: RecordingStoreItem): Check {
  const check = 'recordings in object storage';
  const behind = waiting === 0 ? '' : `, ${waiting} on the disk alone, the oldest for ${formatDuration(lagMs)}`;
  if (state !== 'failing') return { check, state: 'ok', found: `${to}, ${state}${behind}` };
  const fix = 'make it answer: recordings stay on the disk as long as that has room';
  return { check, state: 'failed', found: `${to}, ${error}${behind}`, fix };
}

async function apiOf(context: Context, place: Place) {
  const trust = await findTrust(context, place);
  const { from, tokens } = await findTokens(context, place, trust);
  const { createApi } = await import('./api.ts');
  return { from, api: createApi(makeAccess(place.url, trust.ca, tokens, context.globals.agent)) };
}

async function login(context: Context, place: Place): Promise<Finding> {
  const { from, api } = await apiOf(context, place);
  const me = await api.call<{ principal: { subject: string; email?: string } }>('me', { signal: context.signal });
  return { found: `${me.principal.email ?? me.principal.subject}, by ${from}` };
}
