// A channel of type "session" (RFC 4254 §6): a command, a shell or a subsystem, decided before the host hears of it.
// While it is held, what the client sends on it waits here, within its window.
// Refuses to know: why something is decided as it is.

import type { Hold, Operation, OperationId, Refusal, Session, Verdict } from '../../contract.ts';
import type { Limits } from '../limits.ts';
import type { SshConfig } from '../schema.ts';
import { inspected } from '../sftp/between.ts';
import type { SftpInspector } from '../sftp/inspector.ts';
import { beginCommandMode, type OpenSide } from '../shell/begin.ts';
import type { CommandMode } from '../shell/command-mode.ts';
import { Exchange } from '../terminal/exchange.ts';
import { passage } from '../terminal/unmasked.ts';
import { Message, SshReader, STDERR } from '../wire/message.ts';
import type { Channel, Course, Kind } from './channel.ts';
import { Early } from './early.ts';
import { giveFeature } from './feature.ts';
import { Replies } from './replies.ts';
import {
  type Began,
  cutBy,
  follows,
  kindOf,
  noteOf,
  type Outcome,
  objectionTo,
  outcomeOf,
  refusalLines,
  type Starting,
  starting,
} from './requests.ts';
import { Surroundings, type Terminal } from './surroundings.ts';

/** What a refused command ends with: as a shell says "found, but not to be run". */
export const REFUSED_EXIT = 126;

export class SessionChannel implements Kind {
  readonly #channel: Channel;
  readonly #session: Session;
  readonly #config: SshConfig;
  readonly #limits: Limits;
  readonly #replies: Replies;
  readonly #around: Surroundings;
  readonly #early: Early;
  #hold: Hold | undefined;
  #operation: OperationId | undefined;
  #started = false;
  #terminal: Terminal | undefined;
  #exchange: Exchange | undefined;
  /** What follows output that a rule holds. */
  readonly #late: Early;
  #refused = false;
  #sftp: SftpInspector | undefined;
  #commands: CommandMode | undefined;
  #left = false;
  #outcome: Outcome | undefined;

