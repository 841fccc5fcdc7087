import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../../../src/session/log/checkpoint.ts';
import { Edge } from '../../../../src/session/log/growth.ts';
import {
  EMPTY_ROOT,
  foldRight,
  GrowingTree,
  type Hash,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from '../../../../src/session/log/merkle.ts';
import {
  COSIGNATURE,
  ED25519,
  formatVkey,
  parseNote,
  parseVkey,
  signatureBy,
  signatureLine,
  signerOf,
  signNote,
} from '../../../../src/session/log/note.ts';
import { formatProof, parseProof } from '../../../../src/session/log/proof.ts';
import { decodeBundle, encodeBundle, TreeReader, tilePath, tilesOf } from '../../../../src/session/log/tiles.ts';

/** MTH as RFC 6962 §2.1 writes it. */
function rootOf(leaves: readonly Hash[]): Hash {
  if (leaves.length < 2) return leaves[0] ?? EMPTY_ROOT;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

const entries = Array.from({ length: 600 }, (_, i) => Buffer.from(`entry ${i}`));
const leaves = entries.map(leafHash);

/** The tree of that size in tiles in memory. */
function treeOf(size: number): TreeReader {
  const files = new Map<string, Buffer>();
  for (const { path, bytes } of new Edge().grow(entries.slice(0, size)).files) files.set(path, Buffer.from(bytes));
  return new TreeReader({ get: async (path) => files.get(path) }, size);
}

const SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 255, 256, 257, 300, 511, 512, 513, 600];

describe('the tree', () => {
  // RFC 6962's own test vectors, as its authors' implementations carry them.
  it('hashes leaves and nodes as RFC 6962 has it', () => {
    expect(EMPTY_ROOT.toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(leafHash(Buffer.alloc(0)).toString('hex')).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    expect(leafHash(Buffer.from('L123456')).toString('hex')).toBe(
      '395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56',
    );
    expect(nodeHash(Buffer.from('N123'), Buffer.from('N456')).length).toBe(32);
  });

  it('has the root of the definition, grown in steps, in tiles, and leaf by leaf', async () => {
    for (const size of SIZES) {
      const due = rootOf(leaves.slice(0, size));
      const growing = new GrowingTree();
      for (const leaf of leaves.slice(0, size)) growing.push(leaf);
      expect(growing.root.equals(due)).toBe(true);
      let edge = new Edge();
      for (let at = 0; at < size; at += 97) edge = edge.grow(entries.slice(at, Math.min(size, at + 97))).edge;
      expect(edge.head.root.equals(due), `size ${size}`).toBe(true);
      expect((await treeOf(size).root()).equals(due)).toBe(true);
    }
    expect(foldRight([]).equals(EMPTY_ROOT)).toBe(true);
  });

  it('proves what is in it, and nothing else', async () => {
    for (const size of SIZES) {
      const tree = treeOf(size);
      const root = rootOf(leaves.slice(0, size));
      for (const index of new Set([0, 1, Math.floor(size / 2), size - 1].filter((at) => at < size))) {
        const path = await tree.inclusion(index);
        expect(verifyInclusion(leaves[index]!, index, size, path, root)).toBe(true);
        expect(verifyInclusion(leaves[599 - index]!, index, size, path, root)).toBe(
          leaves[599 - index] === leaves[index],
        );
        expect(verifyInclusion(leaves[index]!, (index + 1) % size, size, path, root)).toBe(size === 1);
        expect(verifyInclusion(leaves[index]!, index, size, [...path, root], root)).toBe(false);
      }
    }
  });

  it('proves that it only grew, and does not otherwise', async () => {
    for (const size of SIZES) {
      const tree = treeOf(size);
      const now = { size, root: rootOf(leaves.slice(0, size)) };
      for (const old of [0, ...SIZES.filter((one) => one <= size)]) {
        const before = { size: old, root: rootOf(leaves.slice(0, old)) };
        const proof = await tree.consistency(old);
        expect(verifyConsistency(before, now, proof), `${old} to ${size}`).toBe(true);
        expect(verifyConsistency({ size: old, root: hash('sha256', 'x', 'buffer') }, now, proof)).toBe(false);
        if (old > 0 && old < size) expect(verifyConsistency(before, now, [...proof, now.root])).toBe(false);
      }
    }
  });

  it('names its tiles as tlog-tiles does', () => {
    expect(tilePath(0, 1234067)).toBe('tile/0/x001/x234/067');
    expect(tilePath('entries', 5, 70)).toBe('tile/entries/005.p/70');
    // "a tree of size 70,000 will be represented by 273 full level 0 tiles, …"
    const widths = [...tilesOf(70_000)].map(({ level, width }) => `${level}:${width}`);
    expect(widths.filter((one) => one === '0:256')).toHaveLength(273);
    expect(widths.filter((one) => one !== '0:256')).toEqual(['0:112', '1:256', '1:17', '2:1']);
    expect([...tilesOf(256)].map(({ level, width }) => `${level}:${width}`)).toEqual(['0:256', '1:1']);
  });

  it('keeps entries in bundles, and sees a cut one', () => {
    const bytes = encodeBundle(entries.slice(0, 3));
    expect(decodeBundle(bytes)).toEqual({ entries: entries.slice(0, 3), whole: true });
    expect(decodeBundle(bytes.subarray(0, -1))).toEqual({ entries: entries.slice(0, 2), whole: false });
  });
});

describe('signed notes', () => {
  const VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
  const NOTE = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`;

  it('verifies the example of the specification', () => {
    const key = parseVkey(VKEY)!;
    expect(formatVkey(key)).toBe(VKEY);
    expect(signatureBy(parseNote(NOTE)!, key)).toBe('valid');
    expect(signatureBy(parseNote(NOTE.replace('example message', 'example massage'))!, key)).toBe('broken');
  });

  it.each([
    ['no blank line', NOTE.replace('\n\n', '\n')],
    ['no newline at the end', NOTE.slice(0, -1)],
    ['a control character', NOTE.replace('This', '\u0001his')],
    ['another dash', NOTE.replace('—', '-')],
    ['no name', NOTE.replace('example.com/foo ', '')],
    ['a plus in the name', NOTE.replace('com/foo', 'com+foo')],
    ['base64 with other bits at its end', NOTE.replace('aQM=', 'aQN=')],
    ['no signature', 'text\n\n'],
  ])('%s: none', (_, text) => {
    expect(parseNote(text)).toBeUndefined();
  });

  it('are checkpoints only by the letter', () => {
    const signer = signerOf('example.com/log', ED25519, Buffer.alloc(32, 1));
    const root = EMPTY_ROOT.toString('base64');
    const note = (text: string) => signNote(text, [signer]);
    expect(parseCheckpoint(note(`example.com/log\n0\n${root}\n`))).toMatchObject({
      origin: 'example.com/log',
      size: 0,
    });
    for (const text of [
      `o\n01\n${root}\n`,
      `o\n-1\n${root}\n`,
      `\n1\n${root}\n`,
      `o\n1\n${root}AA\n`,
      `o\n1\n`,
      `o\n1\n${root}\n\nx\n`,
    ]) {
      expect(parseCheckpoint(note(text)), text).toBeUndefined();
    }
  });

  it('take cosignatures with their time', () => {
    const witness = signerOf('w.example/1', COSIGNATURE, Buffer.alloc(32, 2));
    const text = `o\n0\n${EMPTY_ROOT.toString('base64')}\n`;
    const line = signatureLine(text, witness, 1_700_000_000);
    expect(signatureBy(parseNote(`${text}\n${line}`)!, witness.verifier)).toBe('valid');
    expect(signatureBy(parseNote(`${text.replace('0', '1')}\n${line}`)!, witness.verifier)).toBe('broken');
    expect(parseVkey(formatVkey(witness.verifier))).toEqual(witness.verifier);
  });

  it('are what proofs end with', () => {
    const signer = signerOf('o', ED25519, Buffer.alloc(32, 1));
    const checkpoint = signNote(`o\n1\n${leaves[0]!.toString('base64')}\n`, [signer]);
    const text = formatProof(entries[0]!, 0, [], checkpoint);
    expect(parseProof(text)).toMatchObject({ extra: entries[0], index: 0, path: [] });
    expect(parseProof(text.replace('index 0', 'index 00'))).toBeUndefined();
    expect(parseProof(text.replace('@v1', '@v2'))).toBeUndefined();
  });
});
