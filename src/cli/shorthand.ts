// A verb named after a tool: `hoopctl TOOL NAME [ARGS]` runs the tool that the connection's protocol names for itself.

import { userError } from '../core/errors.ts';
import { DRAIN_MS, exitCodeOfChildError, runChild } from './child.ts';
import { type Command, command as define, flagName, type Options } from './command.ts';
import type { Context } from './context.ts';
import { childEnvironment } from './environment.ts';
import { GLOBAL_OPTIONS } from './globals.ts';
import { parseWanted, reach } from './reach.ts';
import { troubleTeller } from './trouble.ts';

const OPTIONS = { reason: { value: 'TEXT', help: 'why, for reviewers and the record' } } as const;

/** The verb for one tool, e.g. `psql`. */
export function shorthand(tool: string): Command {
  return define({
    options: OPTIONS,
    arguments: [
      { name: 'name', help: 'the connection', complete: 'connections' },
      { name: 'args', many: true, optional: true, help: `arguments for ${tool}` },
    ],
    notes: `Options of hoopctl go before NAME, everything behind it is ${tool}'s: hoopctl ${tool} --reason TEXT prod-db …
The same as 'hoopctl exec NAME -- ${tool} ARGS', with its exit codes.`,
    passThrough: true,
    signals: 'all',
    exitCode: exitCodeOfChildError,
    run: async ({ name, args = [], reason }, context) => {
      const end = args.indexOf('--');
      assertNotOurs(tool, name, end === -1 ? args : args.slice(0, end), OPTIONS);
      return runTool(context, { tool, name, args, reason });
    },
  });
}

/**
 * An option of hoopctl behind NAME would go to the tool, which knows none of that name and cannot say what is wrong.
 * `args`: those that are surely options of the tool's. Errors: usage.
 */
export function assertNotOurs(tool: string, name: string, args: readonly string[], options: Options): void {
  const known: Options = { ...GLOBAL_OPTIONS, ...options };
  const ours = Object.entries(known).map(([key, { value }]) => [`--${flagName(key)}`, value] as const);
  for (const arg of args) {
    const found = ours.find(([flag]) => arg === flag || arg.startsWith(`${flag}=`));
    if (found === undefined) continue;
    const [flag, value] = found;
    throw userError('usage', `${flag} is an option of hoopctl, and everything behind '${name}' is ${tool}'s`, {
      fix: `put it before the name: hoopctl ${tool} ${flag}${value === undefined ? '' : ` ${value}`} ${name} …`,
    });
  }
}

/** Runs the tool on the connection, its exit code passed through. Errors: those of `reach`, usage. */
export async function runTool(
  context: Context,
  asked: { tool: string; name: string; args: readonly string[]; reason: string | undefined },
): Promise<number> {
  const { tool, name, args, reason } = asked;
  const teller = troubleTeller(context.io);
  const { client, run } = await reach(context, [parseWanted(name)], {
    reason,
    spares: 1,
    // Why a session ended the gateway tells the tool in its protocol's own words, and the tool its user.
    onEvent: (event) => event.type !== 'end' && teller(event),
  });
  try {
    context.signal.throwIfAborted();
    const [program, ...leading] = client.connections[0]!.local.command ?? [];
    if (program !== tool) {
      throw userError('usage', `'${name}' is not reached with ${tool}`, {
        fix: `use 'hoopctl ${program ?? 'connect'} ${name}'`,
      });
    }
    const env = childEnvironment(context.io.env, client.connections, run, context.globals.agent);
    return await runChild(context.io, { command: program, args: [...leading, ...args], env });
  } finally {
    await client.close(DRAIN_MS);
  }
}
