import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory, openStore, type Store } from '../../../src/store/index.ts';
import { isLocked } from '../../../src/store/lock.ts';

const run = promisify(execFile);
let directory: string;
let store: Store;
const clock = { now: () => 1_000_000 };
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'store-'));
  store = await openStore({ directory: join(directory, 'data'), clock });
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

const reopen = () => openStore({ directory: join(directory, 'data'), clock });

describe('the data directory', () => {
  it('is private in every file and directory', async () => {
    await store.users.create({ name: 'alice', groups: [], password: 'long enough' });
    const modes = readdirSync(join(directory, 'data'), { recursive: true, encoding: 'utf8' }).map((name) => {
      const { mode } = statSync(join(directory, 'data', name));
      return [name, mode & 0o077];
    });
    expect(modes.length).toBeGreaterThan(4);
    expect(modes.filter(([, mode]) => mode !== 0)).toEqual([]);
  });

  it('is migrated once, though several processes open it at once', async () => {
    const fresh = join(directory, 'fresh');
    const program = `import { openStore } from ${JSON.stringify(new URL('../../../src/store/index.ts', import.meta.url).href)};
      const store = await openStore({ directory: ${JSON.stringify(fresh)}, clock: { now: () => Date.now() } });
      await store.keyValues.setIfAbsent('id', String(process.pid));
      console.log(await store.keyValues.get('id')); await store.close();`;
    const node = () => run(process.execPath, ['--input-type=module', '-e', program]);
    const outputs = await Promise.all([node(), node(), node()]);
    expect(new Set(outputs.map((one) => one.stdout)).size).toBe(1);
  });

  it('of a newer version is refused', async () => {
    const raw = new DatabaseSync(join(directory, 'data', 'store.db'));
    raw.exec(`insert into schema_migrations (name, at) values ('9999-future', 0)`);
    raw.close();
    await expect(reopen()).rejects.toMatchObject({
      code: 'store_failed',
      fault: 'user',
      message: expect.stringContaining('newer'),
    });
  });

  it('is read while another process has it locked, and what would be written waits together, not one after another', async () => {
    const other = new DatabaseSync(join(directory, 'data', 'store.db'));
    other.exec('begin immediate');
    const ended: string[] = [];
    const noted = (what: string) => () => void ended.push(what);
    const writes = [1, 2, 3, 4, 5, 6].map((i) => store.keyValues.set(`k${i}`, 'x').catch((thrown) => thrown));
    await store.keyValues.get('k1').then(noted('read'));
    const ready = store.ping().then(noted('ready'), noted('not ready'));
    const failed = await Promise.all(writes).finally(noted('writes'));
    expect(failed).toEqual(failed.map(() => expect.objectContaining({ code: 'store_failed' })));
    expect(String(failed[0])).toContain('the store is locked by another process');
    await ready;
    expect([ended[0], ended.toSorted()]).toEqual(['read', ['not ready', 'read', 'writes']]);
    other.exec('rollback');
    other.close();
    await store.keyValues.set('k1', 'y');
    await store.ping();
    expect(await store.keyValues.get('k1')).toBe('y');
  }, 20_000);

  it('that cannot be used says so', async () => {
    await expect(openStore({ directory: '/dev/null/x', clock })).rejects.toMatchObject({ code: 'store_failed' });
  });

  it('is locked for one gateway, until that one is gone', () => {
    const path = join(directory, 'data');
    const lock = lockDirectory(path);
    expect(() => lockDirectory(path)).toThrow(expect.objectContaining({ code: 'conflict' }));
    lock.release();
    lock.release();
    lockDirectory(path).release();
  });

  it('stays locked though nobody holds on to the lock, and is unlocked by a kill of its gateway', async () => {
    const path = join(directory, 'data');
    const program = `import { lockDirectory } from ${JSON.stringify(new URL('../../../src/store/lock.ts', import.meta.url).href)};
      lockDirectory(${JSON.stringify(path)});
      for (let i = 0; i < 3; i++) { gc(); await new Promise(setImmediate); }
      console.log('locked'); setInterval(() => {}, 1000);`;
    const child = execFile(process.execPath, ['--expose-gc', '--input-type=module', '-e', program]);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const gone = new Promise((resolve) => child.once('exit', resolve));
    try {
      expect(() => lockDirectory(path)).toThrow(expect.objectContaining({ code: 'conflict' }));
      expect(isLocked(path)).toBe(true);
      const copy = join(directory, 'copy');
      cpSync(path, copy, { recursive: true });
      expect(isLocked(copy)).toBe(false);
    } finally {
      child.kill('SIGKILL');
    }
    await gone;
    lockDirectory(path).release();
  });
});
