// Logs in to a server on a stream that is ready for it: StartupMessage, authentication, up to ReadyForQuery.
// Refuses to know: how the stream was made. The password is in no error and no log.

import { createHash } from 'node:crypto';
import { type HoopctlError, peerError } from '../../../core/errors.ts';
import type { Limits } from '../limits.ts';
import { ofFunction } from '../machine/scrub.ts';
import {
  Auth,
  decodeAuthentication,
  decodeBackendKeyData,
  decodeNegotiateProtocolVersion,
  decodeParameterStatus,
  saslMechanisms,
} from '../wire/backend.ts';
import { password as passwordMessage, saslInitialResponse, saslResponse } from '../wire/frontend.ts';
import { decodeFields } from '../wire/notice.ts';
import { Code, startupMessage } from '../wire/startup.ts';
import { Back, backName, HEADER } from '../wire/types.ts';
import type { Inbox } from './inbox.ts';
import { endPoint, type Scram, scram } from './scram.ts';

export interface LoginOptions {
  readonly version: number;
  readonly parameters: ReadonlyMap<string, string>;
  readonly password: string | undefined;
  /** The server's certificate where the stream is TLS. */
  readonly certificate: Buffer | undefined;
  readonly encrypted: boolean;
  readonly limits: Limits;
  /** Masks apply: what a trigger on login says of why it refuses is withheld. */
  readonly masked: boolean;
}

export interface Login {
  readonly version: number;
  readonly key: { process: number; secret: Buffer } | undefined;
  /** ParameterStatus and NoticeResponse messages as they came, for the client. */
  readonly messages: readonly Buffer[];
  readonly settings: ReadonlyMap<string, string>;
  /** ReadyForQuery as it came. */
  readonly ready: Buffer;
}

/** The server does not know the version that was asked for: ask again for an older one. */
export class VersionRefused extends Error {}

/** Throws target_refused_credentials, target_error, protocol_violation, VersionRefused. */
export async function login(inbox: Inbox, options: LoginOptions): Promise<Login> {
  const { limits } = options;
  inbox.stream.write(startupMessage(options.version, options.parameters));
  let version = options.version;
  let first = true;
  const auth = new Authenticator(inbox, options);
  for (;;) {
    if (first && isGreeting(await inbox.peek(HEADER), limits)) throw notPostgres();
    const message = await inbox.message(limits.inspected);
    const type = message[0]!;
    if (type === Back.NegotiateProtocolVersion) version = decodeNegotiateProtocolVersion(message);
    else if (type === Back.ErrorResponse) throw loginError(message, first && version !== Code.v30, false);
    else if (type === Back.Authentication) {
      if (await auth.answer(message)) return finish(inbox, version, options);
    } else if (type !== Back.NoticeResponse) throw unexpected(type);
    first = false;
  }
}

async function finish(inbox: Inbox, version: number, { limits, masked }: LoginOptions): Promise<Login> {
  const messages: Buffer[] = [];
  const settings = new Map<string, string>();
  let key: Login['key'];
  for (;;) {
    const message = await inbox.message(limits.inspected);
    const type = message[0]!;
    if (type === Back.ErrorResponse) throw loginError(message, false, masked);
    if (type === Back.ReadyForQuery) return { version, key, messages, settings, ready: message };
    if (type === Back.BackendKeyData) key = decodeBackendKeyData(message);
    else if (type === Back.NoticeResponse) messages.push(message);
    else if (type === Back.ParameterStatus) {
      const { name, value } = decodeParameterStatus(message, 0, message.length);
      settings.set(name, value);
      messages.push(message);
    } else throw unexpected(type);
  }
}

class Authenticator {
  readonly #inbox: Inbox;
  readonly #options: LoginOptions;
  #scram: Scram | undefined;
  #verified = true;

  constructor(inbox: Inbox, options: LoginOptions) {
    this.#inbox = inbox;
    this.#options = options;
  }

