// A replication connection where the configuration allows one: bytes both ways, uninspected, counted.
// Refuses to know: what they mean.

import type { ByteStream } from '../../core/stream.ts';
import type { Session, SessionEnd } from '../contract.ts';

/** Resolves when both sides are closed. */
export function pipe(
  session: Session,
  client: ByteStream,
  target: ByteStream,
  fromClient: Buffer,
  fromTarget: Buffer,
  closingMs: number,
): Promise<void> {
  return new Promise((resolve) => {
    let open = 2;
    let timer: NodeJS.Timeout | undefined;
    const end = (reason: SessionEnd): void => {
      client.end();
      target.end();
      session.end(reason);
      timer ??= setTimeout(() => {
        client.destroy();
        target.destroy();
      }, closingMs);
    };
    const closed = (reason: SessionEnd) => () => {
      end(reason);
      open--;
      if (open > 0) return;
      clearTimeout(timer);
      resolve();
    };
    const join = (from: ByteStream, to: ByteStream, count: (bytes: number) => void): void => {
      from.onData = (chunk) => {
        count(chunk.length);
        if (!to.write(chunk)) from.pause();
      };
      to.onDrain = () => from.resume();
    };
    join(client, target, (bytes) => session.traffic(bytes, 0));
    join(target, client, (bytes) => session.traffic(0, bytes));
    const clientClosed = { code: 'client_closed', message: 'the client closed the connection' } as const;
    const targetClosed = { code: 'target_closed', message: 'the target closed the connection' } as const;
    client.onEnd = () => end(clientClosed);
    client.onClose = closed(clientClosed);
    target.onEnd = () => end(targetClosed);
    target.onClose = closed(targetClosed);
    session.signal.addEventListener('abort', () => end(session.signal.reason as SessionEnd), { once: true });
    if (fromTarget.length > 0) target.onData?.(fromTarget);
    if (fromClient.length > 0) client.onData?.(fromClient);
    client.resume();
    target.resume();
  });
}
