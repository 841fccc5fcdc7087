// One SFTP conversation: each request on a path is decided with the host's own name for it and recorded before the host hears
// of it; what goes through a handle is counted and digested. Refuses to know: channels, windows.

import type { Limit } from '../../../core/limits.ts';
import type { Hold, Operation, OperationId, Refusal, Session, Verdict } from '../../contract.ts';
import { operationOf } from './asked.ts';
import { readMasked } from './masked-file.ts';
import { InOrder } from './order.ts';
import { type Asked, FIRST_OWN } from './outstanding.ts';
import { Fxp, fieldsOf, Packets, packet, resized, Status, status, understood, versionOf } from './packet.ts';
import { join, split } from './paths.ts';
import { attributesOf, type FileRequest, handlesOf, treatmentOf } from './requests.ts';
import { ShownFiles } from './shown.ts';
import { Transfer } from './transfer.ts';
import { Turns } from './turns.ts';

export interface InspectorOptions {
  readonly session: Session;
  readonly packetBytes: Limit;
  /** As things are, what is read goes to the client masked, files up to a limit; or not at all. Undefined: as it is. */
  masked(): Limit | 'refused' | undefined;
  /** All files that are masked and open at a time have so much at most. */
  readonly maskedFiles: Limit;
  /** Bytes of each file that the record keeps. */
  readonly keep: number;
  /** Sends bytes on; `count` bytes that came are done with when they have gone. */
  toTarget(bytes: Buffer, count: number): void;
  toClient(bytes: Buffer, count: number): void;
  /** Whether so much waits for the client that no more of its requests should be answered; `then` is called when it has gone. */
  full(then: () => void): boolean;
  /** Does it soon, when others have had their turn. */
  later(action: () => void): void;
  /** Lines for the person. */
  say(lines: readonly string[]): void;
}

export class SftpInspector {
  readonly #options: InspectorOptions;
  readonly #fromClient: Packets;
  readonly #fromTarget: Packets;
  /** What the host has to answer, all of it, by request number: two under one number, and one would pass unseen. */
  readonly #asked = new Map<number, Asked>();
  /** By handle, latin1. */
  readonly #handles = new Map<string, Transfer>();
  /** Of which the host has not said yet that they are closed: answers to requests before that are still to come. */
  readonly #closing = new Set<Transfer>();
  /** The paths of handles that the client was told of: it may use no other. Hosts count, so that the next is easily guessed. */
  readonly #open = new Map<string, Buffer>();
  /** What the client gets of files that are masked, by handle. */
  readonly #shown: ShownFiles;
  /** Transfers of which the person knows that they were cut. */
  readonly #told = new WeakSet<Transfer>();
  readonly #turns: Turns;
  readonly #order: InOrder;
  /** The client has said all: what the host is told then. */
  #ending: (() => void) | undefined;
  #hold: Hold | undefined;
  #next = FIRST_OWN;