  /** True: the server is content, and has proven itself where the method lets it. */
  async answer(message: Buffer): Promise<boolean> {
    const { method, data } = decodeAuthentication(message);
    const { stream } = this.#inbox;
    switch (method) {
      case Auth.Ok:
        if (!this.#verified)
          throw peerError(
            'target_refused_credentials',
            'the target ended SCRAM without proving that it knows the password',
          );
        return true;
      case Auth.CleartextPassword:
        if (!this.#options.encrypted) throw noPlainText();
        stream.write(passwordMessage(this.#password()));
        return false;
      case Auth.MD5Password: {
        const user = this.#options.parameters.get('user') ?? '';
        stream.write(passwordMessage(md5Password(this.#password(), user, data.subarray(0, 4))));
        return false;
      }
      case Auth.SASL:
        this.#scram = this.#begin(saslMechanisms(data));
        this.#verified = false;
        stream.write(saslInitialResponse(this.#scram.mechanism, this.#scram.first));
        return false;
      case Auth.SASLContinue:
        if (this.#scram === undefined) throw unexpected(Back.Authentication);
        stream.write(saslResponse(await this.#scram.final(data.toString())));
        return false;
      case Auth.SASLFinal:
        if (this.#scram === undefined) throw unexpected(Back.Authentication);
        this.#scram.verify(data.toString());
        this.#verified = true;
        return false;
      default:
        throw peerError(
          'not_supported',
          `the target asks for authentication method ${method}, which is not supported`,
          {
            fix: 'have the server accept scram-sha-256 for this user (pg_hba.conf)',
          },
        );
    }
  }

  #begin(offered: readonly string[]): Scram {
    const { certificate } = this.#options;
    const bound =
      offered.includes('SCRAM-SHA-256-PLUS') && certificate !== undefined ? endPoint(certificate) : undefined;
    if (bound === undefined && !offered.includes('SCRAM-SHA-256')) {
      throw peerError('not_supported', `the target offers ${offered.join(', ')} only, none of which is supported`);
    }
    return scram(this.#password(), bound);
  }

  #password(): string {
    const { password } = this.#options;
    if (password !== undefined) return password;
    throw peerError('target_refused_credentials', 'the target asks for a password and the connection has none', {
      fix: 'give credentials.password for the connection, as a reference',
    });
  }
}

/** `md5` + hex(md5(hex(md5(password + user)) + salt)), as in "Password Authentication". */
export function md5Password(password: string, user: string, salt: Buffer): string {
  const md5 = (...parts: (string | Buffer)[]): string => {
    const hash = createHash('md5');
    for (const part of parts) hash.update(part);
    return hash.digest('hex');
  };
  return `md5${md5(md5(password, user), salt)}`;
}

const noPlainText = (): HoopctlError =>
  peerError('target_error', 'the target asks for the password in clear text on a connection without TLS', {
    fix: 'set target.tls, or have the server accept scram-sha-256 (pg_hba.conf)',
  });

/** What a server may say first. */
const FIRST: readonly number[] = [
  Back.NegotiateProtocolVersion,
  Back.ErrorResponse,
  Back.Authentication,
  Back.NoticeResponse,
];

/** Another program's first words, as `SSH-2.0-…`: read as a message they would have a gigabyte. */
const isGreeting = (header: Buffer, { inspected }: Limits): boolean =>
  !FIRST.includes(header[0]!) && header.readInt32BE(1) >= inspected.value;

const notPostgres = (): HoopctlError =>
  peerError('protocol_violation', "what listens at the target's port does not speak PostgreSQL's protocol", {
    fix: "check target.host and target.port in the gateway's configuration",
  });

const unexpected = (type: number): HoopctlError =>
  peerError('protocol_violation', `the target sent ${backName(type)} during the login`);

function loginError(message: Buffer, mayBeVersion: boolean, masked: boolean): Error {
  const fields = decodeFields(message, 0, message.length);
  const code = fields.get('C') ?? '';
  const withheld = masked && ofFunction(fields);
  const text = withheld ? 'its text is withheld, masks apply here' : (fields.get('M') ?? '');
  if (mayBeVersion && (code === '0A000' || code === '08P01')) return new VersionRefused(text);
  if (code.startsWith('28')) {
    return peerError('target_refused_credentials', `the target refused the gateway's credentials (SQLSTATE ${code})`, {
      fix: "check the connection's credentials in the gateway's configuration",
    });
  }
  return peerError('target_error', `the target refused the connection: ${text}`, { details: { sqlstate: code } });
}
