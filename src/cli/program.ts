// argv → which command with which flags and arguments, or help text. Commander parses; one command's file is loaded at most.
// Refuses to know: where values other than flags come from, what a command does.

import {
  Command as Commander,
  Argument as CommanderArgument,
  CommanderError,
  Option as CommanderOption,
} from 'commander';
import { userError } from '../core/errors.ts';
import { type Command, flagName, type Group, type Leaf, type Node, type Option, type Options } from './command.ts';
import { GLOBAL_OPTIONS } from './globals.ts';

export type Parsed =
  | { readonly kind: 'help'; readonly text: string; readonly asked: boolean }
  | {
      readonly kind: 'command';
      /** `['sessions', 'ls']` */
      readonly path: readonly string[];
      readonly command: Command;
      /** Only what was given on the command line, by key. */
      readonly flags: Readonly<Record<string, unknown>>;
      readonly arguments: Readonly<Record<string, unknown>>;
    };

export interface About {
  readonly version: string;
  readonly summary: string;
  readonly notes: string;
}

/** Errors: usage. */
export async function parse(argv: readonly string[], tree: readonly Node[], about: About): Promise<Parsed> {
  let result: Parsed | undefined;
  let text = '';
  const settle = (parsed: Parsed): void => {
    result = parsed;
  };
  let named: Command | undefined;
  const found = (command: Command): void => {
    named = command;
  };
  const root = new Commander('hoopctl')
    .description(about.summary)
    .version(about.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', about.notes);
  harden(root, (chunk) => {
    text += chunk;
  });
  addOptions(root, GLOBAL_OPTIONS);
  addChildren(root, tree, [], settle, found);
  try {
    await root.parseAsync(reorderHelp(argv), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'help', text, asked: true };
    if (error.code === 'commander.help') return { kind: 'help', text, asked: false };
    throw usageError(error.message, argv, tree, named);
  }
  return result ?? { kind: 'help', text: root.helpInformation(), asked: false };
}

/** `help sessions ls` → `sessions ls --help`, so that the one way to help also loads the command. */
function reorderHelp(argv: readonly string[]): string[] {
  return argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv];
}

/** No exit, no output of its own; options end where the verb begins. */
function harden(commander: Commander, write: (text: string) => void): void {
  commander
    .exitOverride()
    .configureOutput({ writeOut: write, writeErr: write, outputError: () => {} })
    .configureHelp({ sortSubcommands: false, subcommandTerm: (sub) => sub.name(), showGlobalOptions: false })
    .helpCommand(false)
    .enablePositionalOptions();
}

function addChildren(
  parent: Commander,
  nodes: readonly Node[],
  path: readonly string[],
  settle: (parsed: Parsed) => void,
  found: (command: Command) => void,
): void {
  const leaves = new Map<Commander, Leaf>();
  for (const node of nodes) {
    const child = parent.command(node.name, { hidden: 'hidden' in node && node.hidden === true }).summary(node.summary);
    child.description(`${node.summary[0]!.toUpperCase()}${node.summary.slice(1)}.`);
    child.helpOption('-h, --help', 'show help').helpCommand(false);
    if ('children' in node) addChildren(child, node.children, [...path, node.name], settle, found);
    else leaves.set(child, node);
  }
  parent.hook('preSubcommand', async (_, child) => {
    const leaf = leaves.get(child);
    if (leaf === undefined) return;
    const { command } = await leaf.load();
    found(command);
    dress(child, command, [...path, leaf.name], settle);
  });
}

/** Gives a leaf its options and arguments, now that it is the one asked for. */
function dress(
  commander: Commander,
  command: Command,
  path: readonly string[],
  settle: (parsed: Parsed) => void,
): void {
  addOptions(commander, command.options);
  commander.optionsGroup('Global options:');
  addOptions(commander, GLOBAL_OPTIONS);
  for (const argument of command.arguments) {
    const many = argument.many ? '...' : '';
    const spelled = argument.optional ? `[${argument.name}${many}]` : `<${argument.name}${many}>`;
    commander.addArgument(new CommanderArgument(spelled, argument.help));
  }
  if (command.passThrough) commander.passThroughOptions();
  if (command.notes !== undefined) commander.addHelpText('after', `\n${command.notes}`);
  commander.action(() => {
    const values = commander.processedArgs as unknown[];
    settle({
      kind: 'command',
      path,
      command,
      flags: commander.optsWithGlobals(),
      arguments: Object.fromEntries(command.arguments.map((argument, i) => [argument.name, values[i]])),
    });
  });
}

function addOptions(commander: Commander, options: Options): void {
  for (const [key, option] of Object.entries(options)) {
    // `short` of a leaf never collides with a global one: those have none.
    const made = new CommanderOption(spell(key, option), describe(option));
    made.attributeName = () => key;
    if (option.choices !== undefined) made.choices(option.choices);
    if (option.many) made.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
    commander.addOption(made);
    // Commander's own default of `--no-x` would hide whether the flag was given.
    if (option.negated) commander.setOptionValue(key, undefined);
  }
}

function spell(key: string, option: Option): string {
  const long = option.negated ? `--no-${flagName(key)}` : `--${flagName(key)}`;
  const short = option.short === undefined ? '' : `-${option.short}, `;
  return `${short}${long}${option.value === undefined ? '' : ` <${option.value}>`}`;
}

function describe(option: Option): string {
  return option.default === undefined ? option.help : `${option.help} (default: ${option.default})`;
}

/** Commander's `error: unknown option '--jsn'\n(Did you mean --json?)` in our form. */
function usageError(
  message: string,
  argv: readonly string[],
  tree: readonly Node[],
  command: Command | undefined,
): Error {
  const [first = '', suggestion] = message.replace(/^error: /, '').split('\n');
  const near = /^\(Did you mean (.+)\?\)$/.exec(suggestion ?? '')?.[1];
  const verb = verbOf(argv, tree).join(' ');
  // What is no option of ours is most likely one of the program that comes after.
  const theirs = command?.passThrough === true ? /^unknown option '(.+)'/.exec(first)?.[1] : undefined;
  return userError('usage', first.replace(/\.$/, ''), { fix: fixOf(near, theirs, verb) });
}

function fixOf(near: string | undefined, theirs: string | undefined, verb: string): string {
  const help = `'hoopctl ${verb === '' ? '' : `${verb} `}--help'`;
  if (near === undefined && theirs === undefined) return `see ${help}`;
  const behind = `ptions of ${verb} itself go behind the name`;
  if (near === undefined) return `o${behind}: hoopctl ${verb} NAME ${theirs}; see ${help}`;
  return `did you mean ${near}? ${theirs === undefined ? '' : `O${behind}. `}See ${help}`;
}

/** The words of argv that name a verb, as far as they do. */
export function verbOf(argv: readonly string[], tree: readonly Node[]): string[] {
  const path: string[] = [];
  let nodes: readonly Node[] | undefined = tree;
  for (const word of argv) {
    const node: Leaf | Group | undefined = nodes?.find((candidate) => candidate.name === word);
    if (node === undefined) {
      if (word.startsWith('-')) continue;
      break;
    }
    path.push(node.name);
    nodes = 'children' in node ? node.children : undefined;
    if (nodes === undefined) break;
  }
  return path;
}
