// The connection protocol (RFC 4254) between a client and a host: every message finds its channel; what may be opened, and
// what nobody here understands and is refused by name. Refuses to know: logins, keys, how a decision is made.

import { asHoopctlError, type HoopctlError, peerError } from '../../../core/errors.ts';
import { limitExceeded } from '../../../core/limits.ts';
import type { Neighbour, Session } from '../../contract.ts';
import type { Limits } from '../limits.ts';
import type { SshConfig } from '../schema.ts';
import { SideChannel } from '../shell/side-channel.ts';
import { unmaskedForward } from '../terminal/unmasked.ts';
import type { Transport } from '../transport/transport.ts';
import { Disconnect, Message, message, OpenFailure, SshReader } from '../wire/message.ts';
import {
  Channel,
  type Kind,
  type Member,
  type OpenRequest,
  openedLeg,
  readOpen,
  refuseOpen,
  type Side,
} from './channel.ts';
import { Endpoint } from './endpoint.ts';
import { type Feature, Forwards } from './forwards.ts';
import { Globals } from './globals.ts';
import { tooSmall } from './leg.ts';
import { Listeners } from './listeners.ts';
import { SessionChannel } from './session-channel.ts';
import { Windows } from './windows.ts';

export interface RelayOptions {
  readonly session: Session;
  readonly client: Transport;
  readonly target: Transport;
  readonly config: SshConfig;
  readonly limits: Limits;
  /** The connection of the gateway whose target an address is, as seen from the host. */
  readonly neighbour?: ((host: string, port: number) => Promise<Neighbour | undefined>) | undefined;
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #members = new Map<number, Member>();
  readonly #globals: Globals;
  readonly #forwards: Forwards;
  readonly #windows: Windows;
  /** What the client was allowed to give to the host. */
  readonly #given = new Set<Feature>();
  readonly #over = Promise.withResolvers<HoopctlError | undefined>();
  #next = 0;
  #sessionsAllowed = true;
  #parting = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    const { session, client, target, limits, neighbour } = options;
    const listeners = new Listeners();
    this.#windows = new Windows(limits.window, limits.windows);
    const guard = (action: () => void) => this.#guard(action);
    session.onTimeUp?.((id, refusal) => {
      guard(() => {
        for (const member of this.#members.values()) member.timeUp?.(id, refusal);
      });
    });
    const tell = (lines: readonly string[]) => guard(() => this.#tell(lines));
    this.#globals = new Globals({
      ...{ session, client, target, limits, listeners, guard, tell },
      noMoreSessions: () => {
        this.#sessionsAllowed = false;
      },
    });
    this.#forwards = new Forwards({
      ...{ session, neighbour, listeners, given: this.#given, guard, tell },
      bare: () => unmaskedForward(session, options.config),
      create: (side, request, kind) => this.#create(side, request, kind),
      end: (channel, request) => this.#end(channel, request),
    });
  }

  /** The client was told why the session ends, on a channel: it should hear that before it is disconnected. */
  get parting(): boolean {
    return this.#parting;
  }

  /** Resolves when either side is gone, with what was wrong. */
  get over(): Promise<HoopctlError | undefined> {
    return this.#over.promise;
  }

  fromClient(payload: Buffer): void {
    this.#options.session.traffic(payload.length, 0);
    this.#guard(() => this.#message('client', payload));
  }

  fromTarget(payload: Buffer): void {
    this.#options.session.traffic(0, payload.length);
    this.#guard(() => this.#message('target', payload));
  }

  /** One side is gone: so is everything. */
  end(by: Side | undefined, error: HoopctlError | undefined): void {
    const members = [...this.#members.values()];
    this.#members.clear();
    this.#globals.end();
    for (const member of members) {
      if (by === 'client') member.left();
      member.over();
    }
    this.#over.resolve(error);
  }

  // -------------------------------------------------------------------------------------------------------------------

  #guard(action: () => void): void {
    try {
      action();
    } catch (thrown) {
      const error = asHoopctlError(thrown);
      this.#options.client.disconnect(Disconnect.PROTOCOL_ERROR, error.message);
      this.end(undefined, error);
    }
  }

  /** To a person at a terminal of this conversation, on another session, or else as a word that clients may show (ssh -v). */
  #tell(lines: readonly string[]): void {
    const sessions: SessionChannel[] = [];
    for (const member of this.#members.values()) {
      if (!(member instanceof Channel) || member.legs.client?.ended !== false) continue;
      if (member.kind instanceof SessionChannel) sessions.push(member.kind);
    }
    const open = sessions.find(({ attended }) => attended) ?? sessions[0];
    open?.say(lines);
    if (open !== undefined) return;
    for (const line of lines) {
      this.#options.client.send(message(Message.DEBUG, 512).boolean(true).text(line).text('').finish());
    }
  }

  #message(side: Side, payload: Buffer): void {
    const number = payload[0]!;
    switch (number) {
      case Message.GLOBAL_REQUEST:
        this.#globals.request(side, payload);
        return;
      case Message.REQUEST_SUCCESS:
      case Message.REQUEST_FAILURE:
        this.#globals.answered(side, payload);
        return;
      case Message.CHANNEL_OPEN:
        this.#open(side, readOpen(SshReader.of(payload, 'CHANNEL_OPEN')));
        return;
    }
    if (number < Message.CHANNEL_OPEN_CONFIRMATION || number > Message.CHANNEL_FAILURE) {
      throw peerError('protocol_violation', `the ${side} sent message ${number}, which has no place in a connection`);
    }
    const reader = SshReader.of(payload, `message ${number}`);
    // Where there is none: of a channel that is just being closed by the other side.
    this.#members.get(reader.uint32())?.message(side, number, reader, payload);
  }

  #open(side: Side, request: OpenRequest): void {
    const { limits, session } = this.#options;
    const from = this.#options[side];
    if (this.#members.size >= limits.channels.value) {
      const { message: why } = limitExceeded(limits.channels, this.#members.size + 1);
      refuseOpen(from, request.sender, OpenFailure.RESOURCE_SHORTAGE, why);
      return;
    }
    const small = tooSmall(request.packet);
    if (small !== undefined) {
      refuseOpen(from, request.sender, OpenFailure.RESOURCE_SHORTAGE, `hoopctl: ${small}`);
      return;
    }
    if (side === 'client' && request.type === 'session' && this.#sessionsAllowed) {
      this.#create(side, request, (channel) => this.#session(channel)).open();
      return;
    }
    if (this.#forwards.open(side, request)) return;
    const type = request.type.slice(0, 100);
    session.note('refused', { channel: type, by: side });
    refuseOpen(from, request.sender, OpenFailure.PROHIBITED, `hoopctl: a channel of type "${type}" is refused`);
  }

  #session(channel: Channel): SessionChannel {
    const { session, config, limits } = this.#options;
    const own = new SessionChannel(channel, session, config, limits);
    own.onGiven = (feature) => this.#given.add(feature);
    own.onReplay = (payload) => {
      this.#guard(() => {
        if (this.#members.get(channel.number) === channel) channel.replay(payload);
      });
    };
    own.guard = (action) => this.#guard(action);
    own.openSide = (asked) => {
      const [number, window] = [this.#free(), this.#windows.take()];
      const gone = () => {
        this.#members.delete(number);
        this.#windows.give(window);
      };
      const side = new SideChannel({ ...asked, number, window, gone, transport: this.#options.target });
      this.#members.set(number, side);
      return side;
    };
    own.onParting = () => {
      this.#parting = true;
    };
    own.onLate = (payload) => {
      if (this.#members.get(channel.number) !== channel) return;
      channel.message('target', payload[0]!, SshReader.of(payload, `message ${payload[0]}`, 5), payload);
    };
    return own;
  }

  /** A number that no channel has. */
  #free(): number {
    while (this.#members.has(this.#next)) this.#next = (this.#next + 1) % 0x1_0000_0000;
    const number = this.#next;
    this.#next = (number + 1) % 0x1_0000_0000;
    return number;
  }

  #create(side: Side, request: OpenRequest, kind: (channel: Channel) => Kind): Channel {
    const { client, target } = this.#options;
    const channel = new Channel(this.#free(), side, request, { client, target }, this.#windows, () => {
      this.#members.delete(channel.number);
      channel.kind.ended();
    });
    channel.kind = kind(channel);
    this.#members.set(channel.number, channel);
    return channel;
  }

  #end(channel: Channel, request: OpenRequest): Endpoint {
    const { number } = channel;
    channel.giveBack();
    const granted = this.#windows.take();
    const endpoint = new Endpoint(openedLeg(this.#options.client, request, number, granted), () => {
      this.#members.delete(number);
      this.#windows.give(granted);
    });
    this.#members.set(number, endpoint);
    return endpoint;
  }
}
