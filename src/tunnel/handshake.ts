// The opening handshake of RFC 6455 §4 as far as both halves need it.

import { createHash } from 'node:crypto';

/** The subprotocol both halves speak: binary frames are bytes, text frames are JSON (events.ts). */
export const TUNNEL_PROTOCOL = 'hoopctl.tunnel.v1';

/** Header of the gateway's answer: for how many ms the tunnel may stay unused, before the gateway closes it. */
export const UNSTARTED_HEADER = 'Hoopctl-Unstarted-Ms';

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 §4.2.2, step 5.4). */
export function acceptKey(key: string): string {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64');
}

/** Whether a comma-separated header value names the token, case-insensitively. */
export function hasToken(header: string | undefined, token: string): boolean {
  return (header ?? '').split(',').some((part) => part.trim().toLowerCase() === token);
}
