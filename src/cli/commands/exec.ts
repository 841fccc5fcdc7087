// `hoopctl exec NAME[,NAME] -- CMD…`: a command with connections in its environment, open as long as it runs.

import { parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { DRAIN_MS, exitCodeOfChildError, runChild } from '../child.ts';
import { childFiles } from '../child-files.ts';
import { command as define } from '../command.ts';
import { childEnvironment } from '../environment.ts';
import { assertDistinct, OTHERS_OPTION, parseWanted, reach } from '../reach.ts';
import { RECEIPTS_OPTION } from '../receipts.ts';
import { troubleTeller } from '../trouble.ts';

export const command = define({
  options: {
    reason: { value: 'TEXT', help: 'why, for reviewers and the record' },
    ...RECEIPTS_OPTION,
    ...OTHERS_OPTION,
    timeout: { value: 'DURATION', help: 'end the command after this long, e.g. 10m' },
  },
  arguments: [
    { name: 'names', help: 'NAME[=PORT][,NAME…]: the connections', complete: 'connections' },
    { name: 'command', many: true, help: 'the command and its arguments, after --' },
  ],
  notes: `hoopctl exec prod-db --reason "fix order 12" -- psql -c 'select 1'

The command gets the variables that its tools know (PGHOST, DATABASE_URL, …; of two connections that want the
same one, the first has it; GIT_SSH_COMMAND, RSYNC_RSH, ANSIBLE_SSH_COMMON_ARGS; HOOPCTL_SSH_CONFIG for the -F of
ssh, scp and sftp, which know the connections as hosts by their names there), HOOPCTL_CONNECTION_<NAME>_{HOST,PORT,URL} and HOOPCTL_SESSION_ID, the id of this run,
which the gateway records with each of its sessions. Tokens of hoopctl do not reach it.
Exit codes: the command's own; 128 + n when signal n ended it; 124 timed out, 125 hoopctl itself failed, 126 the
command cannot be run, 127 it was not found. Signals are passed on.`,
  signals: 'all',
  exitCode: exitCodeOfChildError,
  run: async ({ names, command, reason, timeout, receipts, allowOtherUsers }, context) => {
    const wanted = names.split(',').map(parseWanted);
    assertDistinct(wanted);
    const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout);
    if (timeout !== undefined && !timeoutMs) {
      throw userError('usage', `--timeout is '${timeout}', expected a duration such as 10m`);
    }
    const { client, run, settled } = await reach(context, wanted, {
      reason,
      spares: 1,
      others: allowOtherUsers,
      onEvent: troubleTeller(context.io),
      receipts,
    });
    using files = childFiles(client.connections);
    try {
      context.signal.throwIfAborted();
      const own = childEnvironment(context.io.env, client.connections, run, context.globals.agent);
      const env = { ...own, ...files.environment };
      return await runChild(context.io, { command: command[0]!, args: command.slice(1), env, timeoutMs });
    } finally {
      await client.close(DRAIN_MS);
      await settled();
    }
  },
});
