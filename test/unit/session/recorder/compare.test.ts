// What two runs did differently: alignment by shape, and what counts as a difference.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareRuns, same } from '../../../../src/session/recorder/compare.ts';
import type { ReplayedOperation } from '../../../../src/session/recorder/replay.ts';

const operation = (text: string, op: number, more: Partial<ReplayedOperation> = {}): ReplayedOperation => ({
  op,
  at: '2026-11-20T08:00:00.000Z',
  how: 'query',
  text,
  params: undefined,
  does: [],
  verdict: 'allow',
  rule: undefined,
  review: undefined,
  message: undefined,
  parts: [],
  ...more,
});
const run = (texts: readonly string[]) => texts.map((text, i) => operation(text, i + 1));
const signs = (before: readonly string[], after: readonly string[]) =>
  compareRuns(run(before), run(after)).map((step) => {
    if (step.in !== 'both') return `${step.in === 'before' ? '-' : '+'}${step.operation.text}`;
    return `${step.differences.length === 0 ? '=' : '~'}${step.after.text}`;
  });

describe('two runs', () => {
  it('are the same when their texts are, but for blanks', () => {
    expect(same(compareRuns(run(['select 1', 'b']), run(['select   1', 'b'])))).toBe(true);
    expect(signs(['a', 'b'], ['a', 'b'])).toEqual(['=a', '=b']);
    expect(same(compareRuns(run(['a', 'b']), run(['a', 'b'])))).toBe(true);
    expect(same(compareRuns([], []))).toBe(true);
  });

  it('show what only one has, and another constant as a difference', () => {
    expect(signs(['a', 'b', 'c'], ['a', 'c', 'd'])).toEqual(['=a', '-b', '=c', '+d']);
    expect(signs(["x = 'one' and y = 1", 'z'], ["x = 'two' and y = 2", 'z'])).toEqual(["~x = 'two' and y = 2", '=z']);
  });

  it('are as long, and have as many quotes in their strings, as they may', () => {
    expect(signs(["x = 'it''s' and y"], ["x = '' and y"])).toEqual(["~x = '' and y"]);
    expect(signs(["x = 'a', 'b'"], ["x = 'a'"])).toEqual(["-x = 'a', 'b'", "+x = 'a'"]);
    const [text, quotes] = ['x'.repeat(20_000_000), "''".repeat(10_000_000)];
    const steps = compareRuns(run([`x = '${text}'`, `x = '${quotes}'`]), run(["x = ''", "x = ''"]));
    expect(steps.map((step) => step.in)).toEqual(['both', 'both']);
  });

  it('show another verdict, outcome and number of rows', () => {
    const part = { part: 0, columns: undefined, values: [], masked: [], tag: undefined, bytes: 1, error: undefined };
    const before = operation('a', 1, { parts: [{ ...part, status: 'ok', rows: 3, microseconds: 10 }] });
    const after = operation('a', 1, { verdict: 'deny', parts: [{ ...part, status: 'ok', rows: 5, microseconds: 99 }] });
    expect(compareRuns([before], [after])).toMatchObject([
      {
        in: 'both',
        differences: [
          { what: 'verdict', before: 'allow', after: 'deny' },
          { what: 'rows', before: '3', after: '5' },
        ],
      },
    ]);
  });

  it('show another exit code, signal or digest, and nothing of what a tag says besides', () => {
    const part = { part: 0, columns: undefined, values: [], masked: [], status: 'ok', rows: 1, bytes: 1 };
    const ended = (...tags: string[]) => {
      const parts = tags.map((tag) => ({ ...part, tag, microseconds: 1, error: undefined }));
      return operation('a', 1, { parts });
    };
    const differences = (before: string, after: string) =>
      compareRuns([ended(before)], [ended(after)]).flatMap((step) => (step.in === 'both' ? step.differences : []));
    expect(differences('exit 1', 'exit 2')).toEqual([{ what: 'end', before: 'exit 1', after: 'exit 2' }]);
    expect(differences('exit 1', 'signal TERM')).toEqual([{ what: 'end', before: 'exit 1', after: 'signal TERM' }]);
    expect(differences('sha256 aa', 'sha256 bb')).toHaveLength(1);
    expect(differences('SELECT 1', 'SELECT 2')).toEqual([]);
    expect(differences('session s-1 of db, 1 bytes up, 2 down', 'session s-2 of db, 3 bytes up, 4 down')).toEqual([]);
  });

  it('have in common what they begin and end with, however much there is between', () => {
    // Another order of so many: the search for the least difference is given up.
    const middle = Array.from({ length: 3000 }, (_, i) => `call ${'abcdefghij'.charAt(i % 10)}${'x'.repeat(i / 10)}`);
    const found = signs(['first', ...middle, 'last'], ['first', ...middle.toReversed(), 'last']);
    expect(found.filter((sign) => sign === '=first' || sign === '=last')).toEqual(['=first', '=last']);
    expect(found).toHaveLength(2 + 6000 - found.filter((sign) => sign.startsWith('=call')).length);
    expect(found.at(-1)).toBe('=last');
  });

  it('are not compared where nothing in one is in the other', () => {
    const many = (name: string) => Array.from({ length: 20_000 }, (_, i) => `${name} ${'x'.repeat(i % 50)}`);
    const found = signs([...many('a'), 'both'], ['both', ...many('b')]);
    expect(found).toHaveLength(40_001);
    expect(found.filter((sign) => sign.startsWith('='))).toEqual(['=both']);
  });

  it('keep every operation of both, in order, and as many pairs as there can be', () => {
    const texts = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 });
    fc.assert(
      fc.property(texts, texts, (before, after) => {
        const steps = compareRuns(run(before), run(after));
        const of = (side: 'before' | 'after') =>
          steps.flatMap((step) => (step.in === 'both' ? [step[side]] : step.in === side ? [step.operation] : []));
        expect(of('before').map(({ text }) => text)).toEqual(before);
        expect(of('after').map(({ text }) => text)).toEqual(after);
        expect(steps.filter((step) => step.in === 'both')).toHaveLength(longest(before, after));
      }),
    );
  });
});

/** The length of the longest common subsequence, by the table. */
function longest(a: readonly string[], b: readonly string[]): number {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      table[i]![j] = a[i - 1] === b[j - 1] ? table[i - 1]![j - 1]! + 1 : Math.max(table[i - 1]![j]!, table[i]![j - 1]!);
    }
  }
  return table[a.length]![b.length]!;
}
