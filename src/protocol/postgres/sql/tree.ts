// Reading nodes of the raw parse tree without believing in their shape.

import type { Tree } from './parser.ts';

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function child(node: Tree | undefined, key: string): Tree | undefined {
  const value = node?.[key];
  return isTree(value) ? value : undefined;
}

export function list(node: Tree | undefined, key: string): readonly unknown[] {
  const value = node?.[key];
  return Array.isArray(value) ? value : [];
}

export function text(node: Tree | undefined, key: string): string | undefined {
  const value = node?.[key];
  return typeof value === 'string' ? value : undefined;
}

/** The type and the body of a wrapped node: `{ SelectStmt: {…} }` → `['SelectStmt', {…}]`. */
export function unwrap(value: unknown): readonly [string, Tree] | undefined {
  if (!isTree(value)) return undefined;
  for (const key in value) {
    const body = value[key];
    return isTree(body) ? [key, body] : undefined;
  }
  return undefined;
}

/** The body of a wrapped node of that type. */
export function as(value: unknown, type: string): Tree | undefined {
  return isTree(value) ? child(value, type) : undefined;
}

/** The strings of a list of `String` nodes: `[{ String: { sval } }]`; what is none is left out. */
export function names(values: readonly unknown[]): string[] {
  const found: string[] = [];
  for (const value of values) {
    const sval = text(as(value, 'String'), 'sval');
    if (sval !== undefined) found.push(sval);
  }
  return found;
}
