// The README is complete: every key and every word of the configuration's schema, and every word that rules have for what a
// statement does, stands in it as code; its tables of exit codes, limits and verbs are what the program has.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CHILD_EXIT } from '../../../src/cli/child.ts';
import { leaves } from '../../../src/cli/commands/index.ts';
import { EXIT, EXIT_BY_ERROR } from '../../../src/cli/exit.ts';
import { declaredLimits } from '../../../src/core/limits.ts';
import { allProtocols, configurationJsonSchema } from '../../../src/gateway/configuration.ts';
import { repository, temporaryDirectory } from '../../support/process.ts';
import { hoopctl } from '../cli/memory-io.ts';

const readme = readFileSync(join(repository, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```[a-z]*\n([\s\S]*?)^```/gm)].map(([, code]) => code!);
const rest = readme.replaceAll(/^```[\s\S]*?^```/gm, '');
const code = [...blocks, ...[...rest.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!)].join('\n');
/** As a word of its own. */
const says = (word: string) =>
  new RegExp(`(?<![\\w-])${word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w-])`).test(code);

/** Names of properties and values of enumerations, wherever they are in a JSON Schema. */
function* named(schema: unknown, path: string): Generator<readonly [string, string]> {
  if (Array.isArray(schema)) {
    for (const each of schema) yield* named(each, path);
    return;
  }
  if (typeof schema !== 'object' || schema === null) return;
  const { properties = {}, enum: values = [], const: value } = schema as Record<string, never>;
  for (const [key, inner] of Object.entries(properties as Record<string, unknown>)) {
    yield [key, path];
    yield* named(inner, `${path}.${key}`);
  }
  for (const one of [...(values as unknown[]), value]) if (typeof one === 'string') yield [one, path];
  for (const [key, inner] of Object.entries(schema)) if (key !== 'properties') yield* named(inner, path);
}

it('names every key and word of the configuration', async () => {
  const missing = [...named(await configurationJsonSchema(), '')].filter(([word]) => !says(word));
  expect([...new Set(missing.map(([word, path]) => `${path}: ${word}`))]).toEqual([]);
});

it.each((await allProtocols()).map((protocol) => [protocol.name, protocol] as const))(
  'names every word of the vocabulary of %s',
  (_, { vocabulary }) => {
    const all = [...Object.keys(vocabulary.does), ...vocabulary.objects];
    expect(all.filter((word) => !says(word))).toEqual([]);
  },
);

/** The rows of the table with this head, their cells as text; `\\|` is no border. */
function table(head: string): string[][] {
  const lines = readme.split('\n');
  const from = lines.findIndex((line) => line.startsWith(`| ${head} |`));
  const rows = lines.slice(
    from + 2,
    lines.findIndex((line, i) => i > from && !line.startsWith('|')),
  );
  return rows.map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
const spans = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, span]) => span!);

it('has every exit code that the program ends with, and the errors that lead to it', () => {
  const rows = table('exit code');
  const codes = [...Object.values(EXIT), ...Object.values(CHILD_EXIT)].map(String);
  expect(rows.map(([code]) => code)).toEqual([...codes, '128 + n']);
  const listed = rows
    .filter(([, , errors]) => errors!.startsWith('`'))
    .flatMap(([code, , errors]) => spans(errors!).map((error) => [error, Number(code)] as const));
  expect(Object.fromEntries(listed)).toEqual(EXIT_BY_ERROR);
});

it('has every limit that the configuration may change, its unit and its default', () => {
  const told = table('limit').map(([name, unit, value]) => [
    spans(name!)[0],
    `${unit} ${value!.split(' ')[0]!.replaceAll(',', '')}`,
  ]);
  const declared = [...declaredLimits().values()].map(({ name, unit, value }) => [name, `${unit} ${value}`]);
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(declared));
});

const LEAVES = leaves()
  .filter(({ leaf }) => leaf.hidden !== true)
  .map(({ path, leaf }) => ({ name: path.join(' '), leaf }));

/** `sessions ls\\|show ID` → the verbs that it means: all of a group, where one is named. */
function verbsOf(span: string): string[] {
  const words = span.split(' ');
  const end = words.findIndex((word) => !/^[a-z][a-z\\|-]*$/.test(word));
  const names = words
    .slice(0, end === -1 ? words.length : end)
    .map((word) => word.split(/\\?\|/))
    .reduce<string[]>(
      (before, each) => (before.length === 0 ? each : before.flatMap((one) => each.map((word) => `${one} ${word}`))),
      [],
    );
  return names.flatMap((name) => {
    const found = LEAVES.filter((one) => one.name === name || one.name.startsWith(`${name} `)).map((one) => one.name);
    expect(found, `verbs of ${span}`).not.toEqual([]);
    return found;
  });
}

/** Without these they end before anybody could be asked. */
const NEEDED: Record<string, readonly string[]> = {
  'admin recording-key': ['--output', 'new.key'],
  'admin users groups': ['--none'],
  'admin webhooks retry': ['--all'],
  'admin holds add': ['--session', 'x', '--reason', 'x'],
  'admin purge': ['--reason', 'x'],
  'audit export': ['--since', '7d'],
  'audit reconcile': ['--log', 'x', '--from', '7d'],
  'audit witness': ['--state', temporaryDirectory('witness'), '--name', 'w.example.com/1'],
  'policy explain': ['select 1'],
  'policy replay': ['--data', 'x'],
  ssh: ['x'],
};
/** Values of arguments that are not just any text. */
const VALUES: Record<string, string> = { shell: 'bash' };

/** Where a verb works, by what it does on a machine that knows no gateway. */
async function worksOf({ name, leaf }: (typeof LEAVES)[number]): Promise<string> {
  // It would run.
  if (name === 'serve') return 'here';
  const { command } = await leaf.load();
  const given = command.arguments.filter(({ optional }) => !optional).map((one) => VALUES[one.name] ?? 'x');
  const argv = [...name.split(' '), ...(NEEDED[name] ?? []), ...given];
  const { code, err } = await hoopctl(argv, { terminal: name === 'sessions watch' });
  expect(code, `${name}: ${err}`).not.toBe(2);
  if (!err.includes('no gateway is known')) return 'here';
  if ('data' in command.options) return 'gateway or `--data`';
  const log = 'log' in command.options || command.arguments.some((one) => one.name === 'log');
  return log ? 'gateway or files' : 'gateway';
}

it('has every verb, and where it works', async () => {
  const works = new Map<string, string>();
  for (const leaf of LEAVES) works.set(leaf.name, await worksOf(leaf));
  const told = new Map<string, string>();
  for (const [verbs, where] of table('verb')) {
    for (const verb of spans(verbs!).flatMap(verbsOf)) told.set(verb, where!.split(';')[0]!);
  }
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(works));
});
