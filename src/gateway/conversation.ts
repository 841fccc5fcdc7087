// Runs one protocol's conversation with one client, so that nothing that goes wrong in it reaches another.

import { asHoopctlError } from '../core/errors.ts';
import type { Opened, Protocol, Services, Session, Visitor } from '../protocol/contract.ts';
import type { Parts } from './parts.ts';

/** How long a client may take to read what it was told last, ms; then its stream is closed under it. */
const LINGER_MS = 5000;

/** Each protocol has names of its own. */
function memoryOf({ stores }: Parts, protocol: string): Services['memory'] {
  const own = (key: string) => `protocol/${protocol}/${key}`;
  return {
    get: (key) => stores.keyValues.get(own(key)),
    set: (key, value) => stores.keyValues.set(own(key), value),
  };
}

/** Resolves when it is over; never rejects. Whatever the protocol left open is closed. */
export async function converse(parts: Parts, protocol: Protocol, visitor: Visitor): Promise<void> {
  let session: Session | undefined;
  let over = false;
  let stream = visitor.stream;
  const begun = (opened: Opened): Opened => {
    session = opened.session;
    // Its client has left while it was opened: nobody else would end it.
    if (over) session.end({ code: 'client_gone', message: 'the client left during the login' });
    return opened;
  };
  const services: Services = {
    log: parts.log,
    limit: (bound) => parts.configuration().limit(bound),
    key: parts.key,
    memory: memoryOf(parts, protocol.name),
  };
  const watched: Visitor = {
    stream,
    via: visitor.via,
    connection: visitor.connection,
    ...(visitor.startTls === undefined
      ? {}
      : {
          startTls: async (options) => {
            stream = await visitor.startTls!(options);
            return stream;
          },
        }),
    open: async (introduction) => begun(await visitor.open(introduction)),
    ...(visitor.openByDevice === undefined
      ? {}
      : {
          openByDevice: async (...asked) => begun(await visitor.openByDevice!(...asked)),
        }),
  };
  try {
    await protocol.serve(watched, services);
    session?.end({ code: 'client_closed', message: 'the conversation is over' });
    // Closed by the protocol, but perhaps not yet flushed.
    setTimeout(() => stream.destroy(), LINGER_MS).unref();
  } catch (thrown) {
    const error = asHoopctlError(thrown);
    const fields = { session: session?.id, code: error.code, client: stream.remote };
    if (error.fault === 'ours') {
      const { stack } = error.cause instanceof Error ? error.cause : error;
      parts.log.error({ ...fields, error: error.message, stack }, 'a conversation failed');
      session?.end({ code: error.code, message: 'the gateway failed' });
    } else {
      parts.log.info({ ...fields, error: error.message }, 'a conversation was ended');
      session?.end({ code: error.code, message: error.message });
    }
    stream.destroy();
  } finally {
    over = true;
  }
}
