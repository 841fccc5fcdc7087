// What scripts/test makes of vitest's results: its last line, its exit status, and which files have a second try.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Result, Results } from '../../../scripts/test.d/results.ts';

const E2E = 'test/e2e/psql.test.ts';
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hoopctl-results-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const result = (outcome: Result['outcome'], file = E2E, name = 'a test'): Result => ({
  file,
  name,
  outcome,
  why: 'why',
});
function write(name: string, tests: Result[], outside: string[] = []): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ tests, outside } satisfies Results));
  return path;
}
function script(name: string, ...args: string[]) {
  const done = spawnSync(process.execPath, [`scripts/test.d/${name}.ts`, ...args], { encoding: 'utf8' });
  return { code: done.status, lines: done.stdout.trim().split('\n') };
}

describe('the second try', () => {
  const again = (tests: Result[], outside?: string[]) => script('again', write('first', tests, outside)).lines.join();

  it('is for tests that drive clients, a file once', () => {
    expect(again([result('passed'), result('failed'), result('failed', E2E, 'another')])).toBe(E2E);
    expect(again([result('passed')])).toBe('');
  });
  it.each([
    ['a unit test', [result('failed'), result('failed', 'test/unit/core/nearest.test.ts')]],
    ['a leak', [result('failed', 'test/conformance/postgres/leaks/leaks.test.ts')]],
    ...['kill', 'ssh-kill', 'masks', 'unmask', 'refusals', 'review-matrix', 'ssh-approvals', 'ssh-shell-editor'].map(
      (name): [string, Result[]] => [name, [result('failed', `test/e2e/${name}.test.ts`)]],
    ),
    ['many', Array.from({ length: 5 }, (_, i) => result('failed', E2E, `${i}`))],
  ])('is not for %s', (_, tests) => {
    expect(again(tests)).toBe('');
    // Of files that are there: one that is renamed would have a second try unseen.
    for (const { file } of tests) expect(existsSync(file), file).toBe(true);
  });
  it('is not for an error outside of tests', () => {
    expect(again([result('failed')], ['thrown later'])).toBe('');
  });
});

describe('the last line', () => {
  const checks = ['3', '0'];
  it('counts, and is red for one failure', () => {
    const first = write('first', [result('passed'), result('skipped', E2E, 'b'), result('failed', E2E, 'c')]);
    const { code, lines } = script('summary', ...checks, '1', first);
    expect(lines).toEqual([`skipped: ${E2E} > b`, `failed: ${E2E} > c: why`, '4 passed, 1 failed, 1 skipped']);
    expect(code).toBe(1);
  });
  it('names what passed only the second time', () => {
    const first = write('first', [result('failed'), result('passed', E2E, 'b')]);
    const { code, lines } = script('summary', ...checks, '1', first, '0', write('again', [result('passed')]));
    expect(lines[0]).toBe(`unsteady: ${E2E} > a test: failed, and passed when its file ran again alone: why`);
    expect([lines[1], code]).toEqual(['5 passed, 0 failed', 0]);
  });
  it('is red when the second try fails, in whatever test', () => {
    const first = write('first', [result('failed')]);
    const again = write('again', [result('passed'), result('failed', E2E, 'b')]);
    expect(script('summary', ...checks, '1', first, '1', again)).toEqual({
      code: 1,
      lines: [`failed: ${E2E} > a test: why`, '3 passed, 1 failed'],
    });
  });
  it('is red without results, for an error outside of tests, and for a status that no result explains', () => {
    const none = script('summary', ...checks, '1', join(folder, 'none'));
    expect([none.lines.at(-1), none.code]).toEqual(['3 passed, 1 failed', 1]);
    const outside = script('summary', ...checks, '1', write('first', [result('passed')], ['thrown later']));
    expect(outside.lines).toEqual(['failed: outside of any test: thrown later', '4 passed, 1 failed']);
    const unexplained = script('summary', ...checks, '1', write('first', [result('passed')]));
    expect([unexplained.lines.at(-1), unexplained.code]).toEqual(['4 passed, 1 failed', 1]);
  });
});
