// Names as policy writes them: "*" and "?" as wildcards, dotted and possibly quoted, compared case-folded.
// Refuses to know: what the names name.

/** Whether a text matches; made once per pattern. */
export type Matches = (text: string) => boolean;

export function hasWildcard(pattern: string): boolean {
  return pattern.includes('*') || pattern.includes('?');
}

/** A pattern with wildcards as a test, case-sensitive; linear in the text times the number of stars, without backtracking further than one star. */
export function glob(pattern: string): Matches {
  if (pattern === '*') return () => true;
  if (!hasWildcard(pattern)) return (text) => text === pattern;
  if (!pattern.includes('?')) {
    const inner = pattern.slice(1, -1);
    if (pattern.endsWith('*') && !hasWildcard(pattern.slice(0, -1))) {
      const start = pattern.slice(0, -1);
      return (text) => text.startsWith(start);
    }
    if (pattern.startsWith('*') && !hasWildcard(pattern.slice(1))) {
      const end = pattern.slice(1);
      return (text) => text.endsWith(end);
    }
    if (pattern.startsWith('*') && pattern.endsWith('*') && !hasWildcard(inner)) return (text) => text.includes(inner);
  }
  return (text) => globMatches(pattern, text);
}

/** The two-pointer match: on a mismatch only the last star takes one character more. */
function globMatches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let starText = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      starText = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++starText;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** Any of several patterns. */
export function anyGlob(patterns: readonly string[]): Matches {
  const exact = new Set(patterns.filter((pattern) => !hasWildcard(pattern)));
  const globs = patterns.filter(hasWildcard).map(glob);
  if (globs.length === 0) return (text) => exact.has(text);
  return (text) => exact.has(text) || globs.some((matches) => matches(text));
}

/** Names fold to lower case before they are compared: a mask or deny that matches too much beats one that misses. */
export function fold(name: string): string {
  return name.toLowerCase();
}

/**
 * `a."B.c".d` → its parts, folded, quotes taken off; undefined when it is not well formed (an empty part, an open quote).
 */
export function nameParts(text: string): readonly string[] | undefined {
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    let part = '';
    if (text[at] === '"') {
      for (at++; ; at++) {
        if (at >= text.length) return undefined;
        if (text[at] !== '"') part += text[at];
        else if (text[at + 1] === '"') part += text[++at];
        else break;
      }
      at++;
    } else {
      while (at < text.length && text[at] !== '.' && text[at] !== '"') part += text[at++];
    }
    if (part === '') return undefined;
    parts.push(fold(part));
    if (at === text.length) return parts;
    if (text[at++] !== '.') return undefined;
  }
}

/** Under which names something about a pattern is to be looked for: the name itself, or how it begins; undefined: any. */
export type NameKey = { readonly name: string } | { readonly head: string } | undefined;

/** Names are filed by so many characters where they end in a wildcard. */
export const HEAD = 3;

function nameKey(pattern: string): NameKey {
  if (!hasWildcard(pattern)) return { name: pattern };
  const head = pattern.slice(0, HEAD);
  return head.length < HEAD || hasWildcard(head) ? undefined : { head };
}

/** A name that may or may not say its schema: of a relation, a function. */
export interface Qualified {
  readonly schema?: string;
  readonly name: string;
}

export interface QualifiedPattern {
  /** The pattern as written. */
  readonly text: string;
  /** Its name: rules are filed by it. */
  readonly key: NameKey;
  /** Whether the name may be meant: a name without schema is in any. */
  may(name: Qualified): boolean;
  /** Whether the name is meant for certain: a pattern with a schema needs the name to say it. */
  must(name: Qualified): boolean;
}

/** `customers`, `billing.*`, `*`: one part in any schema, two as schema and name; undefined when not well formed. */
export function qualifiedPattern(text: string): QualifiedPattern | undefined {
  const parts = nameParts(text);
  if (parts === undefined || parts.length > 2) return undefined;
  const bare = parts.at(-1)!;
  const name = glob(bare);
  const schema = parts.length === 2 ? glob(parts[0]!) : undefined;
  return {
    text,
    key: nameKey(bare),
    may: (use) =>
      name(fold(use.name)) && (schema === undefined || use.schema === undefined || schema(fold(use.schema))),
    must: (use) =>
      name(fold(use.name)) && (schema === undefined || (use.schema !== undefined && schema(fold(use.schema)))),
  };
}

export interface ColumnPattern {
  readonly text: string;
  /** The column's name, folded, where it has no wildcard. */
  readonly literal: string | undefined;
  /** The relation's name: rules are filed by it. */
  readonly key: NameKey;
  /** Tests a relation as `QualifiedPattern.may`. */
  relation(use: Qualified): boolean;
  column(name: string): boolean;
}

/** `customers.ssn`, `public.customers.ssn`, `*.card_number`; undefined when not well formed. */
export function columnPattern(text: string): ColumnPattern | undefined {
  const parts = nameParts(text);
  if (parts === undefined || parts.length < 2 || parts.length > 3) return undefined;
  const bare = parts.at(-1)!;
  const column = glob(bare);
  const table = glob(parts.at(-2)!);
  const schema = parts.length === 3 ? glob(parts[0]!) : undefined;
  return {
    text,
    literal: hasWildcard(bare) ? undefined : bare,
    key: nameKey(parts.at(-2)!),
    relation: (use) =>
      table(fold(use.name)) && (schema === undefined || use.schema === undefined || schema(fold(use.schema))),
    column: (name) => column(fold(name)),
  };
}

/** A function as facts name it (`public.f`, `f`) → schema and name. The last dot parts them. */
export function qualified(name: string): Qualified {
  const dot = name.lastIndexOf('.');
  return dot < 0 ? { name } : { schema: name.slice(0, dot), name: name.slice(dot + 1) };
}
