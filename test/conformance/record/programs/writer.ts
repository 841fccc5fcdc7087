// Appends to a log until it is killed; says on stdout what was taken: writer.ts DATA FIRST

import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTestLog } from '../../../support/log.ts';

const [, , data, first] = process.argv;
const { log, damage } = await openTestLog(data!, { checkpointMs: 15, journalBytes: 30_000, now: () => Date.now() });
if (damage !== undefined) throw new Error(damage.problems.join());
for (let n = Number(first); ; n++) {
  log.append('login', { n });
  writeSync(1, `${n}\n`);
  if (n % 20 === 19) await sleep(1 + Math.random() * 10);
}
