// Where the value of an option comes from.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Options } from '../../../src/cli/command.ts';
import { type Layer, loadLayers, resolve } from '../../../src/cli/settings.ts';
import { temporaryDirectory } from '../../support/process.ts';
import { memoryIo } from './memory-io.ts';

const options = {
  reason: { value: 'TEXT', help: '' },
  healthPort: { value: 'PORT', help: '', default: '0' },
  color: { negated: true, help: '' },
  loud: { help: '' },
  group: { value: 'NAME', many: true, help: '' },
  caFile: { value: 'FILE', trusted: true, help: '' },
  state: { value: 'STATE', choices: ['open', 'ended'], help: '' },
} as const satisfies Options;

const project = (values: Record<string, unknown>): Layer => ({ from: 'project', path: '/p/.hoopctl.yaml', values });
const user = (values: Record<string, unknown>): Layer => ({ from: 'user', path: '/u/config.json', values });

describe('an option', () => {
  it('is taken from flag, environment, project file, user file, default, in that order', () => {
    const layers = [project({ reason: 'project' }), user({ reason: 'user', 'health-port': 9 })];
    const from = (flags: object, env: Record<string, string>, some: Layer[]) => {
      const { values, sources } = resolve(options, { ...flags }, env, some, 'connect');
      return [values.reason, sources.reason];
    };
    const env = { HOOPCTL_REASON: 'environment' };
    expect(from({ reason: 'flag' }, env, layers)).toEqual(['flag', 'flag']);
    expect(from({}, env, layers)).toEqual(['environment', 'environment']);
    expect(from({}, {}, layers)).toEqual(['project', 'project']);
    expect(from({}, {}, layers.slice(1))).toEqual(['user', 'user']);
    expect(from({}, {}, [])).toEqual([undefined, undefined]);
    expect(resolve(options, {}, {}, layers, 'connect').values.healthPort).toBe('9');
    expect(resolve(options, {}, {}, [], 'connect')).toMatchObject({
      values: { healthPort: '0' },
      sources: { healthPort: 'default' },
    });
  });

  it("is taken from a verb's own section before the common one", () => {
    const layer = project({ reason: 'common', connect: { reason: 'own' } });
    expect(resolve(options, {}, {}, [layer], 'connect').values.reason).toBe('own');
    expect(resolve(options, {}, {}, [layer], 'exec').values.reason).toBe('common');
  });

  it('that is a decision is taken from a flag only', () => {
    const decision = { forSession: { flagOnly: true, help: '' } } as const;
    const layers = [user({ 'for-session': true })];
    const env = { HOOPCTL_FOR_SESSION: '1' };
    expect(resolve(decision, {}, env, layers, 'reviews approve').values.forSession).toBe(false);
    expect(resolve(decision, { forSession: true }, {}, [], 'reviews approve').values.forSession).toBe(true);
  });

  it('is not set by an empty variable', () => {
    expect(resolve(options, {}, { HOOPCTL_REASON: '' }, [], 'x').values.reason).toBeUndefined();
  });

  it('takes switches and lists from the environment', () => {
    const env = { HOOPCTL_LOUD: 'yes', HOOPCTL_COLOR: '0', HOOPCTL_GROUP: 'a,b' };
    expect(resolve(options, {}, env, [], 'x').values).toMatchObject({ loud: true, color: false, group: ['a', 'b'] });
    expect(resolve(options, {}, {}, [], 'x').values).toMatchObject({ loud: false, color: true, group: [] });
  });

  it.each([
    [{ HOOPCTL_LOUD: 'maybe' }, [], "HOOPCTL_LOUD is 'maybe', expected true or false"],
    [{ HOOPCTL_STATE: 'shut' }, [], "HOOPCTL_STATE is 'shut', expected one of open, ended"],
    [{}, [project({ reason: ['a', 'b'] })], "'reason' in '/p/.hoopctl.yaml' is a list, expected one value"],
    [{}, [project({ 'ca-file': '/evil.pem' })], "'/p/.hoopctl.yaml' sets 'ca-file', which a project may not decide"],
  ])('is refused with the place where the wrong value stands (%j)', (env, layers, message) => {
    expect(() => resolve(options, {}, env as Record<string, string>, layers, 'x')).toThrow(message);
  });

  it('that is trusted may stand in the user file', () => {
    expect(resolve(options, {}, {}, [user({ 'ca-file': '/own.pem' })], 'x').values.caFile).toBe('/own.pem');
  });
});

describe('the files', () => {
  const known = { options: ['reason', 'agent'], verbs: ['connect', 'sessions ls'] };
  const paths = (home: string) => ({
    config: join(home, 'config'),
    cache: join(home, 'cache'),
    data: join(home, 'data'),
  });

  it('are found upwards from here, and in the user’s folder', async () => {
    const home = temporaryDirectory('settings');
    mkdirSync(join(home, 'a/b'), { recursive: true });
    mkdirSync(join(home, 'config'));
    writeFileSync(join(home, 'a/.hoopctl.yaml'), 'reason: nightly\nconnect:\n  agent: claude\n');
    writeFileSync(join(home, 'config/config.json'), '{"settings":{"reason":"always"},"gateways":[]}');
    const io = memoryIo({ env: { HOME: home }, cwd: join(home, 'a/b') });
    expect(await loadLayers(io, paths(home), known)).toEqual([
      {
        from: 'project',
        path: join(home, 'a/.hoopctl.yaml'),
        values: { reason: 'nightly', connect: { agent: 'claude' } },
      },
      { from: 'user', path: join(home, 'config/config.json'), values: { reason: 'always' } },
    ]);
  });

  it('are refused with every unknown name and the nearest one', async () => {
    const home = temporaryDirectory('settings');
    writeFileSync(join(home, '.hoopctl.yaml'), 'reson: x\nconnect: { agnet: y }\n');
    const io = memoryIo({ env: { HOME: home }, cwd: home });
    await expect(loadLayers(io, paths(home), known)).rejects.toThrow(
      "unknown name 'reson', did you mean 'reason'; unknown name 'connect.agnet', did you mean 'agent'",
    );
  });

  it('are refused when they cannot be read as what they are', async () => {
    const home = temporaryDirectory('settings');
    writeFileSync(join(home, '.hoopctl.yaml'), 'a: [');
    await expect(loadLayers(memoryIo({ env: { HOME: home }, cwd: home }), paths(home), known)).rejects.toMatchObject({
      code: 'config_invalid',
    });
  });

  it('of somebody else are not believed', async () => {
    const home = temporaryDirectory('settings');
    writeFileSync(join(home, '.hoopctl.yaml'), 'reason: planted\n');
    const io = memoryIo({ env: { HOME: home }, cwd: home });
    // The file belongs to the one who runs this test; to the program it now belongs to another user.
    const other = { ...io, uid: (io.uid ?? 0) + 1, say: io.say };
    const layers = await loadLayers(other, paths(home), known);
    if (io.uid === 0) expect(layers).toHaveLength(1);
    else {
      expect(layers).toEqual([]);
      expect(io.err()).toContain('belongs to another user');
    }
  });
});
