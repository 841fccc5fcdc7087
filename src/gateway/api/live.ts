// Answers that go on until somebody stops: they end when what let the caller in ends, and say so in a last line.
// Refuses to know: what they tell.

import type { HoopctlError } from '../../core/errors.ts';
import type { Authenticated } from '../../session/identity/authenticator.ts';

/** Calls `end` once when the caller may not be told any more, by the token or by `may`. Returns how to stop looking. */
export type WatchCaller = (caller: Authenticated, may: () => boolean, end: (why: LiveEnd) => void) => () => void;

export interface LiveEnd {
  readonly code: Extract<HoopctlError['code'], 'token_expired' | 'token_invalid' | 'principal_revoked' | 'forbidden'>;
  readonly message: string;
}

/** How often is looked whether something was revoked, or whoever watches may no more. */
const LOOK_MS = 1000;
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface WatchCallerOptions {
  readonly now: () => number;
  readonly revocations: { revoked(issuer: string, subject: string): boolean; tokenRevoked(jti: string): boolean };
}

export function watchCaller({ now, revocations }: WatchCallerOptions): WatchCaller {
  return ({ principal, jti, expiresAt }, may, end) => {
    let timer: NodeJS.Timeout | undefined;
    const over = (why: LiveEnd) => {
      stop();
      end(why);
    };
    const due = () => {
      if (now() >= expiresAt) over({ code: 'token_expired', message: 'the token has expired: renew it and ask again' });
      else arm();
    };
    const arm = () => {
      if (!Number.isFinite(expiresAt)) return;
      timer = setTimeout(due, Math.min(Math.max(0, expiresAt - now()), MAX_TIMER_MS)).unref();
    };
    const look = setInterval(() => {
      if (revocations.revoked(principal.issuer, principal.subject)) {
        over({ code: 'principal_revoked', message: 'your access was revoked' });
      } else if (jti !== undefined && revocations.tokenRevoked(jti)) {
        over({ code: 'token_invalid', message: 'the token was revoked' });
      } else if (!may()) {
        over({ code: 'forbidden', message: 'you may not read this any more' });
      }
    }, LOOK_MS).unref();
    const stop = () => {
      clearTimeout(timer);
      clearInterval(look);
    };
    arm();
    return stop;
  };
}

/** The lines until they end, and behind them why the caller is told no more. */
export async function* withEnd(
  lines: AsyncIterable<string | Uint8Array>,
  stop: () => void,
  why: () => LiveEnd | undefined,
): AsyncGenerator<string | Uint8Array> {
  try {
    for await (const line of lines) {
      if (why() !== undefined) break;
      yield line;
    }
    const end = why();
    if (end !== undefined) yield `${JSON.stringify({ end })}\n`;
  } finally {
    stop();
  }
}