  constructor(channel: Channel, session: Session, config: SshConfig, limits: Limits) {
    this.#channel = channel;
    this.#session = session;
    this.#config = config;
    this.#limits = limits;
    this.#around = new Surroundings(limits);
    this.#early = new Early(limits.heldMessages, limits.heldBytes);
    this.#late = new Early(limits.heldMessages, limits.heldBytes);
    this.#replies = new Replies(limits.heldMessages, (success) => {
      this.#channel.legs.client?.tell(success ? Message.CHANNEL_SUCCESS : Message.CHANNEL_FAILURE);
    });
  }

  /** A message of the client about this channel. */
  fromClient(payload: Buffer): Course {
    if (payload[0] === Message.CHANNEL_CLOSE) {
      this.left();
      return 'across';
    }
    // A client has nothing to say there, and nobody would look at it.
    if (payload[0] === Message.CHANNEL_EXTENDED_DATA) return 'done';
    if (this.#early.keeps(payload)) return 'kept';
    switch (payload[0]) {
      case Message.CHANNEL_REQUEST:
        this.#request(SshReader.of(payload, 'CHANNEL_REQUEST', 5), payload);
        return 'done';
      case Message.CHANNEL_DATA:
        if (this.#refused) return 'done';
        if (this.#sftp === undefined) {
          const bytes = SshReader.of(payload, 'CHANNEL_DATA', 5).blob();
          this.#commands?.typed(bytes);
          this.#exchange?.typed(bytes);
          return 'across';
        }
        this.#sftp.client(SshReader.of(payload, 'CHANNEL_DATA', 5).blob());
        return 'kept';
      case Message.CHANNEL_EOF:
        // A refused command reads nothing.
        if (this.#refused) return 'done';
        return this.#sftp?.eof(() => this.#channel.legs.target?.eof()) ?? 'across';
      default:
        return 'across';
    }
  }

  fromTarget(payload: Buffer): Course {
    const rest: Course = this.#refused ? 'done' : 'across';
    if (payload[0] === Message.CHANNEL_EOF || payload[0] === Message.CHANNEL_CLOSE) this.#exchange?.end();
    if (this.#exchange?.held === true && follows(payload) && !this.#refused) {
      this.#late.keep(payload);
      return 'done';
    }
    switch (payload[0]) {
      case Message.CHANNEL_SUCCESS:
      case Message.CHANNEL_FAILURE:
        this.#replies.came(payload[0] === Message.CHANNEL_SUCCESS);
        return 'done';
      case Message.CHANNEL_REQUEST:
        return this.#told(SshReader.of(payload, 'CHANNEL_REQUEST', 5)) ? 'done' : 'across';
      case Message.CHANNEL_DATA: {
        if (this.#refused) return 'done';
        const bytes = SshReader.of(payload, 'CHANNEL_DATA', 5).blob();
        if (this.#sftp !== undefined) this.#sftp.target(bytes);
        else if (this.#exchange !== undefined) this.#exchange.wrote(0, bytes);
        else return 'across';
        return 'kept';
      }
      case Message.CHANNEL_EXTENDED_DATA: {
        if (this.#refused) return 'done';
        if (this.#exchange === undefined) return 'across';
        const reader = SshReader.of(payload, 'CHANNEL_EXTENDED_DATA', 5);
        this.#exchange.wrote(reader.uint32(), reader.blob());
        return 'kept';
      }
      case Message.CHANNEL_EOF:
        return rest;
      default:
        return 'across';
    }
  }

  timeUp(operation: OperationId, refusal: Refusal): void {
    if (operation === this.#operation) this.#cut(refusalLines(refusal), refusal);
    else this.#sftp?.timeUp(operation, refusal);
  }

  /** The client has closed it, or is gone. */
  left(): void {
    this.#left = true;
    this.#sftp?.left();
    this.#hold?.cancel('the client went away');
    this.#exchange?.close('the client went away');
  }

  /** Whether a person is to be expected there. */
  get attended(): boolean {
    return this.#terminal !== undefined;
  }

  /** On its stderr, or its terminal. */
  say(lines: readonly string[]): void {
    const text = Buffer.from(`${lines.join('\r\n')}\r\n`);
    this.#channel.legs.client?.data(text, STDERR);
  }

  /** The channel is over. */
  ended(): void {
    this.#hold?.cancel('the channel was closed');
    this.#sftp?.ended();
    this.#commands?.ended();
    this.#exchange?.close('the channel was closed');
    const id = this.#operation;
    if (id === undefined) return;
    this.#operation = undefined;
    const outcome = this.#outcome ?? {
      status: this.#left ? ('cancelled' as const) : ('unknown' as const),
      tag: 'no exit status',
    };
    this.#session.result(id, { part: 0, ...outcome, bytes: this.#exchange?.bytes ?? 0 });
    this.#session.over?.(id);
  }

  // -------------------------------------------------------------------------------------------------------------------

  #request(reader: SshReader, payload: Buffer): void {
    const type = reader.text();
    const wanted = reader.boolean();
    switch (type) {
      case 'env':
        if (this.#around.variable(reader, this.#config)) this.#forward(payload, wanted);
        else this.#answer(wanted, false);
        return;
      case 'pty-req':
        this.#terminal = this.#around.terminal(reader);
        this.#forward(payload, wanted);
        return;
      case 'window-change':
        this.#resize({ columns: reader.uint32(), rows: reader.uint32() });
        this.#forward(payload, wanted);
        return;
      case 'signal':
      case 'break':
      case 'eow@openssh.com':
        this.#session.note(...noteOf(type, reader, this.#operation));
        this.#forward(payload, wanted);
        return;
      case 'auth-agent-req@openssh.com':
        this.#feature('agent-forwarding', payload, wanted);
        return;
      case 'x11-req':
        this.#feature('x11', payload, wanted);
        return;
      case 'shell':
      case 'exec':
      case 'subsystem':
        if (this.#started) {
          this.#answer(wanted, false);
          return;
        }
        this.#started = true;
        this.#start(type, type === 'shell' ? NOTHING : reader.blob(), payload, wanted);
        return;
      default:
        // Unknown ones are not passed on: what is not understood is not decided.
        this.#answer(wanted, false);
        return;
    }
  }

  #forward(payload: Buffer, wanted: boolean): void {
    if (wanted) this.#replies.awaited();
    // The same request, with the number that the host gave the channel.
    this.#channel.legs.target?.tell(Message.CHANNEL_REQUEST, (out) => out.bytes(payload.subarray(5)));
  }

  #answer(wanted: boolean, success: boolean): void {
    if (wanted) this.#replies.own(success);
  }

  /** Something that the host gets of the client's: named in the configuration, and allowed by policy. */
  #feature(name: 'agent-forwarding' | 'x11', payload: Buffer, wanted: boolean): void {
    const asked = Buffer.from(payload);
    const given = () => {
      this.#around.give(name);
      this.onGiven?.(name);
      this.#forward(asked, wanted);
      this.#replay(this.#early.goOn());
    };
    // What follows starts with it, and is answered after it.
    this.#early.hold();
    if (giveFeature(name, this.#session, this.#config, given)) return;
    this.#answer(wanted, false);
    this.#replay(this.#early.goOn());
  }

  #start(how: Starting['how'], command: Buffer, payload: Buffer, wanted: boolean): void {
    const begun = starting(how, command, this.#limits, this.#config.options.shell === 'commands');
    const objection = objectionTo(begun, this.#config, this.#terminal !== undefined);
    const kind = kindOf(begun, this.#config);
    const way = objection === undefined ? passage(this.#session, this.#config, begun) : { refused: objection };
    if ('refused' in way) {
      const why = objection?.[0] ?? 'it cannot be masked';
      this.#session.note('refused', { request: begun.text.slice(0, 200), why });
      this.#refuse(way.refused, wanted);
      return;
    }
    const { text, bytes, parts } = begun;
    const asked = { kind: how, text, ...(bytes === undefined ? {} : { bytes }), ...this.#around.of(command), parts };
    const { id, decision } = this.#session.decide(asked);
    this.#operation = id;
    this.#early.hold();
    const began = { kind, attach: () => this.#attach(asked, way.unmasked, id) };
    if (decision.verdict !== 'hold') {
      this.#settled(decision, payload, wanted, began);
      return;
    }
    const kept = Buffer.from(payload);
    this.#hold = decision;
    this.say(decision.notice);
    decision.onNotice?.((lines) => this.say(lines));
    const settled = (verdict: Verdict) => {
      this.#hold = undefined;
      if (this.#channel.legs.client?.closed !== true) this.#settled(verdict, kept, wanted, began);
    };
    void decision.settled.then((verdict) => this.guard(() => settled(verdict)));
  }

  /** Set by the relay: the client gives this to the host. */
  onGiven: ((feature: 'agent-forwarding' | 'x11') => void) | undefined;
  /** Set by the relay: what goes wrong in it ends the conversation. */
  guard: (action: () => void) => void = (action) => action();
  /** Set by the relay. */
  openSide: OpenSide | undefined;

  /** What the client sends waits until the shell is there. */
  #beginCommands(wanted: boolean): void {
    if (this.#channel.legs.target === undefined || this.openSide === undefined) return;
    if (wanted) this.#replies.awaited();
    this.#commands = beginCommandMode({
      ...{ channel: this.#channel, session: this.#session, config: this.#config, limits: this.#limits, wanted },
      openSide: this.openSide,
      begun: () => this.#begun(),
      end: (lines) => this.#cut(lines),
      say: (lines) => this.say(lines),
      guard: (action) => this.guard(action),
    });
  }

  /** Set by the relay: takes a message of the client that had to wait as if it came now. */
  onReplay: ((payload: Buffer) => void) | undefined;
  /** Set by the relay: takes a message of the host that had to wait for output that was held. */
  onLate: ((payload: Buffer) => void) | undefined;
  /** Set by the relay: the session ends with what is said here. */
  onParting: (() => void) | undefined;

  /** What it puts out and gets goes through an exchange from here on. */
  #attach(operation: Operation, unmasked: boolean, id: OperationId): void {
    const { client, target } = this.#channel.legs;
    if (client === undefined || target === undefined) return;
    const terminal = this.#terminal;
    if (terminal !== undefined) this.#session.note('terminal', { operation: id, ...terminal });
    this.#exchange = new Exchange({
      ...{ session: this.#session, id, operation, client, target, terminal, unmasked, limits: this.#limits },
      guard: (action) => this.guard(action),
      tell: (lines) => this.say(lines),
      refused: (refusal, ends) => {
        if (ends) this.onParting?.();
        this.#cut(refusalLines(refusal), refusal);
      },
      resumed: () => {
        for (const payload of this.#late.end()) this.onLate?.(payload);
      },
    });
  }

  /** The same size again is worth no line, however often it is told. */
  #resize(size: { columns: number; rows: number }): void {
    const { columns, rows } = this.#terminal ?? size;
    if (this.#terminal === undefined || (columns === size.columns && rows === size.rows)) return;
    this.#terminal = { ...this.#terminal, ...size };
    this.#exchange?.resize(size);
    if (this.#operation !== undefined) this.#session.note('resize', { operation: this.#operation, ...size });
  }

  #settled(verdict: Verdict, payload: Buffer, wanted: boolean, { kind, attach }: Began): void {
    if (verdict.verdict === 'deny') {
      this.#operation = undefined;
      this.#refuse(refusalLines(verdict.refusal), wanted);
      return;
    }
    // The buffer is not ours to keep, and a disk may have to be waited for.
    const asked = Buffer.from(payload);
    this.#session.recorded(() => {
      if (this.#operation === undefined || this.#left || this.#refused) return;
      attach();
      if (kind === 'commands') return void this.#beginCommands(wanted);
      if (kind === 'sftp') {
        this.#sftp = inspected(this.#channel, this.#session, this.#config, this.#limits, this);
      }
      this.#forward(asked, wanted);
      this.#begun();
    });
  }

  /** The host has what was asked for: what came behind it may follow. */
  #begun(): void {
    this.#replay(this.#early.end());
  }

  #replay(waited: readonly Buffer[]): void {
    for (const message of waited) this.onReplay?.(message);
  }

  /** A command that could not be run: its reason on stderr, exit status 126; the connection lives on. */
  #refuse(lines: readonly string[], wanted: boolean): void {
    this.#answer(wanted, true);
    this.#cut(lines);
  }

  /** Nothing more comes of it, and why. */
  #cut(lines: readonly string[], refusal?: Refusal): void {
    this.#refused = true;
    this.#early.end();
    // Whatever the host says of it: that is not what the client got.
    this.#outcome = cutBy(refusal);
    this.say(lines);
    this.#channel.cut(REFUSED_EXIT);
  }

  /** What the host says of the command; true: not for the client. */
  #told(reader: SshReader): boolean {
    const type = reader.text();
    const wanted = reader.boolean();
    if (!this.#refused) this.#outcome = outcomeOf(type, reader) ?? this.#outcome;
    if (wanted) {
      this.#channel.legs.target?.tell(Message.CHANNEL_FAILURE);
      return true;
    }
    return this.#refused;
  }
}

const NOTHING = Buffer.alloc(0);
