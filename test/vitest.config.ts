import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Unit and conformance tests run from source; e2e tests drive the built program in dist/.
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    setupFiles: ['test/support/setup.ts'],
    // Far from what any test takes, also where other work has the machine; scripts/fuzz tries many times as hard.
    testTimeout: 180_000 * Math.max(1, Number(process.env.HOOPCTL_FUZZ ?? 1)),
    hookTimeout: 240_000,
    expect: { poll: { timeout: 30_000 } },
    // Where a file says that its tests go on at the same time: they wait more than they work.
    maxConcurrency: 8,
    pool: 'forks',
    maxWorkers: 2,
  },
});
