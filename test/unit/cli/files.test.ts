// Files that are there only when they are whole.

import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { asideOf, writeWhole } from '../../../src/cli/files.ts';
import { save } from '../../../src/cli/save.ts';
import { repository, runOk, temporaryDirectory } from '../../support/process.ts';

async function* pieces(...texts: (string | Error)[]): AsyncGenerator<string> {
  for (const text of texts) {
    if (text instanceof Error) throw text;
    yield text;
  }
}

const writers: [string, (path: string) => unknown][] = [
  ['text', (path) => writeWhole(path, 'whole')],
  ['a stream', (path) => save(path, pieces('who', 'le'))],
];

describe.each(writers)('%s', (_, write) => {
  it('is written through nothing that somebody else left in the folder', async () => {
    const folder = temporaryDirectory('files');
    const path = join(folder, 'file');
    writeFileSync(join(folder, 'theirs'), 'before');
    symlinkSync(join(folder, 'theirs'), `${path}.part`);
    await write(path);
    expect(readFileSync(path, 'utf8')).toBe('whole');
    expect(lstatSync(path).isFile()).toBe(true);
    expect(readFileSync(join(folder, 'theirs'), 'utf8')).toBe('before');
    expect(asideOf(path)).not.toBe(asideOf(path));
  });

  it('leaves nothing where it cannot be written', async () => {
    const folder = temporaryDirectory('files');
    const path = join(folder, 'file');
    mkdirSync(join(path, 'full'), { recursive: true });
    await expect(async () => write(path)).rejects.toMatchObject({ code: 'conflict' });
    expect(readdirSync(folder)).toEqual(['file']);
  });
});

it.each(writers)('%s says that its folder is missing, not the file', async (_, write) => {
  const path = join(temporaryDirectory('files'), 'missing', 'file');
  await expect(async () => write(path)).rejects.toMatchObject({
    code: 'conflict',
    message: `cannot write '${path}': its folder is not there`,
  });
});

describe('a stream', () => {
  it('goes into a pipe that is there, which stays one', async () => {
    const folder = temporaryDirectory('files');
    const path = join(folder, 'pipe');
    await runOk('mkfifo', [path]);
    const reader = runOk('cat', [path]);
    expect(await save(path, pieces('who', 'le'))).toBe(5);
    expect((await reader).stdout).toBe('whole');
    expect([lstatSync(path).isFIFO(), readdirSync(folder)]).toEqual([true, ['pipe']]);
  });

  it('that breaks off leaves nothing', async () => {
    const path = join(temporaryDirectory('files'), 'file');
    await expect(save(path, pieces('who', new Error('broke off')))).rejects.toThrow('broke off');
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });
});

it('is whole whoever else writes it at the same time', async () => {
  const path = join(temporaryDirectory('files'), 'file');
  const program = `
    const { writeWhole } = await import('./src/cli/files.ts');
    for (let i = 0; i < 2000; i++) writeWhole(${JSON.stringify(path)}, 'x'.repeat(2000));
  `;
  const one = () => runOk(process.execPath, ['--input-type=module', '-e', program], { cwd: repository });
  await Promise.all([one(), one(), one()]);
  expect(readFileSync(path, 'utf8')).toBe('x'.repeat(2000));
});
