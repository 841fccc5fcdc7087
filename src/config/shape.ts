// What a zod schema has at a path: which keys are known there, what would fit. For messages, never for validation.

import type { z } from 'zod';

type Schema = z.core.$ZodType;

/** Every schema that may describe the value at the path (a union gives several); wrappers taken off. */
export function schemasAt(schema: Schema, path: readonly PropertyKey[]): readonly Schema[] {
  let here = unwrap(schema);
  for (const step of path) here = here.flatMap((one) => into(one, step)).flatMap(unwrap);
  return here;
}

/** The keys that are known at the path; undefined where any key is (a record), or none can be (no mapping). */
export function knownKeys(schema: Schema, path: readonly PropertyKey[]): readonly string[] | undefined {
  const keys = new Set<string>();
  for (const one of schemasAt(schema, path)) {
    const { def } = (one as z.core.$ZodTypes)._zod;
    if (def.type === 'object') for (const key of Object.keys(def.shape)) keys.add(key);
  }
  return keys.size === 0 ? undefined : [...keys];
}

/** What would fit at the path, in words: `"full", "null" or a mapping with partial, fixed`. */
export function describeAt(schema: Schema, path: readonly PropertyKey[]): string | undefined {
  const words = [...new Set(schemasAt(schema, path).flatMap(describe))];
  return words.length === 0 ? undefined : orList(words);
}

/** The fixed texts that would fit at the path. */
export function wordsAt(schema: Schema, path: readonly PropertyKey[]): readonly string[] {
  return schemasAt(schema, path).flatMap((one) => {
    const { def } = (one as z.core.$ZodTypes)._zod;
    return def.type === 'enum' ? Object.values(def.entries).map(String) : [];
  });
}

export function orList(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function unwrap(schema: Schema): readonly Schema[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return unwrap(def.innerType);
    case 'lazy':
      return unwrap(def.getter());
    case 'pipe':
      return unwrap(def.in);
    case 'union':
      return def.options.flatMap(unwrap);
    case 'intersection':
      return [...unwrap(def.left), ...unwrap(def.right)];
    default:
      return [schema];
  }
}

function into(schema: Schema, step: PropertyKey): readonly Schema[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'object': {
      const inside = Object.hasOwn(def.shape, step) ? def.shape[step as string] : def.catchall;
      return inside === undefined ? [] : [inside];
    }
    case 'record':
      return [def.valueType];
    case 'array':
      return [def.element];
    case 'tuple': {
      const inside = def.items[Number(step)] ?? def.rest;
      return inside ? [inside] : [];
    }
    default:
      return [];
  }
}

function describe(schema: Schema): readonly string[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'enum':
      return Object.values(def.entries).map((value) => JSON.stringify(value));
    case 'literal':
      return def.values.map((value) => (typeof value === 'string' ? JSON.stringify(value) : String(value)));
    case 'object': {
      const keys = Object.keys(def.shape);
      return [
        keys.length === 0
          ? 'a mapping'
          : `a mapping with ${keys.length > 8 ? `${keys.slice(0, 8).join(', ')}, …` : keys.join(', ')}`,
      ];
    }
    default:
      return [typeWord(def.type)];
  }
}

/** zod's (and JavaScript's) words for types → YAML's. */
export function typeWord(type: string): string {
  const words: Record<string, string> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    tuple: 'a list',
    object: 'a mapping',
    record: 'a mapping',
    null: 'nothing',
    date: 'a date',
  };
  return words[type] ?? `a ${type}`;
}
