// The gateway's own limits, and the place that loads all modules that declare one: the configuration may name only what is
// declared.

import { type Limit, limit } from '../core/limits.ts';
import '../config/document.ts';
import '../session/approvals/crowd.ts';
import '../session/custody/purge.ts';
import '../session/custody/retention.ts';
import '../session/fleet.ts';
import '../session/identity/tokens.ts';
import '../session/recorder/reader.ts';
import '../session/recorder/writer.ts';
import '../store/limits.ts';
import '../target/credentials.ts';
import '../target/dial.ts';
import '../tunnel/limits.ts';
import './keys.ts';
import './place.ts';
import './search/search.ts';
import './exports/exporter.ts';
import './objects/shipper.ts';
import './webhooks/webhooks.ts';

/** How long a native client may take until it has said who it is. */
export const HANDSHAKE_MS: Limit = limit('handshake_ms', 'ms', 10_000, 1);
/** How long a person may take to confirm a native client's login in a browser. */
export const DEVICE_LOGIN_MS: Limit = limit('device_login_ms', 'ms', 5 * 60_000, 1000);
/** Such logins at once. */
export const DEVICE_LOGINS: Limit = limit('device_logins', 'count', 200);
/** Clients that have not said who they are, at once, per listener. */
export const UNAUTHENTICATED: Limit = limit('unauthenticated_connections', 'count', 1000, 1);
/** Logins that one address may begin in a minute, and as many pages of them: each is kept for a while. */
export const LOGINS_PER_MINUTE: Limit = limit('logins_per_minute', 'count', 30, 1);
/** Sessions of one principal at once. */
export const SESSIONS_PER_PRINCIPAL: Limit = limit('sessions_per_principal', 'count', 2000, 1);
/** Tunnels of one principal that are open and not in use: what a client keeps in reserve. */
export const UNUSED_TUNNELS: Limit = limit('unused_tunnels_per_principal', 'count', 2000);
/** Sessions at once. */
export const SESSIONS: Limit = limit('sessions', 'count', 10_000, 1);
/** The body of an API request. */
export const REQUEST_BYTES: Limit = limit('request_bytes', 'bytes', 1024 * 1024, 1024);
