// The files of sealed recordings in the directory, as far as moving them to object storage and removing them goes.
// Refuses to know: object storage itself, which recordings, why.

import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { ELSEWHERE, type Elsewhere, type Left, type ObjectFile, readElsewhere, writeWhole } from './elsewhere.ts';
import { privateDirectory } from './files.ts';
import { keyFile, localFiles, recordingStem } from './recording-files.ts';
import { leftBy, type Progress, readProgress } from './s3/upload.ts';

/** How far uploads are. */
const SHIPPING = 'shipping';

export class Shelf {
  readonly #root: string;

  /** `root`: DATA/recordings. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Whether its files are still to be changed: by compression. */
  unsettled(session: string): boolean {
    return existsSync(join(this.#root, 'packing', session)) || existsSync(join(this.#root, 'open', session));
  }

  /** What an upload of it needs to know. */
  upload(session: string): { files: string[]; unlocked: string[]; spool: string; list: string; folder: string } {
    const stem = this.#stem(session);
    privateDirectory(join(this.#root, SHIPPING));
    return {
      files: [...localFiles(stem)],
      // Whoever erases the key erases the content, however long that is locked.
      unlocked: existsSync(keyFile(stem)) ? [keyFile(stem)] : [],
      spool: this.#spool(session),
      list: stem + ELSEWHERE,
      folder: `${relative(this.#root, dirname(stem))}/`,
    };
  }

  elsewhere(session: string): Elsewhere | undefined {
    return readElsewhere(this.#stem(session));
  }

  /** Everything of it that may be in object storage, heard of or not. Errors: `recording_invalid`, of its list. */
  everywhere(session: string): Left[] {
    const [there, begun] = [this.elsewhere(session), this.#begun(session)];
    const known = there === undefined ? [] : [{ ...there, keys: there.files.map(({ key }) => key) }];
    const begins = begun === undefined ? [] : [leftBy(begun)];
    return [...known, ...(there?.left ?? []), ...begins, ...(begun?.left ?? [])];
  }

  /**
   * What object storage has of the files that are here. Undefined: it has not all of them as they are. Errors:
   * `recording_invalid`, of its list.
   */
  copies(session: string): { readonly there: Elsewhere; readonly files: readonly ObjectFile[] } | undefined {
    const there = this.elsewhere(session);
    if (there === undefined) return undefined;
    const copy = (path: string) =>
      there.files.find(({ name, bytes }) => name === basename(path) && bytes === statSync(path).size);
    const files = [...localFiles(this.#stem(session))].map(copy);
    return files.every((one) => one !== undefined) ? { there, files } : undefined;
  }

  /** Removes the files that are here of what object storage has. */
  drop(session: string): void {
    for (const path of localFiles(this.#stem(session))) rmSync(path);
  }

  /** What it had is gone: it is to go there once more. What may still be of it is not forgotten. */
  again(session: string): void {
    const left = this.everywhere(session);
    // At no place yet: it begins anew wherever the configuration says.
    writeWhole(this.#spool(session), { endpoint: '', bucket: '', keys: '', files: [], left } satisfies Progress);
    rmSync(this.#stem(session) + ELSEWHERE, { force: true });
  }

  /**
   * Removes every file of it here, what was put aside as damaged and what was being made of it among them. What is known of
   * its objects stays. Returns how many files.
   */
  erase(session: string): number {
    const stem = this.#stem(session);
    const damaged = join(this.#root, 'damaged');
    const mine = [
      ...filesOf(dirname(stem), session).filter((path) => path !== stem + ELSEWHERE),
      ...(existsSync(damaged) ? filesOf(damaged, session) : []),
    ];
    const marks = ['open', 'packing'].map((name) => join(this.#root, name, session));
    for (const path of [...mine, ...marks]) rmSync(path, { force: true });
    return mine.length;
  }

  /** How the key's file is called, and its object. */
  keyName(session: string): string {
    return basename(keyFile(this.#stem(session)));
  }

  /** Its object is gone: whoever looks for the key asks for it no more. */
  forgetKey(session: string): void {
    const name = this.keyName(session);
    const without = <Known extends { files: readonly ObjectFile[]; left?: readonly Left[] }>(known: Known) => ({
      ...known,
      files: known.files.filter((one) => one.name !== name),
      left: known.left?.map((one) => ({ ...one, keys: one.keys.filter((key) => !key.endsWith(`/${name}`)) })),
    });
    const [there, begun] = [this.elsewhere(session), this.#begun(session)];
    if (there !== undefined) writeWhole(this.#stem(session) + ELSEWHERE, without(there));
    if (begun === undefined) return;
    writeWhole(this.#spool(session), { ...without(begun), sent: begun.sent?.filter((one) => one !== name) });
  }

  /** The last trace of where it was. */
  forget(session: string): void {
    for (const suffix of ['', '.tmp']) rmSync(this.#stem(session) + ELSEWHERE + suffix, { force: true });
    for (const suffix of ['', '.tmp']) rmSync(this.#spool(session) + suffix, { force: true });
  }

  #begun(session: string): Progress | undefined {
    return readProgress(this.#spool(session));
  }

  #stem(session: string): string {
    return join(this.#root, recordingStem(session));
  }

  #spool(session: string): string {
    return join(this.#root, SHIPPING, `${session}.json`);
  }
}

/** All that are named after a session, whatever they are. */
function filesOf(folder: string, session: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.startsWith(`${session}.`))
    .map((name) => join(folder, name));
}
