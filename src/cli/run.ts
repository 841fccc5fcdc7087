// One run of the program: parse, resolve, do, and render what went wrong once, here at the edge.
// Refuses to know: the process (io.ts), any single command.

import { asHoopctlError } from '../core/errors.ts';
import { userPaths } from '../login/paths.ts';
import type { Command, Node } from './command.ts';
import { TREE } from './commands/index.ts';
import type { Context, GlobalValues, SignalReason } from './context.ts';
import { exitCodeOf, exitCodeOfSignal } from './exit.ts';
import { refusedByMachine } from './files.ts';
import { GLOBAL_OPTIONS } from './globals.ts';
import type { Io } from './io.ts';
import { renderError } from './render.ts';
import type { Resolved } from './settings.ts';
import { jsonLine } from './text.ts';

const NOTES = `
Every option can also be set in the environment (--ca-file as HOOPCTL_CA_FILE), in .hoopctl.yaml of the project
or in your own config.json (settings); the earlier wins. Exit codes: 0 ok, 1 failed, 2 usage, 3 denied by policy, 4 login
needed, 5 nobody approved in time, 130 and 143 for signals; exec, psql and ssh: the command's own, and 124 to 127.`;

/** The exit code. Never throws. */
export async function run(io: Io, argv: readonly string[], tree: readonly Node[] = TREE): Promise<number> {
  let command: Command | undefined;
  let json = saysJson(io, argv);
  try {
    const { parse } = await import('./program.ts');
    const parsed = await parse(argv, tree, { version: io.version, summary: SUMMARY, notes: NOTES });
    if (parsed.kind === 'help') {
      if (parsed.asked) await io.write(parsed.text);
      else io.say(parsed.text.trimEnd());
      return parsed.asked ? 0 : 2;
    }
    command = parsed.command;
    const verb = parsed.path.join(' ');
    const { loadLayers, resolve } = await import('./settings.ts');
    const { SETTINGS } = await import('./known.ts');
    const paths = userPaths(io.env, io.platform);
    const layers = await loadLayers(io, paths, SETTINGS);
    const global = resolve(GLOBAL_OPTIONS, parsed.flags, io.env, layers, verb);
    const own = resolve(command.options, parsed.flags, io.env, layers, verb);
    const globals = globalValues(global);
    json = globals.json;
    const context = makeContext(io, globals, paths, (option) => own.sources[option] === 'flag');
    return await perform(io, command, { ...own.values, ...parsed.arguments }, context);
  } catch (thrown) {
    return fail(io, refusedByMachine(thrown) ?? thrown, json, command);
  }
}

const SUMMARY = 'one gateway in front of databases and hosts: knows who asks, decides, masks, records';

/** Before argv is parsed, for the errors of parsing it. */
function saysJson(io: Io, argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  const ours = end === -1 ? argv : argv.slice(0, end);
  return ours.includes('--json') || ['1', 'true', 'yes', 'on'].includes((io.env.HOOPCTL_JSON ?? '').toLowerCase());
}

function globalValues({ values, sources }: Resolved): GlobalValues {
  const from = sources.gateway;
  return { ...(values as unknown as GlobalValues), gatewayFrom: from === 'default' ? undefined : from };
}

type LiveContext = Context & { readonly abort: AbortController };

function makeContext(io: Io, globals: GlobalValues, paths: Context['paths'], given: Context['given']): LiveContext {
  const abort = new AbortController();
  let access: ReturnType<Context['access']> | undefined;
  let api: ReturnType<Context['api']> | undefined;
  const context: LiveContext = {
    io,
    globals,
    json: globals.json,
    paths,
    given,
    abort,
    signal: abort.signal,
    access: () => {
      access ??= import('./gateway.ts').then(({ openAccess }) => openAccess(context));
      return access;
    },
    api: () => {
      api ??= context.access().then(async (opened) => (await import('./api.ts')).createApi(opened));
      return api;
    },
    print: (value, text) => io.write(globals.json ? jsonLine(value, io.terminal.stdout) : text()),
  };
  return context;
}

/** Runs the command under the rule for signals. */
async function perform(
  io: Io,
  command: Command,
  values: Record<string, unknown>,
  context: LiveContext,
): Promise<number> {
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<number>();
  let signals = 0;
  const stop = io.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => {
    signals++;
    context.abort.abort({ signal } satisfies SignalReason);
    if (command.signals === undefined || (command.signals === 'own' && signals > 1))
      interrupt(exitCodeOfSignal(signal));
  });
  try {
    const done = command.run(values, context);
    done.catch(() => {});
    return (await Promise.race([done, interrupted])) ?? 0;
  } finally {
    stop();
  }
}

function fail(io: Io, thrown: unknown, json: boolean, command: Command | undefined): number {
  if ((thrown as NodeJS.ErrnoException | undefined)?.code === 'EPIPE') return 141;
  const signal = (thrown as SignalReason | undefined)?.signal;
  if (typeof signal === 'string') return exitCodeOfSignal(signal);
  const error = asHoopctlError(thrown);
  renderError(io, error, json);
  return command?.exitCode(error) ?? exitCodeOf(error.code);
}

/** For what nobody caught: always ours. */
export function crash(io: Io, thrown: unknown): number {
  return fail(io, thrown, saysJson(io, []), undefined);
}
