// Rules about the tree: what lies at the top, what the README has to tell.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repository } from '../../support/process.ts';
import { imports, projectFiles, read, sourceFiles } from './source.ts';

const TOP = [
  'bin',
  'src',
  'test',
  'scripts',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'README.md',
  'LICENSE',
];

interface Manifest {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

const manifest = JSON.parse(read('package.json')) as Manifest;

function readme(): string {
  return existsSync(join(repository, 'README.md')) ? read('README.md') : '';
}

describe('the tree', () => {
  it('has only the agreed entries at its top', () => {
    const top = new Set(projectFiles().map((path) => path.split('/')[0] as string));
    const beyond = [...top].filter((name) => !name.startsWith('.') && !TOP.includes(name));
    expect(beyond.map((name) => `"${name}" lies at the top level and is not one of: ${TOP.join(' ')}`)).toEqual([]);
    expect(TOP.filter((name) => !top.has(name)).map((name) => `"${name}" is missing`)).toEqual([]);
  });

  it('has no empty folder in src beside the agreed ones', () => {
    const agreed = 'cli login client tunnel gateway session protocol target store config core'.split(' ');
    const folders = new Set(sourceFiles().map((path) => path.split('/')[1] as string));
    expect([...folders].filter((name) => !agreed.includes(name))).toEqual([]);
  });
});

describe('package.json', () => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies };

  it('pins exact versions, because npm otherwise picks by the Node that runs it', () => {
    const loose = Object.entries(all).filter(
      ([, version]) => !/^(npm:@?[\w./-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
    );
    expect(loose.map(([name, version]) => `${name}: "${version}" is not an exact version`)).toEqual([]);
  });

  it('lists no dependency that the README does not explain', () => {
    const rows = readme()
      .split('\n')
      .filter((line) => line.startsWith('|'));
    const silent = Object.keys(all).filter((name) => !rows.some((row) => row.includes(`\`${name}\``)));
    expect(silent.map((name) => `README.md has no row of its dependency table for \`${name}\``)).toEqual([]);
  });

  it('is what src imports, nothing less', () => {
    const used = new Set<string>();
    for (const file of sourceFiles()) {
      for (const { specifier } of imports(file)) {
        if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
        used.add(
          specifier
            .split('/')
            .slice(0, specifier.startsWith('@') ? 2 : 1)
            .join('/'),
        );
      }
    }
    const missing = [...used].filter((name) => manifest.dependencies[name] === undefined);
    expect(missing.map((name) => `src imports "${name}", which is not among the dependencies`)).toEqual([]);
  });
});

describe('the README', () => {
  it('documents every HOOPCTL_ variable that the sources name', () => {
    const names = new Set<string>();
    for (const file of sourceFiles())
      for (const [name] of read(file).matchAll(/\bHOOPCTL_[A-Z][A-Z_]*[A-Z]\b/g)) names.add(name);
    const text = readme();
    expect(
      [...names].filter((name) => !text.includes(name)).map((name) => `README.md does not tell of ${name}`),
    ).toEqual([]);
  });
});
