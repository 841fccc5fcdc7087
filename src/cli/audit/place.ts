// What a path given to `audit` is: a gateway's data directory or a bundle of the same shape, a log alone, a proof, a receipt,
// or recordings. Refuses to know: what is checked in it.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { userError } from '../../core/errors.ts';
import { isProof, parseReceipt, type Receipt } from '../../session/log/proof.ts';

export type Place =
  | {
      readonly kind: 'log';
      readonly path: string;
      /** The folder of its tiles. */
      readonly log: string;
      /** The folder whose `recordings` belong to it; undefined: the log alone. */
      readonly data: string | undefined;
    }
  | { readonly kind: 'url'; readonly path: string; readonly url: URL }
  | { readonly kind: 'proof'; readonly path: string; readonly text: string }
  | { readonly kind: 'receipt'; readonly path: string; readonly receipt: Receipt }
  | { readonly kind: 'recordings'; readonly path: string };

/** The longest proof or receipt that is looked into. */
const MAX_BYTES = 1024 * 1024;

/** Errors: config_unreadable. */
export function placeOf(path: string): Place {
  if (path === '-') return { kind: 'recordings', path };
  if (/^https:\/\//.test(path)) return { kind: 'url', path, url: new URL(path.endsWith('/') ? path : `${path}/`) };
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw userError('config_unreadable', `there is no '${path}'`);
  if (stat.isDirectory()) {
    const log = join(path, 'log');
    if (isLog(log) || existsSync(join(path, 'recordings'))) return { kind: 'log', path, log, data: path };
    return isLog(path) ? { kind: 'log', path, log: path, data: undefined } : { kind: 'recordings', path };
  }
  // Of a pipe nothing would be left after a look.
  if (stat.isFile() && stat.size <= MAX_BYTES && !path.endsWith('.jsonl')) {
    const text = readFileSync(path, 'utf8');
    if (isProof(text) || path.endsWith('.tlog-proof')) return { kind: 'proof', path, text };
    const receipt = parseReceipt(text);
    if (receipt !== undefined) return { kind: 'receipt', path, receipt };
  }
  return { kind: 'recordings', path };
}

function isLog(folder: string): boolean {
  return existsSync(join(folder, 'checkpoint')) || existsSync(join(folder, 'tile'));
}

/** A text that an option gives, or the file of that name holds. Errors: config_unreadable. */
export function textOrFile(given: string, looks: (text: string) => boolean): string {
  if (looks(given)) return given;
  try {
    return readFileSync(given, 'utf8');
  } catch (error) {
    throw userError('config_unreadable', `cannot read '${given}': ${(error as Error).message}`, { cause: error });
  }
}
