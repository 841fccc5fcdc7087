// Reads this repository's own sources for the rule tests: files, string literals, imports. No compiler needed.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { repository } from '../../support/process.ts';

/** Every file that is or would be committed, by path from the top. */
export function projectFiles(): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const listed = execFileSync('git', args, { cwd: repository, encoding: 'utf8', maxBuffer: 1 << 26 });
  const deleted = execFileSync('git', ['ls-files', '-z', '--deleted'], { cwd: repository, encoding: 'utf8' });
  const gone = new Set(deleted.split('\0'));
  return [...new Set(listed.split('\0'))].filter((path) => path !== '' && !gone.has(path)).sort();
}

export function sourceFiles(folder = 'src'): string[] {
  return projectFiles().filter((path) => path.startsWith(`${folder}/`) && /\.tsx?$/.test(path));
}

export function read(path: string): string {
  return readFileSync(join(repository, path), 'utf8');
}

export interface Token {
  kind: 'code' | 'comment' | 'string' | 'regex';
  /** Without its quotes for a string; a template literal counts as one up to its end, expressions included. */
  text: string;
  line: number;
}

const BEFORE_REGEX =
  /(?:^|[=(,:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield))$/;

function quotedEnd(source: string, from: number, quote: string): number {
  let at = from + 1;
  while (at < source.length && source[at] !== quote) {
    // A quote that is never closed on its line is text of JSX, not a string.
    if (source[at] === '\n' && quote !== '`') return at;
    at += source[at] === '\\' ? 2 : 1;
  }
  return Math.min(at + 1, source.length);
}

function regexEnd(source: string, from: number): number {
  let inClass = false;
  for (let at = from + 1; at < source.length; at++) {
    const letter = source[at];
    if (letter === '\n') return from + 1;
    if (letter === '\\') at++;
    else if (letter === '[') inClass = true;
    else if (letter === ']') inClass = false;
    else if (letter === '/' && !inClass) return at + 1;
  }
  return from + 1;
}

/** Splits a TypeScript source into code, comments, strings and regular expressions, in order. */
export function tokens(source: string): Token[] {
  const found: Token[] = [];
  let code = '';
  let line = 1;
  let codeLine = 1;
  const flush = () => {
    if (code !== '') found.push({ kind: 'code', text: code, line: codeLine });
    code = '';
  };
  for (let at = 0; at < source.length; ) {
    const letter = source[at] as string;
    const two = source.slice(at, at + 2);
    let end = at + 1;
    let kind: Token['kind'] = 'code';
    if (two === '//') {
      kind = 'comment';
      end = source.indexOf('\n', at);
    } else if (two === '/*') {
      kind = 'comment';
      end = source.indexOf('*/', at) + 2;
    } else if (letter === "'" || letter === '"' || letter === '`') {
      kind = 'string';
      end = quotedEnd(source, at, letter);
    } else if (letter === '/' && BEFORE_REGEX.test(code.trimEnd())) {
      end = regexEnd(source, at);
      if (end > at + 1) kind = 'regex';
    }
    if (end <= at) end = source.length;
    const text = source.slice(at, end);
    if (kind === 'code') {
      if (code === '') codeLine = line;
      code += text;
    } else {
      flush();
      found.push({ kind, text: kind === 'string' ? text.slice(1, -1) : text, line });
    }
    line += text.split('\n').length - 1;
    at = end;
  }
  flush();
  return found;
}

export interface Import {
  /** As written. */
  specifier: string;
  /** Path from the top for one of ours; undefined for a package. */
  file: string | undefined;
  typeOnly: boolean;
  /** By `import()`. */
  lazy: boolean;
  line: number;
}

/** Every import and re-export of a source file. */
export function imports(path: string, source = read(path)): Import[] {
  const found: Import[] = [];
  let before = '';
  for (const token of tokens(source)) {
    if (token.kind === 'comment') continue;
    if (token.kind === 'string') {
      const statement = before.slice(before.lastIndexOf(';') + 1);
      const lazy = /\bimport\s*\(\s*$/.test(statement);
      const from = /\b(?:import|export)\b[^()]*\bfrom\s*$/.test(statement) || /\bimport\s*$/.test(statement);
      if (lazy || from) {
        const specifier = token.text;
        const relative = specifier.startsWith('.');
        found.push({
          specifier,
          file: relative ? posix.normalize(posix.join(dirname(path), specifier)) : undefined,
          typeOnly: !lazy && /\b(?:import|export)\s+type\b(?![\s\S]*\b(?:import|export)\b)/.test(statement),
          lazy,
          line: token.line,
        });
      }
      before += "''";
      continue;
    }
    before += token.text;
  }
  return found;
}
