// Who may open a session, and how: lines add up, none takes away.

import { parseDuration } from '../../core/clock.ts';
import type { Principal } from '../identity/principal.ts';
import { allHold, type Condition } from './condition.ts';
import type { AccessLine } from './schema.ts';
import type { Access, ConnectionRef, Reviewers } from './types.ts';
import { toConditions, whoConditions } from './who.ts';

export interface CompiledAccess {
  /** An agent has to be meant by name: that its person may break the glass does not say that it may. */
  readonly agents: boolean;
  readonly who: readonly Condition<Principal>[];
  readonly to: readonly Condition<ConnectionRef>[];
  readonly gives: Exclude<Access, { access: 'none' }>;
}

export function compileAccess(line: AccessLine): CompiledAccess {
  const { who, breakGlass } = line;
  return {
    agents: breakGlass === undefined || who.kinds?.includes('agent') === true || who.actors !== undefined,
    who: whoConditions(who),
    to: toConditions(line.to),
    gives: givenBy(line),
  };
}

/** Of a line that only lets the glass be broken nobody can approve a grant. */
const NOBODY: Reviewers = { groups: [], count: 1 };

function givenBy({ grant, breakGlass }: AccessLine): CompiledAccess['gives'] {
  if (breakGlass !== undefined) {
    return { access: 'grant', maxMs: 0, reviewers: NOBODY, breakGlass: { maxMs: parseDuration(breakGlass.max) ?? 0 } };
  }
  if (grant === undefined) return { access: 'open' };
  const { max, reviewers, reason } = grant;
  const maxMs = parseDuration(max) ?? 0;
  return { access: 'grant', maxMs, reviewers, ...(reason === undefined ? {} : { reason }) };
}

/**
 * The most that any line gives: open, else the grant that fewest people have to approve, the longest of those; and beside
 * a grant the longest break-glass.
 */
export function accessOf(lines: readonly CompiledAccess[], principal: Principal, connection: ConnectionRef): Access {
  let best: Access = { access: 'none' };
  let glassMs = 0;
  for (const line of lines) {
    if (!allHold(line.to, connection) || !allHold(line.who, principal)) continue;
    if (principal.kind === 'agent' && !line.agents) continue;
    if (compareAccess(line.gives, best) < 0) best = line.gives;
    if (line.gives.access === 'grant') glassMs = Math.max(glassMs, line.gives.breakGlass?.maxMs ?? 0);
  }
  return best.access === 'grant' && glassMs > 0 ? { ...best, breakGlass: { maxMs: glassMs } } : best;
}

/** Negative when `a` gives more. Total, so that the order of the lines never matters. */
function compareAccess(a: Access, b: Access): number {
  if (a.access !== 'grant' || b.access !== 'grant') return rank(a) - rank(b);
  const groups = (access: typeof a) => [...access.reviewers.groups].sort().join('\0');
  const nobody = (access: typeof a) => Number(access.reviewers.groups.length === 0);
  return (
    nobody(a) - nobody(b) ||
    a.reviewers.count - b.reviewers.count ||
    b.maxMs - a.maxMs ||
    Number(a.reason !== undefined) - Number(b.reason !== undefined) ||
    (groups(a) < groups(b) ? -1 : groups(a) > groups(b) ? 1 : 0)
  );
}

function rank(access: Access): number {
  return access.access === 'open' ? 0 : access.access === 'grant' ? 1 : 2;
}
