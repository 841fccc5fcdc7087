// While a statement is held, the server's clock of `statement_timeout` must stand still: it starts with the first message of
// an extended query and ends with an Execute or a Sync. What was not sent yet stays here (Machine.takeForTarget); where
// something of the batch is at the server already, a statement of ours that does nothing ends the clock.
// Refuses to know: why it is held.

import { bindPortal, closeNamed, executeAll, FLUSH, parse } from '../wire/frontend.ts';
import type { Core } from './core.ts';
import { Expected } from './expected.ts';
import { Target } from './states.ts';

/** A name that no client uses. */
const NAME = 'hoopctl_clock';
/** Allowed in every transaction and on a standby, takes no snapshot, gives no rows, changes nothing. */
export const NOTHING = `UNLISTEN ${NAME}`;

const MESSAGES = Buffer.concat([
  parse(NAME, NOTHING),
  bindPortal(NAME, NAME),
  executeAll(NAME),
  closeNamed('portal', NAME),
  closeNamed('statement', NAME),
  FLUSH,
]);

const ANSWERS = [Target.parse, Target.bind, Target.execute, Target.close, Target.close];

/** Behind everything that was sent of the batch; none of its answers is the client's. */
export function stopClock(core: Core): void {
  for (const state of ANSWERS) {
    const entry = new Expected(state);
    entry.swallow = true;
    core.push(entry);
  }
  core.toTarget.add(MESSAGES);
}
