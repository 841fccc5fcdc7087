// What an error of the server ends: in an extended query, everything up to Sync.
// Refuses to know: what the error says, what is on record of it (said.ts).

import type { Core } from './core.ts';
import type { Expected } from './expected.ts';
import { Client, Target } from './states.ts';

/** The failed request and all behind it up to the next Sync: the server reads them and does nothing. */
export function skip(core: Core, failed: Expected): void {
  if (failed.name === '') {
    // A Parse or Bind of the unnamed one drops its predecessor before it can fail.
    if (failed.ofPortal) core.forgetPortal('');
    else if (failed.statement !== undefined) core.statements.set('', undefined);
  }
  for (let head = core.queue.head; head !== undefined && head.state !== Target.sync; head = core.queue.head) {
    core.queue.shift();
    if (head.name !== undefined) (head.ofPortal ? core.portals : core.statements).drop(head.name, head);
    if (head === failed) continue;
    core.abandon(head.running, 'cancelled');
    if (head.portal !== undefined && head.portal.running === head.running) head.portal.running = undefined;
  }
  if (core.queue.length > 0 || core.client === Client.closed) return;
  core.client = Client.skipping;
  // The server would ignore it: nobody has to decide on it any more.
  if (core.waiting?.for === 'review') core.waiting.hold.cancel('a statement sent before it has failed');
}
