// What a text does with columns beside selecting them, by the names in it alone: for policies that are tried offline.
// Refuses to know: the catalogue, which columns are masked.

import type { NamedUse } from '../../contract.ts';
import type { Analysis } from '../analysis.ts';
import type { Lineage } from './lineage.ts';
import type { AnalysedStatement } from './statement.ts';

export function namedUses({ statements }: Analysis): readonly NamedUse[] {
  return statements.flatMap((info) => {
    const { lineage } = info as Partial<AnalysedStatement>;
    return lineage === undefined ? [] : [...guessed(lineage), ...moved(lineage)];
  });
}

/** As the planner has it: a name may be a column of any relation of the statement. */
function guessed({ predicates, relations, rows }: Lineage): readonly NamedUse[] {
  return predicates.map(({ kind, fields, anywhere }) => {
    if (anywhere) return { kind };
    const columns = fields === undefined || fields.some((field) => rows.includes(field)) ? {} : { columns: fields };
    return { kind, on: relations.map((relation) => ({ ...relation, ...columns })) };
  });
}

function moved({ moves, result, read, written, named, fields }: Lineage): readonly NamedUse[] {
  if (moves === 'code') return [{ kind: 'code' }];
  if (moves === 'reads') {
    if (result === 'unknown') return [{ kind: 'stored' }];
    return [{ kind: 'stored', on: read.map((name) => (named ? { ...name, columns: fields } : name)) }];
  }
  const [target] = written;
  if (moves.length === 0 || target === undefined) return [];
  const columns = moves.some(({ whole }) => whole) ? {} : { columns: moves.map(({ path }) => path.at(-1)!) };
  return [{ kind: 'stored', on: [{ ...target, ...columns }] }];
}
