// The client at the door: SSLRequest, GSSENCRequest, direct TLS, CancelRequest, StartupMessage, the password of a native
// client; and an answer to whoever is no PostgreSQL client at all.
// Refuses to know: whether the client may come in, the target.

import { type HoopctlError, peerError, userError } from '../../../core/errors.ts';
import type { ByteStream } from '../../../core/stream.ts';
import type { Visitor } from '../../contract.ts';
import type { Limits } from '../limits.ts';
import { doorNotice } from '../sqlstate.ts';
import { AUTHENTICATION_CLEARTEXT_PASSWORD, negotiateProtocolVersion } from '../wire/backend.ts';
import { decodePassword } from '../wire/frontend.ts';
import { errorResponse } from '../wire/notice.ts';
import { type CancelKey, Code, decodeCancelRequest, major, minor, startupParameters } from '../wire/startup.ts';
import { Front, frontName } from '../wire/types.ts';
import { Inbox } from './inbox.ts';
import { isTls, mismatch } from './mismatch.ts';

/** PostgreSQL's own name for itself in ALPN; direct TLS demands it. */
const ALPN = ['postgresql'];

const YES = Buffer.from('S');
const NO = Buffer.from('N');

export type Greeting =
  | { readonly kind: 'cancel'; readonly key: CancelKey }
  | {
      readonly kind: 'session';
      /** 196608 or 196610: what both sides speak. */
      readonly version: number;
      readonly parameters: ReadonlyMap<string, string>;
    };

const gone = (): HoopctlError => peerError('client_gone', 'the client closed the connection before a session began');

/** One client at the door. Owns its stream until `inbox.release`. */
export class Door {
  inbox: Inbox;
  readonly #visitor: Visitor;
  readonly #limits: Limits;
  #encrypted = false;

  constructor(visitor: Visitor, limits: Limits) {
    this.#visitor = visitor;
    this.#limits = limits;
    this.inbox = new Inbox(visitor.stream, gone);
  }

  get stream(): ByteStream {
    return this.inbox.stream;
  }

  /** The first packets, up to the one that says what the client wants. Throws what `refuse` can say. */
  async greet(): Promise<Greeting> {
    for (let asked = 0; ; asked++) {
      await this.#notStranger();
      const packet = await this.inbox.packet(this.#limits.startup);
      const code = packet.readInt32BE(4);
      if (code === Code.CancelRequest) return { kind: 'cancel', key: decodeCancelRequest(packet) };
      if (code !== Code.SSLRequest && code !== Code.GSSENCRequest) return this.#startup(code, packet);
      // Each may be asked once; a client that goes on asking is none.
      if (asked >= 2) throw peerError('protocol_violation', 'the client asks for encryption again and again');
      if (code === Code.SSLRequest && this.#visitor.startTls !== undefined && !this.#encrypted)
        await this.#encrypt(true);
      else this.stream.write(NO);
    }
  }

  /** Bytes that cannot be a startup packet: TLS at once, another protocol. */
  async #notStranger(): Promise<void> {
    const first = await this.inbox.peek(8);
    if (isTls(first) && this.#visitor.startTls !== undefined && !this.#encrypted) {
      await this.#encrypt(false);
      return;
    }
    // Whatever it is, a length of 64 MiB and more (a letter first) is no startup packet.
    if (first[0] === 0) return;
    const stranger = mismatch(first);
    if (stranger === undefined) return;
    this.stream.write(stranger.answer);
    throw stranger.error;
  }

  async #encrypt(answer: boolean): Promise<void> {
    const preread = this.inbox.release();
    // Bytes behind SSLRequest would be taken for bytes inside TLS (CVE-2021-23214).
    if (answer && preread.length > 0)
      throw peerError('protocol_violation', 'the client sent bytes between SSLRequest and TLS');
    if (answer) this.stream.write(YES);
    const stream = await this.#visitor.startTls!(answer ? { alpn: ALPN } : { alpn: ALPN, preread });
    this.#encrypted = true;
    this.inbox = new Inbox(stream, gone);
  }

  #startup(code: number, packet: Buffer): Greeting {
    if (major(code) !== 3) {
      throw peerError('not_supported', `protocol ${major(code)}.${minor(code)} is not supported, 3.0 to 3.2 are`, {
        fix: 'use a client of PostgreSQL 7.4 or later',
      });
    }
    const parameters = startupParameters(packet);
    const options = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'));
    if (minor(code) > minor(Code.v32) || options.length > 0) {
      this.stream.write(negotiateProtocolVersion(Math.min(code, Code.v32), options));
    }
    return { kind: 'session', version: code >= Code.v32 ? Code.v32 : Code.v30, parameters };
  }

  /** Native: the token, asked for as a password, under TLS only. */
  async secret(): Promise<string> {
    if (!this.#encrypted) {
      throw userError('login_needed', 'this port takes connections over TLS only', {
        fix: 'connect with sslmode=verify-full (and sslrootcert for a CA of your own)',
      });
    }
    this.stream.write(AUTHENTICATION_CLEARTEXT_PASSWORD);
    const message = await this.inbox.message(this.#limits.password);
    if (message[0] !== Front.Password) {
      throw peerError('protocol_violation', `the client sent ${frontName(message[0]!)} instead of a password`);
    }
    return decodePassword(message);
  }

  /** Says no in the client's language and closes. */
  refuse(error: HoopctlError): void {
    const silent = this.inbox.closed || error.code === 'client_gone' || error.code === 'protocol_mismatch';
    if (!silent) this.stream.write(errorResponse(doorNotice(error)));
    this.inbox.release();
    this.stream.end();
    // Reads on into nothing, so that the farewell is not lost in a reset; the caller's timer closes what lingers.
    this.stream.onData = () => {};
    this.stream.resume();
  }
}
