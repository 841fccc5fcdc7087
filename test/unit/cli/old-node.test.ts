// The program started by a Node that is too old for it: what is told is what to do, not where it broke.

import { expect, it } from 'vitest';
import { repository, run } from '../../support/process.ts';

it('an old Node is told by its version, its path and where a newer one is', async () => {
  const old = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`;
  const { code, stdout, stderr } = await run(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(old)}`, 'bin/hoopctl.js', '--version'],
    { cwd: repository },
  );
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toBe(
    `hoopctl: this is Node 20.20.2 (${process.execPath}), hoopctl needs 24\n` +
      "  next: put a newer one in front of PATH; a clone's own is in its node_modules/.bin\n",
  );
});