  constructor(options: InspectorOptions) {
    this.#options = options;
    this.#shown = new ShownFiles(options.session, options.maskedFiles);
    this.#fromClient = new Packets(options.packetBytes);
    this.#fromTarget = new Packets(options.packetBytes);
    this.#turns = new Turns({
      ...{ full: options.full, later: options.later, take: (raw) => this.#request(raw), done: () => this.#end() },
    });
    this.#order = new InOrder(options.session, options.toTarget);
  }

  client(bytes: Buffer): void {
    for (const raw of this.#fromClient.take(bytes)) this.#turns.add(raw);
  }

  target(bytes: Buffer): void {
    for (const raw of this.#fromTarget.take(bytes)) this.#reply(raw);
    this.#end();
  }

  /** Nothing more comes of the client. A host that hears so ends: it does once all is asked and answered. */
  eof(tell: () => void): 'done' {
    this.#ending = tell;
    this.#end();
    return 'done';
  }

  /** The time that an operation may take is over; false: it is none of these. */
  timeUp(operation: OperationId, refusal: Refusal): boolean {
    const transfer = [...this.#handles.values()].find((one) => one.operation === operation);
    transfer?.end(refusal);
    return transfer !== undefined;
  }

  /** The client has closed the channel: what waits is not asked any more. */
  left(): void {
    this.#turns.end();
    this.#hold?.cancel('the client went away');
  }

  /** The channel is over: what is open gets its outcome. */
  ended(): void {
    for (const transfer of [...this.#handles.values(), ...this.#closing]) transfer.closed('unknown');
    for (const asked of this.#asked.values()) {
      if (typeof asked === 'object' && 'operation' in asked) this.#options.session.over?.(asked.operation);
    }
    this.#handles.clear();
    this.#closing.clear();
    this.#shown.end();
    this.#asked.clear();
    this.left();
  }

  // -------------------------------------------------------------------------------------------------------------------

  #end(): void {
    if (!this.#turns.over || this.#asked.size > 0) return;
    this.#ending?.();
    this.#ending = undefined;
  }

  #request(raw: Buffer): void {
    const type = raw[4];
    if (type === Fxp.INIT) return void this.#order.behind(versionOf(raw), raw.length);
    const id = fieldsOf(raw).uint32();
    if (id >= FIRST_OWN) {
      return void this.#unsent(raw, Status.FAILURE, "hoopctl: this number of a request is the gateway's own");
    }
    if (this.#asked.has(id)) {
      return void this.#unsent(raw, Status.FAILURE, 'hoopctl: another request of this number has no answer yet');
    }
    const treatment = treatmentOf(raw);
    if (typeof treatment === 'object' && 'why' in treatment) {
      return void this.#unsent(raw, treatment.code, treatment.why);
    }
    const handles = handlesOf(raw);
    if (handles.some((handle) => !this.#open.has(handle))) {
      return void this.#unsent(raw, Status.FAILURE, 'hoopctl: the handle is none that is open');
    }
    if (treatment !== 'pass') return void this.#decide(treatment, raw);
    if (type !== Fxp.FSETSTAT) return void this.#pass(raw);
    const path = this.#open.get(handles[0]!)!;
    this.#decided(attributesOf(raw, path), [path], raw.length);
  }

  #unsent(raw: Buffer, code: number, why: string): void {
    this.#options.toClient(status(fieldsOf(raw).uint32(), code, why), 0);
    this.#options.toTarget(Buffer.alloc(0), raw.length);
  }

  #pass(raw: Buffer): void {
    const type = raw[4];
    const reader = fieldsOf(raw);
    const id = reader.uint32();
    let asked: Asked = 'passed';
    if (type === Fxp.WRITE || type === Fxp.READ) {
      const handle = reader.blob().toString('latin1');
      const transfer = this.#handles.get(handle);
      const offset = reader.bytes(8).readBigUInt64BE();
      const shown = this.#shown.get(handle);
      if (shown !== undefined && transfer !== undefined) {
        return void this.#serve(type, id, transfer, shown, offset, type === Fxp.READ ? reader.uint32() : 0, raw.length);
      }
      if (type === Fxp.READ && this.#options.masked() !== undefined) {
        return void this.#unsent(raw, Status.PERMISSION_DENIED, 'hoopctl: masks apply to it now: open it again');
      }
      if (transfer !== undefined) {
        const cut = type === Fxp.WRITE ? transfer.pass(offset, reader.blob(), 'in') : transfer.cut;
        if (cut !== undefined) return void this.#cut(transfer, id, cut, raw.length);
        asked = { transfer, offset };
      }
    } else if (type === Fxp.FSTAT) {
      const shown = this.#shown.get(reader.blob().toString('latin1'));
      if (shown !== undefined) asked = { size: shown.length };
    } else if (type === Fxp.CLOSE) {
      const handle = reader.blob().toString('latin1');
      this.#shown.drop(handle);
      this.#open.delete(handle);
      const opened = this.#handles.get(handle);
      if (opened !== undefined) {
        this.#handles.delete(handle);
        this.#closing.add(opened);
        asked = { closes: opened };
      }
    } else if (type === Fxp.EXTENDED) {
      // Of copy-data, what another file has goes into it.
      const [from = '', to = ''] = handlesOf(raw);
      this.#handles.get(to)?.mixed(this.#open.get(from));
    }
    this.#asked.set(id, asked);
    this.#order.behind(raw, raw.length);
  }

  #decide(request: FileRequest, raw: Buffer): void {
    const { session } = this.#options;
    const size = raw.length;
    if (!session.ruled) {
      return void this.#decided(
        request,
        request.paths.map(({ path }) => path),
        size,
      );
    }
    // Rules are about the host's own name of a file, which only the host knows: links, "..", the home directory.
    this.#turns.hold();
    this.#resolve(request, 0, [], (paths, code) => {
      if (paths === undefined) {
        const text = 'hoopctl: the host could not tell which file this is';
        this.#options.toClient(status(request.id, code ?? Status.PERMISSION_DENIED, text), 0);
        this.#options.toTarget(Buffer.alloc(0), size);
        this.#turns.go();
      } else if (!this.#decided(request, paths, size)) {
        this.#turns.go();
      }
    });
  }

  /** Asks the host for the names one after the other; undefined when it does not know. */
  #resolve(
    request: FileRequest,
    index: number,
    done: readonly Buffer[],
    then: (paths: readonly Buffer[] | undefined, code?: number) => void,
  ): void {
    const use = request.paths[index];
    if (use === undefined) return void then(done);
    const [directory, name] = use.itself ? split(use.path) : [use.path, undefined];
    this.#ask(
      (id) => packet(Fxp.REALPATH, (out) => out.uint32(id).blob(directory)),
      (reply) => {
        const reader = fieldsOf(reply);
        reader.uint32();
        if (reply[4] === Fxp.STATUS) return void then(undefined, reader.uint32());
        if (reply[4] !== Fxp.NAME) return void then(undefined);
        if (reader.uint32() < 1) return void then(undefined);
        const found = Buffer.from(reader.blob());
        this.#resolve(request, index + 1, [...done, name === undefined ? found : join(found, name)], then);
      },
    );
  }

  /** True: it is held, and goes on later. */
  #decided(request: FileRequest, paths: readonly Buffer[], size: number): boolean {
    const { session } = this.#options;
    const operation = operationOf(request, paths);
    const { id, decision } = session.decide(operation);
    if (decision.verdict !== 'hold') {
      this.#settled(request, paths, size, id, operation, decision);
      return false;
    }
    this.#turns.hold();
    this.#hold = decision;
    this.#options.say(decision.notice);
    decision.onNotice?.((lines) => this.#options.say(lines));
    const settled = (verdict: Verdict) => {
      this.#hold = undefined;
      this.#settled(request, paths, size, id, operation, verdict);
      this.#turns.go();
    };
    // What waited may be anything: what is wrong with it ends the conversation and no more.
    void decision.settled.then((verdict) => this.#options.later(() => settled(verdict)));
    return true;
  }

  #settled(
    request: FileRequest,
    paths: readonly Buffer[],
    size: number,
    id: OperationId,
    operation: Operation,
    verdict: Verdict,
  ): void {
    if (verdict.verdict === 'deny') return void this.#refuse(request, verdict.refusal, size);
    const opens = request.does.some((word) => word === 'sftp-read' || word === 'sftp-write' || word === 'sftp-list');
    const reads = request.does.includes('sftp-read') && this.#options.masked() !== undefined ? operation : undefined;
    this.#asked.set(request.id, { operation: id, opens: opens ? paths[0] : undefined, reads });
    this.#order.recorded(request.rewrite(paths), size);
  }

  /** A transfer that a budget ended: the person is told once, and each of its requests fails. */
  #cut(transfer: Transfer, id: number, refusal: Refusal, size: number): void {
    this.#tellCut(transfer, id, refusal, 0);
    this.#options.toTarget(Buffer.alloc(0), size);
  }

  #tellCut(transfer: Transfer, id: number, refusal: Refusal, size: number): void {
    if (!this.#told.has(transfer)) this.#options.say([`hoopctl: ${refusal.message}`, `  next: ${refusal.next}`]);
    this.#told.add(transfer);
    this.#options.toClient(status(id, Status.PERMISSION_DENIED, `hoopctl: ${refusal.message}`), size);
  }

  #refuse(request: FileRequest, refusal: Refusal, size: number): void {
    this.#options.say([`hoopctl: ${refusal.message}`, `  next: ${refusal.next}`]);
    this.#options.toClient(status(request.id, Status.PERMISSION_DENIED, `hoopctl: ${refusal.message}`), 0);
    this.#options.toTarget(Buffer.alloc(0), size);
  }

  /** The client hears of the file when all of it is here and masked. */
  #mask(opened: Buffer, id: number, handle: string, operation: OperationId, asked: Operation, told: () => void): void {
    const { session, say, toClient } = this.#options;
    const name = Buffer.from(handle, 'latin1');
    const limit = this.#options.masked();
    toClient(Buffer.alloc(0), opened.length);
    const failed = (why: string, read = 0) => {
      this.#shown.give(read);
      this.#handles.get(handle)?.closed('unknown');
      this.#handles.delete(handle);
      this.#ask(
        (close) => packet(Fxp.CLOSE, (out) => out.uint32(close).blob(name)),
        () => {},
      );
      say([`hoopctl: ${asked.text} is refused: ${why}`]);
      toClient(status(id, Status.PERMISSION_DENIED, `hoopctl: ${why}`), 0);
    };
    const tell = () => {
      told();
      toClient(opened, 0);
    };
    if (limit === undefined) return void tell();
    if (limit === 'refused') return void failed('masks apply to it (options.masked: [sftp] has text masked)');
    readMasked({
      ...{ session, id: operation, operation: asked, handle: name, limit, failed },
      ask: (request, own) => this.#ask(request, own),
      take: (bytes) => this.#shown.take(bytes),
      done: (bytes, read) => {
        this.#shown.keep(handle, bytes, read);
        tell();
      },
    });
  }

  /** A file that is masked is read from here, and not written. */
  #serve(type: number, id: number, transfer: Transfer, shown: Buffer, at: bigint, length: number, size: number): void {
    const { toClient, toTarget } = this.#options;
    toTarget(Buffer.alloc(0), size);
    if (type !== Fxp.READ) {
      return void toClient(status(id, Status.PERMISSION_DENIED, 'hoopctl: a masked file is not written'), 0);
    }
    const from = Number(at > BigInt(shown.length) ? BigInt(shown.length) : at);
    const bytes = shown.subarray(from, from + Math.min(length, LARGEST_READ));
    if (bytes.length === 0) return void toClient(status(id, Status.EOF, 'end of file'), 0);
    const cut = transfer.cut ?? transfer.pass(at, bytes, 'out');
    if (cut !== undefined) return void this.#tellCut(transfer, id, cut, 0);
    toClient(
      packet(Fxp.DATA, (out) => out.uint32(id).blob(bytes)),
      0,
    );
  }

  #ask(request: (id: number) => Buffer, own: (reply: Buffer) => void): void {
    const id = this.#next;
    this.#next = id === 0xffff_ffff ? FIRST_OWN : id + 1;
    this.#asked.set(id, { own });
    this.#order.behind(request(id), 0);
  }

  #reply(raw: Buffer): void {
    const reader = fieldsOf(raw);
    const id = reader.uint32();
    if (raw[4] === Fxp.VERSION) return void this.#options.toClient(understood(raw), raw.length);
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    // What nobody asked for is not for the client.
    if (asked === undefined) return void this.#options.toClient(Buffer.alloc(0), raw.length);
    if (asked === 'passed') return void this.#options.toClient(raw, raw.length);
    if ('own' in asked) {
      this.#options.toClient(Buffer.alloc(0), raw.length);
      return void asked.own(raw);
    }
    if ('size' in asked) return void this.#options.toClient(resized(raw, asked.size), raw.length);
    // What the host answers to what a file is used for: its end is none that it could not do.
    const code = raw[4] === Fxp.STATUS ? reader.uint32() : Status.OK;
    if ('closes' in asked) {
      if (code !== Status.OK) asked.closes.failed(code);
      this.#closing.delete(asked.closes);
      asked.closes.closed('ok');
    } else if ('transfer' in asked) {
      if (code !== Status.OK && code !== Status.EOF) asked.transfer.failed(code);
      const cut = raw[4] === Fxp.DATA ? asked.transfer.pass(asked.offset, reader.blob(), 'out') : undefined;
      if (cut !== undefined) {
        return void this.#tellCut(asked.transfer, id, cut, raw.length);
      }
    } else if (asked.opens !== undefined && raw[4] === Fxp.HANDLE) {
      const handle = reader.blob().toString('latin1');
      const { session, keep } = this.#options;
      this.#handles.set(handle, new Transfer(session, asked.operation, keep));
      const told = () => void this.#open.set(handle, asked.opens!);
      if (asked.reads !== undefined)
        return void this.#mask(Buffer.from(raw), id, handle, asked.operation, asked.reads, told);
      told();
    } else {
      const ok = code === Status.OK;
      this.#options.session.result(asked.operation, { part: 0, status: ok ? 'ok' : 'error', tag: `status ${code}` });
      this.#options.session.over?.(asked.operation);
    }
    this.#options.toClient(raw, raw.length);
  }
}

/** As OpenSSH's server answers at most. */
const LARGEST_READ = 255 * 1024;
