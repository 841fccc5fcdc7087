// Requests about the connection as a whole (RFC 4254 §4, §7.1; OpenSSH PROTOCOL 2.2 to 2.5): what is known is decided, passed
// on or kept from the other side; everything else is refused by name. Answers go out in the order of the questions.
// Refuses to know: channels, how a decision is made.

import { limitExceeded } from '../../../core/limits.ts';
import { digestOf, type Hold, type OperationId, type Session } from '../../contract.ts';
import type { Limits } from '../limits.ts';
import type { Transport } from '../transport/transport.ts';
import { Message, message, SshReader } from '../wire/message.ts';
import type { Side } from './channel.ts';
import { decided, factsOf } from './decided.ts';
import { UNSEEN } from './forwards.ts';
import { isName, type Listener, type Listeners, listening, socketPlace } from './listeners.ts';

export interface GlobalsOptions {
  readonly session: Session;
  readonly client: Transport;
  readonly target: Transport;
  readonly limits: Limits;
  readonly listeners: Listeners;
  readonly guard: (action: () => void) => void;
  /** Lines for the client about what has no channel. */
  readonly tell: (lines: readonly string[]) => void;
  /** The client promises to open no more sessions: the promise is kept for it. */
  readonly noMoreSessions: () => void;
}

/** What came of a question: `payload` is what a success brings along. */
type Answer = (success: boolean, payload?: Buffer) => void;

const NOTED = 100;

/** Requests that begin with an address or a path. */
const PLACED: ReadonlySet<string> = new Set(
  ['tcpip-forward', 'streamlocal-forward@openssh.com'].flatMap((name) => [name, `cancel-${name}`]),
);

interface RemoteForward {
  readonly name: string;
  /** The word of policy. */
  readonly does: string;
  readonly text: string;
  /** What the request says after its name. */
  readonly rest: Buffer;
}

interface Turn {
  answer?: { readonly success: boolean; readonly payload: Buffer | undefined };
}

export class Globals {
  readonly #options: GlobalsOptions;
  /** Questions of each side that wait for their answer, in order. */
  readonly #due: Record<Side, Turn[]> = { client: [], target: [] };
  /** Questions of ours to each side. */
  readonly #asked: Record<Side, Answer[]> = { client: [], target: [] };
  readonly #holds = new Set<Hold>();
  readonly #names = new Set<string>();

  constructor(options: GlobalsOptions) {
    this.#options = options;
  }

  /** GLOBAL_REQUEST of one side. */
  request(side: Side, payload: Buffer): void {
    const reader = SshReader.of(payload, 'GLOBAL_REQUEST');
    const name = reader.text();
    const wanted = reader.boolean();
    const answer = wanted ? this.#turn(side) : () => {};
    if (name === 'keepalive@openssh.com') this.#ask(side === 'client' ? 'target' : 'client', payload, answer, wanted);
    else if (side === 'target') answer(false);
    else this.#ofClient(name, reader.rest(), answer);
  }

  /** REQUEST_SUCCESS or REQUEST_FAILURE of one side; what was never asked has no answer. */
  answered(side: Side, payload: Buffer): void {
    const rest = Buffer.from(payload.subarray(1));
    this.#asked[side].shift()?.(payload[0] === Message.REQUEST_SUCCESS, rest);
  }

