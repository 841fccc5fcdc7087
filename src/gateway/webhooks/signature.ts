// The signature of a message, as Standard Webhooks has it (spec/standard-webhooks.md, "Signature scheme"):
// base64(HMAC-SHA-256(key, id "." timestamp "." body)), written `v1,…`.

import { createHmac } from 'node:crypto';

/** `whsec_` and base64, as its tools make them; any other text is the key itself. Errors: one that anybody could sign with. */
export function signingKey(secret: string): Buffer {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
  if (key.length === 0) throw new Error('it is empty');
  return key;
}

/** `timestamp`: seconds since the epoch. */
export function signatureHeaders(
  id: string,
  timestamp: number,
  body: string,
  secret: string | undefined,
): Record<string, string> {
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(timestamp) };
  if (secret === undefined) return headers;
  const signed = createHmac('sha256', signingKey(secret)).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { ...headers, 'webhook-signature': `v1,${signed}` };
}
