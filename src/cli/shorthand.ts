// A verb named after a tool: `hoopctl TOOL NAME [ARGS]` runs the tool that the connection's protocol names for itself.

import { userError } from '../core/errors.ts';
import { DRAIN_MS, exitCodeOfChildError, runChild } from './child.ts';
import { type Command, command as define } from './command.ts';
import type { Context } from './context.ts';
import { childEnvironment } from './environment.ts';
import { parseWanted, reach } from './reach.ts';
import { troubleTeller } from './trouble.ts';

/** The verb for one tool, e.g. `psql`. */
export function shorthand(tool: string): Command {
  return define({
    options: { reason: { value: 'TEXT', help: 'why, for reviewers and the record' } },
    arguments: [
      { name: 'name', help: 'the connection', complete: 'connections' },
      { name: 'args', many: true, optional: true, help: `arguments for ${tool}` },
    ],
    notes: `Options of hoopctl go before NAME, everything behind it is ${tool}'s: hoopctl ${tool} --reason TEXT prod-db …
The same as 'hoopctl exec NAME -- ${tool} ARGS', with its exit codes.`,
    passThrough: true,
    signals: 'all',
    exitCode: exitCodeOfChildError,
    run: ({ name, args, reason }, context) => runTool(context, { tool, name, args: args ?? [], reason }),
  });
}

/** Runs the tool on the connection, its exit code passed through. Errors: those of `reach`, usage. */
export async function runTool(
  context: Context,
  asked: { tool: string; name: string; args: readonly string[]; reason: string | undefined },
): Promise<number> {
  const { tool, name, args, reason } = asked;
  const { client, run } = await reach(context, [parseWanted(name)], {
    reason,
    spares: 1,
    onEvent: troubleTeller(context.io),
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
