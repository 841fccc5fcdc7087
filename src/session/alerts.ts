// What people outside want to be told at once: reviews that wait, what was refused, a record that fails. Raised by the
// session's parts, delivered by the gateway. Carries no statement's text and no value: names, rules, and the shape of a
// statement with its constants taken out. Refuses to know: how anybody is told.

import type { Review } from './approvals/types.ts';
import { displayName } from './identity/principal.ts';

/** Every kind of alert, with what it tells; the README has the list. */
export const ALERTS = {
  'review.pending': 'a statement is held, or access is asked for',
  'review.decided': 'a review was approved, denied, expired or cancelled',
  'operation.denied': 'a rule refused a statement; at most one a minute for the same rule, principal and connection',
  'session.ended': 'a session ended',
  'grant.started': 'a grant begins',
  'grant.revoked': 'a grant was revoked',
  'unmask.started': 'a mask is lifted for somebody for a time, as a review approved',
  'unmask.ended': 'it is over, or was revoked',
  'break-glass': 'somebody took access without approval',
  'recording.failed': 'a session could not be recorded, and was ended, or goes on unrecorded',
  'recording.disk': 'the disk of the recordings is nearly full, gone, does not answer, or is well again',
  'recording.store': 'the object storage of the recordings takes nothing, for recording_upload_alert_ms by now',
  'budget.reached': 'a result was cut, because a budget is used up; as rarely',
  'retention.waits': 'the clock is far ahead of where it was: nothing is purged by age until it has run so for a while',
  'log.damaged': "the gateway's log was found changed or set back at a start, and another one was begun",
  'export.failed': 'a receiver of the record takes nothing, for export_alert_ms by now',
  'first-seen': 'a principal touched a relation that it never touched before',
} as const;

export type AlertType = keyof typeof ALERTS;

export interface Alert {
  readonly type: AlertType;
  /**
   * What it is about, the same whoever raises it: two gateways on one store raise it once. Left out: every time is
   * another.
   */
  readonly key?: string;
  /** Those with the same are told once a minute at most; what is left out is counted in the next. */
  readonly throttle?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Never throws, never waits. */
export interface Alerts {
  raise(alert: Alert): void;
}

export const noAlerts: Alerts = { raise: () => {} };

/** A review as an alert. The statement's own text stays inside: `hoopctl reviews show` has it. */
export function reviewAlert(review: Review): Alert {
  const pending = review.state === 'pending';
  const { id, kind, state, principal, connection, session, rule, message, reason, shape, touches, grantMs } = review;
  const masks = review.masks?.map(({ mask }) => mask);
  const { groups, count } = review.reviewers;
  return {
    type: pending ? 'review.pending' : 'review.decided',
    key: `${id}:${state}`,
    data: {
      review: id,
      kind,
      state,
      requester: displayName(principal),
      connection,
      session,
      rule,
      message,
      reason,
      forMs: grantMs,
      masks,
      shape,
      touches,
      reviewers: { groups, count },
      expiresAt: new Date(review.expiresAt).toISOString(),
      decisions: review.decisions.map((one) => ({ by: one.by, decision: one.verdict, reason: one.reason })),
      outcome: review.outcome,
      standing:
        review.standing === undefined
          ? undefined
          : { kind: review.standing.kind, until: new Date(review.standing.until).toISOString() },
    },
  };
}

/** An approved request for access. */
export function grantAlert(review: Review): Alert {
  const { id, principal, connection, reason, grantMs = 0, decidedAt = 0, decisions } = review;
  const until = new Date(decidedAt + grantMs).toISOString();
  const by = decisions.filter((one) => one.verdict === 'approve').map((one) => one.by);
  return {
    type: 'grant.started',
    key: id,
    data: { review: id, requester: displayName(principal), connection, reason, by, until },
  };
}
