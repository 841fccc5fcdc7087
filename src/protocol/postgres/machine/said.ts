// What the server says beside rows and tags, on record: an error as the outcome of what it is about, or as a note; notices.
// Refuses to know: what the client is told of it, what an error ends.

import type { Core } from './core.ts';
import type { Expected, Running } from './expected.ts';
import { Target } from './states.ts';
import { told } from './told.ts';

/** Notices of one statement, or of a session's own beside those, that are on record. */
const NOTICES = 100;

/** A notice may be of what is stored, as rows are. Not put on record again and again: a loop has as many as it likes. */
export function recordNotice(core: Core, fields: ReadonlyMap<string, string>): void {
  const running = core.queue.head?.running;
  const counted = running ?? core;
  if (counted.notices >= NOTICES) return;
  counted.notices++;
  core.session.note('notice', {
    ...(running === undefined ? {} : { operation: running.id }),
    ...{ severity: fields.get('V') ?? fields.get('S') ?? '', ...told(fields) },
    ...(counted.notices === NOTICES ? { last: true } : {}),
  });
}

/** It is the outcome of what ran, or was to run, and where it is no operation's, a note. `head`: undefined for one unasked. */
export function recordError(core: Core, head: Expected | undefined, fields: ReadonlyMap<string, string>): void {
  const error = told(fields);
  const { code } = error;
  const running = head === undefined ? undefined : (head.running ?? executionOf(core, head));
  if (running !== undefined && !running.over) {
    core.outcome(running, code === '57014' ? 'cancelled' : 'error', undefined, running.rows, error);
    running.nextPart();
    core.abandon(running, 'cancelled');
    return;
  }
  if (head?.swallow === true) return;
  // A commit at Sync takes back what has had its outcome; a Parse may have been all that was sent.
  const text = head?.statement?.text ?? head?.describes?.text ?? head?.portal?.statement.text;
  core.session.note('error', {
    ...error,
    ...(head?.state === Target.sync ? { at: 'sync' } : {}),
    ...(running === undefined ? {} : { operation: running.id }),
    ...(running !== undefined || text === undefined ? {} : { text }),
  });
}

/** The Execute, sent already, of what could not be prepared, bound or described. */
function executionOf({ queue }: Core, { portal, statement = portal?.statement }: Expected): Running | undefined {
  if (statement === undefined) return undefined;
  for (const { state, running, portal: of } of queue.behind()) {
    if (state === Target.sync) return undefined;
    if (running === undefined || running.over || of === undefined) continue;
    if (portal === undefined ? of.statement === statement : of === portal) return running;
  }
  return undefined;
}
