// What goes wrong in a running client, as lines on stderr: for verbs whose output belongs to somebody else.

import type { ClientEvent } from '../client/events.ts';
import { isTrouble } from '../client/listener.ts';
import type { Io } from './io.ts';
import { oneLine } from './text.ts';

/** The line for an event that is trouble; undefined for all others. */
export function troubleLine(event: ClientEvent): string | undefined {
  if (event.type === 'gateway' && !event.reachable) return `the gateway cannot be reached: ${oneLine(message(event))}`;
  if (event.type === 'review' && event.state === 'pending') {
    return (
      `${event.connection}: waiting for approval by rule '${oneLine(event.rule)}', ` +
      `review ${event.review}: hoopctl reviews approve ${event.review}`
    );
  }
  if (!isTrouble(event)) return undefined;
  if (event.type === 'end') {
    return `${event.connection}: session ${event.session} ended: ${oneLine(event.message)} (${event.code})`;
  }
  const next = event.error?.fix === undefined ? '' : `; ${oneLine(event.error.fix)}`;
  const session = event.type === 'closed' && event.session !== undefined ? `session ${event.session}` : 'connection';
  const what = event.type === 'refused' ? 'connection refused' : `${session} broke`;
  return `${event.connection}: ${what}: ${oneLine(message(event))}${next}`;
}

function message(event: { readonly error?: Error | undefined }): string {
  return event.error?.message ?? '';
}

export function troubleTeller(io: Io): (event: ClientEvent) => void {
  return (event) => {
    const line = troubleLine(event);
    if (line !== undefined) io.say(`hoopctl: ${line}`);
  };
}
