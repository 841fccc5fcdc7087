// The tunnel's limits, by name (promise 8). Both halves keep the same ones.

import { fixedLimit, type Limit, limit } from '../core/limits.ts';

/** Payload of one binary frame. Bytes are passed on as they come, so this bounds nothing but nonsense. */
export const TUNNEL_FRAME_BYTES: Limit = fixedLimit('tunnel_frame_bytes', 'bytes', 64 * 1024 * 1024);

/** Payload of one text frame: an event or a control word, collected before it is parsed. */
export const TUNNEL_EVENT_BYTES: Limit = fixedLimit('tunnel_event_bytes', 'bytes', 64 * 1024);

/** A side that has sent nothing for this long sends a ping, so that the other hears that it lives. */
export const TUNNEL_PING_MS: Limit = fixedLimit('tunnel_ping_ms', 'ms', 20_000);

/** A peer of which nothing was heard for this long is dead. */
export const TUNNEL_DEAD_MS: Limit = fixedLimit('tunnel_dead_ms', 'ms', 60_000);

/** A tunnel that was accepted and never taken into use is closed by the gateway after this long. */
export const TUNNEL_UNSTARTED_MS: Limit = limit('tunnel_unstarted_ms', 'ms', 600_000);

/** An upgrade that has not been answered for this long has failed. */
export const TUNNEL_DIAL_MS: Limit = fixedLimit('tunnel_dial_ms', 'ms', 10_000);
