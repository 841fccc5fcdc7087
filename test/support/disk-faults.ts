// A gateway whose recordings lie on a disk that fails on demand (test/e2e/programs/disk-faults.c before the C library).

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Gateway } from './gateway.ts';
import { repository } from './process.ts';

/** Restarts the gateway on such a disk. What is returned sets the fault: `write ENOSPC`, or nothing. */
export async function onFailingDisk(gateway: Gateway): Promise<(what: string) => void> {
  await gateway.stop();
  const library = join(gateway.directory, 'faults.so');
  const source = join(repository, 'test/e2e/programs/disk-faults.c');
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
  const control = join(gateway.directory, 'faults');
  gateway.within = ['env', `LD_PRELOAD=${library}`, `DISK_FAULTS=${control}`, `DISK_FAULTS_PATH=${gateway.recordings}`];
  await gateway.start();
  return (what) => writeFileSync(control, what);
}
