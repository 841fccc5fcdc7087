// Names of rules and masks that no connection they are about has: the relation, column or function may be misspelt, gone,
// or not there yet. Refuses to know: how what a target has is found out.

import type { Inventory } from '../../protocol/contract.ts';
import type { PolicyProblem } from './check.ts';
import { classOf } from './classes.ts';
import { allHold } from './condition.ts';
import { columnPattern, fold, qualifiedPattern } from './pattern.ts';
import type { PolicyDocument, To } from './schema.ts';
import type { ConnectionRef } from './types.ts';
import { toConditions } from './who.ts';

export interface Surveyed {
  readonly connection: ConnectionRef;
  readonly inventory: Inventory;
}

type Found = (inventory: Inventory) => boolean;

/** The document has to have passed `policySchema`. A name that some connection has is no problem. */
export function unmatched(document: PolicyDocument, surveyed: readonly Surveyed[]): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const look = (
    to: To | undefined,
    what: string,
    texts: readonly string[] | undefined,
    path: PolicyProblem['path'],
  ) => {
    const conditions = toConditions(to);
    const about = surveyed.filter(({ connection }) => allHold(conditions, connection));
    if (about.length === 0) return;
    const names = about.map(({ connection }) => connection.name).join(', ');
    for (const [index, text] of (texts ?? []).entries()) {
      const found = classOf(text) === undefined ? finder(what, text) : undefined;
      if (found === undefined || about.some(({ inventory }) => found(inventory))) continue;
      problems.push({
        path: [...path, index],
        message: `is not there: no ${what} "${text}" in ${names}${near(what, text, about)}`,
      });
    }
  };
  for (const [name, columns] of Object.entries(document.classes)) look(undefined, 'column', columns, ['classes', name]);
  for (const [index, { to, columns }] of document.masks.entries()) {
    look(to, 'column', columns, ['masks', index, 'columns']);
  }
  for (const [index, { to, when }] of document.rules.entries()) {
    const path = ['rules', index, 'when'];
    look(to, 'relation', when?.relations, [...path, 'relations']);
    look(to, 'column', when?.columns, [...path, 'columns']);
    look(to, 'function', when?.functions, [...path, 'functions']);
  }
  return problems;
}

function finder(what: string, text: string): Found | undefined {
  if (what === 'column') {
    const pattern = columnPattern(text);
    return (
      pattern && (({ relations }) => relations.some((one) => pattern.relation(one) && one.columns.some(pattern.column)))
    );
  }
  const pattern = qualifiedPattern(text);
  if (pattern === undefined) return undefined;
  return what === 'relation'
    ? ({ relations }) => relations.some(pattern.may)
    : ({ functions }) => functions.some(pattern.may);
}

/** Where the relation is there and only the column is not: what it has. */
function near(what: string, text: string, about: readonly Surveyed[]): string {
  const pattern = what === 'column' ? columnPattern(text) : undefined;
  if (pattern?.literal === undefined) return '';
  const relations = about.flatMap(({ inventory }) => inventory.relations.filter((one) => pattern.relation(one)));
  if (relations.length !== 1) return '';
  const columns = relations[0]!.columns.map(fold);
  return `; "${relations[0]!.name}" has ${columns.slice(0, 20).join(', ')}${columns.length > 20 ? ', …' : ''}`;
}
