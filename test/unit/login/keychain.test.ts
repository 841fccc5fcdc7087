// Where a login is kept: a real keyring in a session of its own, and a file where there is none.

import { chmodSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileStore, storeSecret } from '../../../src/login/keychain.ts';
import { findProgram, pathWithNode, repository, run, temporaryDirectory } from '../../support/process.ts';

const secret = `{"token":"${'x'.repeat(3000)} äöü"}`;

function home() {
  const config = temporaryDirectory('keychain');
  return { config, cache: join(config, 'cache'), data: join(config, 'data') };
}

/** Runs the program with or without a keyring that is its own. */
async function inSession(how: 'keyring' | 'locked' | 'nothing', program: string) {
  const directory = temporaryDirectory('session');
  mkdirSync(join(directory, 'data'));
  const node = [process.execPath, '--input-type=module', '-e', program];
  const env = {
    PATH: pathWithNode(),
    HOME: directory,
    XDG_DATA_HOME: join(directory, 'data'),
    XDG_RUNTIME_DIR: directory,
  };
  if (how === 'nothing') return run(node[0]!, node.slice(1), { cwd: repository, env });
  // In the foreground of its own job, so that it can be ended by its number.
  const start =
    'printf pw | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 & daemon=$!; sleep .5;';
  const script = how === 'keyring' ? `${start} "$@"; code=$?; kill $daemon; exit $code` : '"$@"';
  return run('dbus-run-session', ['--', 'bash', '-c', script, 'bash', ...node], { cwd: repository, env });
}

const program = (choice: string, more: string) => `
  const { storeSecret, storeOf } = await import('./src/login/keychain.ts');
  const paths = { config: process.env.HOME + '/config', cache: process.env.HOME + '/cache' };
  const options = { paths, platform: process.platform, interactive: false };
  const secret = ${JSON.stringify(secret)};
  const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
  try {
    const { store, warning } = await storeSecret(${JSON.stringify(choice)}, options, 'account', secret);
    say({ kind: store.kind, warning });
    const again = storeOf(store.kind, options);
    say({ same: (await again.get('account')) === secret, other: await again.get('nobody') });
    ${more}
  } catch (error) {
    say({ code: error.code, message: error.message, fix: error.fix });
  }
  process.exit(0);
`;

const parse = (out: string) =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const keyring = findProgram('dbus-run-session') !== undefined && findProgram('gnome-keyring-daemon') !== undefined;

describe('a login', () => {
  it.skipIf(!keyring)('is kept in the keyring, read from it and deleted', async () => {
    const { stdout, stderr } = await inSession(
      'keyring',
      program(
        'auto',
        "await again.delete('account'); say({ gone: (await again.get('account')) === undefined }); await again.delete('account');",
      ),
    );
    expect(parse(stdout), stderr).toEqual([{ kind: 'keychain' }, { same: true }, { gone: true }]);
  });

  it.skipIf(!keyring)('goes to a file, and says why, where the keyring has no keys', async () => {
    const { stdout, stderr } = await inSession('locked', program('auto', ''));
    const [first, second] = parse(stdout);
    expect(first, stderr).toMatchObject({ kind: 'file' });
    expect(first!.warning).toMatch(
      /^cannot write to the keychain: .+; the login is kept in a file that only you can read/,
    );
    expect(second).toEqual({ same: true });
  });

  it('goes to a file, and says why, where there is no keychain at all', async () => {
    const { stdout, stderr } = await inSession('nothing', program('auto', ''));
    const [first, second] = parse(stdout);
    expect(first, stderr).toMatchObject({ kind: 'file' });
    expect(first!.warning).toMatch(/^cannot write to the keychain: .+ below '.+tokens'$/);
    expect(second).toEqual({ same: true });
  });

  it('is kept nowhere else where the keychain was demanded', async () => {
    const { stdout } = await inSession('nothing', program('secret-service', ''));
    expect(parse(stdout)).toEqual([
      {
        code: 'keychain_unavailable',
        message: expect.stringContaining('cannot write to the keychain'),
        fix: expect.stringContaining('HOOPCTL_KEYCHAIN=file'),
      },
    ]);
  });

  it('goes to a file without a word where that was asked for', async () => {
    const paths = home();
    const kept = await storeSecret('file', { paths, platform: 'linux', interactive: false }, 'account', secret);
    expect([kept.store.kind, kept.warning]).toEqual(['file', undefined]);
  });
});

describe('the file', () => {
  it('is for its owner only, and stays so', async () => {
    const paths = home();
    const store = fileStore(paths);
    await store.set('https://gw account', secret);
    const folder = join(paths.config, 'tokens');
    const [name] = readdirSync(folder);
    expect(name).toMatch(/^[0-9a-f]{32}$/);
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect([mode(folder), mode(join(folder, name!))]).toEqual(['700', '600']);
    chmodSync(join(folder, name!), 0o644);
    expect(await store.get('https://gw account')).toBe(secret);
    expect(mode(join(folder, name!))).toBe('600');
  });

  it('says why it cannot be written, and leaves no half of it', async () => {
    const paths = home();
    const store = fileStore(paths);
    await store.set('a', 'one');
    const folder = join(paths.config, 'tokens');
    const [name] = readdirSync(folder);
    rmSync(join(folder, name!));
    mkdirSync(join(folder, name!, 'in the way'), { recursive: true });
    await expect(store.set('a', 'two')).rejects.toMatchObject({ code: 'keychain_unavailable', fault: 'user' });
    expect(readdirSync(folder)).toEqual([name]);
  });

  it('holds the last secret, and none after it was deleted', async () => {
    const paths = home();
    const store = fileStore(paths);
    await store.set('a', 'one');
    await store.set('a', 'two');
    await store.set('b', 'three');
    expect([await store.get('a'), await store.get('b'), await store.get('c')]).toEqual(['two', 'three', undefined]);
    await store.delete('a');
    await store.delete('a');
    expect([await store.get('a'), await store.get('b')]).toEqual([undefined, 'three']);
    expect(readdirSync(join(paths.config, 'tokens'))).toHaveLength(1);
  });
});
