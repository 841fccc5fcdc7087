// `hoopctl sessions receipt ID`: what was sealed of a session, with the proof that the log says so.

import { writeFileSync } from 'node:fs';
import { command as define } from '../../command.ts';
import { getReceipt } from '../../receipts.ts';

export const command = define({
  options: {
    output: {
      value: 'FILE',
      short: 'o',
      trusted: true,
      help: 'where to, - for standard output (default: ID.receipt.json)',
    },
  },
  arguments: [{ name: 'id', help: 'the session, over by now', complete: 'sessions' }],
  notes: `Keep it: with it anybody can show later what the record of the session said, whatever became of the gateway:
'hoopctl audit verify ID.receipt.json --recording ID.jsonl --key VKEY'. Save the recording itself with 'sessions export'.`,
  run: async ({ id, output }, context) => {
    const receipt = await getReceipt(context, id);
    const text = `${JSON.stringify(receipt)}\n`;
    if (output === '-' || context.json) {
      await context.io.write(text);
      return;
    }
    const path = output ?? `${receipt.session.replace(/[^\w.-]/g, '_')}.receipt.json`;
    writeFileSync(path, text, { mode: 0o600 });
    await context.io.write(`${path}\n`);
  },
});
