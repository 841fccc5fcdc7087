// What calls a function by another name than its own: operators, aggregates, casts, a new name, a function in C. Whoever
// makes one names the function, and so it is seen there.
// Refuses to know: which functions are dangerous.

import type { Tree } from './parser.ts';
import { as, child, list, names, text } from './tree.ts';

/** LANGUAGE c, internal: any function of the server or of a library, under another name. */
export function isInC(option: unknown): boolean {
  const element = as(option, 'DefElem');
  const language = text(element, 'defname') === 'language' ? text(as(element?.arg, 'String'), 'sval') : undefined;
  return language !== undefined && /^(?:c|internal)$/i.test(language);
}

const TYPES = new Set(['leftarg', 'rightarg', 'basetype', 'stype', 'mstype', 'stype1', 'like', 'subtype']);

/** CREATE OPERATOR, AGGREGATE, TYPE: the functions named in the definition, which looks like types there. */
export function definedBy(node: Tree): string[][] {
  return list(node, 'definition')
    .map((option) => as(option, 'DefElem'))
    .filter((element) => !TYPES.has(text(element, 'defname') ?? ''))
    .map((element) => names(list(as(element?.arg, 'TypeName'), 'names')));
}

/** CREATE CAST … WITH FUNCTION. */
export function castFunction(node: Tree): string[][] {
  return [names(list(child(node, 'func'), 'objname'))];
}

/** ALTER FUNCTION … RENAME. */
export function renamedFunction(node: Tree): string[][] {
  if ((text(node, 'renameType') ?? '').startsWith('OBJECT_OPERATOR')) return [];
  return [names(list(as(node.object, 'ObjectWithArgs'), 'objname'))];
}
