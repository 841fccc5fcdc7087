// The end of a result that was cut in the middle (a budget, a mask that is back): what the client is told in place of the
// server's answer, and how the server's transaction fails as the client's has. Refuses to know: why it was cut.

import { peerError } from '../../../core/errors.ts';
import { IN_TRANSACTION } from '../wire/backend.ts';
import { errorResponse, type Notice } from '../wire/notice.ts';
import { Back } from '../wire/types.ts';
import type { Core } from './core.ts';
import { Expected } from './expected.ts';
import { REFUSED_QUERY } from './refusal.ts';
import { Client, Target } from './states.ts';

/**
 * An answer for what was cut. `passes`: it is looked at as any; `swallowed`: nothing else is to be done with it; `failed`:
 * likewise, and its request is done with.
 */
export function endCut(
  core: Core,
  head: Expected,
  cut: Notice,
  type: number,
  code: () => string | undefined,
): 'passes' | 'swallowed' | 'failed' {
  if (type === Back.CopyDone) return 'swallowed';
  const running = head.running!;
  const { message } = cut;
  const told = () => {
    core.outcome(running, 'cancelled', undefined, running.rows, { code: cut.code, message });
    running.nextPart();
  };
  if (type === Back.ErrorResponse) {
    // It failed by itself before the cancel was there.
    if (!running.withheld && code() !== '57014') {
      running.cut = undefined;
      return 'passes';
    }
    told();
    core.abandon(running, 'cancelled');
    head.refusal = cut;
    return 'passes';
  }
  if (type !== Back.CommandComplete && type !== Back.PortalSuspended) return 'passes';
  // The server was faster than the cancel. What the client has all of is not taken back.
  if (!running.withheld) {
    running.cut = undefined;
    return 'passes';
  }
  // Otherwise it is an error as any, unless the server goes on with what, after an error, must not run.
  if (running.part + 1 < running.analysis.statements.length || runsMore(core, head)) {
    throw peerError('denied', message, { fix: cut.hint ?? 'ask for less' });
  }
  core.toClient.add(errorResponse(cut));
  told();
  if (head.portal === undefined) {
    head.unfailed = true;
    return 'swallowed';
  }
  skipToSync(core, head);
  return 'failed';
}

/** Whether something that may run was sent behind an Execute, before its Sync. */
function runsMore(core: Core, head: Expected): boolean {
  if (head.portal === undefined) return false;
  const behind = core.queue.behind();
  const sync = behind.findIndex((entry) => entry.state === Target.sync);
  return (sync < 0 ? behind : behind.slice(0, sync)).some((entry) => entry.running !== undefined);
}

/** An error was told for an Execute that the server has ended well: up to Sync the client expects nothing more. */
function skipToSync(core: Core, head: Expected): void {
  head.state = Target.done;
  for (const entry of core.queue.behind()) {
    if (entry.state === Target.sync) {
      entry.unfailed = true;
      return;
    }
    entry.swallow = true;
  }
  if (core.client === Client.closed) return;
  core.client = Client.skipping;
  core.unfailed = true;
}

/**
 * At a ReadyForQuery: the server's transaction goes on, though the client was told of an error in it. A statement that
 * fails is sent, and its ReadyForQuery is the client's. False where there is none, or it cannot be done in order any more.
 */
export function failTransaction(core: Core, status: number): boolean {
  if (status !== IN_TRANSACTION || core.queue.length > 1 || core.client === Client.closed) return false;
  core.queue.shift();
  const entry = new Expected(Target.query);
  entry.refusal = { severity: 'ERROR', code: '25000', message: 'the transaction fails with the result that was cut' };
  entry.swallow = true;
  core.push(entry);
  core.toTarget.add(REFUSED_QUERY);
  core.wholeBatches = core.toTarget.length;
  return true;
}
