// Operations and queries as bags of words: those of text and results, and one made word for each field's value, so that an
// index answers every combination by the same intersection. Refuses to know: indexes.

import { createHash } from 'node:crypto';
import type { NumberRange, SearchedOperation, SearchedSession, SearchQuery, SearchWords, Wanted } from './operation.ts';

/** Different words of one operation's text, and of its results. */
const MOST_WORDS = 2000;
const LONGEST_WORD = 64;

/** Of each list of an operation, so many are made words: an index has bounds of its own, and must not fail at somebody's text. */
const MOST_NAMED = 5000;

/**
 * How a made word (`fieldWord`) begins, and no other: neither letter nor digit, and what an index takes as part of a word.
 * Whoever has somebody read a text must not decide whose that reading is, or what its verdict was; and the beginning of a
 * word must not find what has none that begins so.
 */
const MADE = '\u00b7';

/** Letters, digits and underscores, folded: `public.customers` is two words. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
}

/** Values repeat: principals, connections, relations. */
const made = new Map<string, string>();
const MOST_MADE = 50_000;

/** A word that `wordsOf` gives of no text: of a field and its value. */
export function fieldWord(field: string, value: string): string {
  const key = `${field}\0${value.toLowerCase()}`;
  let word = made.get(key);
  if (word === undefined) {
    word = `${MADE}${createHash('sha256').update(key).digest('hex').slice(0, 20)}`;
    if (made.size >= MOST_MADE) made.clear();
    made.set(key, word);
  }
  return word;
}

/** Exactly: words are folded, and subjects that differ in a capital are two people (OpenID Connect Core, "sub"). */
const ownerOf = (issuer: string, subject: string): string => Buffer.from(`${issuer}\0${subject}`).toString('hex');

/** `customers` and `public.customers` both find `public.customers`. */
function names(name: string): string[] {
  const short = name.slice(name.indexOf('.') + 1);
  return short === name ? [name] : [name, short];
}

/** As a function, or as a program, which is found wherever it lies. */
function called(name: string): string[] {
  return name.includes('/') ? [name, name.slice(name.lastIndexOf('/') + 1)] : names(name);
}

/** Powers of ten that a number reaches: a range over them narrows before it is compared exactly. */
function powers(field: string, value: number | undefined): string[] {
  const words: string[] = [];
  for (let power = 1; value !== undefined && value >= 10 ** power && power < 16; power++)
    words.push(fieldWord(field, `${power}`));
  return words;
}

/** Every word by which the operation can be found. */
export function bagOf(operation: SearchedOperation, session: SearchedSession): string[] {
  const bag = new Set<string>();
  addWords(bag, operation.text);
  addWords(bag, operation.results);
  const add = (field: string, value: string | undefined) => {
    if (value !== undefined && value !== '') bag.add(fieldWord(field, value));
  };
  for (const who of [session.principal, session.subject, session.email]) add('who', who);
  add('owner', ownerOf(session.issuer, session.subject));
  add('actor', session.actor);
  add('connection', session.connection);
  add('session', session.session);
  add('verdict', operation.verdict);
  add('status', operation.status);
  add('rule', operation.rule);
  add('review', operation.review);
  add('error', operation.error);
  const some = (list: readonly string[]) => list.slice(0, MOST_NAMED);
  for (const relation of some(operation.relations)) for (const name of names(relation)) add('relation', name);
  for (const one of some(operation.functions)) for (const name of called(one)) add('function', name);
  for (const column of some(operation.masked)) add('masked', column);
  for (const word of operation.does) add('does', word);
  for (const word of [...powers('rows', operation.rows), ...powers('us', operation.us)]) bag.add(word);
  return [...bag];
}

/** Not inside of a surrogate pair: half of one is no letter that an index takes. */
function cut(word: string): string {
  return word.slice(0, LONGEST_WORD).replace(/[\ud800-\udbff]$/, '');
}

function addWords(bag: Set<string>, text: string): void {
  let left = MOST_WORDS;
  for (const word of wordsOf(text)) {
    if (left <= 0) return;
    if (bag.has(word)) continue;
    bag.add(cut(word));
    left--;
  }
}

export function wantedOf(query: SearchQuery): Wanted {
  const words = new Set<string>();
  const beginnings = new Set<string>();
  for (const text of query.words) {
    const found = wordsOf(text);
    const last = text.endsWith('*') ? found.pop() : undefined;
    for (const word of found) words.add(cut(word));
    if (last !== undefined) beginnings.add(cut(last));
  }
  const fields = [
    'who',
    'actor',
    'connection',
    'session',
    'verdict',
    'rule',
    'relation',
    'masked',
    'function',
    'does',
  ] as const;
  for (const field of [...fields, 'status', 'error', 'review'] as const) {
    const value = query[field];
    if (value !== undefined) words.add(fieldWord(field, value));
  }
  if (query.owner !== undefined) words.add(fieldWord('owner', ownerOf(query.owner.issuer, query.owner.subject)));
  for (const [field, range] of [
    ['rows', query.rows],
    ['us', query.us],
  ] as const)
    for (const word of reached(field, range)) words.add(word);
  return { words: [...words], beginnings: [...beginnings] };
}

function reached(field: string, range: NumberRange | undefined): string[] {
  const power = Math.floor(Math.log10(Math.max(1, range?.min ?? 1)));
  return power < 1 ? [] : [fieldWord(field, `${power}`)];
}

export const searchWords: SearchWords = { bag: bagOf, wanted: wantedOf };
