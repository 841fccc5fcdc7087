// One login to one host over a byte stream: its key is verified before anything is said to it (RFC 4253 §8), then the ways
// that we have are tried in turn (RFC 4252). Refuses to know: where the stream leads, what comes after the login.

import { type HoopctlError, peerError } from '../../../core/errors.ts';
import type { ByteStream } from '../../../core/stream.ts';
import type { Limits } from '../limits.ts';
import { Transport } from '../transport/transport.ts';
import { Message, message, SshReader } from '../wire/message.ts';
import type { HostIdentity, Place } from './host.ts';
import type { Method } from './methods.ts';

/** Where messages go once the login is over. */
export interface Receiver {
  message(payload: Buffer): void;
  closed(error: HoopctlError | undefined): void;
  drain(): void;
}

export interface LoggedIn {
  readonly transport: Transport;
  receive(receiver: Receiver): void;
}

export interface LoginOptions {
  readonly place: Place;
  readonly identity: HostIdentity;
  readonly user: string;
  /** Left out: its key is verified, and no login tried. */
  readonly ways?: Method[];
  readonly limits: Limits;
  readonly signal: AbortSignal;
}

/** Errors: target_unreachable, target_certificate, target_refused_credentials, client_gone; the stream is closed then. */
export function logIn(options: LoginOptions, stream: ByteStream): Promise<LoggedIn> {
  return new Login(options).run(stream);
}

class Login {
  readonly #options: LoginOptions;
  readonly #done = Promise.withResolvers<void>();
  #transport!: Transport;
  #receiver: Receiver | undefined;
  #through = false;
  /** What came right behind the login, in the same turn: before anybody could say that they take it. */
  #early: Buffer[] = [];
  #ended: { readonly error: HoopctlError | undefined } | undefined;
  #way: Method | undefined;

  constructor(options: LoginOptions) {
    this.#options = options;
    this.#done.promise.catch(() => {});
  }

  async run(stream: ByteStream): Promise<LoggedIn> {
    const { signal, place, identity, limits } = this.#options;
    const time = limits.targetTime;
    const stop = () => this.#done.reject(peerError('client_gone', 'the session ended during the login to its target'));
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const late = setTimeout(() => {
      const text = `${place.host} did not let us in within ${time.value} ms (${time.name})`;
      this.#done.reject(peerError('target_unreachable', text));
    }, time.value);
    try {
      this.#transport = await Transport.open(
        stream,
        {
          as: 'client',
          verify: (key) => this.#verify(key),
          prefer: identity.kinds,
          certificates: identity.certificates,
        },
        {
          ready: () => this.#transport.send(message(Message.SERVICE_REQUEST).text('ssh-userauth').finish()),
          message: (payload) => this.#came(payload),
          closed: (error) => this.#closed(error),
          drain: () => this.#receiver?.drain(),
        },
        limits,
      );
      await this.#done.promise;
      return {
        transport: this.#transport,
        receive: (receiver) => this.#handOver(receiver),
      };
    } catch (thrown) {
      stream.destroy();
      throw thrown;
    } finally {
      clearTimeout(late);
      signal.removeEventListener('abort', stop);
    }
  }

  #verify(key: Buffer): Buffer | undefined {
    try {
      return this.#options.identity.verify(key);
    } catch (error) {
      this.#done.reject(error);
      return undefined;
    }
  }

  #closed(error: HoopctlError | undefined): void {
    if (this.#receiver !== undefined) {
      this.#receiver.closed(error);
      return;
    }
    this.#ended = { error };
    const why = error === undefined ? 'it closed the connection during the login' : error.message;
    this.#done.reject(peerError('target_unreachable', `cannot log in to ${this.#options.place.host}: ${why}`));
  }

  #came(payload: Buffer): void {
    if (this.#receiver !== undefined) this.#receiver.message(payload);
    else if (this.#through) this.#early.push(Buffer.from(payload));
    else this.#message(payload);
  }

  #handOver(receiver: Receiver): void {
    this.#receiver = receiver;
    for (const payload of this.#early.splice(0)) receiver.message(payload);
    if (this.#ended !== undefined) receiver.closed(this.#ended.error);
  }

  #message(payload: Buffer): void {
    switch (payload[0]) {
      case Message.SERVICE_ACCEPT:
        if (this.#options.ways === undefined) this.#done.resolve();
        else this.#next('it offers no way to log in');
        return;
      case Message.USERAUTH_BANNER:
        return;
      case Message.USERAUTH_SUCCESS:
        this.#through = true;
        this.#done.resolve();
        return;
      case Message.USERAUTH_FAILURE: {
        const left = SshReader.of(payload, 'USERAUTH_FAILURE').text();
        this.#next(`it refused ${this.#way?.name}, and takes ${left === '' ? 'nothing else' : left}`);
        return;
      }
      // Of keyboard-interactive; otherwise a password that has to be changed, and nobody is here to do so.
      case Message.USERAUTH_PK_OK: {
        const answer = this.#way?.answer?.(payload);
        if (answer === undefined) this.#next(`it answered ${this.#way?.name} with a question`);
        else this.#transport.send(answer);
        return;
      }
      default:
        throw peerError('protocol_violation', `the target sent message ${payload[0]} during the login`);
    }
  }

  #next(why: string): void {
    const { place, user, ways } = this.#options;
    this.#way = ways?.shift();
    if (this.#way !== undefined) {
      this.#transport.send(this.#way.request(user, this.#transport.sessionId));
      return;
    }
    const text = `${place.host} did not take the gateway's credentials: ${why}`;
    this.#done.reject(
      peerError('target_refused_credentials', text, {
        fix: "ask the gateway's administrator: the account, its key, certificate or password on the host",
      }),
    );
  }
}
