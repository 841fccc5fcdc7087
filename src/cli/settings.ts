// Where the value of an option comes from: flag, environment, project file, user file, default, in that order.
// Refuses to know: what any option means.

import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { userError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Paths } from '../login/paths.ts';
import { flagName, type Option, type Options, variableName } from './command.ts';
import type { Io } from './io.ts';

export type Source = 'flag' | 'environment' | 'project' | 'user' | 'default';

export interface Layer {
  readonly from: 'project' | 'user';
  readonly path: string;
  /** Flag names without dashes → values; a verb's own values under its name: `{ connect: { "health-port": 8080 } }`. */
  readonly values: Readonly<Record<string, unknown>>;
}

export const PROJECT_FILE = '.hoopctl.yaml';

/** The files in force for this directory, the stronger first. Errors: config_invalid, config_unreadable. */
export async function loadLayers(io: Io, paths: Paths, known: Known): Promise<Layer[]> {
  const layers: Layer[] = [];
  const project = findProjectFile(io);
  if (project !== undefined) {
    const { parse } = await import('yaml');
    layers.push({ from: 'project', path: project, values: check(project, parseFile(project, parse), known) });
  }
  const user = join(paths.config, 'config.json');
  const document = parseFile(user, JSON.parse) as { settings?: unknown } | undefined;
  if (document?.settings !== undefined) {
    layers.push({ from: 'user', path: user, values: check(user, document.settings, known) });
  }
  return layers;
}

/** Names that a file may hold: options of any verb, and the verbs. */
export interface Known {
  readonly options: readonly string[];
  readonly verbs: readonly string[];
}

function findProjectFile(io: Io): string | undefined {
  const top = io.env.HOME ?? homedir();
  for (let folder = io.cwd; ; folder = dirname(folder)) {
    const path = join(folder, PROJECT_FILE);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isFile()) {
      // A file that somebody else left in a shared folder must not steer this user's commands.
      if (io.uid === undefined || stat.uid === io.uid || stat.uid === 0) return path;
      io.say(`ignored '${path}': it belongs to another user`);
      return undefined;
    }
    if (folder === top || folder === dirname(folder)) return undefined;
  }
}

function parseFile(path: string, parse: (text: string) => unknown): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw userError('config_unreadable', `cannot read '${path}': ${(error as Error).message}`, { cause: error });
  }
  try {
    return parse(text);
  } catch (error) {
    throw userError('config_invalid', `cannot read '${path}': ${(error as Error).message.split('\n')[0]}`, {
      fix: 'correct the file, or move it away',
      cause: error,
    });
  }
}

function check(path: string, document: unknown, known: Known): Record<string, unknown> {
  if (document === undefined || document === null) return {};
  if (typeof document !== 'object' || Array.isArray(document)) {
    throw userError('config_invalid', `'${path}' is not a list of names and values`);
  }
  const problems: string[] = [];
  const look = (values: object, where: string, names: readonly string[]): void => {
    for (const [key, value] of Object.entries(values)) {
      const section = where === '' && known.verbs.includes(key) && isRecord(value);
      if (section) look(value as object, `${key}.`, known.options);
      else if (!known.options.includes(key)) {
        const near = nearest(key, names);
        problems.push(`unknown name '${where}${key}'${near === undefined ? '' : `, did you mean '${near}'`}`);
      }
    }
  };
  look(document, '', [...known.options, ...known.verbs]);
  if (problems.length > 0) throw userError('config_invalid', `'${path}': ${problems.join('; ')}`);
  return document as Record<string, unknown>;
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface Resolved {
  readonly values: Record<string, unknown>;
  readonly sources: Record<string, Source | undefined>;
}

/** Every option's value and where it came from. `verb`: `sessions ls`. Errors: usage, naming where the wrong value stands. */
export function resolve(
  options: Options,
  flags: Readonly<Record<string, unknown>>,
  env: Io['env'],
  layers: readonly Layer[],
  verb: string,
): Resolved {
  const values: Record<string, unknown> = {};
  const sources: Record<string, Source | undefined> = {};
  for (const [key, option] of Object.entries(options)) {
    const found = find(key, option, flags, env, layers, verb);
    values[key] = found === undefined ? fallback(option) : convert(option, found.value, found.where);
    sources[key] = found?.source ?? (option.default === undefined ? undefined : 'default');
  }
  return { values, sources };
}

interface Found {
  readonly value: unknown;
  readonly source: Source;
  readonly where: string;
}

function find(
  key: string,
  option: Option,
  flags: Readonly<Record<string, unknown>>,
  env: Io['env'],
  layers: readonly Layer[],
  verb: string,
): Found | undefined {
  const name = flagName(key);
  if (flags[key] !== undefined) return { value: flags[key], source: 'flag', where: `--${name}` };
  if (option.flagOnly) return undefined;
  const variable = variableName(key);
  const text = env[variable];
  if (text !== undefined && text !== '') return { value: text, source: 'environment', where: variable };
  for (const layer of layers) {
    const section = layer.values[verb] as Record<string, unknown> | undefined;
    const value = section?.[name] ?? layer.values[name];
    if (value === undefined || value === null) continue;
    if (option.trusted && layer.from === 'project') {
      throw userError('config_invalid', `'${layer.path}' sets '${name}', which a project may not decide`, {
        fix: `pass --${name}, or set it in your own config.json`,
      });
    }
    return { value, source: layer.from, where: `'${name}' in '${layer.path}'` };
  }
  return undefined;
}

function fallback(option: Option): unknown {
  if (option.value === undefined) return option.negated === true;
  return option.many ? [] : option.default;
}

function convert(option: Option, value: unknown, where: string): unknown {
  if (option.value === undefined) return toBoolean(value, where);
  const list = Array.isArray(value) ? value.map(String) : option.many ? String(value).split(',') : [String(value)];
  if (!option.many && list.length !== 1) throw userError('usage', `${where} is a list, expected one value`);
  for (const item of list) {
    if (option.choices !== undefined && !option.choices.includes(item)) {
      throw userError('usage', `${where} is '${item}', expected one of ${option.choices.join(', ')}`);
    }
  }
  return option.many ? list : list[0];
}

function toBoolean(value: unknown, where: string): boolean {
  if (typeof value === 'boolean') return value;
  const text = String(value).toLowerCase();
  if (['1', 'true', 'yes', 'on'].includes(text)) return true;
  if (['0', 'false', 'no', 'off'].includes(text)) return false;
  throw userError('usage', `${where} is '${String(value)}', expected true or false`);
}
