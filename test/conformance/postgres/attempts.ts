// Reads the suites' data files, and makes one attempt: each of its statements by one protocol, on a connection of its own.

import { readFileSync } from 'node:fs';
import type { WireClient } from '../../support/wire.ts';
import { bindAs, execute, extended, type Frame, fields, message, parse, query, sync } from '../../support/wire.ts';

export interface Attempt {
  readonly name: string;
  readonly statements: readonly string[];
}

/** `name: statement ;; statement` a line; lines that begin with # are comments. */
export function readAttempts(file: URL): Attempt[] {
  const attempts: Attempt[] = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const match = /^([^#:][^:]*): (.+)$/.exec(line);
    if (match === null) {
      if (line !== '' && !line.startsWith('#')) throw new Error(`not an attempt: ${line}`);
      continue;
    }
    const text = match[2]!.replaceAll('{n}', String(attempts.length));
    attempts.push({ name: match[1]!, statements: text.split(' ;; ') });
  }
  const names = new Set(attempts.map(({ name }) => name));
  if (names.size < attempts.length) {
    const seen = new Set<string>();
    throw new Error(
      `used twice: ${attempts.filter(({ name }) => seen.size === seen.add(name).size).map(({ name }) => name)}`,
    );
  }
  return attempts;
}

export const MODES = ['simple', 'extended', 'extended, undescribed', 'binary'] as const;
export type Mode = (typeof MODES)[number];

function request(mode: Mode, text: string): Buffer[] {
  if (mode === 'simple') return [query(text)];
  if (mode === 'extended') return [...extended(text), sync()];
  const bound = bindAs(mode === 'binary' ? 1 : 0);
  // Row by row, as a client with a fetch size does.
  if (mode === 'extended, undescribed') return [parse('', text), bound, execute('', 2), execute(''), sync()];
  return [...extended(text, bound), sync()];
}

/** The SQLSTATE of the error in an answer. */
export function errorIn(frames: readonly Frame[]): string | undefined {
  const error = frames.find(({ type }) => type === 'E');
  return error === undefined ? undefined : fields(error.body).C;
}

/** All up to ReadyForQuery, or the end of the connection; a COPY that asks for data gets none. */
async function answer(client: WireClient, mode: Mode): Promise<Frame[]> {
  const frames: Frame[] = [];
  while (frames.at(-1)?.type !== 'Z') {
    const frame = await client.next().catch((error: unknown) => {
      if (client.closed) return undefined;
      throw error;
    });
    if (frame === undefined) break;
    frames.push(frame);
    // The Sync that is under way already is ignored while data is awaited.
    if (frame.type === 'G') client.send(message('f', 'no data'), ...(mode === 'simple' ? [] : [sync()]));
  }
  return frames;
}

/** Every statement in turn, whatever becomes of the one before; the answers. The client may be closed then. */
export async function attempt(client: WireClient, mode: Mode, statements: readonly string[]): Promise<Frame[][]> {
  const answers: Frame[][] = [];
  for (const text of statements) {
    if (client.closed) break;
    client.send(...request(mode, text));
    answers.push(await answer(client, mode));
  }
  return answers;
}
