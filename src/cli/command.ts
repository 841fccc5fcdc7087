// The shape of a command: a value with a name, its options, its arguments and what it does.
// Refuses to know: how argv is parsed (program.ts), where a value came from (settings.ts), the process (io.ts).

import type { HoopctlError } from '../core/errors.ts';
import type { Context } from './context.ts';

/**
 * One option. Its flag is the key in kebab-case (`healthPort` → `--health-port`), its variable `HOOPCTL_` and the key in
 * upper snake case. Precedence: flag, variable, project file, user file, `default`.
 */
export interface Option {
  /** One line for `--help`, lower case, no full stop. */
  readonly help: string;
  /** Placeholder of the value, e.g. `TEXT`; absent: a switch, true or false. */
  readonly value?: string;
  readonly short?: string;
  /** May be given several times; the variable and files separate with commas or are lists. */
  readonly many?: boolean;
  /** A switch that is on unless `--no-NAME` is given. */
  readonly negated?: boolean;
  readonly choices?: readonly string[];
  readonly default?: string;
  /**
   * Not settable from a project file: whoever wrote the repository must not decide this. What is trusted, who may do what,
   * which files are written, whether something is run.
   */
  readonly trusted?: boolean;
  /** Only as a flag, from no variable and no file: a decision that has to be said each time. */
  readonly flagOnly?: boolean;
}

export interface Argument {
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
  /** Takes all that is left; only the last one. */
  readonly many?: boolean;
  /** What completion offers here. */
  readonly complete?: 'connections' | 'sessions' | 'reviews' | 'grants' | 'gateways' | 'files';
}

export type Options = Readonly<Record<string, Option>>;
export type Arguments = readonly Argument[];

type OptionValue<O extends Option> = O extends { value: string }
  ? O extends { many: true }
    ? readonly string[]
    : O extends { default: string }
      ? string
      : string | undefined
  : boolean;

type ArgumentValue<A extends Argument> = A extends { many: true }
  ? readonly string[]
  : A extends { optional: true }
    ? string | undefined
    : string;

/** What `run` gets: options by key, arguments by name, already resolved and checked against `choices`. */
export type Values<O extends Options, A extends Arguments> = { readonly [K in keyof O]: OptionValue<O[K]> } & {
  readonly [E in A[number] as E['name']]: ArgumentValue<E>;
};

export interface CommandSpec<O extends Options, A extends Arguments> {
  readonly options?: O;
  readonly arguments?: A;
  /** Paragraphs after the options in `--help`: examples, variables, exit codes. */
  readonly notes?: string;
  /** Everything after the first argument belongs to another program and is not read as our options. */
  readonly passThrough?: boolean;
  /**
   * `own`: the command watches `context.signal` or `context.io.onSignal` and winds down itself; a second signal still
   * ends it. `all`: so with every signal, however many (a child that they are passed on to, a gateway that seals its
   * recordings). Otherwise the first signal ends the program at once with 130, 143 or 129.
   */
  readonly signals?: 'own' | 'all';
  /** The exit code of an error where the common table (exit.ts) does not fit, e.g. 125 for `exec`. */
  exitCode?(error: HoopctlError): number | undefined;
  /** Does it. The exit code; nothing means 0. Failures are thrown as HoopctlError and rendered once, at the edge. */
  run(values: Values<O, A>, context: Context): Promise<number | undefined> | Promise<void>;
}

export interface Command {
  readonly options: Options;
  readonly arguments: Arguments;
  readonly notes: string | undefined;
  readonly passThrough: boolean;
  readonly signals: 'own' | 'all' | undefined;
  exitCode(error: HoopctlError): number | undefined;
  run(values: Record<string, unknown>, context: Context): Promise<number | undefined>;
}

/** A command from its specification; the values that `run` gets are typed from the options and arguments. */
export function command<const O extends Options = Record<never, Option>, const A extends Arguments = readonly []>(
  spec: CommandSpec<O, A>,
): Command {
  return {
    options: spec.options ?? {},
    arguments: spec.arguments ?? [],
    notes: spec.notes,
    passThrough: spec.passThrough ?? false,
    signals: spec.signals,
    exitCode: (error) => spec.exitCode?.(error),
    run: async (values, context) => (await spec.run(values as Values<O, A>, context)) ?? undefined,
  };
}

/** A leaf of the verb tree: known by name without loading it, so that `--help` reads nothing else. */
export interface Leaf {
  readonly name: string;
  /** One line, lower case, no full stop. */
  readonly summary: string;
  /** Works, but is not listed: called by scripts that hoopctl itself wrote. */
  readonly hidden?: boolean;
  /** Loads the file that exports `command`. */
  load(): Promise<{ readonly command: Command }>;
}

export interface Group {
  readonly name: string;
  readonly summary: string;
  readonly children: readonly Node[];
}

export type Node = Leaf | Group;

/** `healthPort` → `health-port`. */
export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `healthPort` → `HOOPCTL_HEALTH_PORT`. */
export function variableName(key: string): string {
  return `HOOPCTL_${flagName(key).replaceAll('-', '_').toUpperCase()}`;
}
