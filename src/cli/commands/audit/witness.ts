// `hoopctl audit witness [LOG] --state DIR`: cosigns the log's checkpoint, having seen that the log only grew since the last.

import { resolve } from 'node:path';
import { asHoopctlError, userError } from '../../../core/errors.ts';
import { ED25519, formatVkey, parseVkey, signatureBy, type VerifierKey } from '../../../session/log/note.ts';
import { cosign } from '../../../session/log/witness.ts';
import { checkpointOf, keysIn, LOG_ARGUMENT, type LogPlace, logAt } from '../../audit/source.ts';
import { TRUST_OPTIONS, trustOf } from '../../audit/trust.ts';
import { WitnessState } from '../../audit/witness-state.ts';
import { command as define } from '../../command.ts';
import type { Context } from '../../context.ts';
import { oneLine, verbatim } from '../../text.ts';

export const command = define({
  options: {
    state: { value: 'DIR', trusted: true, help: "the witness's own folder: its key and what it cosigned last" },
    name: { value: 'NAME', trusted: true, help: 'of a new witness, such as witness.example.com/w1' },
    key: TRUST_OPTIONS.key,
    submit: { trusted: true, help: 'give the cosignature to the gateway that you are logged in to' },
    vkey: { flagOnly: true, help: "print the witness's own key, for --witness and the gateway's configuration" },
  },
  arguments: [LOG_ARGUMENT],
  notes: `Run it on a machine that is not the gateway's, now and then. It refuses a log that was rolled back or rewritten since it
last looked, whoever signed it. Without --key the log's key is taken from the log the first time, and kept.
Prints the checkpoint with the cosignature (C2SP tlog-cosignature, Ed25519). Exit code 1: it was refused.`,
  run: async ({ log: given, state: folder, name, key, submit, vkey }, context) => {
    if (folder === undefined || folder === '') {
      throw userError('usage', '--state is missing', { fix: "name the witness's own folder" });
    }
    const place = resolve(context.io.cwd, folder);
    const state = await WitnessState.open(place, name);
    try {
      const own = formatVkey(state.signer.verifier);
      // A folder that is not where it was last time makes another one of the same name: nobody is to take it for that.
      if (state.made) context.io.say(`made a new witness in '${place}', which has seen no log yet: ${own}`);
      if (vkey) {
        await context.print({ vkey: own }, () => `${own}\n`);
        return;
      }
      await witness(context, state, {
        log: await logAt(context, given),
        given: trustOf({ key, witness: [] }).keys,
        submit,
      });
    } finally {
      state.close();
    }
  },
});

async function witness(
  context: Context,
  state: WitnessState,
  { log, given, submit }: { log: LogPlace; given: readonly VerifierKey[]; submit: boolean },
): Promise<void> {
  const { origin } = (await checkpointOf(log)).checkpoint;
  const keys = await trusted(context, log, state.log(origin)?.vkeys ?? [], given);
  const seconds = Math.floor(Date.now() / 1000);
  const last = (of: string) => state.log(of);
  const { checkpoint, line, note } = await cosign({ source: log, keys, last, signer: state.signer, seconds });
  // Of the log that was cosigned, whatever was there a moment before.
  await state.keep(checkpoint.origin, keys.map(formatVkey), checkpoint);
  const own = formatVkey(state.signer.verifier);
  if (submit) await give(context, note, own);
  const { size } = checkpoint;
  await context.print({ origin: checkpoint.origin, size, cosignature: line.trimEnd(), vkey: own, note }, () =>
    verbatim(note, context.io.terminal.stdout),
  );
}

/** Errors: those of the API; where the gateway does not take it, with the witness's key, which its configuration may lack. */
async function give(context: Context, note: string, own: string): Promise<void> {
  const api = await context.api();
  try {
    await api.call('log/cosignatures', { method: 'POST', body: { note }, signal: context.signal });
  } catch (thrown) {
    const { code, message } = asHoopctlError(thrown);
    if (code !== 'usage') throw thrown;
    throw userError('usage', `the gateway does not take the cosignature of ${own}: ${message}`, {
      fix: `if its configuration does not name this witness yet: log: { witnesses: ["${own}"] }`,
      cause: thrown,
    });
  }
}

/** Keys given, else those kept; where none of them signed, those that the log's entries lead to from them. */
async function trusted(
  context: Context,
  log: LogPlace,
  kept: readonly string[],
  given: readonly VerifierKey[],
): Promise<readonly VerifierKey[]> {
  const known = [...given, ...kept.map((one) => parseVkey(one)!)].filter(({ type }) => type === ED25519);
  const { note } = (await checkpointOf(log)).checkpoint;
  if (known.some((key) => signatureBy(note, key) !== 'absent')) return known;
  const own = (await keysIn(log)).keys;
  if (known.length === 0) {
    context.io.say(
      `first seen: the log's own word is taken for its key ${oneLine(own.map(formatVkey).at(-1) ?? '(none)')}`,
    );
    return own;
  }
  const names = new Set(known.map(formatVkey));
  return own.some((key) => names.has(formatVkey(key))) ? own : known;
}
