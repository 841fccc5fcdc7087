// What a client sets by its startup packet, which is SET by another way: decided and on record before the server has it.
// Refuses to know: how the server is reached.

import { asHoopctlError, type HoopctlError, peerError, userError } from '../../../core/errors.ts';
import type { OperationId, Session } from '../../contract.ts';
import { settingsAsked } from './parameters.ts';

export class AskedSettings {
  readonly #session: Session;
  readonly #ids: OperationId[] = [];

  private constructor(session: Session) {
    this.#session = session;
  }

  /** Throws denied where a rule does not let one through, and why the session ended where they cannot be recorded. */
  static async decided(session: Session, parameters: ReadonlyMap<string, string>): Promise<AskedSettings> {
    const asked = new AskedSettings(session);
    try {
      for (const { text, does } of settingsAsked(parameters)) asked.#decide(text, does);
      if (asked.#ids.length > 0) await written(session);
    } catch (thrown) {
      asked.failed(thrown);
    }
    return asked;
  }

  /** The server has taken them. */
  set(): void {
    for (const id of this.#ids) this.#session.result(id, { part: 0, status: 'ok' });
  }

  /** There is no session to set them in, for this reason: thrown on. */
  failed(thrown: unknown): never {
    const { code, message } = asHoopctlError(thrown);
    for (const id of this.#ids) this.#session.result(id, { part: 0, status: 'error', error: { code, message } });
    throw thrown;
  }

  /** During a login nobody can wait for a review. */
  #decide(text: string, does: readonly string[]): void {
    const facts = { does, relations: [], functions: [], unbounded: false };
    const { id, decision } = this.#session.decide({ kind: 'startup', text, exact: '', parts: [facts] });
    if (decision.verdict === 'allow') {
      this.#ids.push(id);
      return;
    }
    if (decision.verdict === 'hold') decision.cancel('a login does not wait for a review');
    const { rule, message, next } = decision.verdict === 'deny' ? decision.refusal : held(text);
    throw userError('denied', message, { rule, fix: next });
  }
}

function held(text: string) {
  return {
    rule: undefined,
    message: `what is asked for at the start, "${text}", has to be approved, and a login cannot wait for that`,
    next: 'leave it out, and SET it in the session',
  };
}

function written(session: Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const { signal } = session;
    const over = () => {
      const { code = 'session_killed', message = 'the session ended' } = (signal.reason ?? {}) as Partial<HoopctlError>;
      reject(peerError(code, message));
    };
    if (signal.aborted) return over();
    signal.addEventListener('abort', over, { once: true });
    session.recorded(() => {
      signal.removeEventListener('abort', over);
      resolve();
    });
  });
}
