// One SSH client from its first byte to its last: door → session → host → relay.
// Refuses to know: what is decided, what messages look like.

import { asHoopctlError, HoopctlError, peerError } from '../../core/errors.ts';
import type { Opened, Services, Session, Target, Visitor } from '../contract.ts';
import { Relay } from './channels/relay.ts';
import { clientAuthority } from './keys/client-certificate.ts';
import { Ed25519Key } from './keys/ed25519.ts';
import { type Limits, limitsOf } from './limits.ts';
import { Door } from './login/door.ts';
import { loginToTarget } from './login/target.ts';
import type { SshConfig } from './schema.ts';
import { nativeCiphers, Transport } from './transport/transport.ts';
import { Disconnect } from './wire/message.ts';

let told = false;

/** How long a client has to read on its channel why the session ends: a disconnection makes it forget what it has not read. */
const PARTING_MS = 300;

export async function serve(visitor: Visitor, services: Services): Promise<void> {
  if (!nativeCiphers && !told) {
    told = true;
    services.log.warn(
      { fix: 'npm rebuild ssh2, with a compiler' },
      'ssh runs without native ciphers, several times slower',
    );
  }
  const limits = limitsOf(services);
  const conversation = new Conversation(visitor, services, limits);
  await conversation.run();
}

class Conversation {
  readonly #visitor: Visitor;
  readonly #services: Services;
  readonly #limits: Limits;
  readonly #door: Door;
  #client!: Transport;
  #session: Session | undefined;
  #relay: Relay | undefined;
  #target: Transport | undefined;
  #late: NodeJS.Timeout | undefined;

  constructor(visitor: Visitor, services: Services, limits: Limits) {
    this.#visitor = visitor;
    this.#services = services;
    this.#limits = limits;
    const authority = clientAuthority(services).blob;
    this.#door = new Door(visitor, { limits, authority, patience: () => clearTimeout(this.#late) });
  }

  async run(): Promise<void> {
    const { stream } = this.#visitor;
    const { loginTime } = this.#limits;
    this.#late = setTimeout(() => {
      this.#door.fail(
        peerError('limit_exceeded', `the client did not log in within ${loginTime.value} ms (${loginTime.name})`),
      );
    }, loginTime.value);
    try {
      this.#client = await Transport.open(
        stream,
        { as: 'server', hostKey: new Ed25519Key(this.#services.key('ssh-host')) },
        {
          ready: () => {},
          message: (payload) => this.#fromClient(payload),
          closed: (error) => this.#gone(error),
          drain: () => this.#flow(),
        },
        this.#limits,
      );
      this.#door.attach(this.#client);
      const opened = await this.#door.opened;
      this.#session = opened.session;
      clearTimeout(this.#late);
      await this.#converse(opened);
    } catch (thrown) {
      const error = asHoopctlError(thrown);
      const session = this.#session;
      if (error.fault === 'ours')
        this.#services.log.error({ err: error, session: session?.id }, 'a conversation failed');
      session?.end({ code: error.code, message: error.message });
      if (this.#client !== undefined) this.#door.refuse(session === undefined ? error : withSession(error, session.id));
    } finally {
      clearTimeout(this.#late);
      this.#target?.close();
      this.#client?.close();
    }
  }

  async #converse({ session, neighbour, ...opened }: Opened): Promise<void> {
    const target = opened.target as Target<SshConfig>;
    const authority = new Ed25519Key(this.#services.key('ssh-user-authority'));
    const { transport, receive } = await loginToTarget({ target, session, limits: this.#limits, authority });
    this.#target = transport;
    const relay = new Relay({
      session,
      client: this.#client,
      target: transport,
      config: target.config,
      limits: this.#limits,
      neighbour,
    });
    const ended = () => {
      const { message = 'the session ended' } = (session.signal.reason ?? {}) as { message?: string };
      const leave = () => {
        this.#client.disconnect(Disconnect.BY_APPLICATION, `hoopctl: ${message}`);
        relay.end(undefined, undefined);
      };
      if (relay.parting) setTimeout(leave, PARTING_MS);
      else leave();
    };
    session.signal.addEventListener('abort', ended, { once: true });
    if (session.signal.aborted) ended();
    this.#relay = relay;
    this.#door.welcome();
    receive({
      message: (payload) => {
        relay.fromTarget(payload);
        if (this.#stops(transport, this.#client)) transport.pause();
      },
      closed: (error) => relay.end('target', error ?? peerError('target_error', 'the host closed the connection')),
      drain: () => this.#flow(),
    });
    const error = await relay.over;
    session.signal.removeEventListener('abort', ended);
    if (error !== undefined) throw error;
  }

  #fromClient(payload: Buffer): void {
    if (this.#relay !== undefined) {
      this.#relay.fromClient(payload);
      if (this.#target !== undefined && this.#stops(this.#client, this.#target)) this.#client.pause();
      return;
    }
    try {
      this.#door.message(payload);
    } catch (thrown) {
      this.#door.fail(asHoopctlError(thrown));
    }
  }

  /** Each side is read while the other takes what comes of it. */
  #flow(): void {
    const target = this.#target;
    if (target === undefined) return;
    if (!this.#stops(this.#client, target)) this.#client.resume();
    if (!this.#stops(target, this.#client)) target.resume();
  }

  /**
   * Whether `one` is not to be read now. One with which keys are exchanged is: behind what it sent before, its part of that
   * has to come, and it may be what the other waits for in turn. It sends no more than was granted until then.
   */
  #stops(one: Transport, other: Transport): boolean {
    const { value } = this.#limits.windows;
    if (one.exchanging) return other.queued > value || one.queued > value;
    return other.congested || one.flooded;
  }

  #gone(error: HoopctlError | undefined): void {
    if (this.#relay !== undefined) {
      this.#relay.end('client', error);
      return;
    }
    const gone = error ?? peerError('client_gone', 'the client left during the login');
    this.#door.fail(gone);
    // The host is logged in to for nobody: without a relay nothing else would end it.
    this.#session?.end({ code: gone.code, message: gone.message });
  }
}

function withSession(error: HoopctlError, session: string): HoopctlError {
  const { fix, rule, details } = error;
  return new HoopctlError(error.fault, error.code, error.message, { fix, rule, details, session, cause: error });
}
