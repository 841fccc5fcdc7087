// The way to the target: dial the first host, log in, go through it to the next, up to the target itself. Every host on the
// way is verified as itself and logged in to with credentials of its own. Refuses to know: what comes after the login.

import { asHoopctlError, HoopctlError, peerError } from '../../../core/errors.ts';
import type { ByteStream } from '../../../core/stream.ts';
import type { Session, Target } from '../../contract.ts';
import type { Ed25519Key } from '../keys/ed25519.ts';
import type { Limits } from '../limits.ts';
import type { Credentials, HostConfig, SshConfig } from '../schema.ts';
import { accountOf } from './account.ts';
import { Hop } from './hop.ts';
import { HostIdentity, type Place } from './host.ts';
import { type LoggedIn, logIn } from './login.ts';
import { certified, methods } from './methods.ts';

export type { Receiver } from './login.ts';

export interface TargetLogin {
  readonly target: Target<SshConfig>;
  readonly session: Session;
  readonly limits: Limits;
  /** Signs certificates for hosts that trust it. */
  readonly authority: Ed25519Key;
}

export interface Station {
  readonly place: Place;
  readonly host: HostConfig;
  readonly credentials: Credentials;
  /** As the target's own, where left out. */
  readonly jump: boolean;
}

/**
 * Dials and logs in. Errors: target_unreachable, target_certificate, target_refused_credentials, credentials_unavailable,
 * access_denied (no account goes with the principal).
 */
export async function loginToTarget(options: TargetLogin): Promise<LoggedIn> {
  const { target, session } = options;
  const all = stations(target);
  let stream: ByteStream | undefined;
  let reached: LoggedIn | undefined;
  for (const [index, station] of all.entries()) {
    // What can be found wrong before anything is dialled is.
    const login = await prepared(options, station);
    stream ??= await target.dial(session.signal, { host: station.host.host, port: station.host.port });
    reached = await logIn({ ...login, limits: options.limits, signal: session.signal }, stream);
    const next = all[index + 1];
    if (next !== undefined) {
      const way = { limits: options.limits, signal: session.signal, connection: target.connection };
      stream = await over(reached, station, next, way, stream);
    }
  }
  return reached!;
}

export function stations({ config, connection }: Target<SshConfig>): Station[] {
  const { jump, ...host } = config.target;
  const name = `"${connection}"`;
  const hops = jump.map(({ credentials, ...hop }, index) => {
    const shown = `jump host ${index + 1} of ${name}`;
    return { place: { name: shown, host: shown }, host: hop, credentials, jump: true };
  });
  const own = { name, host: `the host of ${name}` };
  return [...hops, { place: own, host, credentials: config.credentials, jump: false }];
}

async function prepared({ target, session, authority }: TargetLogin, station: Station) {
  const { place, host, credentials } = station;
  const identity = await HostIdentity.of(host, place);
  const user = accountOf(credentials.user, session, target.connection);
  const secrets = await target.credentials(station.jump ? credentials : undefined);
  const keyId = `${session.id} ${session.principal}`;
  return { place, identity, user, ways: methods(secrets, place, () => certified(authority, user, keyId)) };
}

/** The next host's stream through this one. Errors: target_unreachable. */
export async function over(
  { transport, receive }: LoggedIn,
  from: Station,
  to: Station,
  { limits, signal, connection }: { limits: Limits; signal: AbortSignal; connection: string },
  below: ByteStream,
): Promise<ByteStream> {
  const hop = new Hop(transport, limits.window, below.remote);
  receive({
    message: (payload) => hop.message(payload),
    closed: (error) => hop.lost(error),
    drain: () => {},
  });
  const late = AbortSignal.any([signal, AbortSignal.timeout(limits.targetTime.value)]);
  const leave = () => hop.lost(peerError('target_unreachable', `no answer within ${limits.targetTime.value} ms`));
  late.addEventListener('abort', leave, { once: true });
  try {
    await hop.open(to.host.host, to.host.port);
    return hop;
  } catch (thrown) {
    below.destroy();
    const next = to.jump ? to.place.host : `the target of "${connection}"`;
    const { message } = asHoopctlError(thrown);
    throw new HoopctlError(
      'peer',
      'target_unreachable',
      `cannot reach ${next} through ${from.place.host}: ${message}`,
      {
        cause: thrown,
      },
    );
  } finally {
    late.removeEventListener('abort', leave);
  }
}
