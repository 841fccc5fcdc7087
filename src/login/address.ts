// A gateway's address as people type it → its origin.

import { userError } from '../core/errors.ts';
import { assertTransport } from './http.ts';

/** The port of a gateway that was named by its host alone. */
const DEFAULT_PORT = 7443;

/**
 * `gw.example.com` → `https://gw.example.com:7443`; `gw.example.com:443` and whole URLs are taken at their word.
 * Plain http is for this machine only. Errors: usage.
 */
export function gatewayOrigin(text: string): string {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const hasPort = /:\d+\/?$/.test(text);
  let url: URL;
  try {
    url = new URL(whole ? text : `https://${text.replace(/\/$/, '')}${hasPort ? '' : `:${DEFAULT_PORT}`}`);
  } catch {
    throw userError('usage', `'${text}' is not the address of a gateway`, {
      fix: 'give a host name or a URL, as in https://gw.example.com:7443',
    });
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '' || url.pathname !== '/') {
    throw userError('usage', `'${text}' is more than the address of a gateway`, {
      fix: 'give scheme, host and port only, as in https://gw.example.com:7443',
    });
  }
  assertTransport(url);
  return url.origin;
}
