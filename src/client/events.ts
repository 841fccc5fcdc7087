// What happens in a running client, as values: the live view, plain lines and JSON Lines are made of these.

import type { HoopctlError } from '../core/errors.ts';

/** `socket` counts a connection's local sockets from 1. */
export type ClientEvent =
  /** A local port listens. */
  | {
      readonly type: 'ready';
      readonly connection: string;
      readonly host: string;
      readonly port: number;
      readonly url: string;
      readonly facts: Readonly<Record<string, string>>;
    }
  | { readonly type: 'opened'; readonly connection: string; readonly socket: number; readonly remote: string }
  /** A local socket got no tunnel and was closed. */
  | { readonly type: 'refused'; readonly connection: string; readonly socket: number; readonly error: HoopctlError }
  | { readonly type: 'session'; readonly connection: string; readonly socket: number; readonly session: string }
  | {
      readonly type: 'operation';
      readonly connection: string;
      readonly session: string | undefined;
      readonly n: number;
      readonly text: string;
      readonly verdict: 'allow' | 'deny' | 'review';
      readonly rule?: string | undefined;
    }
  /** `state` is `pending`, or how it was settled. */
  | {
      readonly type: 'review';
      readonly connection: string;
      readonly session: string | undefined;
      readonly review: string;
      readonly rule: string;
      readonly state: string;
    }
  /** The gateway says why a session is over. */
  | {
      readonly type: 'end';
      readonly connection: string;
      readonly session: string;
      readonly code: string;
      readonly message: string;
    }
  /** A local socket is closed; `error` when its tunnel broke. */
  | {
      readonly type: 'closed';
      readonly connection: string;
      readonly socket: number;
      readonly session: string | undefined;
      readonly sent: number;
      readonly received: number;
      readonly error?: HoopctlError | undefined;
    }
  /** Told when it changes. */
  | { readonly type: 'gateway'; readonly reachable: boolean; readonly error?: HoopctlError | undefined };

/** Session ends that are nobody's trouble: one of the two sides hung up. */
const ORDINARY_ENDS: readonly string[] = ['client_closed', 'target_closed'];

export function isOrdinaryEnd(code: string): boolean {
  return ORDINARY_ENDS.includes(code);
}
