// Channels that carry somebody else's bytes: forwarded ports and sockets, in either direction, the client's agent and its
// display. Each is decided and on record before the other side hears of it, counted while it lasts, and its outcome noted.
// Where the gateway has a connection of its own for the place, the bytes become a session of that connection.
// Refuses to know: what the bytes are, who decides.

import { asHoopctlError, type HoopctlError } from '../../../core/errors.ts';
import { canonicalHost } from '../../../core/hosts.ts';
import {
  digestOf,
  type Facts,
  type Hold,
  type Neighbour,
  type OperationId,
  type PlaceUse,
  type Session,
} from '../../contract.ts';
import { Message, OpenFailure, SshReader } from '../wire/message.ts';
import type { Channel, Course, Kind, OpenRequest, Side } from './channel.ts';
import { decided, factsOf, refusalText } from './decided.ts';
import type { Endpoint } from './endpoint.ts';
import { destination, isName, type Listeners, socketPlace } from './listeners.ts';

export const UNSEEN = 'the bytes of a forwarding are not inspected';

/** What the host gets of the client's. */
export type Feature = 'agent-forwarding' | 'x11';

export interface ForwardsOptions {
  readonly session: Session;
  readonly neighbour: ((host: string, port: number) => Promise<Neighbour | undefined>) | undefined;
  readonly listeners: Listeners;
  /** What the client was allowed to give to the host. */
  readonly given: ReadonlySet<Feature>;
  readonly guard: (action: () => void) => void;
  /** Lines for the client about what has no channel yet. */
  readonly tell: (lines: readonly string[]) => void;
  /** Why bytes that nobody looks at may not pass, as things are. */
  readonly bare: () => string | undefined;
  /** A channel under a number of its own. */
  readonly create: (side: Side, request: OpenRequest, kind: (channel: Channel) => Kind) => Channel;
  /** In its place, one that ends here. */
  readonly end: (channel: Channel, request: OpenRequest) => Endpoint;
}

/** What a channel is asked for. */
interface Asked {
  readonly kind: string;
  readonly text: string;
  /** Of what is asked for, from whom. */
  readonly exact: string;
  readonly facts: Facts;
}

export class Forwards {
  readonly #options: ForwardsOptions;

  constructor(options: ForwardsOptions) {
    this.#options = options;
  }

