// What a session is made of: who, where, and the parts of the gateway that it asks and tells.
// Refuses to know: what a session does with them.

import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Alerts } from './alerts.ts';
import type { Approvals } from './approvals/approvals.ts';
import type { Unmasks } from './approvals/unmasks.ts';
import type { Budgets } from './budgets.ts';
import type { SessionEvents } from './events.ts';
import type { FirstSeen } from './first-seen.ts';
import type { Principal } from './identity/principal.ts';
import type { AuditLog } from './log/audit.ts';
import type { Policy, Reviewers } from './policy/types.ts';
import type { Recorder, RecordingPolicy } from './recorder/recorder.ts';
import type { SessionChange } from './records.ts';

export interface SessionOptions {
  readonly id: string;
  readonly principal: Principal;
  readonly connection: {
    readonly name: string;
    readonly protocol: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  /** The policy in force: asked for each operation, so that a reload counts from the next one on. */
  readonly policy: () => Policy;
  readonly recorder: Recorder;
  readonly approvals: Approvals;
  /** Masks that reviews have lifted; left out: none ever is. */
  readonly unmasks?: Unmasks;
  readonly audit: AuditLog;
  readonly events: SessionEvents;
  readonly alerts?: Alerts;
  readonly firstSeen?: FirstSeen;
  /** Where budgets by the day are counted; left out: none is. */
  readonly budgets?: Budgets;
  readonly clock: Clock;
  readonly log: Log;
  /** The client's address. */
  readonly client: string;
  readonly via?: 'tunnel' | 'native';
  readonly reason?: string;
  /** The client's label for all sessions of one run; only recorded. */
  readonly run?: string;
  /** The session of another connection that it came through. */
  readonly through?: string;
  /** The grant that it runs on, where access needs one. */
  readonly grant?: { readonly id: string; readonly endsAt: number };
  readonly maxAgeMs?: number;
  readonly recording?: RecordingPolicy;
  /** For rules that name no reviewers. */
  readonly reviewers?: Reviewers;
  /** Whether the principal has been revoked since. */
  readonly revoked: (issuer: string, subject: string) => boolean;
  /** Told once, with what changed, when the recording is sealed (or could not be). */
  readonly ended: (change: SessionChange) => Promise<void>;
}
