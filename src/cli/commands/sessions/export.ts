// `hoopctl sessions export ID`: the recording byte for byte, so that `audit verify` and anybody's tools can check it; or what
// is in an encrypted one, for whoever has an identity; or what one of its shells showed, for players of terminals.

import { dirname, join } from 'node:path';
import { userError } from '../../../core/errors.ts';
import { type Line, sourceOf } from '../../../session/recorder/reader.ts';
import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import { IDENTITY_OPTION, keyGone, readerFrom, recordedKey, recordedLines } from '../../encrypted.ts';
import { operationNumber } from '../../operation.ts';
import { pour } from '../../pour.ts';
import { READING_OPTION, reasoned } from '../../reading.ts';
import { save } from '../../save.ts';
import type { SessionItem } from '../../shapes.ts';
import { byteSize } from '../../text.ts';

export const command = define({
  options: {
    ...IDENTITY_OPTION,
    format: {
      value: 'FORMAT',
      help: 'jsonl; asciicast (version 3), asciicast-v2: what a shell or command showed; text: the same as plain lines',
      choices: ['jsonl', 'asciicast', 'asciicast-v2', 'text'],
    },
    operation: { value: 'N', help: 'of asciicast and text: which operation (default: the first that shows something)' },
    ...READING_OPTION,
    output: { value: 'FILE', short: 'o', trusted: true, help: 'where to, - for standard output (default: ID.jsonl)' },
  },
  arguments: [{ name: 'id', help: 'the session', complete: 'sessions' }],
  notes: `An encrypted recording is saved as it is stored, to be checked, and its key file beside it, ID.key.age, for age to read. With
--identity what is in it is saved in the clear, as ID.decrypted.jsonl: to be read, its chain is that of the stored one. Exit code 1:
what was put out of it is not what was written. An asciicast has all that the host sent: played it steers the terminal, as the host did.`,
  run: async ({ id, output, identity, format = 'jsonl', operation, reason }, asked) => {
    const context = reasoned(asked, reason);
    const api = await context.api();
    const { signal } = context;
    const { recording } = await api.call<SessionItem>(route`sessions/${id}`, { signal });
    const encryption = recording?.encryption;
    const gone = keyGone(id, encryption);
    if (gone !== undefined) context.io.say(gone.message);
    const reader = encryption === undefined ? undefined : readerFrom(identity, context);
    // The id came from the command line: a file name of it must stay in this folder.
    const name = id.replace(/[^\w.-]/g, '_');
    const { Vouched } = await import('../../vouched.ts');
    const vouched = new Vouched(recording);
    // What is made of its lines has no chain of its own any more that could be checked later.
    const told = () => {
      const problems = vouched.problems();
      for (const problem of problems) context.io.say(`the recording was changed: ${problem}`);
      return problems.length > 0 ? 1 : 0;
    };
    if (format !== 'jsonl') {
      const shown = shownBy(recordedLines(api, id, { reader, signal, raw: vouched.raw }), format, operation);
      if (output === '-') await pour(context.io, shown);
      else {
        const file = output ?? `${name}.${format === 'text' ? 'txt' : 'cast'}`;
        const size = await save(file, shown);
        await context.print({ session: id, file, bytes: size }, () => `${file} (${byteSize(size)})\n`);
      }
      return told();
    }
    const bytes =
      reader === undefined
        ? api.bytes(route`sessions/${id}/recording`, { signal })
        : asText(recordedLines(api, id, { reader, signal, raw: vouched.raw }));
    const end = () => (reader === undefined ? 0 : told());
    if (output === '-') {
      await pour(context.io, bytes);
      return end();
    }
    const path = output ?? `${name}${reader === undefined ? '' : '.decrypted'}.jsonl`;
    const size = await save(path, bytes);
    const files = [path];
    if (encryption !== undefined && gone === undefined && reader === undefined) {
      files.push(join(dirname(path), `${name}.key.age`));
      await save(files[1]!, sourceOf(await recordedKey(api, id, signal)));
    }
    const [file, key] = files;
    const answer = { session: id, file, bytes: size, ...(key === undefined ? {} : { key }) };
    await context.print(answer, () => `${file} (${byteSize(size)})\n${key === undefined ? '' : `${key}\n`}`);
    return end();
  },
});

async function* asText(pieces: AsyncIterable<readonly Line[]>): AsyncGenerator<string> {
  for await (const lines of pieces) yield lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** What an operation showed, as a recording of a terminal or as plain text. */
async function* shownBy(
  pieces: AsyncIterable<readonly Line[]>,
  format: string,
  operation: string | undefined,
): AsyncGenerator<string> {
  const only = operationNumber(operation);
  const made =
    format === 'text'
      ? new (await import('../../../session/output/shown.ts')).ShownText(only)
      : new (await import('../../../session/export/asciicast.ts')).Cast({
          version: format === 'asciicast' ? 3 : 2,
          ...(only === undefined ? {} : { operation: only }),
        });
  for await (const lines of pieces) {
    const text = lines.map((line) => made.line(line)).join('');
    if (text !== '') yield text;
  }
  if (!made.found) {
    const what = only === undefined ? 'nothing in this recording' : `operation ${only}`;
    throw userError('not_found', `${what} showed anything: there is nothing to export`, {
      fix: 'see its operations: hoopctl sessions replay ID',
    });
  }
}
