// The client's login (RFC 4252): through the tunnel the gateway knows already who it is, so that `none` is enough. On the
// native listener the user name is the connection's, and who it is, is proven by a token as password, by a certificate of
// the gateway's for a key that the client holds, or in a browser (keyboard-interactive, RFC 4256).
// Refuses to know: what happens afterwards, what a token says, how a browser is led.

import { asHoopctlError, type HoopctlError, peerError } from '../../../core/errors.ts';
import type { DeviceLogin, Introduction, Opened, Visitor } from '../../contract.ts';
import { type Vouched, vouchedFor } from '../keys/client-certificate.ts';
import { fingerprint } from '../keys/host-keys.ts';
import { verifySignature } from '../keys/public-key.ts';
import type { Limits } from '../limits.ts';
import type { Transport } from '../transport/transport.ts';
import { Disconnect, Message, message, SshReader, SshWriter } from '../wire/message.ts';

/** One word for what happens to what is typed; "password" is what programs that type for people look for. */
const PROMPT = 'Password (a token of "hoopctl token"), or Enter to log in with a browser: ';

export interface DoorOptions {
  readonly limits: Limits;
  /** The blob of the key that signs clients' certificates. */
  readonly authority: Buffer;
  /** A person has gone to a browser: from here on the gateway bounds the time. */
  patience(): void;
}

/** Answers the messages of the services ssh-userauth and nothing else, until a session is open. */
export class Door {
  readonly #visitor: Visitor;
  readonly #options: DoorOptions;
  readonly #opened = Promise.withResolvers<Opened>();
  readonly #left = new AbortController();
  #transport!: Transport;
  #service = false;
  #tries = 0;
  #requests = 0;
  #busy = false;
  /** Keyboard-interactive is under way: what the answer to the last question does. */
  #answered: ((reader: SshReader) => void) | undefined;

  constructor(visitor: Visitor, options: DoorOptions) {
    this.#visitor = visitor;
    this.#options = options;
    this.#opened.promise.catch(() => {});
  }

  /** The session, once the client has logged in. Rejects with what refused it. */
  get opened(): Promise<Opened> {
    return this.#opened.promise;
  }

  attach(transport: Transport): void {
    this.#transport = transport;
  }

  /** The client is let in: what it sends from here on is the conversation's. */
  welcome(): void {
    this.#transport.send(message(Message.USERAUTH_SUCCESS).finish());
  }

  /** Tells why, in the client's own words, and closes. */
  refuse(error: HoopctlError): void {
    this.#tell(error);
    this.#transport.disconnect(Disconnect.BY_APPLICATION, error.message);
  }

  fail(error: HoopctlError): void {
    this.#left.abort(error);
    this.#opened.reject(error);
  }

  message(payload: Buffer): void {
    switch (payload[0]) {
      case Message.SERVICE_REQUEST:
        this.#serviceRequest(SshReader.of(payload, 'SERVICE_REQUEST'));
        return;
      case Message.USERAUTH_REQUEST:
        this.#request(SshReader.of(payload, 'USERAUTH_REQUEST'), payload);
        return;
      case Message.USERAUTH_INFO_RESPONSE: {
        const answered = this.#answered;
        if (answered === undefined) throw peerError('protocol_violation', 'the client answers what was not asked');
        this.#answered = undefined;
        answered(SshReader.of(payload, 'USERAUTH_INFO_RESPONSE'));
        return;
      }
      default:
        throw peerError('protocol_violation', `the client sent message ${payload[0]} before it had logged in`);
    }
  }

