// Begins a shell that asks before each command: first the helper on a channel of the gateway's own, then the shell on the
// client's. Refuses to know: what is decided.

import type { Session } from '../../contract.ts';
import type { Channel } from '../channels/channel.ts';
import type { Limits } from '../limits.ts';
import type { SshConfig } from '../schema.ts';
import { Message } from '../wire/message.ts';
import { CommandMode } from './command-mode.ts';
import { HELPER } from './scripts.ts';
import type { SideChannel, SideChannelOptions } from './side-channel.ts';

/** Opens a channel of the gateway's own to the host. */
export type OpenSide = (asked: Pick<SideChannelOptions, 'command' | 'output' | 'closed'>) => SideChannel;

export interface ShellPlan {
  readonly channel: Channel;
  readonly session: Session;
  readonly config: SshConfig;
  readonly limits: Limits;
  /** Whether the client wants to know that the shell begins. */
  readonly wanted: boolean;
  readonly openSide: OpenSide;
  /** The shell is asked of the host now: what waited may follow. */
  begun(): void;
  end(lines: readonly string[]): void;
  say(lines: readonly string[]): void;
  guard(action: () => void): void;
}

export function beginCommandMode(plan: ShellPlan): CommandMode {
  const { channel, session, config, limits, wanted, openSide, begun, end, say, guard } = plan;
  const mode = new CommandMode({
    ...{ session, end, say, guard },
    longest: limits.command,
    start: limits.shellStart,
    onLeave: config.options.onLeave,
    order: (line) => side.write(`${line}\n`),
    ready: (command) => {
      channel.legs.target?.tell(Message.CHANNEL_REQUEST, (out) => out.text('exec').boolean(wanted).text(command));
      begun();
    },
    stopped: () => side.end(),
  });
  const side = openSide({
    command: `exec sh -c '${HELPER.replaceAll("'", "'\\''")}'`,
    output: (bytes) => mode.output(bytes),
    closed: () => mode.closed(),
  });
  return mode;
}
