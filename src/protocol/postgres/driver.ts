// Joins the machine to its two streams: bytes in, bytes out, back-pressure both ways, the end of either side.
// INVARIANT: bytes for the target that were put out in a turn with a decision are written inside `Session.recorded`, and
// so is everything behind them until they are written: the order of the bytes is the order of the requests.
// Refuses to know: messages.

import { asHoopctlError } from '../../core/errors.ts';
import type { ByteStream } from '../../core/stream.ts';
import type { Session, SessionEnd } from '../contract.ts';
import type { Machine } from './machine/machine.ts';
import { TERMINATE } from './wire/frontend.ts';

/** Turns of a client whose operations wait to be on record, before no more is read of it: a slow disk, or a commit. */
const MAX_UNRECORDED = 64;

export interface DriverOptions {
  readonly session: Session;
  readonly client: ByteStream;
  readonly target: ByteStream;
  readonly machine: Machine;
  /** Cancels at the server what runs for this client. */
  readonly cancel: () => Promise<void>;
  /** How long a side may linger once the other is gone, in ms. */
  readonly closingMs: number;
}

export class Driver {
  readonly done: Promise<void>;
  readonly #options: DriverOptions;
  readonly #machine: Machine;
  readonly #client: ByteStream;
  readonly #target: ByteStream;
  readonly #write: () => void;
  #resolve!: () => void;
  /** Bytes for the target whose operations are not on record yet, in order. */
  #unrecorded: (Buffer | undefined)[] = [];
  #clientFull = false;
  #targetFull = false;
  #clientPaused = false;
  #targetPaused = false;
  #clientGone = false;
  #targetGone = false;
  #over = false;
  #farewell: SessionEnd | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#machine = options.machine;
    this.#client = options.client;
    this.#target = options.target;
    this.#write = () => this.#recorded();
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Begins with what each side has sent already. */
  start(fromClient: Buffer, fromTarget: Buffer): void {
    const { session } = this.#options;
    this.#client.onData = (chunk) => this.#fromClient(chunk);
    this.#target.onData = (chunk) => this.#fromTarget(chunk);
    this.#client.onDrain = () => {
      this.#clientFull = false;
      this.#regulate();
    };
    this.#target.onDrain = () => {
      this.#targetFull = false;
      this.#regulate();
    };
    this.#client.onEnd = () => this.#clientEnded();
    this.#client.onClose = () => this.#clientClosed();
    this.#target.onEnd = () => this.#targetEnded();
    this.#target.onClose = () => this.#targetClosed();
    session.signal.addEventListener('abort', () => this.#sessionEnded(), { once: true });
    if (session.signal.aborted) this.#sessionEnded();
    if (fromTarget.length > 0) this.#fromTarget(fromTarget);
    if (fromClient.length > 0) this.#fromClient(fromClient);
    this.#client.resume();
    this.#target.resume();
  }

  /** What the machine waited for is here. */
  wake(): void {
    this.#guarded(() => this.#machine.pump());
  }

  #fromClient(chunk: Buffer): void {
    try {
      this.#options.session.traffic(chunk.length, 0);
      this.#machine.fromClient(chunk);
      this.#flush();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #fromTarget(chunk: Buffer): void {
    try {
      this.#machine.fromTarget(chunk);
      this.#flush();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #guarded(step: () => void): void {
    try {
      step();
      this.#flush();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** A guard threw (promise 3): nothing more is forwarded. */
  #fail(thrown: unknown): void {
    this.#machine.end(asHoopctlError(thrown));
    const farewell = this.#machine.toClient.take();
    if (farewell !== undefined) this.#client.write(farewell);
    this.#finish(this.#machine.ended ?? targetClosed);
  }

  /** One write a direction and turn. */
  #flush(): void {
    const machine = this.#machine;
    const toClient = machine.toClient.take();
    if (toClient !== undefined && !this.#clientGone) {
      this.#options.session.traffic(0, toClient.length);
      if (!this.#client.write(toClient)) this.#clientFull = true;
    }
    const decided = machine.takeDecided();
    const toTarget = machine.takeForTarget();
    if (decided || this.#unrecorded.length > 0) {
      this.#unrecorded.push(toTarget);
      this.#options.session.recorded(this.#write, true);
    } else if (toTarget !== undefined) this.#toTarget(toTarget);
    // A client that went away inside a message leaves nothing more to send: the end of the stream tells the server.
    else if (machine.clientDone) this.#clientDone();
    if (machine.ended !== undefined) this.#finish(machine.ended);
    else this.#regulate();
  }

  #recorded(): void {
    const bytes = this.#unrecorded.shift();
    if (bytes !== undefined && this.#machine.ended === undefined) this.#toTarget(bytes);
    if (this.#unrecorded.length === 0 && this.#machine.clientDone) this.#clientDone();
    this.#regulate();
  }

  #toTarget(bytes: Buffer): void {
    if (!this.#targetGone && !this.#target.write(bytes)) this.#targetFull = true;
    if (this.#machine.clientDone && this.#unrecorded.length === 0) this.#clientDone();
  }

  #regulate(): void {
    const client = this.#targetFull || this.#machine.clientFull || this.#unrecorded.length > MAX_UNRECORDED;
    if (client !== this.#clientPaused) {
      this.#clientPaused = client;
      if (client) this.#client.pause();
      else this.#client.resume();
    }
    const target = this.#clientFull || this.#machine.targetWaits;
    if (target !== this.#targetPaused) {
      this.#targetPaused = target;
      if (target) this.#target.pause();
      else this.#target.resume();
    }
  }

  /** Terminate is on its way: the server answers what came before it, and closes. */
  #clientDone(): void {
    if (this.#farewell !== undefined) return;
    this.#farewell = { code: 'client_closed', message: 'the client closed the connection' };
    this.#target.end();
    this.#linger();
  }

  /** The client will send no more: what it asked is still answered, as the server itself would, for a while. */
  #clientEnded(): void {
    const machine = this.#machine;
    if (machine.clientDone || this.#over) return;
    this.#guarded(() => {
      machine.hangUp(TERMINATE);
      machine.cancel('the client closed the connection');
    });
  }

  #clientClosed(): void {
    this.#clientGone = true;
    if (this.#over) {
      this.#settle();
      return;
    }
    this.#clientEnded();
    if (this.#machine.busy) void this.#cancel();
    this.#linger();
    this.#settle();
  }

  #targetEnded(): void {
    if (this.#over || this.#farewell !== undefined) return;
    this.#guarded(() => this.#machine.end(targetClosed, !this.#machine.farewell));
  }

  #targetClosed(): void {
    this.#targetGone = true;
    this.#targetEnded();
    if (!this.#over) this.#finish(this.#farewell ?? targetClosed);
    this.#settle();
  }

  #sessionEnded(): void {
    if (this.#over) return;
    const reason = this.#options.session.signal.reason as SessionEnd | undefined;
    const { code = 'internal', message = 'the session ended' } = reason ?? {};
    this.#guarded(() => this.#machine.end({ code, message }));
  }

  #finish(reason: SessionEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#machine.end(reason, false);
    if (this.#machine.interrupted && !this.#targetGone) void this.#cancel();
    this.#unrecorded = [];
    this.#client.end();
    if (!this.#targetGone) {
      // A message may be half sent: then the server takes the end of the stream for what it is.
      if (this.#farewell === undefined && !this.#machine.clientMidFrame) this.#target.write(TERMINATE);
      this.#target.end();
    }
    this.#options.session.end(reason);
    this.#linger();
    this.#settle();
  }

  async #cancel(): Promise<void> {
    try {
      await this.#options.cancel();
    } catch {
      // The connection is closed in any case.
    }
  }

  /** Whoever is still there after the other's end is cut off in time. */
  #linger(): void {
    this.#timer ??= setTimeout(() => {
      if (this.#machine.busy) void this.#cancel();
      this.#client.destroy();
      this.#target.destroy();
    }, this.#options.closingMs);
  }

  #settle(): void {
    if (!this.#over || !this.#clientGone || !this.#targetGone) {
      // A side that has nobody to talk to any more does not have to be waited for.
      if (this.#over && this.#clientGone) this.#target.destroy();
      return;
    }
    clearTimeout(this.#timer);
    this.#resolve();
  }
}

const targetClosed: SessionEnd = { code: 'target_closed', message: 'the target closed the connection' };
