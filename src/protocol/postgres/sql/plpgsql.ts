// A body in PL/pgSQL by its words alone: which it uses, and whether it runs text as SQL. Without EXECUTE every relation
// and function that it can touch stands in it by its name, so the words are a superset of both.
// Refuses to know: its grammar, the catalogue.

import type { Does } from './vocabulary.ts';

export interface Body {
  /** What statements in it may do. */
  readonly does: readonly Does[];
  /** Every name in it, folded unless quoted; variables and keywords too. */
  readonly names: ReadonlySet<string>;
  /** Names before a parenthesis, with what stands before their dot. */
  readonly calls: readonly (readonly string[])[];
  readonly operators: readonly string[];
  /** Why it may do anything. */
  readonly opaque?: string;
}

interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'operator' | 'other';
  readonly text: string;
}

const SPACE = /\s+/y;
const WORD = /[A-Za-z_\x80-\uffff][A-Za-z0-9_$\x80-\uffff]*/y;
const NUMBER = /\d[\w.]*/y;
const OPERATOR = /[-+*/<>=~!@#%^&|`?]+/y;
const DOLLAR = /\$([A-Za-z_\x80-\uffff][A-Za-z0-9_\x80-\uffff]*)?\$/y;
const PARAMETER = /\$\d+/y;

/** Undefined: it cannot be told where its strings and comments end. */
function tokensOf(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  while (at < text.length) {
    if (take(SPACE) !== undefined) continue;
    if (text.startsWith('--', at)) {
      const end = /[\r\n]/g;
      end.lastIndex = at;
      at = end.exec(text)?.index ?? text.length;
      continue;
    }
    if (text.startsWith('/*', at)) {
      const end = endOfComment(text, at);
      if (end === undefined) return undefined;
      at = end;
      continue;
    }
    const quote = text[at];
    if (quote === "'" || quote === '"') {
      const before = tokens.at(-1);
      const prefixed = before?.kind === 'word' && before.text === 'e' && /e$/i.test(text.slice(at - 1, at));
      const end = endOfQuoted(text, at, quote, prefixed);
      if (end === undefined) return undefined;
      const inner = text.slice(at + 1, end - 1);
      tokens.push({ kind: quote === '"' ? 'quoted' : 'string', text: inner.replaceAll(quote + quote, quote) });
      at = end;
      continue;
    }
    const word = take(WORD);
    if (word !== undefined) {
      tokens.push({ kind: 'word', text: word.toLowerCase() });
      continue;
    }
    const tag = take(DOLLAR);
    if (tag !== undefined) {
      const end = text.indexOf(tag, at);
      if (end < 0) return undefined;
      tokens.push({ kind: 'string', text: text.slice(at, end) });
      at = end + tag.length;
      continue;
    }
    if (take(NUMBER) !== undefined || take(PARAMETER) !== undefined) {
      tokens.push({ kind: 'other', text: '0' });
      continue;
    }
    const operator = operatorAt(text, at);
    if (operator !== undefined) {
      tokens.push({ kind: 'operator', text: operator });
      at += operator.length;
    } else tokens.push({ kind: 'other', text: text[at++]! });
  }
  return tokens;
}

/** An operator ends where a comment begins. */
function operatorAt(text: string, at: number): string | undefined {
  OPERATOR.lastIndex = at;
  const found = OPERATOR.exec(text)?.[0];
  const comment = found?.search(/--|\/\*/) ?? -1;
  return comment > 0 ? found!.slice(0, comment) : found;
}

function endOfComment(text: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text.startsWith('/*', at)) {
      depth++;
      at++;
    } else if (text.startsWith('*/', at)) {
      depth--;
      at++;
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
}

function endOfQuoted(text: string, start: number, quote: string, escapes: boolean): number | undefined {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\' && quote === "'") {
      // Without E it depends on a setting what a backslash before the quote means.
      if (escapes) at++;
      else if (text[at + 1] === quote) return undefined;
    } else if (text[at] === quote) {
      if (text[at + 1] !== quote) return at + 1;
      at++;
    }
  }
  return undefined;
}