  #serviceRequest(reader: SshReader): void {
    const service = reader.text();
    if (service !== 'ssh-userauth') {
      this.#transport.disconnect(Disconnect.SERVICE_NOT_AVAILABLE, `there is no service "${service.slice(0, 100)}"`);
      return;
    }
    this.#service = true;
    this.#transport.send(message(Message.SERVICE_ACCEPT).text(service).finish());
  }

  #request(reader: SshReader, payload: Buffer): void {
    if (!this.#service) throw peerError('protocol_violation', 'the client logs in before it asked for ssh-userauth');
    const user = reader.text();
    const service = reader.text();
    const method = reader.text();
    if (service !== 'ssh-connection') {
      this.#transport.disconnect(Disconnect.SERVICE_NOT_AVAILABLE, `there is no service "${service.slice(0, 100)}"`);
      return;
    }
    // One at a time: a client that does not wait for the answer is not one of ours.
    if (this.#busy) throw peerError('protocol_violation', 'the client logs in twice at once');
    this.#answered = undefined;
    const { loginRequests } = this.#options.limits;
    if (++this.#requests > loginRequests.value) {
      throw peerError('limit_exceeded', `the client asked ${this.#requests} times to log in (${loginRequests.name})`);
    }
    if (this.#visitor.via === 'tunnel') this.#open({ user });
    else this.#prove(user, method, reader, payload);
  }

  /** `user` is the connection, and no more than that: what is shown tells who it is. */
  #prove(user: string, method: string, reader: SshReader, payload: Buffer): void {
    if (method === 'publickey') this.#publicKey(user, reader, payload);
    else if (method === 'keyboard-interactive' && this.#visitor.openByDevice !== undefined) this.#interactive(user);
    else if (method === 'password') this.#password(user, reader);
    else this.#again(method !== 'none');
  }

  #password(user: string, reader: SshReader): void {
    const changing = reader.boolean();
    const secret = reader.text();
    if (changing) this.#again(true);
    else this.#open({ connection: user, secret });
  }

  /** RFC 4252 §7. A key alone is nobody's; an agent that offers many of them has not tried anything yet. */
  #publicKey(user: string, reader: SshReader, payload: Buffer): void {
    const signed = reader.boolean();
    const algorithm = reader.text();
    const blob = reader.blob();
    const found: Vouched = vouchedFor(blob, algorithm, this.#options.authority, Date.now());
    if (found === undefined) this.#again(signed);
    else if (typeof found === 'string') this.#notThis(`the certificate ${found}`);
    else if (signed) this.#held(user, found, payload.subarray(0, payload.length - reader.left), reader.blob());
    else this.#transport.send(message(Message.USERAUTH_PK_OK, 2048).text(algorithm).blob(blob).finish());
  }

  /** `asked`: what the signature is about, behind the session's id. */
  #held(user: string, found: Exclude<Vouched, string | undefined>, asked: Buffer, signature: Buffer): void {
    const session = new SshWriter().blob(this.#transport.sessionId).finish();
    if (!verifySignature(found.key, Buffer.concat([session, asked]), signature, found.algorithm)) {
      this.#notThis("the certificate's key did not sign this login");
      return;
    }
    this.#open({
      connection: user,
      user: found.name,
      proof: { token: found.assertion, key: fingerprint(found.key) },
    });
  }

  #interactive(user: string): void {
    this.#ask('', [PROMPT], (reader) => {
      const count = reader.uint32();
      if (count !== 1) throw peerError('protocol_violation', `the client gave ${count} answers to one question`);
      const secret = reader.text().trim();
      if (secret !== '') this.#open({ connection: user, secret });
      else this.#byDevice(user);
    });
  }

  /** Goes on by itself when the person is done: there is nothing to answer. */
  #byDevice(connection: string): void {
    this.#busy = true;
    this.#options.patience();
    const read = Promise.withResolvers<void>();
    const show = ({ url, code }: DeviceLogin) => {
      const lines = [
        'To log in, open',
        '',
        `  ${url}`,
        '',
        `and confirm the code ${code}. It goes on here by itself.`,
        '',
      ];
      this.#ask(lines.join('\r\n'), [], () => read.resolve());
    };
    this.#visitor.openByDevice!(connection, show, this.#left.signal)
      .then(async (opened) => {
        await read.promise;
        this.#opened.resolve(opened);
      })
      .catch((thrown: unknown) => this.#opened.reject(asHoopctlError(thrown)));
  }

  #ask(instruction: string, prompts: readonly string[], answered: (reader: SshReader) => void): void {
    const out = message(Message.USERAUTH_INFO_REQUEST, 256).text('').text(instruction).text('').uint32(prompts.length);
    for (const prompt of prompts) out.text(prompt).boolean(false);
    this.#answered = answered;
    this.#transport.send(out.finish());
  }

  #open(introduction: Introduction): void {
    this.#busy = true;
    this.#visitor.open(introduction).then(
      (opened) => this.#opened.resolve(opened),
      (thrown: unknown) => {
        this.#busy = false;
        const error = asHoopctlError(thrown);
        const retry = this.#visitor.via === 'native' && error.code === 'token_invalid';
        if (!retry) this.#opened.reject(error);
        else if (introduction.proof === undefined) this.#again(true);
        else this.#notThis(error.message);
      },
    );
  }

  /** A certificate of ours that does not count: its holder is told why. */
  #notThis(why: string): void {
    this.#tell({ message: why, fix: 'get another with "hoopctl ssh --certificate"' });
    this.#again(true);
  }

  #tell({ message: text, fix }: { readonly message: string; readonly fix?: string | undefined }): void {
    const lines = [`hoopctl: ${text}`, ...(fix === undefined ? [] : [`  next: ${fix}`])];
    this.#transport.send(
      message(Message.USERAUTH_BANNER)
        .text(`${lines.join('\r\n')}\r\n`)
        .text('')
        .finish(),
    );
  }

  #again(counts: boolean): void {
    if (counts) this.#tries++;
    const { tries } = this.#options.limits;
    if (this.#tries >= tries.value) {
      this.#opened.reject(peerError('token_invalid', `${this.#tries} logins were refused (${tries.name})`));
      return;
    }
    const ways = ['publickey', ...(this.#visitor.openByDevice ? ['keyboard-interactive'] : []), 'password'];
    this.#transport.send(message(Message.USERAUTH_FAILURE).text(ways.join(',')).boolean(false).finish());
  }
}
