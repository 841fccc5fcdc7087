// What the embedded issuer's parts share.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { OidcStore, UserStore } from '../../session/identity/stores.ts';
import type { KeyFile } from '../keys.ts';
import type { Attempts } from './attempts.ts';

/** Something that the gateway's own log keeps. */
export interface LoginEvent {
  readonly user: string;
  readonly address: string;
  readonly ok: boolean;
}

export interface EmbeddedIssuerOptions {
  /** `https://gw.example.com:7443`, without a slash at the end. */
  readonly publicUrl: string;
  readonly users: UserStore;
  readonly store: OidcStore;
  readonly keys: KeyFile;
  readonly cookieSecrets: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /** Seconds that a terminal waits between two polls (RFC 8628 §3.2 `interval`). */
  readonly interval?: number;
  /** Logins that one address may begin in a minute. */
  readonly loginsPerMinute?: () => number;
  onLogin?(event: LoginEvent): void;
}

/** What the pages and the provider share. */
export interface IssuerContext extends EmbeddedIssuerOptions {
  readonly byUser: Attempts;
  readonly byAddress: Attempts;
  /** Codes that came in a URL, to be filled into the form. */
  readonly prefilled: WeakMap<IncomingMessage, string>;
}

export function answer(response: ServerResponse, status: number, html: string): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' });
  response.end(html);
}
