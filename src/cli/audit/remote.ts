// A log behind a URL: the gateway's own, with the login, or a copy that somebody serves. Refuses to know: tiles.

import { peerError } from '../../core/errors.ts';
import { type HttpAnswer, send } from '../../login/http.ts';
import type { LogSource } from '../../session/log/tiles.ts';
import { refused } from '../api.ts';
import type { Context } from '../context.ts';

/** Resources fetched at once would help a distant log; one after the other is kind to the gateway. */
export async function remoteLog(context: Context, url: URL): Promise<LogSource> {
  const own = await ownGateway(context, url);
  return {
    async get(path) {
      const headers = { accept: '*/*', ...(own === undefined ? {} : await own.headers({ renew: false })) };
      const answer = await send(new URL(path, url), { ca: own?.ca }, { headers, signal: context.signal });
      if (answer.status === 404) {
        answer.body.destroy();
        return undefined;
      }
      if (answer.status !== 200) throw await refused(answer);
      return readBytes(answer);
    },
  };
}

/** The gateway of the login, when the URL is of it: no other place ever gets the token. */
async function ownGateway(context: Context, url: URL) {
  const access = await context.access().catch(() => undefined);
  return access !== undefined && new URL(access.url).origin === url.origin ? access : undefined;
}

/** No file of a log is longer. */
const MAX_BYTES = 256 * 1024 * 1024;

/** Whoever checks a log does not trust who serves it, also not to come to an end. */
async function readBytes({ body }: HttpAnswer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      length += (chunk as Buffer).length;
      if (length > MAX_BYTES) break;
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    throw peerError('gateway_unreachable', 'the answer broke off', { cause: error });
  }
  if (length > MAX_BYTES)
    throw peerError('gateway_error', `an answer has more than ${MAX_BYTES} bytes: it is no file of a log`);
  return Buffer.concat(chunks);
}
