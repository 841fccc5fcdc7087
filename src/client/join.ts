// One local socket and one tunnel become one pipe: bytes, back-pressure and half-close both ways, nothing looked at.

import type { ByteStream } from '../core/stream.ts';

/** How long a local client may take to read what is left after its tunnel has gone, ms. */
const LINGER_MS = 5000;

export interface Traffic {
  /** Bytes from the local client, and to it. */
  sent: number;
  received: number;
}

/**
 * Joins them until both are closed, counting into every one of `traffic`. Resolves with the tunnel's error where it
 * broke. Owns both streams from now on.
 */
export function join(
  local: ByteStream,
  tunnel: ByteStream,
  ...traffic: readonly Traffic[]
): Promise<Error | undefined> {
  return new Promise((resolve) => {
    let localGone = false;
    let tunnelGone = false;
    let failure: Error | undefined;
    const settle = () => {
      if (localGone && tunnelGone) resolve(failure);
    };
    local.onData = (chunk) => {
      for (const count of traffic) count.sent += chunk.length;
      if (!tunnel.write(chunk)) local.pause();
    };
    tunnel.onData = (chunk) => {
      for (const count of traffic) count.received += chunk.length;
      if (!local.write(chunk)) tunnel.pause();
    };
    tunnel.onDrain = () => local.resume();
    local.onDrain = () => tunnel.resume();
    local.onEnd = () => tunnel.end();
    tunnel.onEnd = () => local.end();
    local.onClose = () => {
      localGone = true;
      // After an orderly end of both sides this does nothing; otherwise the client was cut off and so is its session.
      if (!tunnelGone) tunnel.destroy();
      settle();
    };
    tunnel.onClose = (error) => {
      tunnelGone = true;
      failure = localGone ? undefined : error;
      if (!localGone) finish(local);
      settle();
    };
  });
}

/** What came last (often the reason of the end) still reaches the client; what it says now is thrown away. */
function finish(local: ByteStream): void {
  local.onData = () => {};
  local.resume();
  local.end();
  const timer = setTimeout(() => local.destroy(), LINGER_MS);
  const told = local.onClose;
  local.onClose = (error) => {
    clearTimeout(timer);
    told?.(error);
  };
}
