// Who may open a session, and how: lines add up, none takes away.

import { parseDuration } from '../../core/clock.ts';
import type { Principal } from '../identity/principal.ts';
import { allHold, type Condition } from './condition.ts';
import type { AccessLine } from './schema.ts';
import type { Access, ConnectionRef } from './types.ts';
import { toConditions, whoConditions } from './who.ts';

export interface CompiledAccess {
  readonly who: readonly Condition<Principal>[];
  readonly to: readonly Condition<ConnectionRef>[];
  readonly gives: Exclude<Access, { access: 'none' }>;
}

export function compileAccess(line: AccessLine): CompiledAccess {
  return {
    who: whoConditions(line.who),
    to: toConditions(line.to),
    gives:
      line.grant === undefined
        ? { access: 'open' }
        : { access: 'grant', maxMs: parseDuration(line.grant.max) ?? 0, reviewers: line.grant.reviewers },
  };
}

/** The most that any line gives: open, else the grant that fewest people have to approve, the longest of those. */
export function accessOf(lines: readonly CompiledAccess[], principal: Principal, connection: ConnectionRef): Access {
  let best: Access = { access: 'none' };
  for (const line of lines) {
    if (!allHold(line.to, connection) || !allHold(line.who, principal)) continue;
    if (compareAccess(line.gives, best) < 0) best = line.gives;
  }
  return best;
}

/** Negative when `a` gives more. Total, so that the order of the lines never matters. */
function compareAccess(a: Access, b: Access): number {
  if (a.access !== 'grant' || b.access !== 'grant') return rank(a) - rank(b);
  const groups = (access: typeof a) => [...access.reviewers.groups].sort().join('\0');
  return (
    a.reviewers.count - b.reviewers.count ||
    b.maxMs - a.maxMs ||
    (groups(a) < groups(b) ? -1 : groups(a) > groups(b) ? 1 : 0)
  );
}

function rank(access: Access): number {
  return access.access === 'open' ? 0 : access.access === 'grant' ? 1 : 2;
}
