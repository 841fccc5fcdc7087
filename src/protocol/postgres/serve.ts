// One client from its first byte to its last: door → session → target → conversation.
// Refuses to know: what is decided, how a message looks.

import { asHoopctlError, HoopctlError, peerError, userError } from '../../core/errors.ts';
import type { ByteStream } from '../../core/stream.ts';
import type { Services, Session, Target, Visitor } from '../contract.ts';
import type { ColumnPlanner, SqlParts } from './analysis.ts';
import { Driver } from './driver.ts';
import { type Limits, limitsOf } from './limits.ts';
import { Machine } from './machine/machine.ts';
import { isUtf8 } from './machine/reading.ts';
import { pipe } from './pipe.ts';
import { ReplicationCommands } from './replication.ts';
import type { PostgresConfig } from './schema.ts';
import { AskedSettings } from './startup/asked.ts';
import { cancels, type Registration } from './startup/cancel.ts';
import { Door, type Greeting } from './startup/door.ts';
import {
  chooseDatabase,
  connectionAndDatabase,
  guardProblem,
  namesPinned,
  optionsProblem,
  upstreamParameters,
  wantsReplication,
} from './startup/parameters.ts';
import { masksApply, saidAtStart } from './startup/said.ts';
import { connectSide } from './startup/side.ts';
import { type Connected, cancelTarget, connectTarget } from './startup/target.ts';
import { AUTHENTICATION_OK, backendKeyData } from './wire/backend.ts';
import { type CancelKey, Code } from './wire/startup.ts';

type Startup = Extract<Greeting, { kind: 'session' }>;

export async function serve(visitor: Visitor, services: Services, sql: () => Promise<SqlParts>): Promise<void> {
  const limits = limitsOf(services);
  const door = new Door(visitor, limits);
  const late = setTimeout(() => {
    door.inbox.fail(peerError('limit_exceeded', `the client did not log in within ${limits.startupTime.value} ms`));
  }, limits.startupTime.value);
  let session: Session | undefined;
  try {
    const greeting = await door.greet();
    if (greeting.kind === 'cancel') {
      await cancels.cancel(greeting.key);
      door.stream.end();
      return;
    }
    const opened = await open(visitor, door, greeting);
    session = opened.session;
    clearTimeout(late);
    const ready = prepare(session, opened.target as Target<PostgresConfig>, greeting, opened.asked);
    const parts = sql();
    parts.catch(() => {});
    const conversation = new Conversation(session, ready.target, limits, door, services);
    await conversation.run(greeting, ready, await parts);
  } catch (thrown) {
    const error = asHoopctlError(thrown);
    if (error.fault === 'ours') services.log.error({ err: error, session: session?.id }, 'a conversation failed');
    session?.end({ code: error.code, message: error.message });
    door.refuse(session === undefined ? error : withSession(error, session.id));
  } finally {
    clearTimeout(late);
    closeLater(door.stream, limits.closing.value);
  }
}

function withSession(error: HoopctlError, session: string): HoopctlError {
  const { fix, rule, details } = error;
  return new HoopctlError(error.fault, error.code, error.message, { fix, rule, details, session, cause: error });
}

/** A peer that does not close after our farewell is cut off. */
function closeLater(stream: ByteStream, ms: number): void {
  const timer = setTimeout(() => stream.destroy(), ms);
  stream.onClose = () => clearTimeout(timer);
}

async function open(visitor: Visitor, door: Door, { parameters }: Startup) {
  const application = parameters.get('application_name');
  const user = parameters.get('user');
  const asked = parameters.get('database');
  if (visitor.via === 'tunnel') return { ...(await visitor.open({ user, application })), asked };
  const { connection, database } = connectionAndDatabase(asked ?? user);
  const secret = await door.secret();
  const opened = await visitor.open({ user, connection, secret, application });
  return { ...opened, asked: database };
}

