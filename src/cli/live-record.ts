// The lines of a recording that is being written, as they come; a token that ends meanwhile is renewed.
// Refuses to know: what lines say.

import { type ErrorCode, userError } from '../core/errors.ts';
import { openedLines } from '../session/recorder/opened.ts';
import type { Line } from '../session/recorder/reader.ts';
import { type Api, route } from './api.ts';
import { openerFor, type Reader, recordedKey } from './encrypted.ts';

const NEWLINE = 10;
/** How the gateway says why it tells no more; a line of a recording begins otherwise. */
const END = Buffer.from('{"end":');

/** Errors: those of the API and of `openerFor`. */
export function growingLines(
  api: Api,
  session: string,
  { reader, signal }: { reader: Reader | undefined; signal: AbortSignal },
): AsyncGenerator<readonly Line[]> {
  const key = () => recordedKey(api, session, signal);
  return openedLines(growingBytes(api, session, signal), (opening) => openerFor(opening, reader, key));
}

async function* growingBytes(api: Api, session: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  let from = 0;
  for (;;) {
    let rest: Buffer = Buffer.alloc(0);
    const path = route`sessions/${session}/watch`;
    for await (const chunk of api.bytes(path, { query: { from: String(from) }, signal })) {
      const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const whole = bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1);
      rest = bytes.subarray(whole.length);
      const ours = whole.subarray(0, endAt(whole));
      from += ours.length;
      if (ours.length > 0) yield ours;
      if (ours.length < whole.length) rest = whole.subarray(ours.length);
    }
    if (!rest.subarray(0, END.length).equals(END)) return;
    const { end } = JSON.parse(rest.toString()) as { end: { code: ErrorCode; message: string } };
    if (end.code !== 'token_expired') throw userError(end.code, end.message, { fix: "run 'hoopctl status'" });
  }
}

/** Where the end is told, in whole lines: the last of them, if at all. */
function endAt(lines: Buffer): number {
  const last = lines.lastIndexOf(NEWLINE, lines.length - 2) + 1;
  return lines.subarray(last, last + END.length).equals(END) ? last : lines.length;
}
