// Masked sessions: what has to be known of a statement before it is sent, so that a refusal is one of the statement. The
// columns of COPY … TO STDOUT, and whether masked values would be moved to where nothing masks them.
// Refuses to know: how columns are followed, what a mask does.

import { peerError } from '../../../core/errors.ts';
import type { PredicateUse, ResultColumn } from '../../contract.ts';
import type { Analysis, ColumnPlanner, Mark, PlanContext } from '../analysis.ts';
import type { Core } from './core.ts';
import { NOTHING_BOUND, type Portal, type Running } from './expected.ts';
import { type Cursor, changes } from './reading.ts';

export type CopyColumns = Map<number, readonly ResultColumn[]>;

export interface Plan {
  readonly copies: CopyColumns;
  /** How its parts use columns beside selecting them. */
  readonly uses: PredicateUse[];
  mark: Mark | undefined;
}

/** Of what was declared when nobody asked what its names mean. */
export const NEVER: Mark = {};

export function cursorOf(portal: Portal | undefined, policy: string | undefined): Cursor | undefined {
  if (portal === undefined) return undefined;
  const undecided = !isDecided(portal, policy);
  return { analysis: portal.statement.analysis, since: portal.since ?? NEVER, undecided };
}

/** Whether the policy in force has decided what a portal is for. */
export function isDecided({ bound, running, policy: declared }: Portal, policy: string | undefined): boolean {
  if (running !== undefined) return running.policy === policy;
  return bound === NOTHING_BOUND && declared === policy;
}

type Planned<Item = ResultColumn> = readonly Item[] | Promise<readonly Item[]>;

const unknown = (why: string) =>
  peerError('denied', `refused because masks apply: ${why}`, {
    fix: 'write the statement so that its columns can be followed',
  });

/** Sync where the catalogue is at hand. Throws (or rejects with) the reason why the statement is refused. */
export function planBefore(core: Core, running: Running): Plan | Promise<Plan> {
  const { planner } = core.options;
  if (planner === undefined) throw unknown('the catalogue cannot be read');
  const { analysis } = running;
  const plan: Plan = { copies: new Map(), uses: [], mark: undefined };
  const waits: Promise<unknown>[] = [];
  const each = <Item>(planned: Planned<Item>, then: (found: readonly Item[]) => void): void => {
    if (planned instanceof Promise) waits.push(planned.then(then));
    else then(planned);
  };
  let { namesPinned, ddlPending } = core;
  const mark = planner.mark?.(analysis, { namesPinned, ddlPending });
  if (mark instanceof Promise) waits.push(mark.then((found) => setMark(plan, found)));
  else plan.mark = mark;
  for (const [part, info] of analysis.statements.entries()) {
    const context: PlanContext = { namesPinned, ddlPending };
    if (info.copy?.direction === 'out') {
      each(planner.copyColumns(analysis, part, context), (columns) => plan.copies.set(part, columns));
    }
    for (const source of movers(running, part)) {
      if (source.analysis === undefined) throw unknown('what it executes is not known to the gateway');
      each(moved(planner, source.analysis, source.part, context), (columns) =>
        refuseMoved(core, running, part, columns),
      );
      each(planner.predicates?.(source.analysis, source.part, context) ?? [], (uses) => plan.uses.push(...uses));
    }
    const { names, ddl } = changes(info, running.sources?.[part]);
    namesPinned &&= !names;
    ddlPending ||= ddl;
  }
  return waits.length === 0 ? plan : Promise.all(waits).then(() => plan);
}

function setMark(plan: Plan, mark: Mark): void {
  plan.mark = mark;
}

function moved(planner: ColumnPlanner, analysis: Analysis, part: number, context: PlanContext): Planned {
  return planner.moved?.(analysis, part, context) ?? [];
}

/** The statement itself, and what it executes by name or begins. */
function movers(running: Running, part: number) {
  const own = { analysis: running.analysis as Analysis | undefined, part };
  const source = running.sources?.[part];
  if (source?.begins !== undefined) return [own, { analysis: source.begins, part: 0 }];
  return running.analysis.statements[part]?.execute === undefined ||
    source === undefined ||
    source.analysis === running.analysis
    ? [own]
    : [own, source];
}

function refuseMoved(core: Core, running: Running, part: number, columns: readonly ResultColumn[]): void {
  if (columns.length === 0) return;
  const masks = core.session.masks(running.id, part, columns, true);
  const at = masks.findIndex((mask) => mask !== null && mask.by !== 'detector');
  if (at < 0) return;
  if (columns[at]?.name === 'names') {
    const rule = masks[at]!.name;
    throw peerError(
      'denied',
      `refused by ${masks[at]!.by === 'count' ? 'rule' : 'mask'} "${rule}": its columns would be seen under other names than waiting statements were decided by`,
      { rule, fix: 'change the schema as somebody whom it exempts' },
    );
  }
  if (masks[at]!.by === 'count') {
    throw peerError(
      'denied',
      `refused by rule "${masks[at]!.name}": the statement would take values to where nothing counts them`,
      { rule: masks[at]!.name, fix: 'leave the column out of what is stored or handed on' },
    );
  }
  if (columns[at]?.name === 'code') {
    throw peerError(
      'denied',
      `refused by mask "${masks[at]!.name}": what the server would run by itself could take masked values elsewhere`,
      {
        rule: masks[at]!.name,
        fix: 'define functions, operators, casts, triggers and rules as somebody whom the mask exempts',
      },
    );
  }
  throw peerError(
    'denied',
    `refused by mask "${masks[at]!.name}": the statement would take masked values to where nothing masks them`,
    {
      rule: masks[at]!.name,
      fix: 'leave the masked columns out of what is stored or handed on',
    },
  );
}
