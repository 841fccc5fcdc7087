// `hoopctl admin recording-key -o FILE`: an age identity for somebody who shall read encrypted recordings, where age is not at
// hand. Made here, told to nobody.

import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { userError } from '../../../core/errors.ts';
import { newIdentity } from '../../../session/recorder/age/keys.ts';
import { command as define } from '../../command.ts';
import { writeTrouble } from '../../files.ts';

export const command = define({
  options: { output: { value: 'FILE', short: 'o', trusted: true, help: 'where the identity goes; it must not exist' } },
  notes: `The same as 'age-keygen -o FILE'. Keep the file away from the gateway: whoever has it reads the recordings. Standard output gets
the recipient, age1…, for the configuration: recordings: { defaults: [{ labels: {}, encrypt: { recipients: [age1…] } }] }.`,
  run: async ({ output }, context) => {
    if (output === undefined) {
      throw userError('usage', '--output is missing: the identity is a secret', {
        fix: 'name a new file: -o auditor.key',
      });
    }
    const file = resolve(context.io.cwd, output);
    const identity = newIdentity(new Date());
    try {
      writeFileSync(file, identity.file, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      const there = (error as NodeJS.ErrnoException).code === 'EEXIST';
      throw userError('conflict', `cannot write '${output}': ${writeTrouble(error)}`, {
        ...(there ? { fix: 'name a new file: a key that recordings were encrypted for is not overwritten' } : {}),
        cause: error,
      });
    }
    const { recipient } = identity;
    await context.print({ recipient, file }, () => `${recipient}\n`);
  },
});
