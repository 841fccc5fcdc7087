// The embedded issuer as the gateway itself asks it: HTTP in memory, in the name of a client whose address is known.
// Refuses to know: what is asked.

import { createServer, request as httpRequest } from 'node:http';
import { duplexPair } from 'node:stream';
import type { CustomFetch } from 'openid-client';
import type { EmbeddedIssuer } from './issuer.ts';

/** `address`: whose rate counts, and what the pages show. */
export function insideFetch(issuer: EmbeddedIssuer, address: string): CustomFetch {
  const server = createServer((request, response) => issuer.handle(request, response));
  return (url, { method, headers, body }) =>
    new Promise((resolve, reject) => {
      const { host, pathname, search } = new URL(url);
      const [ours, theirs] = duplexPair();
      // As on the gateway's own listener: what it makes of URLs depends on it.
      Object.assign(theirs, { remoteAddress: address, encrypted: true });
      const path = pathname + search;
      const asked = httpRequest({ method, path, headers: { ...headers, host }, createConnection: () => ours });
      asked.on('error', reject);
      asked.on('response', async (response) => {
        try {
          const chunks: Buffer[] = [];
          for await (const chunk of response) chunks.push(chunk as Buffer);
          const answered = new Headers();
          for (const [name, value] of Object.entries(response.headers)) answered.set(name, String(value));
          const status = response.statusCode ?? 500;
          resolve(new Response(status === 204 ? null : Buffer.concat(chunks), { status, headers: answered }));
        } catch (error) {
          reject(error);
        } finally {
          ours.destroy();
        }
      });
      server.emit('connection', theirs);
      asked.end(body === undefined || body === null ? undefined : String(body));
    });
}
