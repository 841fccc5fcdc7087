// What the machine, this process and this thread have used of the CPU so far. Refuses to know: what follows from it.

import { availableParallelism, cpus } from 'node:os';
import type { Load } from '../../session/search/pace.ts';

export function load(): Load {
  const { user, system } = process.cpuUsage();
  const own = process.threadCpuUsage();
  return {
    at: performance.now(),
    idle: cpus().reduce((sum, { times }) => sum + times.idle, 0),
    process: (user + system) / 1000,
    own: (own.user + own.system) / 1000,
    cores: availableParallelism(),
  };
}