  /** Whether it is one of these; it is answered then. */
  open(side: Side, request: OpenRequest): boolean {
    const asked = side === 'client' ? this.#ofClient(request) : this.#ofTarget(request);
    // What a place is called has to be text: rules are about its name.
    if (asked === undefined || !isNamed(request)) return false;
    const forwarding = new Forwarding(this.#options, request);
    this.#options.create(side, request, (channel) => {
      forwarding.channel = channel;
      return forwarding;
    });
    if (asked !== 'tcp') forwarding.ask(asked, undefined);
    else this.#direct(request, forwarding);
    return true;
  }

  #ofClient({ type, rest }: OpenRequest): Asked | 'tcp' | undefined {
    if (type === 'direct-tcpip') return 'tcp';
    if (type !== 'direct-streamlocal@openssh.com') return undefined;
    const path = SshReader.of(rest, type, 0).text();
    const place = socketPlace(path);
    if (place === undefined) return undefined;
    return {
      kind: 'forward',
      text: path,
      exact: digestOf(path),
      facts: factsOf('forward-unix', [{ place, read: true, written: true }], UNSEEN),
    };
  }

  #ofTarget({ type, rest }: OpenRequest): Asked | undefined {
    const { listeners, given } = this.#options;
    const exact = digestOf(rest);
    const reader = SshReader.of(rest, type, 0);
    switch (type) {
      case 'forwarded-tcpip': {
        const listener = listeners.tcp(reader.text(), reader.uint32());
        if (listener === undefined) return undefined;
        const from = destination(reader.text(), reader.uint32());
        return { kind: 'forwarded', text: `${listener.text} from ${from}`, exact, facts: listener.facts };
      }
      case 'forwarded-streamlocal@openssh.com': {
        const listener = listeners.unix(reader.text());
        return listener && { kind: 'forwarded', text: listener.text, exact, facts: listener.facts };
      }
      case 'x11':
        if (!given.has('x11')) return undefined;
        return {
          ...{ kind: 'x11', text: `x11 from ${destination(reader.text(), reader.uint32())}`, exact },
          facts: factsOf('x11'),
        };
      case 'auth-agent@openssh.com':
        if (!given.has('agent-forwarding')) return undefined;
        return { kind: 'agent', text: 'agent', exact, facts: factsOf('agent-forwarding') };
      default:
        return undefined;
    }
  }

  /** `ssh -L`, `-D`, `-W` (RFC 4254 §7.2). */
  #direct({ rest }: OpenRequest, forwarding: Forwarding): void {
    const reader = SshReader.of(rest, 'direct-tcpip', 0);
    const host = reader.text();
    const port = reader.uint32();
    if (port > HIGHEST_PORT) return void forwarding.refuse(`hoopctl: ${port} is no port`);
    const ask = (neighbour: Neighbour | undefined) => {
      const facts = factsOf('forward', [placeOf(host, port)], neighbour === undefined ? UNSEEN : undefined);
      const exact = digestOf(host, String(port));
      forwarding.ask({ kind: 'forward', text: destination(host, port), exact, facts }, neighbour);
    };
    const { neighbour, guard } = this.#options;
    if (neighbour === undefined) {
      ask(undefined);
      return;
    }
    neighbour(host, port).then(
      (found) => guard(() => ask(found)),
      // Not to be told whether it is one: as one that may not be reached.
      (thrown: unknown) => guard(() => forwarding.refuse(`hoopctl: ${asHoopctlError(thrown).message}`)),
    );
  }
}

/** One channel of these. */
class Forwarding implements Kind {
  readonly #options: ForwardsOptions;
  readonly #request: OpenRequest;
  channel!: Channel;
  #hold: Hold | undefined;
  #id: OperationId | undefined;
  #over = false;
  /** What is carried while nothing is masked; once something is, nothing more passes. */
  #text: string | undefined;
  #cut = false;
  #up = 0;
  #down = 0;

  constructor(options: ForwardsOptions, request: OpenRequest) {
    this.#options = options;
    this.#request = request;
  }

  ask({ kind, text, exact, facts }: Asked, neighbour: Neighbour | undefined): void {
    const { session, guard } = this.#options;
    if (this.#over) return;
    this.#hold = decided(session, guard, {
      operation: { kind, text, exact, parts: [facts] },
      allowed: (id) => {
        this.#hold = undefined;
        this.#id = id;
        const bare = neighbour === undefined && facts.opaque !== undefined ? this.#options.bare() : undefined;
        if (this.#over) this.#ended('cancelled', 'the client went away');
        else if (bare !== undefined) {
          this.#failed('unmasked', bare);
          this.refuse(`hoopctl: ${bare}`);
        } else if (neighbour === undefined) {
          if (facts.opaque !== undefined) this.#text = text;
          this.channel.open();
        } else this.#serve(id, neighbour);
      },
      refused: (refusal) => {
        this.#hold = undefined;
        this.refuse(refusalText(refusal));
      },
      tell: this.#options.tell,
    });
  }

