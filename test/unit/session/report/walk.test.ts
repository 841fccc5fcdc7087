import { expect, it } from 'vitest';
import type { LogEntry } from '../../../../src/session/log/audit.ts';
import { walkRecord } from '../../../../src/session/report/walk.ts';
import { collect } from '../../../support/log.ts';

const at = (hour: number): string => new Date(Date.UTC(2026, 10, 20, hour)).toISOString();

async function ran(from: number, to: number, entries: readonly Omit<LogEntry, 'index'>[]): Promise<string[]> {
  const source = {
    async *entries() {
      for (const [index, entry] of entries.entries()) yield { index, ...entry };
    },
  };
  const walked = await collect(walkRecord(source, { from: Date.parse(at(from)), to: Date.parse(at(to)) }));
  return walked.flatMap((one) => ('ran' in one ? [one.ran.session] : []));
}

it('counts a session that a later start sealed in the spans in which it ran, not in that of the start', async () => {
  const session = 's-1';
  const sealed = (fields: object) => [
    { at: at(1), kind: 'access', fields: { verdict: 'allow', session } },
    { at: at(9), kind: 'recording', fields: { session, digest: 'd', lines: 3, salvaged: 'sealed', ...fields } },
    { at: at(9), kind: 'start', fields: {} },
  ];
  const killed = sealed({ lastAt: at(3) });
  expect([await ran(0, 2, killed), await ran(2, 4, killed), await ran(3, 8, killed)]).toEqual([
    ['s-1'],
    ['s-1'],
    ['s-1'],
  ]);
  expect([await ran(4, 8, killed), await ran(8, 10, killed)]).toEqual([[], []]);
  // Of one that a gateway of before sealed it is not known: it is rather told once too often.
  expect(await ran(8, 10, sealed({}))).toEqual(['s-1']);
});
