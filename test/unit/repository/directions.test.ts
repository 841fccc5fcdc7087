// DESIGN's direction rule: who may import whom. The table below is the one of src/README.md.

import { describe, expect, it } from 'vitest';
import { type Import, imports, sourceFiles } from './source.ts';

/** The zone of a file: its folder, with src/protocol cut finer. */
function zone(file: string): string {
  const [, folder, part, rest] = file.split('/') as [string, string, string?, string?];
  if (folder !== 'protocol') return folder;
  if (
    [
      'contract.ts',
      'facts.ts',
      'local.ts',
      'operation.ts',
      'proof.ts',
      'spoken.ts',
      'told.ts',
      'values.ts',
      'vocabulary.ts',
    ].includes(part!)
  )
    return 'contract';
  if (part === 'index.ts') return 'registry';
  return rest === undefined ? 'protocol' : `protocol/${part}`;
}

interface Reach {
  any: readonly string[];
  /** Only `import type`. */
  types?: readonly string[];
}

const EVERYTHING = ['*'];

/** What each zone may import beside itself. */
const ALLOWED: Record<string, Reach> = {
  core: { any: [] },
  config: { any: ['core'] },
  login: { any: ['core'] },
  target: { any: ['core'], types: ['contract'] },
  tunnel: { any: ['core'] },
  contract: { any: ['core'] },
  registry: { any: ['core', 'contract', 'protocol/*'] },
  'protocol/wire': { any: ['core'] },
  'protocol/*': { any: ['core', 'contract', 'protocol/wire'] },
  session: { any: ['core', 'contract'] },
  store: { any: ['core'], types: ['session'] },
  client: { any: ['core', 'tunnel', 'registry'], types: ['contract'] },
  gateway: { any: ['core', 'config', 'target', 'tunnel', 'contract', 'registry', 'protocol/wire', 'session', 'store'] },
  cli: { any: EVERYTHING },
};

function reach(from: string): Reach | undefined {
  return ALLOWED[from] ?? (from.startsWith('protocol/') ? ALLOWED['protocol/*'] : undefined);
}

function listed(list: readonly string[], to: string): boolean {
  return list.some((entry) => entry === '*' || entry === to || (entry === 'protocol/*' && to.startsWith('protocol/')));
}

/** Why the import is against the rule; undefined when it is not. */
function objection(file: string, found: Import): string | undefined {
  if (found.file === undefined) return undefined;
  const where = `${file}:${found.line} imports ${found.file}`;
  if (!found.file.startsWith('src/')) return `${where}: outside of src`;
  const from = zone(file);
  const to = zone(found.file);
  if (from === to) return undefined;
  const may = reach(from);
  if (may === undefined) return `${where}: folder "${from}" is not in the table of directions`;
  if (listed(may.any, to)) return undefined;
  if (listed(may.types ?? [], to)) {
    return found.typeOnly ? undefined : `${where}: ${from} may take only types (import type) from ${to}`;
  }
  return `${where}: ${from} must not see ${to}`;
}

function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const trail: string[] = [];
  const visit = (file: string) => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      found.push([...trail.slice(trail.indexOf(file)), file].join(' → '));
      return;
    }
    state.set(file, 'open');
    trail.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    trail.pop();
    state.set(file, 'done');
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

describe('directions of imports', () => {
  it('go only the way the table allows', () => {
    const against = sourceFiles().flatMap((file) => imports(file).map((found) => objection(file, found)));
    expect(against.filter((reason) => reason !== undefined)).toEqual([]);
  });

  it('never go in a circle', () => {
    const graph = new Map(
      sourceFiles().map((file) => [
        file,
        imports(file).flatMap((found) => (found.file === undefined ? [] : [found.file])),
      ]),
    );
    expect(cycles(graph)).toEqual([]);
  });

  it('name every file with its extension', () => {
    const bare = sourceFiles().flatMap((file) =>
      imports(file)
        .filter((found) => found.file !== undefined && !/\.(tsx?|json)$/.test(found.specifier))
        .map((found) => `${file}:${found.line} imports "${found.specifier}" without its extension`),
    );
    expect(bare).toEqual([]);
  });

  it('are refused by this test when they go wrong', () => {
    const of = (file: string, source: string) => imports(file, source).map((found) => objection(file, found));
    expect(of('src/session/a.ts', "import { x } from '../cli/io.ts';")).toEqual([
      'src/session/a.ts:1 imports src/cli/io.ts: session must not see cli',
    ]);
    expect(of('src/store/a.ts', "import type { X } from '../session/x.ts';")).toEqual([undefined]);
    expect(of('src/store/a.ts', "import { x } from '../session/x.ts';")[0]).toContain('may take only types');
    expect(of('src/protocol/b/a.ts', "const y = await import(\n'../c/x.ts')")[0]).toContain('must not see protocol/c');
    expect(of('src/new/a.ts', "export * from '../core/ids.ts'")[0]).toContain('not in the table');
    expect(
      cycles(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['a']],
        ]),
      ),
    ).toEqual(['a → b → c → a']);
  });
});
