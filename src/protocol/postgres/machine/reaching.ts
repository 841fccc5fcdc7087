// Sessions with rules about relations, columns or functions: what a statement reaches beside what it names has to be known
// before it is decided. Where that cannot be found out, its facts say so, and policy refuses what could dodge a rule.
// Refuses to know: how it is found out, what the rules are.

import { asHoopctlError } from '../../../core/errors.ts';
import type { Facts } from '../../contract.ts';
import type { Analysis, ColumnPlanner, PlanContext } from '../analysis.ts';
import type { Core } from './core.ts';
import type { Source } from './expected.ts';

/** The same parts where nothing more has to be known; sync where the catalogue is at hand. Never throws or rejects. */
export function reachBefore(
  core: Core,
  parts: readonly Facts[],
  analysis: Analysis,
  sources: readonly Source[] | undefined,
): readonly Facts[] | Promise<readonly Facts[]> {
  if (core.session.reaching !== true || analysis.error !== undefined) return parts;
  try {
    const { namesPinned, pathPinned, ddlPending } = core;
    const context = { namesPinned, pathPinned, ddlPending };
    const { planner } = core.options;
    const found = planner?.reached?.(parts, analysis, sources, context);
    if (planner === undefined || found === undefined) return unknown(parts, new Error('the catalogue cannot be read'));
    const drawn = sources === undefined ? found : withDrawn(planner, found, analysis, sources, context);
    return drawn instanceof Promise ? drawn.catch((thrown) => unknown(parts, thrown)) : drawn;
  } catch (thrown) {
    return unknown(parts, thrown);
  }
}

function unknown(parts: readonly Facts[], thrown: unknown): readonly Facts[] {
  const why = `what it reaches cannot be known: ${asHoopctlError(thrown).message}`;
  return parts.map((part) => ({ ...part, opaque: part.opaque ?? why }));
}

function withDrawn(
  planner: ColumnPlanner,
  found: readonly Facts[] | Promise<readonly Facts[]>,
  analysis: Analysis,
  sources: readonly Source[],
  context: PlanContext,
): readonly Facts[] | Promise<readonly Facts[]> {
  const cursors = analysis.statements.map((info, i) => (info.fetch === undefined ? undefined : sources[i]?.analysis));
  return cursors.every((inner) => inner === undefined) ? found : drawnOf(planner, found, cursors, context);
}

/** For those parts that fetch from a cursor, what its query reaches. */
async function drawnOf(
  planner: ColumnPlanner,
  found: readonly Facts[] | Promise<readonly Facts[]>,
  cursors: readonly (Analysis | undefined)[],
  context: PlanContext,
): Promise<readonly Facts[]> {
  const parts = await found;
  const reached = cursors.map((inner) => inner && planner.reached?.(inner.facts, inner, undefined, context));
  const all = await Promise.all(reached);
  return parts.map((part, i) => (all[i] === undefined ? part : { ...part, draws: all[i] }));
}