  end(): void {
    for (const hold of this.#holds) hold.cancel('the client went away');
    this.#holds.clear();
  }

  // -------------------------------------------------------------------------------------------------------------------

  #ofClient(name: string, rest: Buffer, answer: Answer): void {
    const { listeners, noMoreSessions } = this.#options;
    // What a place is called has to be text: rules are about its name.
    if (PLACED.has(name) && !isPlaced(name, rest)) {
      this.#refused(name);
      answer(false);
      return;
    }
    switch (name) {
      case 'tcpip-forward':
        this.#listen(rest, answer);
        return;
      case 'cancel-tcpip-forward': {
        const reader = SshReader.of(rest, name, 0);
        const [address, port] = [reader.text(), reader.uint32()];
        this.#cancel(listeners.remove(address, port), listening(address, port), name, rest, answer);
        return;
      }
      case 'streamlocal-forward@openssh.com': {
        const path = SshReader.of(rest, name, 0).text();
        this.#remote({ name, does: 'forward-remote-unix', text: path, rest }, answer, (listener) => {
          listeners.addUnix(path, listener);
          return path;
        });
        return;
      }
      case 'cancel-streamlocal-forward@openssh.com': {
        const path = SshReader.of(rest, name, 0).text();
        this.#cancel(listeners.removeUnix(path), path, name, rest, answer);
        return;
      }
      case 'no-more-sessions@openssh.com':
        // Not the host's to know: the gateway has sessions of its own there, which it would refuse.
        noMoreSessions();
        answer(true);
        return;
      default:
        this.#refused(name.slice(0, 200));
        answer(false);
    }
  }

  /** Noted once by its name; who makes names up is not followed without end. */
  #refused(name: string): void {
    if (this.#names.has(name) || this.#names.size >= NOTED) return;
    this.#names.add(name);
    this.#options.session.note('refused', { request: name });
  }

  #listen(rest: Buffer, answer: Answer): void {
    const reader = SshReader.of(rest, 'tcpip-forward', 0);
    const address = reader.text();
    const port = reader.uint32();
    const asked = { name: 'tcpip-forward', does: 'forward-remote', text: listening(address, port), rest };
    this.#remote(asked, answer, ({ facts }, told) => {
      // Where none was asked for, the host chose one.
      const actual = port === 0 && told.length >= 4 ? told.readUInt32BE(0) : port;
      const text = listening(address, actual);
      this.#options.listeners.add(address, actual, { text, facts });
      return text;
    });
  }

  /** The host is asked to listen once that is decided and on record. */
  #remote(asked: RemoteForward, answer: Answer, granted: (listener: Listener, told: Buffer) => string): void {
    const { session, guard } = this.#options;
    const { name, does, text } = asked;
    const place = does === 'forward-remote-unix' ? (socketPlace(text) ?? text) : text;
    const facts = factsOf(does, [{ place, read: true, written: true }], UNSEEN);
    // The buffer is not ours to keep.
    const payload = requestOf(name, asked.rest);
    const hold = decided(session, guard, {
      operation: { kind: 'forward-remote', text, exact: digestOf(name, asked.rest), parts: [facts] },
      allowed: (id) => {
        this.#ask('target', payload, (success, told = Buffer.alloc(0)) => {
          if (success) this.#granted(id, granted({ text, facts }, told));
          else this.#failed(id);
          answer(success, told);
        });
      },
      refused: () => answer(false),
      tell: this.#options.tell,
    });
    if (hold === undefined) return;
    this.#holds.add(hold);
    void hold.settled.then(() => this.#holds.delete(hold));
  }

  #granted(id: OperationId, where: string): void {
    this.#options.session.result(id, { part: 0, status: 'ok', tag: `the host listens on ${where}` });
  }

  #failed(id: OperationId): void {
    const error = { code: 'open_failed', message: 'the host does not listen there' };
    this.#options.session.result(id, { part: 0, status: 'error', error });
  }

  #cancel(known: boolean, text: string, name: string, rest: Buffer, answer: Answer): void {
    if (!known) {
      answer(false);
      return;
    }
    this.#options.session.note('forward-cancelled', { text });
    this.#ask('target', requestOf(name, rest), answer);
  }

  #ask(side: Side, payload: Buffer, answer: Answer, wanted = true): void {
    if (wanted) this.#asked[side].push(answer);
    this.#options[side].send(payload);
  }

  /** The place of an answer in the order of the questions. */
  #turn(side: Side): Answer {
    const due = this.#due[side];
    const bound = this.#options.limits.requests;
    if (due.length >= bound.value) throw limitExceeded(bound, due.length + 1);
    const turn: Turn = {};
    due.push(turn);
    return (success, payload) => {
      turn.answer = { success, payload };
      for (let next = due[0]?.answer; next !== undefined; next = due[0]?.answer) {
        due.shift();
        const out = message(next.success ? Message.REQUEST_SUCCESS : Message.REQUEST_FAILURE);
        if (next.success && next.payload !== undefined) out.bytes(next.payload);
        this.#options[side].send(out.finish());
      }
    };
  }
}

/** Whether rules can tell which place it is about. */
function isPlaced(name: string, rest: Buffer): boolean {
  const place = SshReader.of(rest, name, 0).blob();
  return isName(place) && (!name.includes('streamlocal') || socketPlace(place.toString()) !== undefined);
}

/** One that wants an answer. */
function requestOf(name: string, rest: Buffer): Buffer {
  return message(Message.GLOBAL_REQUEST, 128 + rest.length)
    .text(name)
    .boolean(true)
    .bytes(rest)
    .finish();
}