interface Ready {
  readonly target: Target<PostgresConfig>;
  readonly database: string;
  readonly replication: boolean;
}

/** What can be refused before the target is troubled. */
function prepare(
  session: Session,
  target: Target<PostgresConfig>,
  { parameters }: Startup,
  asked: string | undefined,
): Ready {
  const { config } = target;
  const masked = masksApply(session);
  const database = chooseDatabase(config, target.connection, asked);
  const replication = wantsReplication(parameters);
  if (replication && (masked || !config.options.allow.includes('replication'))) {
    throw userError('not_supported', `a replication connection is refused on "${target.connection}"`, {
      fix: masked ? 'its rows cannot be masked' : 'have options.allow: [replication] set for the connection',
    });
  }
  const guarded = session.ruled || masked;
  const problem = guarded ? guardProblem(parameters) : optionsProblem(parameters);
  if (problem !== undefined) throw problem;
  return { target, database, replication };
}

interface Begun {
  readonly stream: ByteStream;
  readonly registration: Registration;
  readonly over: Promise<void>;
}

class Conversation {
  readonly #session: Session;
  readonly #target: Target<PostgresConfig>;
  readonly #limits: Limits;
  readonly #door: Door;
  readonly #services: Services;
  #machine: Machine | undefined;

  constructor(session: Session, target: Target<PostgresConfig>, limits: Limits, door: Door, services: Services) {
    this.#services = services;
    this.#session = session;
    this.#target = target;
    this.#limits = limits;
    this.#door = door;
  }

  async run(greeting: Startup, ready: Ready, sql: SqlParts): Promise<void> {
    const { stream, registration, over } = await this.#begin(greeting, ready, sql);
    try {
      await over;
      this.#reportFailure();
    } finally {
      registration.release();
      stream.destroy();
    }
  }

