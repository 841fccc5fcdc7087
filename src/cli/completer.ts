// What fits an unfinished command line: verbs, flags, choices, and names from the cache.
// Refuses to know: shells (commands/completion.ts).

import { type Argument, type Command, flagName, type Node, type Options } from './command.ts';
import type { Context } from './context.ts';
import { GLOBAL_OPTIONS } from './globals.ts';
import { type NameKind, rememberedNames, rememberNames } from './names.ts';

export interface Candidate {
  /** `:files` leaves it to the shell. */
  readonly value: string;
  readonly help: string;
}

const FILES: Candidate = { value: ':files', help: '' };

/** A cache older than this is renewed in the background. */
const STALE_MS = 60_000;

/** `words`: after the program's name; the last is the one to complete, perhaps empty. */
export async function complete(
  context: Context,
  words: readonly string[],
  tree: readonly Node[],
): Promise<Candidate[]> {
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  let nodes: readonly Node[] = tree;
  for (const [i, word] of before.entries()) {
    if (word.startsWith('-')) continue;
    const previous = before[i - 1];
    if (previous !== undefined && takesValue(GLOBAL_OPTIONS, previous)) continue;
    const node = nodes.find((candidate) => candidate.name === word);
    if (node === undefined) return [];
    if ('children' in node) {
      nodes = node.children;
      continue;
    }
    const { command } = await node.load();
    return fitting(await atLeaf(context, command, before.slice(i + 1), current), current);
  }
  if (takesValue(GLOBAL_OPTIONS, before.at(-1)))
    return fitting(await optionValues(context, GLOBAL_OPTIONS, before.at(-1)!), current);
  if (current.startsWith('-')) return fitting(flags(GLOBAL_OPTIONS), current);
  const children = nodes.filter((node) => !('hidden' in node && node.hidden === true));
  return fitting(
    children.map((node) => ({ value: node.name, help: node.summary })),
    current,
  );
}

function fitting(candidates: readonly Candidate[], current: string): Candidate[] {
  return candidates.filter(({ value }) => value === FILES.value || value.startsWith(current));
}

async function atLeaf(
  context: Context,
  command: Command,
  before: readonly string[],
  current: string,
): Promise<Candidate[]> {
  const options: Options = { ...command.options, ...GLOBAL_OPTIONS };
  if (before.includes('--')) return [FILES];
  const last = before.at(-1);
  if (takesValue(options, last)) return optionValues(context, options, last!);
  let position = 0;
  for (const [i, word] of before.entries()) {
    if (!word.startsWith('-') && !takesValue(options, before[i - 1])) position++;
  }
  if (command.passThrough && position > 0) return [FILES];
  if (current.startsWith('-')) return flags(options);
  const argument =
    command.arguments[position] ?? (command.arguments.at(-1)?.many ? command.arguments.at(-1) : undefined);
  if (argument === undefined) return [];
  return argumentValues(context, argument, current);
}

function flags(options: Options): Candidate[] {
  return Object.entries(options).map(([key, option]) => ({
    value: `--${option.negated ? 'no-' : ''}${flagName(key)}`,
    help: option.help,
  }));
}

function optionOf(options: Options, word: string | undefined) {
  if (word === undefined || !word.startsWith('-')) return undefined;
  return Object.entries(options).find(([key, option]) => word === `--${flagName(key)}` || word === `-${option.short}`);
}

/** Whether the word after this one is its value. */
function takesValue(options: Options, word: string | undefined): boolean {
  return optionOf(options, word)?.[1].value !== undefined;
}

async function optionValues(context: Context, options: Options, word: string): Promise<Candidate[]> {
  const [key, option] = optionOf(options, word)!;
  if (option.choices !== undefined) return option.choices.map((value) => ({ value, help: '' }));
  if (key === 'gateway') return gateways(context);
  if (key === 'connection') return names(context, 'connections');
  return option.value === 'FILE' || option.value === 'DIR' ? [FILES] : [];
}

async function argumentValues(context: Context, argument: Argument, current: string): Promise<Candidate[]> {
  switch (argument.complete) {
    case undefined:
      return [];
    case 'files':
      return [FILES];
    case 'gateways':
      return gateways(context);
    default: {
      // `exec prod-db,st…`: the last of a list is the one to complete.
      const list = current.slice(0, current.lastIndexOf(',') + 1);
      return (await names(context, argument.complete)).map((one) => ({ ...one, value: list + one.value }));
    }
  }
}

async function gateways(context: Context): Promise<Candidate[]> {
  const { openGateways } = await import('../login/gateways.ts');
  return openGateways(context.paths)
    .all()
    .map((known) => ({ value: known.url, help: known.principal?.email ?? known.principal?.subject ?? '' }));
}

const REFRESH: Readonly<Record<NameKind, readonly string[]>> = {
  connections: ['ls'],
  sessions: ['sessions', 'ls'],
  reviews: ['reviews', 'ls'],
  grants: ['grants', 'ls'],
};

async function names(context: Context, kind: NameKind): Promise<Candidate[]> {
  const { openGateways } = await import('../login/gateways.ts');
  const { findPlace } = await import('./gateway.ts');
  let url: string;
  try {
    url = findPlace(context, openGateways(context.paths)).url;
  } catch {
    return [];
  }
  const cached = rememberedNames(context, url, kind);
  if (Date.now() - cached.at > STALE_MS) {
    // Marked as renewed first: a gateway that does not answer must not get a process for every press of a key.
    rememberNames(context, url, kind, cached.names);
    const { spawn } = await import('node:child_process');
    const [program, ...first] = context.io.self;
    const child = spawn(program!, [...first, ...REFRESH[kind], '--json', '--gateway', url], {
      stdio: 'ignore',
      detached: true,
      env: context.io.env as NodeJS.ProcessEnv,
    });
    child.on('error', () => {});
    child.unref();
  }
  return cached.names.map((value) => ({ value, help: '' }));
}
