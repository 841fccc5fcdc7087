// The way to the target tried without a client, for checks: every host on it is verified and logged in to, as far as that can
// be done for nobody in particular. Refuses to know: what a session would do there.

import type { ByteStream } from '../../../core/stream.ts';
import type { Target } from '../../contract.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { Credentials, SshConfig } from '../schema.ts';
import { Disconnect } from '../wire/message.ts';
import { HostIdentity } from './host.ts';
import { type LoggedIn, logIn } from './login.ts';
import { methods } from './methods.ts';
import { over, type Station, stations } from './target.ts';

/** What could not be tried, a line each. Errors: as of a session's login. */
export async function probe(target: Target<SshConfig>, signal: AbortSignal): Promise<readonly string[]> {
  const way = { limits: DEFAULT_LIMITS, signal, connection: target.connection };
  const all = stations(target);
  let stream: ByteStream | undefined;
  let reached: LoggedIn | undefined;
  try {
    for (const [index, station] of all.entries()) {
      const { place, host, credentials } = station;
      const untried = notForNobody(credentials);
      const identity = await HostIdentity.of(host, place);
      const login = untried === undefined ? await account(target, station) : { user: '' };
      stream ??= await target.dial(signal, { host: host.host, port: host.port });
      reached = await logIn({ place, identity, ...login, ...way }, stream);
      const next = all[index + 1];
      if (untried !== undefined) {
        const behind = next === undefined ? '' : ', so that nothing behind it was reached';
        return [`the login to ${place.host}: ${untried}${behind}`];
      }
      if (next !== undefined) stream = await over(reached, station, next, way, stream);
    }
    return [];
  } finally {
    reached?.transport.disconnect(Disconnect.BY_APPLICATION, 'checked');
    stream?.destroy();
  }
}

/** Why only a session can log in with them. */
function notForNobody({ user, certificate }: Credentials): string | undefined {
  if (typeof user !== 'string') return 'its account is that of whoever comes';
  return certificate === undefined ? undefined : 'its certificate is made by the gateway for a session';
}

async function account(target: Target<SshConfig>, { credentials, jump, place }: Station) {
  const secrets = await target.credentials(jump ? credentials : undefined);
  const none = () => {
    throw new Error('a certificate is for sessions');
  };
  return { user: credentials.user as string, ways: methods(secrets, place, none) };
}
