// The limits of an SSH conversation: name, unit, default, and why the default is what it is.

import { type Limit, limit } from '../../core/limits.ts';
import type { Services } from '../contract.ts';

const MIB = 1024 * 1024;

export interface Limits {
  /** From the first byte to a session, like sshd's LoginGraceTime. */
  readonly loginTime: Limit;
  /** Reaching and logging in to the target. */
  readonly targetTime: Limit;
  /** Tries to log in on one connection, like sshd's MaxAuthTries. */
  readonly tries: Limit;
  /** Requests to log in on one connection: an agent offers its keys before anything counts as a try. */
  readonly loginRequests: Limit;
  /** Keys are changed after so much, as RFC 4253 §9 wants it: each gigabyte, each hour. */
  readonly rekeyBytes: Limit;
  readonly rekeyTime: Limit;
  /** Channels open at a time on one connection; OpenSSH's MaxSessions of 10 is the target's to enforce. */
  readonly channels: Limit;
  /** What one channel's sender may send before it is taken: OpenSSH's window for bulk data. */
  readonly window: Limit;
  /** What all channels of a conversation may have so under way; when it is used up, each further one has a packet. */
  readonly windows: Limit;
  /** Requests about the connection that wait for their answers. */
  readonly requests: Limit;
  /** Messages of one channel that wait while it is held: each key that is typed is one. */
  readonly heldMessages: Limit;
  /** Bytes of its requests that do, which no window bounds. */
  readonly heldBytes: Limit;
  /** From the start of a shell that asks before its commands to its first word. */
  readonly shellStart: Limit;
  /** A command's text. */
  readonly command: Limit;
  /** Names and values of the variables that a client sets for one command. */
  readonly environment: Limit;
  /** One packet of SFTP; OpenSSH's largest is 256 KiB. */
  readonly sftpPacket: Limit;
  /** A file that is masked on its way to the client is held as a whole. */
  readonly maskedFile: Limit;
  /** All of a session's that are open at a time. */
  readonly maskedFiles: Limit;
  /** Bytes of one terminal that are recorded whole, typed and shown; what comes behind them by count and digest. */
  readonly recorded: Limit;
  /** Output to a terminal that masks or rules look at waits so long at most for the rest of its line: nobody who types feels it. */
  readonly hold: Limit;
  /** Likewise output that no terminal reads: programs that write piece by piece are seen through for longer. */
  readonly holdPlain: Limit;
}

export const DEFAULT_LIMITS: Limits = {
  loginTime: limit('ssh_login_ms', 'ms', 120_000, 1),
  targetTime: limit('ssh_target_login_ms', 'ms', 15_000, 1),
  tries: limit('ssh_login_tries', 'count', 6, 1),
  loginRequests: limit('ssh_login_requests', 'count', 100),
  rekeyBytes: limit('ssh_rekey_bytes', 'bytes', 1024 * MIB),
  rekeyTime: limit('ssh_rekey_ms', 'ms', 60 * 60_000),
  channels: limit('ssh_channels', 'count', 1000, 1),
  window: limit('ssh_window_bytes', 'bytes', 2 * MIB),
  windows: limit('ssh_windows_bytes', 'bytes', 64 * MIB),
  requests: limit('ssh_waiting_requests', 'count', 100),
  heldMessages: limit('ssh_held_messages', 'count', 4096),
  heldBytes: limit('ssh_held_request_bytes', 'bytes', 128 * 1024),
  shellStart: limit('ssh_shell_start_ms', 'ms', 30_000),
  command: limit('ssh_command_bytes', 'bytes', 1 * MIB),
  environment: limit('ssh_environment_bytes', 'bytes', 64 * 1024),
  sftpPacket: limit('ssh_sftp_packet_bytes', 'bytes', 257 * 1024),
  maskedFile: limit('ssh_masked_file_bytes', 'bytes', 8 * MIB),
  maskedFiles: limit('ssh_masked_files_bytes', 'bytes', 64 * MIB),
  recorded: limit('ssh_recorded_bytes', 'bytes', 64 * MIB),
  hold: limit('ssh_output_hold_ms', 'ms', 30),
  holdPlain: limit('ssh_exec_output_hold_ms', 'ms', 250),
};

/** The limits in force. */
export function limitsOf(services: Services): Limits {
  const out: Record<string, Limit> = {};
  for (const [key, bound] of Object.entries(DEFAULT_LIMITS)) out[key] = services.limit(bound as Limit);
  return out as unknown as Limits;
}