/** Words of statements, by the keyword with which they begin. */
const STATEMENTS: Readonly<Record<string, readonly Does[]>> = {
  select: ['select'],
  perform: ['select'],
  table: ['select'],
  insert: ['insert'],
  update: ['update'],
  delete: ['delete'],
  merge: ['merge'],
  truncate: ['truncate'],
  create: ['create'],
  alter: ['alter'],
  drop: ['drop'],
  grant: ['grant'],
  revoke: ['revoke'],
  call: ['call'],
  lock: ['lock'],
  listen: ['listen'],
  unlisten: ['listen'],
  notify: ['notify'],
  analyze: ['analyze'],
  cluster: ['cluster'],
  reindex: ['reindex'],
  refresh: ['refresh'],
  import: ['import'],
  commit: ['transaction', 'commit'],
  rollback: ['transaction', 'rollback'],
};

/** What follows `set` where the reading of names or rights depends on it. */
const STEERING = new Set(['search_path', 'role', 'session_authorization', 'standard_conforming_strings', 'all']);

/** Keywords behind which a statement begins. */
const BEGINS = new Set(['begin', 'then', 'else', 'loop']);

/** Keywords before a parenthesis, which call nothing. */
const NO_CALLS = new Set(
  `all and any array as between by case cast coalesce default distinct else elsif exists extract filter foreach from
  greatest group having if in into is join lateral least like limit loop not nullif of on or order over overlay partition
  perform position primary raise references return returning row select set some substring table then treat trim union
  unique update using values when where while with within xmlelement xmlforest`.split(/\s+/),
);

export function readPlpgsql(text: string): Body {
  const tokens = tokensOf(text);
  if (tokens === undefined) return opaque('its text cannot be told apart');
  const does = new Set<Does>();
  const names = new Set<string>();
  const operators = new Set<string>();
  const calls: string[][] = [];
  let why: string | undefined;
  for (const [at, token] of tokens.entries()) {
    const next = tokens[at + 1];
    if (token.kind === 'operator') operators.add(token.text);
    if (token.kind !== 'word' && token.kind !== 'quoted') continue;
    names.add(token.text);
    const keyword = token.kind === 'word';
    if (next?.text === '(' && next.kind === 'other' && !(keyword && NO_CALLS.has(token.text))) {
      const schema = tokens[at - 1]?.text === '.' ? tokens[at - 2]?.text : undefined;
      calls.push(schema === undefined ? [token.text] : [schema, token.text]);
    }
    if (!keyword) continue;
    const before = tokens[at - 1]?.text;
    const locking = token.text === 'update' && (before === 'for' || before === 'key');
    if (!locking) for (const word of STATEMENTS[token.text] ?? []) does.add(word);
    why ??= danger(tokens, at, does);
  }
  return { does: [...does], names, calls, operators: [...operators], ...(why === undefined ? {} : { opaque: why }) };
}

/** What makes everything possible. */
function danger(tokens: readonly Token[], at: number, does: Set<Does>): string | undefined {
  const { text } = tokens[at]!;
  const next = tokens[at + 1];
  const string = next?.kind === 'string';
  switch (text) {
    case 'execute':
      return 'it runs text as SQL';
    case 'do':
      return string || next?.text === 'language' ? 'it runs a block of code' : undefined;
    case 'copy':
      return next?.kind === 'word' || next?.kind === 'quoted' || next?.text === '(' ? 'it copies data' : undefined;
    case 'u':
      return next?.text === '&' ? 'it has names with Unicode escapes' : undefined;
    case 'set_config':
      return 'it sets parameters';
    case 'load':
      if (string) does.add('load');
      return undefined;
    case 'comment':
      if (next?.text === 'on') does.add('comment');
      return undefined;
    case 'set':
    case 'reset': {
      // UPDATE … SET follows a name.
      const before = tokens[at - 1];
      if (before?.kind === 'quoted' || (before?.kind === 'word' && !BEGINS.has(before.text))) return undefined;
      const after = next?.text === 'local' || next?.text === 'session' ? tokens[at + 2] : next;
      const steers = STEERING.has(after?.text ?? '') || after?.text === 'authorization';
      return steers ? 'it sets how names are read' : undefined;
    }
    default:
      return undefined;
  }
}

function opaque(why: string): Body {
  return { does: [], names: new Set(), calls: [], operators: [], opaque: why };
}
