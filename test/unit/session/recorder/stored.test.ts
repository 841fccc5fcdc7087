import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newSessionId } from '../../../../src/core/ids.ts';
import { readRecording, recordingBytes, type StoredFile } from '../../../../src/session/recorder/stored.ts';
import { verify } from '../../../../src/session/recorder/verify.ts';
import { findRecordings, parseName, segmentFile, storedFile } from '../../../../src/store/recording-files.ts';
import { sampleRecording, T0 } from './fixtures.ts';

/** A file in memory, read in pieces of so many bytes. */
function file(bytes: Uint8Array, piece = 7): StoredFile {
  return {
    name: 'memory',
    async *bytes() {
      for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
    },
  };
}

async function text(files: readonly StoredFile[]): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of recordingBytes(files)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

describe('the bytes of a recording', () => {
  it.each([1, 3, 7, 100_000])('are those of all segments, plain and packed, in pieces of %d', async (piece) => {
    const bytes = await sampleRecording();
    const cut = bytes.indexOf(10, 400) + 1;
    const [first, second] = [bytes.subarray(0, cut), bytes.subarray(cut)];
    const plain = [file(first, piece), file(second, piece)];
    const packed = [file(zstdCompressSync(first), piece), file(zstdCompressSync(second), piece)];
    expect(await text(plain)).toBe(bytes.toString());
    expect(await text(packed)).toBe(bytes.toString());
    expect(await text([packed[0]!, plain[1]!])).toBe(bytes.toString());
    expect(await verify(recordingBytes(packed))).toMatchObject({ ok: true, sealed: true });
    expect(await verify(recordingBytes(packed.slice(0, 1)))).toMatchObject({ ok: false, sealed: false });
    expect(await verify(recordingBytes(packed.slice(1)))).toMatchObject({ ok: false });
  });

  it('are given from any byte on', async () => {
    const bytes = await sampleRecording();
    const cut = bytes.indexOf(10, 400) + 1;
    const [first, second] = [bytes.subarray(0, cut), bytes.subarray(cut)];
    const known = (one: Buffer): StoredFile => ({
      ...file(one),
      plainBytes: one.length,
      bytes: (from = 0) => file(one.subarray(from)).bytes(),
    });
    for (const files of [
      [known(first), known(second)],
      [file(zstdCompressSync(first)), known(second)],
    ]) {
      for (const from of [0, 1, cut - 1, cut, cut + 1, bytes.length, bytes.length + 5]) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of readRecording({ files: () => files }, 'x', from)) chunks.push(Buffer.from(chunk));
        expect(Buffer.concat(chunks).toString()).toBe(bytes.subarray(from).toString());
      }
    }
  });

  it('that are cut or changed where they are packed are a finding, wherever', async () => {
    const packed = zstdCompressSync(await sampleRecording());
    for (let at = 4; at < packed.length; at += 13) {
      const cut = await verify(recordingBytes([file(packed.subarray(0, at))]));
      expect(cut, `cut at ${at}`).toMatchObject({ ok: false });
      expect(cut.problems[0]?.message).toMatch(/cannot be unpacked/);
    }
  });

  it('may be none, or fewer than a magic number', async () => {
    expect(await text([file(Buffer.alloc(0)), file(Buffer.from('a')), file(Buffer.from('bc\n'))])).toBe('abc\n');
  });

  it('end with the error of the place', async () => {
    const broken: StoredFile = {
      name: 'broken',
      async *bytes() {
        yield zstdCompressSync(Buffer.alloc(100_000, 'x')).subarray(0, 10);
        throw new Error('EIO');
      },
    };
    await expect(text([broken])).rejects.toThrow('EIO');
  });
});

describe('recordings among files', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'stored-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('are found with all their segments, once', async () => {
    const [long, other] = [newSessionId(T0), newSessionId(T0)];
    for (const segment of [1, 2, 3, 10_001]) writeFileSync(join(root, segmentFile(long, segment)), `${segment}\n`);
    writeFileSync(join(root, `${segmentFile(long, 2)}.zst`), zstdCompressSync(Buffer.from('2\n')));
    writeFileSync(join(root, `${segmentFile(other, 1)}.zst`), zstdCompressSync(Buffer.from('other\n')));
    writeFileSync(join(root, 'copy.jsonl'), 'copy\n');
    const texts = await Promise.all(findRecordings(root).map(({ files }) => text(files)));
    expect(texts.sort()).toEqual(['1\n2\n3\n10001\n', 'copy\n', 'other\n']);
    const [one] = findRecordings(join(root, segmentFile(long, 1)));
    expect(await text(one!.files)).toBe('1\n2\n3\n10001\n');
  });

  it('are read though they are compressed after they were found, opened by name before or after that', async () => {
    const id = newSessionId(T0);
    const path = join(root, segmentFile(id, 1));
    writeFileSync(path, 'lines\n');
    const [before] = findRecordings(root);
    writeFileSync(`${path}.zst`, zstdCompressSync(Buffer.from('lines\n')));
    rmSync(path);
    expect(await text(before!.files)).toBe('lines\n');
    expect(await text([storedFile(path)])).toBe('lines\n');
  });

  it('have names that say what they are', () => {
    const id = newSessionId(T0);
    expect(parseName(`${id}.jsonl`)).toEqual({ session: id, segment: 1, compressed: false });
    expect(parseName(`${id}.0012.jsonl.zst`)).toEqual({ session: id, segment: 12, compressed: true });
    for (const name of [`${id}.12.jsonl`, `${id}.jsonl.tmp`, 'a.jsonl', id]) expect(parseName(name)).toBeUndefined();
  });
});
