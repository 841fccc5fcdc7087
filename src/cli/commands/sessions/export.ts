// `hoopctl sessions export ID`: the recording byte for byte, so that `audit verify` and anybody's tools can check it.

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { userError } from '../../../core/errors.ts';
import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import { byteSize } from '../../text.ts';

export const command = define({
  options: { output: { value: 'FILE', short: 'o', help: 'where to, - for standard output (default: ID.jsonl)' } },
  arguments: [{ name: 'id', help: 'the session', complete: 'sessions' }],
  run: async ({ id, output }, context) => {
    const api = await context.api();
    const bytes = api.bytes(route`sessions/${id}/recording`, { signal: context.signal });
    if (output === '-') {
      for await (const chunk of bytes) await context.io.write(chunk);
      return;
    }
    // The id came from the command line: a file name of it must stay in this folder.
    const path = output ?? `${id.replace(/[^\w.-]/g, '_')}.jsonl`;
    const size = await save(path, bytes);
    await context.print({ session: id, file: path, bytes: size }, () => `${path} (${byteSize(size)})\n`);
  },
});

/** Written aside and renamed when whole: half a recording would look like a tampered one. */
async function save(path: string, bytes: AsyncIterable<Buffer>): Promise<number> {
  const aside = `${path}.part`;
  let size = 0;
  // Before the file is made: a refusal must not leave one behind.
  const iterator = bytes[Symbol.asyncIterator]();
  let next = await iterator.next();
  const file = createWriteStream(aside, { mode: 0o600 });
  try {
    for (; !next.done; next = await iterator.next()) {
      size += next.value.length;
      if (!file.write(next.value)) await once(file, 'drain');
    }
    file.end();
    await once(file, 'close');
    await rename(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw userError('conflict', `cannot write '${path}': ${(error as Error).message}`, { cause: error });
  } finally {
    file.destroy();
  }
  return size;
}
