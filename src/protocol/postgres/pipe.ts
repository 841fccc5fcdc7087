// A replication connection where the configuration allows one: bytes both ways, counted; of the client's, commands are looked at.
// Refuses to know: what they mean.

import { asHoopctlError, peerError } from '../../core/errors.ts';
import type { ByteStream } from '../../core/stream.ts';
import type { Session, SessionEnd } from '../contract.ts';
import type { ReplicationCommands } from './replication.ts';
import { fatalNotice } from './sqlstate.ts';
import { masksApply } from './startup/said.ts';
import { errorResponse } from './wire/notice.ts';

/** Pieces that wait for the record before no more is read. */
const MAX_UNRECORDED = 64;

/** Resolves when both sides are closed. */
export function pipe(
  session: Session,
  client: ByteStream,
  target: ByteStream,
  fromClient: Buffer,
  fromTarget: Buffer,
  commands: ReplicationCommands,
  closingMs: number,
): Promise<void> {
  return new Promise((resolve) => {
    let open = 2;
    let timer: NodeJS.Timeout | undefined;
    let unrecorded = 0;
    let over = false;
    const end = (reason: SessionEnd): void => {
      over = true;
      client.end();
      target.end();
      session.end(reason);
      timer ??= setTimeout(() => {
        client.destroy();
        target.destroy();
      }, closingMs);
    };
    /** Says why, as far as a client in the middle of a message can read it. */
    const fail = (thrown: unknown): void => {
      if (over) return;
      const error = asHoopctlError(thrown);
      client.write(errorResponse(fatalNotice(error, session.id)));
      end(error);
    };
    const closed = (reason: SessionEnd) => () => {
      end(reason);
      open--;
      if (open > 0) return;
      clearTimeout(timer);
      resolve();
    };
    const pass = (piece: Buffer): void => {
      unrecorded++;
      session.recorded(() => {
        unrecorded--;
        if (over) return;
        if (!target.write(piece) || unrecorded > MAX_UNRECORDED) client.pause();
        else if (unrecorded === 0) client.resume();
      });
      if (unrecorded > MAX_UNRECORDED) client.pause();
    };
    client.onData = (chunk) => {
      session.traffic(chunk.length, 0);
      if (over) return;
      try {
        for (const piece of commands.take(chunk)) pass(piece);
      } catch (thrown) {
        fail(thrown);
      }
    };
    target.onData = (chunk) => {
      session.traffic(0, chunk.length);
      if (over) return;
      // They were not there when it began.
      if (masksApply(session))
        fail(peerError('denied', 'masks apply here now, and a replication connection cannot be masked'));
      else if (!client.write(chunk)) target.pause();
    };
    client.onDrain = () => target.resume();
    target.onDrain = () => client.resume();
    const clientClosed = { code: 'client_closed', message: 'the client closed the connection' } as const;
    const targetClosed = { code: 'target_closed', message: 'the target closed the connection' } as const;
    client.onEnd = () => end(clientClosed);
    client.onClose = closed(clientClosed);
    target.onEnd = () => end(targetClosed);
    target.onClose = closed(targetClosed);
    session.signal.addEventListener('abort', () => end(session.signal.reason as SessionEnd), { once: true });
    if (fromTarget.length > 0) target.onData(fromTarget);
    if (fromClient.length > 0) client.onData(fromClient);
    client.resume();
    target.resume();
  });
}
