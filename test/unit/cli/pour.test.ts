// A stream onto standard output: byte for byte, and on a terminal tamed, wherever its pieces end.

import { expect, it } from 'vitest';
import type { Io } from '../../../src/cli/io.ts';
import { pour } from '../../../src/cli/pour.ts';

const bytes = Buffer.from('a\r\nb \u001b[2J é\u202e');

async function poured(stdout: boolean, pieces: readonly Uint8Array[]): Promise<Buffer> {
  const got: Buffer[] = [];
  const write = async (piece: string | Uint8Array) => void got.push(Buffer.from(piece as Uint8Array));
  const io = { terminal: { stdout }, write } as unknown as Io;
  await pour(
    io,
    (async function* () {
      yield* pieces;
    })(),
  );
  return Buffer.concat(got);
}

it.each([1, 2, 3, bytes.length])('is the same in pieces of %i bytes', async (size) => {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  expect(await poured(false, pieces)).toEqual(bytes);
  expect((await poured(true, pieces)).toString()).toBe('a\nb \\x1b[2J é\\u202e');
});

it('says where it was cut in the middle of a character', async () => {
  const cut = Buffer.from('é').subarray(0, 1);
  expect(await poured(false, [cut])).toEqual(cut);
  expect((await poured(true, [cut])).toString()).toBe('\ufffd');
});
