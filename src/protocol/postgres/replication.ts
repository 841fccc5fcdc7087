// What a client asks for on a replication connection, which the configuration allows: each text is on record before the
// server has it, and SQL, which a connection for logical replication takes too, is refused where rules or masks apply.
// Refuses to know: what a command does, what comes of it.

import { userError } from '../../core/errors.ts';
import type { Session } from '../contract.ts';
import { FrameReader, Step } from '../wire/frames.ts';
import type { Limits } from './limits.ts';
import { masksApply } from './startup/said.ts';
import { queryText } from './wire/frontend.ts';
import { Front, messageFormat } from './wire/types.ts';

/**
 * The first word tells the server whether it is one of these (repl_scanner.l): a text that begins so is never SQL. In capitals,
 * as clients write them: to older servers `show` is SQL.
 */
const COMMAND =
  /^[ \t\n\r\f\v]*(BASE_BACKUP|IDENTIFY_SYSTEM|READ_REPLICATION_SLOT|SHOW|TIMELINE_HISTORY|START_REPLICATION|(CREATE|ALTER|DROP)_REPLICATION_SLOT|UPLOAD_MANIFEST)(?![\w$\x80-\xff])/;

export class ReplicationCommands {
  readonly #session: Session;
  readonly #frames: FrameReader;

  constructor(session: Session, limits: Limits) {
    this.#session = session;
    this.#frames = new FrameReader(messageFormat(limits, [Front.CopyData]));
  }

  /** The pieces of it that may go on, each once what was noted is written. Throws denied, protocol_violation, limit_exceeded. */
  take(chunk: Buffer): Buffer[] {
    const frames = this.#frames;
    const out: Buffer[] = [];
    frames.push(chunk);
    for (let step = frames.next(); step !== Step.need; step = frames.next()) {
      const type = frames.buffer[frames.start];
      if (step === Step.header) {
        if (type !== Front.CopyData) break;
        frames.pass();
        continue;
      }
      if (step === Step.frame && type === Front.Query)
        this.#command(queryText(frames.buffer, frames.start, frames.end));
      out.push(frames.buffer.subarray(frames.start, frames.end));
    }
    frames.release();
    return out;
  }

  #command(bytes: Buffer): void {
    const session = this.#session;
    const text = bytes.toString();
    if (COMMAND.test(bytes.toString('latin1')) || !(session.ruled || masksApply(session))) {
      session.note('replication', { text });
      return;
    }
    const message = 'SQL on a replication connection is not decided, and refused where rules or masks apply';
    session.note('refused', { text, code: '42501', why: message });
    throw userError('denied', message, { fix: 'run it on a connection without "replication"' });
  }
}
