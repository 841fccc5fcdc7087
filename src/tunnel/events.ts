// What travels beside the bytes of a tunnel, as JSON in text frames: what the gateway tells the client of the session,
// and the two control words of the tunnel itself. Refuses to know: what an operation means, how an event is shown.

/** Gateway → client. Never carries a value that came back from a target. */
export type TunnelEvent =
  /** The session that these bytes belong to exists now. */
  | { readonly type: 'session'; readonly id: string }
  /** An operation was decided; `n` counts from 1 in the session, `text` is at most OPERATION_TEXT characters. */
  | {
      readonly type: 'operation';
      readonly n: number;
      readonly text: string;
      readonly verdict: 'allow' | 'deny' | 'review';
      readonly rule?: string;
    }
  /** A review was opened or settled: `state` is `pending`, `approved`, `denied`, `expired` or `cancelled`. */
  | { readonly type: 'review'; readonly id: string; readonly rule: string; readonly state: string }
  /** The session is over, and why; `code` is an ErrorCode, `client_closed` or `target_closed`. */
  | { readonly type: 'end'; readonly session: string; readonly code: string; readonly message: string };

/**
 * Either direction. `eof`: this side sends no more bytes (half-close). `start`: a client has taken this tunnel into use;
 * the session may begin although no byte has come yet (the server speaks first in some protocols).
 */
export type TunnelControl = { readonly type: 'eof' } | { readonly type: 'start' };

/** Characters of an operation's text that an event carries. */
export const OPERATION_TEXT = 200;

const SHAPES: Record<TunnelEvent['type'], Record<string, 'string' | 'number'>> = {
  session: { id: 'string' },
  operation: { n: 'number', text: 'string', verdict: 'string' },
  review: { id: 'string', rule: 'string', state: 'string' },
  end: { session: 'string', code: 'string', message: 'string' },
};

/**
 * The message of a text frame; undefined for one that this version does not know, which is then ignored so that a
 * newer gateway can say more.
 */
export function parseMessage(text: string): TunnelEvent | TunnelControl | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { type } = value as { type?: unknown };
  if (type === 'eof' || type === 'start') return { type };
  if (typeof type !== 'string' || !Object.hasOwn(SHAPES, type)) return undefined;
  for (const [key, kind] of Object.entries(SHAPES[type as TunnelEvent['type']])) {
    if (typeof (value as Record<string, unknown>)[key] !== kind) return undefined;
  }
  return value as TunnelEvent;
}
