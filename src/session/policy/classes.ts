// Classes of sensitive columns: named once in the document, meant by `class:NAME` wherever columns are listed.
// Refuses to know: what is done with the columns.

import { nearest } from '../../core/nearest.ts';
import { columnPattern } from './pattern.ts';
import type { PolicyDocument } from './schema.ts';

const PREFIX = 'class:';

/** The class that an item of a list of columns means; undefined: it is a column. */
export function classOf(text: string): string | undefined {
  return text.startsWith(PREFIX) ? text.slice(PREFIX.length) : undefined;
}

type Report = (path: readonly (string | number)[], message: string) => void;

/** What is wrong with the classes, and with what means one that there is not. */
export function checkClasses({ classes, masks, rules }: PolicyDocument, report: Report): void {
  for (const [name, columns] of Object.entries(classes)) {
    for (const [i, text] of columns.entries()) {
      if (columnPattern(text) !== undefined) continue;
      const what = classOf(text) === undefined ? 'is not well formed' : 'is a class';
      report(['classes', name, i], `"${text}" ${what}, expected table.column or schema.table.column`);
    }
  }
  const known = Object.keys(classes);
  const look = (columns: readonly string[] | undefined, path: readonly (string | number)[]) => {
    for (const [i, text] of (columns ?? []).entries()) {
      const name = classOf(text);
      if (name === undefined || known.includes(name)) continue;
      const near = nearest(name, known);
      const hint = near === undefined ? 'one of classes' : `a class of classes, did you mean "${PREFIX}${near}"?`;
      report([...path, i], `there is no class "${name}", expected ${hint}`);
    }
  };
  for (const [i, { columns }] of masks.entries()) look(columns, ['masks', i, 'columns']);
  for (const [i, { when }] of rules.entries()) look(when?.columns, ['rules', i, 'when', 'columns']);
}

/** The same document with columns in the place of classes. */
export function withoutClasses(document: PolicyDocument): PolicyDocument {
  const { classes } = document;
  if (Object.keys(classes).length === 0) return document;
  const columnsOf = (columns: string[]): string[] => [
    ...new Set(columns.flatMap((text) => classes[classOf(text) ?? ''] ?? [text])),
  ];
  return {
    ...document,
    masks: document.masks.map((mask) =>
      mask.columns === undefined ? mask : { ...mask, columns: columnsOf(mask.columns) },
    ),
    rules: document.rules.map((rule) =>
      rule.when?.columns === undefined
        ? rule
        : { ...rule, when: { ...rule.when, columns: columnsOf(rule.when.columns) } },
    ),
  };
}