  refuse(text: string): void {
    if (!this.#over) this.channel.refuse(OpenFailure.PROHIBITED, text);
  }

  /** In place of the host, the gateway itself. */
  #serve(id: OperationId, neighbour: Neighbour): void {
    const { session, end } = this.#options;
    const { connection, refused } = neighbour;
    if (refused !== undefined) {
      this.#failed(refused.code, refused.message);
      this.refuse(`hoopctl: ${toldOf(refused)}`);
      return;
    }
    const stream = end(this.channel, this.#request);
    let begun: string | undefined;
    const began = (inner: string) => {
      begun = inner;
      session.note('crossing', { op: id, connection, session: inner });
    };
    this.#id = undefined;
    void neighbour.serve(stream, began).then(() => {
      const { received, sent: bytes } = stream;
      const tag = `${begun === undefined ? 'no session' : `session ${begun}`} of ${connection}, ${received} bytes up, ${bytes} down`;
      session.result(id, { part: 0, status: begun === undefined ? 'error' : 'ok', tag, bytes });
    });
  }

  fromClient(payload: Buffer): Course {
    // A client has nothing to say there.
    if (payload[0] === Message.CHANNEL_EXTENDED_DATA || !this.#carries(payload)) return 'done';
    this.#up += carried(payload);
    return this.#course('client', payload);
  }

  fromTarget(payload: Buffer): Course {
    if (!this.#carries(payload)) return 'done';
    this.#down += carried(payload);
    return this.#course('target', payload);
  }

  /** Masks that come to apply, or are put back, apply at once: also to what is open. */
  #carries(payload: Buffer): boolean {
    if (this.#text === undefined || carried(payload) === 0) return true;
    if (this.#cut) return false;
    const bare = this.#options.bare();
    if (bare === undefined) return true;
    this.#cut = true;
    this.#failed('unmasked', bare);
    this.#options.tell([`hoopctl: ${this.#text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)}: ${bare}`]);
    this.channel.cut();
    return false;
  }

  /** These channels have no requests: none is passed on, so that none has an answer. */
  #course(side: Side, payload: Buffer): Course {
    if (payload[0] === Message.CHANNEL_SUCCESS || payload[0] === Message.CHANNEL_FAILURE) return 'done';
    if (payload[0] !== Message.CHANNEL_REQUEST) return 'across';
    const reader = SshReader.of(payload, 'CHANNEL_REQUEST', 5);
    reader.text();
    if (reader.boolean()) this.channel.legs[side]?.tell(Message.CHANNEL_FAILURE);
    return 'done';
  }

  failed(text: string): void {
    this.#failed('open_failed', text);
  }

  left(): void {
    this.#hold?.cancel('the client went away');
  }

  ended(): void {
    if (this.#over) return;
    this.#over = true;
    this.#hold?.cancel('the client went away');
    this.#ended('ok', 'opaque');
  }

  #ended(status: 'ok' | 'cancelled', what: string): void {
    const id = this.#id;
    if (id === undefined) return;
    this.#id = undefined;
    const tag = `${what}, ${this.#up} bytes up, ${this.#down} down`;
    this.#options.session.result(id, { part: 0, status, tag, bytes: this.#down });
  }

  #failed(code: string, message: string): void {
    const id = this.#id;
    if (id === undefined) return;
    this.#id = undefined;
    const tag = `opaque, ${this.#up} bytes up, ${this.#down} down`;
    const went = this.#up + this.#down === 0 ? {} : { tag, bytes: this.#down };
    this.#options.session.result(id, { part: 0, status: 'error', error: { code, message }, ...went });
  }
}

/** Whether the address or path that it begins with is a name; one that has none is. */
function isNamed({ type, rest }: OpenRequest): boolean {
  return rest.length === 0 || isName(SshReader.of(rest, type, 0).blob());
}

const HIGHEST_PORT = 65_535;

/** CHANNEL_DATA: its number, the channel's, the length; CHANNEL_EXTENDED_DATA has its kind too. */
const HEAD = 9;
const EXTENDED_HEAD = 13;

/** Bytes that a message carries. */
function carried(payload: Buffer): number {
  if (payload[0] === Message.CHANNEL_DATA) return payload.length - HEAD;
  return payload[0] === Message.CHANNEL_EXTENDED_DATA ? payload.length - EXTENDED_HEAD : 0;
}

/** The address that it stands for, and how it was written: another spelling is no way around a rule. */
export function placeOf(host: string, port: number): PlaceUse {
  const place = destination(canonicalHost(host), port);
  const as = destination(host, port);
  return { place, ...(as === place ? {} : { as }), read: true, written: true };
}

function toldOf({ message, fix }: HoopctlError): string {
  return fix === undefined ? message : `${message}; next: ${fix}`;
}
