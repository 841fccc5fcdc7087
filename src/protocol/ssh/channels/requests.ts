// What a client asks for on a session channel, as facts that policy can see.

import { type Facts, type OperationId, type Refusal, type Session, shownBytes } from '../../contract.ts';
import { commandFacts } from '../exec/facts.ts';
import type { Limits } from '../limits.ts';
import type { SshConfig } from '../schema.ts';
import { Message, SshReader } from '../wire/message.ts';

export interface Starting {
  /** How it came: recorded as it is. */
  readonly how: 'shell' | 'exec' | 'subsystem';
  readonly text: string;
  /** Of a text that is not UTF-8. */
  readonly bytes?: string;
  readonly parts: readonly Facts[];
  readonly subsystem: boolean;
  /** Why it is refused before policy is asked. */
  readonly refused?: string;
}

/** How what was asked for goes on once it is allowed. */
export interface Began {
  readonly kind: ReturnType<typeof kindOf>;
  attach(): void;
}

/** `asks`: a shell asks before each of its commands. */
export function starting(how: Starting['how'], command: Buffer, limits: Limits, asks = false): Starting {
  const { name, value } = limits.command;
  const subsystem = how === 'subsystem';
  if (command.length > value) {
    const refused = `hoopctl: the command has ${command.length} bytes, over the limit of ${value} (${name})`;
    return { how, text: '', subsystem, parts: [], refused };
  }
  if (command.includes(0)) {
    // A host takes the text to end there, or drops it: it would run another one than was decided.
    const refused = 'hoopctl: the command has a NUL byte in it, and is refused for that';
    return { how, ...shownBytes(command), subsystem, parts: [], refused };
  }
  const shown = how === 'shell' ? { text: 'shell' } : shownBytes(command);
  return { how, ...shown, subsystem, parts: [facts(how, shown.bytes === undefined ? shown.text : command, asks)] };
}

/** A command whose bytes are no text may be any: what it seems to say is told beside that. */
export function commandOf(command: string | Buffer): Facts {
  if (typeof command === 'string') return commandFacts(command);
  const seems = commandFacts(command.toString());
  return { ...seems, opaque: seems.opaque ?? 'its bytes are not UTF-8' };
}

function facts(how: Starting['how'], text: string | Buffer, asks: boolean): Facts {
  const none = { relations: [], functions: [], unbounded: false };
  if (how === 'subsystem' && text === 'sftp') return { does: ['sftp'], ...none };
  if (how === 'exec') return commandOf(text);
  if (how === 'subsystem') return { does: [how], ...none };
  if (asks) return { does: ['shell'], ...none };
  return {
    does: ['shell'],
    ...none,
    opaque: 'what is typed in a shell cannot be decided, but by options.shell: commands',
  };
}

/** Why it is refused before policy is asked, in lines for the client. */
export function objectionTo(begun: Starting, { options }: SshConfig, terminal: boolean): readonly string[] | undefined {
  if (begun.refused !== undefined) return [begun.refused];
  if (begun.subsystem && begun.text !== 'sftp' && !options.allow.includes('subsystems')) {
    return [
      `hoopctl: the subsystem "${begun.text}" is not inspected, and refused for that`,
      '  next: have options.allow: [subsystems] set for the connection',
    ];
  }
  if (begun.how !== 'shell' || options.shell !== 'commands' || terminal) return undefined;
  return [
    'hoopctl: the commands of a shell are decided one by one, which needs a terminal',
    '  next: ssh -t, or give the command itself',
  ];
}

/** How it goes on once it is allowed. */
export function kindOf(begun: Starting, { options }: SshConfig): 'plain' | 'sftp' | 'commands' {
  if (begun.subsystem && begun.text === 'sftp') return 'sftp';
  return begun.how === 'shell' && options.shell === 'commands' ? 'commands' : 'plain';
}

/** What the client says to what runs, for the record. */
export function noteOf(type: 'signal' | 'break' | 'eow@openssh.com', reader: SshReader, id: OperationId | undefined) {
  const fields: Parameters<Session['note']>[1] = { operation: id ?? null };
  if (type === 'signal') fields.name = reader.text();
  // Whatever is put out from `unread` on, the client does not take.
  const noted: Parameters<Session['note']> = [type === 'eow@openssh.com' ? 'unread' : type, fields];
  return noted;
}

export interface Outcome {
  readonly status: 'ok' | 'error';
  readonly tag: string;
  /** Why we ended it. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** Of what was cut. */
export function cutBy(refusal: Refusal | undefined): Outcome {
  const cut = { status: 'error', tag: 'refused' } as const;
  return refusal === undefined ? cut : { ...cut, error: { code: refusal.code, message: refusal.message } };
}

/**
 * Whether a message of the host has to come behind what it has put out: the end, and how it ended. Not what it wants answered:
 * a host that hears nothing of a keep-alive takes its client for dead.
 */
export function follows(payload: Buffer): boolean {
  if (payload[0] !== Message.CHANNEL_REQUEST) {
    return payload[0] === Message.CHANNEL_EOF || payload[0] === Message.CHANNEL_CLOSE;
  }
  const reader = SshReader.of(payload, 'CHANNEL_REQUEST', 5);
  reader.text();
  return !reader.boolean();
}

/** What a request of the host says of how a command ended. */
export function outcomeOf(type: string, reader: SshReader): Outcome | undefined {
  if (type === 'exit-signal') return { status: 'error', tag: `signal ${reader.text()}` };
  if (type !== 'exit-status') return undefined;
  const code = reader.uint32();
  return { status: code === 0 ? 'ok' : 'error', tag: `exit ${code}` };
}

export function refusalLines({ message, next, session }: Refusal): string[] {
  return [`hoopctl: ${message}`, `  next: ${next}`, `  session: ${session}`];
}
