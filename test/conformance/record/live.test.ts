// A record that is being written is verified again and again: whatever begins and is sealed meanwhile, nothing is wrong with it.

import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkPlace } from '../../../src/cli/audit/check.ts';
import { removeDirectory, repository, start, temporaryDirectory } from '../../support/process.ts';

const SESSIONS = 60 * Math.max(1, Number(process.env.HOOPCTL_FUZZ ?? 1));

it('verifies at any moment of its being written', async () => {
  const data = temporaryDirectory('live');
  const program = join(repository, 'test/conformance/record/programs/sessions.ts');
  await using writer = start(process.execPath, [program, data]);
  await writer.waitFor(/begun/, 'stdout');
  const place = { kind: 'log', path: data, log: join(data, 'log'), data } as const;
  const remote = () => Promise.reject(new Error('no URL here'));
  const options = { trust: { keys: [], witnesses: [] }, since: [], recordings: true, recording: undefined, remote };
  let open = 0;
  for (let count = 0; count < SESSIONS; ) {
    const { findings, recordings } = await checkPlace(place, options);
    expect(findings.problems).toEqual([]);
    expect(writer.running, writer.output).toBe(true);
    if (findings.notes.some((note) => note.includes('still being written'))) open++;
    count = recordings!.count;
  }
  // It was checked while it was written.
  expect(open).toBeGreaterThan(0);
  await writer.stop('SIGKILL');
  removeDirectory(data);
});
