// An SFTP conversation between the two legs of a channel: what came is taken when what it became has gone.
// Refuses to know: what is decided.

import type { Session } from '../../contract.ts';
import type { Channel } from '../channels/channel.ts';
import { Credit } from '../channels/credit.ts';
import type { Limits } from '../limits.ts';
import type { SshConfig } from '../schema.ts';
import { SftpInspector } from './inspector.ts';

/** Bytes that wait for the client's window before it is asked nothing more: answers of ours cost the host nothing. */
const ANSWERS = 1024 * 1024;

/** The channel that it is on. */
interface Owner {
  /** Lines for the person. */
  say(lines: readonly string[]): void;
  /** What goes wrong in it ends the conversation. */
  guard(action: () => void): void;
}

export function inspected(
  { legs }: Channel,
  session: Session,
  { options }: SshConfig,
  limits: Limits,
  owner: Owner,
): SftpInspector {
  const across = (from: 'client' | 'target', to: 'client' | 'target') => {
    const credit = new Credit((count) => legs[from]?.taken(count));
    return (bytes: Buffer, count: number) => {
      credit.owe(bytes.length, count);
      if (bytes.length > 0) legs[to]?.data(bytes, 0, credit.went);
    };
  };
  return new SftpInspector({
    session,
    packetBytes: limits.sftpPacket,
    masked: () => {
      if (session.masksOutput !== true || options.unmasked.includes('sftp')) return undefined;
      return options.masked.includes('sftp') ? limits.maskedFile : 'refused';
    },
    maskedFiles: limits.maskedFiles,
    keep: options.keepFiles,
    toTarget: across('client', 'target'),
    toClient: across('target', 'client'),
    full: (then) => {
      const { client } = legs;
      if (client === undefined || client.waiting < ANSWERS) return false;
      client.then(then);
      return true;
    },
    later: (action) => setImmediate(() => owner.guard(action)),
    say: (lines) => owner.say(lines),
  });
}