  /** Up to the conversation. What only the login needed is let go of here: a session may idle for days. */
  async #begin(greeting: Startup, ready: Ready, sql: SqlParts): Promise<Begun> {
    const asked = await AskedSettings.decided(this.#session, greeting.parameters);
    const connected = await this.#connect(greeting, ready).catch((thrown: unknown) => asked.failed(thrown));
    asked.set();
    const { stream, key } = connected;
    try {
      if (this.#door.inbox.closed) throw peerError('client_gone', 'the client left during the login');
      this.#checkSettings(connected);
    } catch (thrown) {
      stream.destroy();
      throw thrown;
    }
    const registration = cancels.register(greeting.version >= Code.v32 ? 32 : 4, () => this.#cancel(key, true));
    const fromClient = this.#door.inbox.release();
    const messages = saidAtStart(this.#session, connected.messages);
    this.#door.stream.write(welcome({ ...connected, messages }, registration));
    const over = ready.replication
      ? this.#pipe(stream, fromClient, connected.rest)
      : this.#talk(greeting, ready, sql, stream, key, fromClient, connected.rest);
    return { stream, registration, over };
  }

  #pipe(stream: ByteStream, fromClient: Buffer, fromTarget: Buffer): Promise<void> {
    this.#session.note('replication', { inspected: false });
    const commands = new ReplicationCommands(this.#session, this.#limits);
    return pipe(this.#session, this.#door.stream, stream, fromClient, fromTarget, commands, this.#limits.closing.value);
  }

  #talk(
    greeting: Startup,
    ready: Ready,
    sql: SqlParts,
    target: ByteStream,
    key: CancelKey | undefined,
    fromClient: Buffer,
    fromTarget: Buffer,
  ): Promise<void> {
    const session = this.#session;
    const machine = new Machine({
      session,
      analyser: sql.analyser,
      masker: sql.masker,
      planner: this.#planner(sql, ready),
      limits: this.#limits,
      allowFunctionCall: ready.target.config.options.allow.includes('function-call'),
      namesPinned: namesPinned(greeting.parameters),
      wake: () => driver.wake(),
      cancel: () => this.#cancel(key, false).catch(() => {}),
    });
    this.#machine = machine;
    const client = this.#door.stream;
    const cancel = () => this.#cancel(key, false);
    const driver = new Driver({ session, client, target, machine, cancel, closingMs: this.#limits.closing.value });
    driver.start(fromClient, fromTarget);
    return driver.done;
  }

  /** Where in our code it failed; not the text, which may hold what came back from the target. */
  #reportFailure(): void {
    const { failure } = this.#machine ?? {};
    if (failure === undefined) return;
    const { stack } = failure.cause instanceof Error ? failure.cause : failure;
    const frames = stack?.split('\n').filter((line) => /^\s+at /.test(line));
    this.#services.log.error({ session: this.#session.id, at: frames }, 'a conversation failed');
  }

  async #connect(greeting: Startup, { database, target }: Ready): Promise<Connected> {
    const session = this.#session;
    const { user, password } = await target.credentials();
    const parameters = upstreamParameters(greeting.parameters, {
      user: user ?? target.config.credentials.user,
      database,
      principal: session.principal,
      guarded: this.#guarded,
      tellPrincipal: target.config.options.applicationName,
    });
    const given = new AbortController();
    const giveUp = (): void => given.abort();
    session.signal.addEventListener('abort', giveUp);
    this.#door.inbox.onClosed = giveUp;
    try {
      if (session.signal.aborted || this.#door.inbox.closed) giveUp();
      return await connectTarget(target, parameters, password, this.#limits, given.signal, masksApply(session));
    } catch (thrown) {
      if (!session.signal.aborted) throw thrown;
      const reason = session.signal.reason as { code?: HoopctlError['code']; message?: string } | undefined;
      throw peerError(reason?.code ?? 'session_killed', reason?.message ?? 'the session ended');
    } finally {
      this.#door.inbox.onClosed = undefined;
      session.signal.removeEventListener('abort', giveUp);
    }
  }

  get #guarded(): boolean {
    return this.#session.ruled || masksApply(this.#session);
  }

  /** INVARIANT: rules and masks read SQL as this server does; where they cannot, there is no session. */
  #checkSettings({ settings }: Connected): void {
    if (!this.#guarded) return;
    const encoding = settings.get('client_encoding') ?? 'UTF8';
    const strings = settings.get('standard_conforming_strings') ?? 'on';
    if (strings === 'on' && isUtf8(encoding)) return;
    throw peerError(
      'not_supported',
      `the target reads SQL with client_encoding "${encoding}" and standard_conforming_strings "${strings}"`,
      {
        fix: "set them to UTF8 and on for the gateway's user (ALTER ROLE … SET)",
      },
    );
  }

  /** Where nothing is masked or ruled it tells the others that the catalogue has changed. */
  #planner(sql: SqlParts, { target, database }: Ready): ColumnPlanner {
    const { host, port } = target.config.target;
    // The connection may lead to another server after a reload, where the same numbers are other tables.
    const key = JSON.stringify([target.connection, host, port, database, target.config.credentials.user]);
    const place = JSON.stringify([host, port, database]);
    const { memory } = this.#services;
    const connect = (signal: AbortSignal) => connectSide(target, database, signal, this.#limits);
    return sql.planner({ key, place, connect, ...(memory === undefined ? {} : { memory }) });
  }

  /** CancelRequest of the client, or the end of the session: what waits is cancelled here, what runs at the server. */
  async #cancel(key: CancelKey | undefined, asked: boolean): Promise<void> {
    if (asked) this.#session.note('cancel', {});
    if (this.#machine?.cancel('the client cancelled')) return;
    if (key !== undefined) await cancelTarget(this.#target, key, this.#limits);
  }
}

/** Everything up to ReadyForQuery, with key data of our own. */
function welcome({ messages, ready }: Connected, key: Registration): Buffer {
  return Buffer.concat([AUTHENTICATION_OK, ...messages, backendKeyData(key.process, key.secret), ready]);
}
