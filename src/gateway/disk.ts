// Tells the log, the alerts and the gateway's own log how the place of the recordings does, when that changes.

import type { DiskHealth } from '../session/recorder/sink.ts';
import type { Parts } from './parts.ts';

/** What each state means for sessions; also in the README. */
const MEANS: Record<DiskHealth['state'], string> = {
  ok: 'sessions begin again',
  low: 'no new sessions begin',
  critical: 'recorded sessions end',
  stalled: 'no new sessions begin',
  gone: 'recorded sessions end, and no new ones begin',
};

export function watchDisk({ audit, log, sink, webhooks }: Pick<Parts, 'audit' | 'log' | 'sink' | 'webhooks'>): void {
  sink.onHealth(({ state, message, free }) => {
    const means = MEANS[state];
    log[state === 'ok' ? 'info' : 'error']({ disk: state, free }, `${message}: ${means}`);
    webhooks.raise({ type: 'recording.disk', data: { state, message, means, free } });
    try {
      audit.append('failure', { what: 'recording disk', state, message, means, free });
    } catch {
      // The log is on the same disk more often than not; it has told of its own failure.
    }
  });
}
