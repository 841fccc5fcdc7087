// One operation of a conversation, asked about and then done or not. Refuses to know: what it is.

import type { Facts, Hold, Operation, OperationId, PlaceUse, Refusal, Session, Verdict } from '../../contract.ts';

export interface Case {
  readonly operation: Operation;
  /** It may be done, and is on record. */
  allowed(id: OperationId): void;
  refused(refusal: Refusal): void;
  /** Lines for the client while it is held, in one piece each: what it is about is said in them. */
  tell(lines: readonly string[]): void;
}

/** `guard` runs what happens later, when a review is settled. The hold, while there is one. */
export function decided(session: Session, guard: (action: () => void) => void, asked: Case): Hold | undefined {
  const { id, decision } = session.decide(asked.operation);
  const settle = (verdict: Verdict) => {
    if (verdict.verdict === 'deny') asked.refused(verdict.refusal);
    else session.recorded(() => asked.allowed(id));
  };
  if (decision.verdict !== 'hold') {
    settle(decision);
    return undefined;
  }
  // It may be in the host's words, and is for the client's terminal.
  const what = asked.operation.text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
  const tell = (lines: readonly string[]) => asked.tell(lines.map((line) => `hoopctl: ${what}: ${line}`));
  tell(decision.notice);
  decision.onNotice?.(tell);
  void decision.settled.then((verdict) => guard(() => settle(verdict)));
  return decision;
}

/** What an operation that is one word says to policy. */
export function factsOf(does: string, places: readonly PlaceUse[] = [], opaque?: string): Facts {
  return {
    does: [does],
    relations: [],
    functions: [],
    unbounded: false,
    ...(places.length === 0 ? {} : { places }),
    ...(opaque === undefined ? {} : { opaque }),
  };
}

/** In one line, for messages that have no more. */
export function refusalText({ message, next }: Refusal): string {
  return `hoopctl: ${message}; next: ${next}`;
}
