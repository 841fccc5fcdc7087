// Rules about what a source file may hold.

import { describe, expect, it } from 'vitest';
import { protocolNames } from '../../../src/protocol/index.ts';
import { imports, read, sourceFiles, tokens } from './source.ts';

const LONGEST_FILE = 400;

/** Files that may use Node's `process` and `console`: everything else gets what it needs as arguments. */
/** The last one asks how much of the CPU was used, and touches nothing. */
const TOUCHES_PROCESS = new Set(['src/cli/io.ts', 'src/cli/main.ts', 'src/gateway/search/load.ts']);

/** Verbs that are named after a client's program, which may have the name of its protocol. */
const NAMES_TOOLS = new Set(['src/cli/commands/index.ts', 'src/cli/commands/ssh.ts', 'src/cli/known.ts']);

function literalsEqualTo(names: readonly string[], file: string, source: string): string[] {
  return tokens(source)
    .filter((token) => token.kind === 'string' && names.includes(token.text))
    .map((token) => `${file}:${token.line} says '${token.text}': ask the protocol for a capability instead`);
}

/** Packages that a file brings with it as soon as it is loaded: what `import()` asks for comes later, or never. */
function loadedWith(entry: string): Set<string> {
  const packages = new Set<string>();
  const files = new Set([entry]);
  for (const file of files) {
    for (const { file: ours, specifier, typeOnly, lazy } of imports(file)) {
      if (typeOnly || lazy) continue;
      if (ours === undefined) packages.add(specifier);
      else files.add(ours);
    }
  }
  return packages;
}

describe('a file of src', () => {
  it('opens with its charter', () => {
    const silent = sourceFiles().filter((file) => {
      const [first, second] = read(file).split('\n');
      const opening = first?.startsWith('#!') ? second : first;
      return !/^(\/\/|\/\*\*?) ?\S.{20,}/.test(opening ?? '');
    });
    expect(silent.map((file) => `${file} does not open with a comment that says what it is for`)).toEqual([]);
  });

  it(`has at most ${LONGEST_FILE} lines`, () => {
    const long = sourceFiles()
      .map((file) => ({ file, lines: read(file).split('\n').length - 1 }))
      .filter(({ lines }) => lines > LONGEST_FILE);
    expect(long.map(({ file, lines }) => `${file} has ${lines} lines: probably two things`)).toEqual([]);
  });

  it('names no protocol outside of src/protocol', () => {
    const names = protocolNames();
    const said = sourceFiles()
      .filter((file) => !file.startsWith('src/protocol/') && !NAMES_TOOLS.has(file))
      .flatMap((file) => literalsEqualTo(names, file, read(file)));
    expect(said).toEqual([]);
    expect(literalsEqualTo(['ssh'], 'x.ts', "// 'ssh'\nconst a = /'ssh'/;\nif (name === 'ssh') b();")).toHaveLength(1);
  });

  it('loads ssh2 in one place, where its native ciphers are guarded: the others import its types only', () => {
    const found = [...sourceFiles(), ...sourceFiles('test'), ...sourceFiles('scripts')]
      .filter((file) => file !== 'src/protocol/ssh/transport/guarded-ssh2.ts')
      .filter((file) => /^import (?!type )[^;]*from 'ssh2['/]|(?:require|import)\('ssh2['/]/m.test(read(file)));
    expect(found).toEqual([]);
  });

  it('leaves process and console to cli/io.ts and cli/main.ts, but for what it has used', () => {
    const found = sourceFiles()
      .filter((file) => !TOUCHES_PROCESS.has(file))
      .flatMap((file) =>
        tokens(read(file)).flatMap((token) => {
          if (token.kind === 'string')
            return token.text === 'node:process' ? [`${file}:${token.line} node:process`] : [];
          const use = token.kind === 'code' ? token.text.match(/(?<![.\w])(?:process|console)\.\w+/) : null;
          return use === null ? [] : [`${file}:${token.line} or below uses ${use[0]}`];
        }),
      );
    expect(found).toEqual([]);
  });

  it('brings no large library into a gateway that does not use it', () => {
    const loaded = loadedWith('src/gateway/start.ts');
    expect([...loaded]).toContain('zod');
    // An issuer elsewhere; a certificate that is there; no connection of the protocol.
    const spared = ['oidc-provider', '@peculiar/x509', 'libpg-query', 'ssh2', '@xterm/headless'];
    expect(spared.filter((name) => loaded.has(name))).toEqual([]);
  });

  it('is tested nowhere with a test that is left out', () => {
    const files = [...sourceFiles('test')].filter((file) => /\.test\.tsx?$/.test(file));
    const left = files.flatMap((file) =>
      tokens(read(file))
        .filter(
          (token) => token.kind === 'code' && /\b(?:it|test|describe)\.(?:skip|only|todo)\b(?!If)/.test(token.text),
        )
        .map((token) => `${file}:${token.line} or below leaves a test out`),
    );
    expect(left).toEqual([]);
  });
});
