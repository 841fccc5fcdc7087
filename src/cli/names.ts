// Names seen lately, for completion to answer at once: connections, sessions, reviews, grants, by gateway. A cache: losing it
// costs nothing, and no failure here is worth a word.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from './context.ts';
import { isWord } from './described.ts';

export type NameKind = 'connections' | 'sessions' | 'reviews' | 'grants';

interface Entry {
  readonly at: number;
  readonly names: readonly string[];
}

type Document = Record<string, Partial<Record<NameKind, Entry>>>;

/** Enough to choose from, few enough to read at once. */
const MOST = 500;

function fileOf(context: Context): string {
  return join(context.paths.cache, 'names.json');
}

function read(context: Context): Document {
  try {
    return JSON.parse(readFileSync(fileOf(context), 'utf8')) as Document;
  } catch {
    return {};
  }
}

export function rememberNames(context: Context, gateway: string, kind: NameKind, names: readonly string[]): void {
  try {
    const document = read(context);
    document[gateway] = { ...document[gateway], [kind]: { at: Date.now(), names: names.slice(0, MOST) } };
    mkdirSync(context.paths.cache, { recursive: true, mode: 0o700 });
    const aside = `${fileOf(context)}.${context.io.pid}`;
    writeFileSync(aside, JSON.stringify(document), { mode: 0o600 });
    renameSync(aside, fileOf(context));
  } catch {
    // Not worth a word.
  }
}

/** The names last seen there, and when (ms since the epoch, 0 for never). */
export function rememberedNames(context: Context, gateway: string, kind: NameKind): Entry {
  const { at, names } = read(context)[gateway]?.[kind] ?? { at: 0, names: [] };
  return { at, names: names.filter(isWord) };
}
