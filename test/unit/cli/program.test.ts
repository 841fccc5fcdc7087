// Parsing argv, apart from doing anything with it.

import { describe, expect, it } from 'vitest';
import { command, flagName, type Node } from '../../../src/cli/command.ts';
import { leaves, TREE } from '../../../src/cli/commands/index.ts';
import { GLOBAL_OPTIONS } from '../../../src/cli/globals.ts';
import { SETTINGS } from '../../../src/cli/known.ts';
import { parse } from '../../../src/cli/program.ts';

const loaded: string[] = [];

function leaf(name: string, made: ReturnType<typeof command>): Node {
  return {
    name,
    summary: `does ${name}`,
    load: async () => {
      loaded.push(name);
      return { command: made };
    },
  };
}

const tree: readonly Node[] = [
  leaf(
    'greet',
    command({
      options: {
        loudVoice: { help: 'shout' },
        name: { value: 'NAME', short: 'n', many: true, help: 'whom' },
        color: { negated: true, help: 'no colour' },
        size: { value: 'SIZE', choices: ['small', 'big'], help: 'how big' },
      },
      arguments: [
        { name: 'where', help: 'place' },
        { name: 'rest', optional: true, many: true, help: 'more' },
      ],
      run: async () => {},
    }),
  ),
  leaf(
    'wrap',
    command({ passThrough: true, arguments: [{ name: 'args', help: 'all', many: true }], run: async () => {} }),
  ),
  { name: 'box', summary: 'holds', children: [leaf('open', command({ run: async () => {} }))] },
];

const about = { version: '1.2.3', summary: 'a program', notes: '' };

async function parsed(...argv: string[]) {
  const result = await parse(argv, tree, about);
  if (result.kind !== 'command') throw new Error(result.text);
  return { path: result.path, flags: result.flags, arguments: result.arguments };
}

const failure = (...argv: string[]) =>
  parse(argv, tree, about).then(
    () => undefined,
    (error) => ({ code: error.code, message: error.message, fix: error.fix }),
  );

describe('parsing', () => {
  it('gives only the flags that were given', async () => {
    expect(await parsed('greet', 'here')).toEqual({
      path: ['greet'],
      flags: {},
      arguments: { where: 'here', rest: [] },
    });
  });

  it('takes flags in every form, before and after the arguments', async () => {
    const { flags, arguments: values } = await parsed(
      'greet',
      '--loud-voice',
      'here',
      '-n',
      'a',
      '--name=b',
      '--no-color',
      'x',
      '--',
      '-y',
    );
    expect(flags).toEqual({ loudVoice: true, name: ['a', 'b'], color: false });
    expect(values).toEqual({ where: 'here', rest: ['x', '-y'] });
  });

  it('takes global options before and after the verb', async () => {
    expect((await parsed('--gateway', 'a', 'box', 'open', '--json')).flags).toEqual({ gateway: 'a', json: true });
  });

  it('leaves to another program what is its own', async () => {
    expect((await parsed('wrap', '--json', 'db', '-c', 'select 1', '--json')).arguments).toEqual({
      args: ['db', '-c', 'select 1', '--json'],
    });
  });

  it('loads the one command that was named, and none for help', async () => {
    loaded.length = 0;
    const help = await parse(['--help'], tree, about);
    expect(help).toMatchObject({ kind: 'help', asked: true });
    expect(loaded).toEqual([]);
    await parsed('box', 'open');
    expect(loaded).toEqual(['open']);
  });

  it('shows the help of a command for --help and for help', async () => {
    const one = await parse(['greet', '--help'], tree, about);
    expect(one).toEqual(await parse(['help', 'greet'], tree, about));
    expect(one).toMatchObject({ kind: 'help', asked: true });
    expect((one as { text: string }).text).toContain('--no-color');
  });

  it('shows help, as an answer to a mistake, where a group is named without a verb', async () => {
    expect(await parse(['box'], tree, about)).toMatchObject({ kind: 'help', asked: false });
  });

  it('prints the version', async () => {
    expect(await parse(['--version'], tree, about)).toMatchObject({ kind: 'help', asked: true, text: '1.2.3\n' });
  });

  it.each([
    [['gret', 'x'], "unknown command 'gret'", 'did you mean greet'],
    [['box', 'opne'], "unknown command 'opne'", 'did you mean open'],
    [['greet', 'x', '--loudvoice'], "unknown option '--loudvoice'", 'did you mean --loud-voice'],
    [['greet'], "missing required argument 'where'", "see 'hoopctl greet --help'"],
    [['greet', 'x', '--size', 'huge'], "option '--size <SIZE>' argument 'huge' is invalid", 'hoopctl greet --help'],
    [
      ['wrap', '-tt', 'db'],
      "unknown option '-tt'",
      'options of wrap itself go behind the name: hoopctl wrap NAME -tt; see',
    ],
    [
      ['wrap', '--jsn', 'db'],
      "unknown option '--jsn'",
      'did you mean --json? Options of wrap itself go behind the name. See',
    ],
    [['box', 'open', 'extra'], 'too many arguments', 'hoopctl box open --help'],
  ])('refuses %j', async (argv, message, fix) => {
    const error = await failure(...argv);
    expect(error?.code).toBe('usage');
    expect(error?.message).toContain(message);
    expect(error?.fix).toContain(fix);
  });
});

describe('the verbs', () => {
  it('all load, and no option of one hides an argument or a global option', async () => {
    for (const { path, leaf: one } of leaves()) {
      const { command: made } = await one.load();
      const options = Object.keys(made.options);
      const names = made.arguments.map((argument) => argument.name);
      expect([path.join(' '), options.filter((key) => names.includes(key) || key in GLOBAL_OPTIONS)]).toEqual([
        path.join(' '),
        [],
      ]);
    }
  });

  it('have options that settings files may hold, all of them and no other', async () => {
    const names = new Set(Object.keys(GLOBAL_OPTIONS));
    for (const { leaf: one } of leaves())
      for (const [key, option] of Object.entries((await one.load()).command.options))
        if (!option.flagOnly) names.add(key);
    expect(SETTINGS.options).toEqual([...names].map(flagName).sort());
    expect(SETTINGS.verbs).toEqual(
      leaves()
        .filter(({ leaf: one }) => !one.hidden)
        .map(({ path }) => path.join(' '))
        .sort(),
    );
  });

  it('have a summary in lower case without a full stop', () => {
    const look = (nodes: readonly Node[]): string[] =>
      nodes.flatMap((node) =>
        ['children' in node ? look(node.children) : [], /^[a-z].*[^.]$/.test(node.summary) ? [] : node.name].flat(),
      );
    expect(look(TREE)).toEqual([]);
  });
});
