// `hoopctl audit prove SESSION|ENTRY`: a proof that the log has that entry, which stands for itself (C2SP tlog-proof).

import { writeFileSync } from 'node:fs';
import { userError } from '../../../core/errors.ts';
import { findSealed, proveEntry } from '../../../session/log/receipts.ts';
import { checkpointOf, logAt } from '../../audit/source.ts';
import { command as define } from '../../command.ts';
import { verbatim } from '../../text.ts';

export const command = define({
  options: {
    log: { value: 'LOG', help: "a gateway's data directory, a log or its URL; left out: that of the gateway" },
    output: { value: 'FILE', short: 'o', trusted: true, help: 'where to; left out: standard output' },
  },
  arguments: [
    {
      name: 'what',
      help: 'a session, whose sealed recording is proven, or the number of an entry',
      complete: 'sessions',
    },
  ],
  notes: `The file holds the entry, its place, the path to the root and the signed checkpoint, with the cosignatures of witnesses
where they cover it. Anybody can check it later, without the gateway: 'hoopctl audit verify FILE --key VKEY'.`,
  run: async ({ what, log: given, output }, context) => {
    const log = await logAt(context, given);
    const { entry, proof } = await proveEntry(log, /^\d+$/.test(what) ? Number(what) : await sealOf(log, what));
    if (output !== undefined) writeFileSync(output, proof, { mode: 0o600 });
    await context.print({ entry: JSON.parse(entry.toString('utf8')) as object, proof, file: output }, () =>
      output === undefined ? verbatim(proof, context.io.terminal.stdout) : `${output}\n`,
    );
  },
});

async function sealOf(log: Awaited<ReturnType<typeof logAt>>, session: string): Promise<number> {
  const { size } = (await checkpointOf(log)).checkpoint;
  const found = await findSealed({ size, entries: (from) => log.entries(from) }, session, startOf(session));
  if (found !== undefined) return found.index;
  throw userError('not_found', `the log does not name the recording of '${session}'`, { fix: 'is the session over?' });
}

/** A recording is sealed after its session began; where the id does not say when, everything is looked through. */
function startOf(session: string): number {
  const digits = /^s-([0-9a-hjkmnp-tv-z]{9})/.exec(session)?.[1];
  let ms = 0;
  for (const digit of digits ?? '') ms = ms * 32 + '0123456789abcdefghjkmnpqrstvwxyz'.indexOf(digit);
  return ms;
}
