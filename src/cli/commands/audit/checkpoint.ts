// `hoopctl audit checkpoint [LOG]`: the newest signed checkpoint, to keep where nobody of the gateway's can change it.

import { checkpointOf, keysIn, LOG_ARGUMENT, logAt, vkeysOf } from '../../audit/source.ts';
import { command as define } from '../../command.ts';
import { verbatim } from '../../text.ts';

export const command = define({
  options: {
    key: { flagOnly: true, help: "print the log's key instead: the vkey that its checkpoints are signed with" },
  },
  arguments: [LOG_ARGUMENT],
  notes: `Keep it in a repository, a ticket, on paper: 'hoopctl audit verify --since FILE' shows later whether the log still
continues it. Its format is C2SP tlog-checkpoint.`,
  run: async ({ log: given, key }, context) => {
    const terminal = context.io.terminal.stdout;
    const log = await logAt(context, given);
    const { text, checkpoint } = await checkpointOf(log);
    if (key) {
      const vkeys = vkeysOf(await keysIn(log));
      await context.print({ origin: checkpoint.origin, vkeys }, () => verbatim(`${vkeys.at(-1)}\n`, terminal));
      return;
    }
    const { origin, size, root } = checkpoint;
    await context.print({ origin, size, root: root.toString('base64'), note: text }, () => verbatim(text, terminal));
  },
});
