// The keys that somebody trusts, from options: vkeys (C2SP signed-note, "Verifier keys"), or files of them, one a line.
// Refuses to know: what they are checked against.

import { userError } from '../../core/errors.ts';
import type { Trust } from '../../session/log/check/trust.ts';
import { COSIGNATURE, ED25519, parseVkey, type VerifierKey } from '../../session/log/note.ts';
import { textOrFile } from './place.ts';

export const TRUST_OPTIONS = {
  key: {
    value: 'VKEY',
    many: true,
    trusted: true,
    help: "the log's key, or a file of keys, that you have from elsewhere",
  },
  witness: { value: 'VKEY', many: true, trusted: true, help: 'a witness whose cosignature has to be there' },
} as const;

/** Errors: usage, config_unreadable. */
export function trustOf(given: {
  readonly key: readonly string[] | undefined;
  readonly witness: readonly string[] | undefined;
}): Trust {
  return {
    keys: (given.key ?? []).flatMap((one) => readKeys(one, ED25519, '--key')),
    witnesses: (given.witness ?? []).flatMap((one) => readKeys(one, COSIGNATURE, '--witness')),
  };
}

function readKeys(given: string, type: VerifierKey['type'], option: string): VerifierKey[] {
  const text = textOrFile(given, (one) => one.includes('+'));
  const lines = [...text.split('\n').entries()].map(([at, line]) => ({ at: at + 1, line: line.trim() }));
  return lines
    .filter(({ line }) => line !== '' && !line.startsWith('#'))
    .map(({ at, line }) => {
      const key = parseVkey(line);
      if (key?.type === type) return key;
      const what = type === ED25519 ? "a log's key" : "a witness's key";
      // A file that was taken for another may hold a secret: an age identity is called a key too.
      const wrong = text === given ? `'${line}' is not ${what}` : `'${given}': line ${at} is not ${what} (not shown)`;
      throw userError('usage', `${option} ${wrong}, expected NAME+ID+BASE64`, {
        fix: "'hoopctl audit checkpoint --key' prints the log's, 'hoopctl audit witness' that of a witness",
      });
    });
}
