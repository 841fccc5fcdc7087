import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Watching, watchFile } from '../../../src/config/watch.ts';

let directory: string;
let path: string;
let calls: number;
let watching: Watching | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'watch-'));
  path = join(directory, 'gateway.yaml');
  calls = 0;
  writeFileSync(path, 'one');
});

afterEach(() => {
  watching?.stop();
  rmSync(directory, { recursive: true });
});

function start(options = {}): void {
  watching = watchFile(path, () => calls++, { debounceMs: 10, pollMs: 20, ...options });
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(count: number): Promise<void> {
  while (calls < count) await sleep(5);
}

test('a file written in place is told', async () => {
  start();
  writeFileSync(path, 'two!');
  await until(1);
  writeFileSync(path, 'three');
  await until(2);
});

test('a file replaced by a rename is told, again and again', async () => {
  start({ pollMs: 60_000 });
  for (let i = 1; i <= 3; i++) {
    writeFileSync(`${path}.new`, `version ${i}`);
    renameSync(`${path}.new`, path);
    await until(i);
  }
});

test('a swapped symbolic link is told', async () => {
  writeFileSync(join(directory, 'a'), 'a');
  writeFileSync(join(directory, 'b'), 'b');
  unlinkSync(path);
  symlinkSync('a', path);
  start();
  symlinkSync('b', join(directory, 'next'));
  renameSync(join(directory, 'next'), path);
  await until(1);
});

test('a file that vanishes is not told, one that comes back is', async () => {
  start();
  unlinkSync(path);
  await sleep(60);
  expect(calls).toBe(0);
  writeFileSync(path, 'back');
  await until(1);
});

test('several writes at once are told once', async () => {
  start({ debounceMs: 100 });
  for (let i = 0; i < 5; i++) writeFileSync(path, `write ${i}`);
  await until(1);
  await sleep(250);
  expect(calls).toBe(1);
});

test('other files in the directory, and anything after stop, are not told', async () => {
  start();
  writeFileSync(join(directory, 'other'), 'x');
  await sleep(60);
  watching?.stop();
  writeFileSync(path, 'two!');
  await sleep(60);
  expect(calls).toBe(0);
});
