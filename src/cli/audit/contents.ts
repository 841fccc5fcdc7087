// What an identity shows of encrypted recordings beside their chains: that keys are those of their recordings, and that every
// line opens. Refuses to know: how anything is encrypted, which recordings there are.

import { asHoopctlError, type HoopctlError, userError } from '../../core/errors.ts';
import { encryptionOf } from '../../session/recorder/encryption.ts';
import type { ObjectReader } from '../../store/elsewhere.ts';
import type { FoundRecording } from '../../store/recording-files.ts';
import { foundLines, type Reader } from '../encrypted.ts';
import type { Outcome } from './recordings.ts';

export function isEncrypted(result: Outcome): boolean {
  return typeof result !== 'string' && result.opening !== undefined && encryptionOf(result.opening) !== undefined;
}

export class Contents {
  /** Recordings that opened, that are for others, and that were handed over without their keys. */
  read = 0;
  others = 0;
  keyless = 0;
  readonly #reader: Reader;
  readonly #objects: ObjectReader | undefined;

  constructor(reader: Reader, objects: ObjectReader | undefined) {
    this.#reader = reader;
    this.#objects = objects;
  }

  /** Why it cannot be read although it is for this identity; undefined: it can, or it is for others, or has no key here. */
  async check(found: Pick<FoundRecording, 'path' | 'files'>): Promise<string | undefined> {
    try {
      for await (const _ of foundLines(found, this.#reader, this.#objects));
      this.read += 1;
      return undefined;
    } catch (thrown) {
      const { code, message } = asHoopctlError(thrown);
      if (code === 'recording_encrypted') this.others += 1;
      else if (code === 'key_missing') this.keyless += 1;
      else return message;
      return undefined;
    }
  }

  note(): string {
    const keyless = this.keyless === 0 ? '' : `, ${this.keyless} lie here without their keys`;
    return `${this.read} encrypted recordings were read with '${this.#reader.file}', ${this.others} are for others${keyless}`;
  }
}

/** Of all that was checked: what was asked for was not done where the identity opened nothing. Undefined: it did, or had not to. */
export function openedNone(reader: Reader, all: readonly Contents[]): HoopctlError | undefined {
  const others = all.reduce((sum, one) => sum + one.others, 0);
  if (others === 0 || all.some(({ read }) => read > 0)) return undefined;
  const whose = reader.identities.map(({ recipient }) => recipient.text).join(', ');
  const what = others === 1 ? 'the one encrypted recording' : `any of the ${others} encrypted recordings`;
  return userError('usage', `'${reader.file}' has the identity of ${whose}, which does not open ${what}`, {
    fix: 'give the identity of a recipient; without --identity they are checked as they are stored',
  });
}
