// One at a time across processes, and nothing left behind by one that was killed.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withLock } from '../../../src/login/lock.ts';
import { repository, start, temporaryDirectory } from '../../support/process.ts';

const lockOf = () => join(temporaryDirectory('lock'), 'locks/token');

function holder(path: string, then: string) {
  const program = `
    const { withLock } = await import('./src/login/lock.ts');
    await withLock(${JSON.stringify(path)}, 10_000, async () => {
      process.stdout.write('held\\n');
      ${then}
      process.stdout.write('leaving\\n');
    });
  `;
  return start(process.execPath, ['--input-type=module', '-e', program], { cwd: repository });
}

describe('a lock', () => {
  it('lets one in at a time, in this process', async () => {
    const path = lockOf();
    const seen: string[] = [];
    const enter = (name: string) =>
      withLock(path, 5000, async () => {
        seen.push(`${name} in`);
        await new Promise((resolve) => setTimeout(resolve, 30));
        seen.push(`${name} out`);
      });
    await Promise.all([enter('a'), enter('b'), enter('c')]);
    for (let i = 0; i < seen.length; i += 2) expect(seen[i + 1]).toBe(seen[i]!.replace('in', 'out'));
    expect(seen).toHaveLength(6);
  });

  it('lets one in at a time, across processes', async () => {
    const path = lockOf();
    await using other = holder(
      path,
      "await new Promise((resolve) => process.stdin.once('data', resolve).resume()); process.stdin.pause();",
    );
    await other.waitFor(/held/);
    await expect(withLock(path, 200, async () => 'in')).rejects.toMatchObject({ code: 'conflict' });
    let left = false;
    const waiting = withLock(path, 10_000, async () => left);
    left = true;
    other.child.stdin!.write('go\n');
    expect(await waiting).toBe(true);
    await other.waitFor(/leaving/);
  });

  it('is free as soon as its holder was killed', async () => {
    const path = lockOf();
    const other = holder(path, 'await new Promise(() => setInterval(() => {}, 1000));');
    await other.waitFor(/held/);
    other.kill('SIGKILL');
    await other.exited;
    expect(await withLock(path, 5000, async () => 'in')).toBe('in');
  });

  it('that cannot be had is nobody’s fault here', async () => {
    const path = lockOf();
    mkdirSync(path, { recursive: true });
    await expect(withLock(path, 100, async () => 'in')).rejects.toMatchObject({ code: 'conflict', fault: 'user' });
  });

  it('is free after a failure, which is passed on', async () => {
    const path = lockOf();
    await expect(withLock(path, 100, () => Promise.reject(new Error('boom')))).rejects.toThrow('boom');
    expect(await withLock(path, 100, async () => 'in')).toBe('in');
  });
});
