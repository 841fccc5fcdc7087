import { RE2JS } from 're2js';
import { expect, it } from 'vitest';
import type { Decision, Refusal, Verdict } from '../../../../src/protocol/contract.ts';
import type { Decider } from '../../../../src/session/decision.ts';
import { GuardedOutput, type OutputContext } from '../../../../src/session/output/guarded.ts';

const OPERATION = { kind: 'exec', text: 'cat x', exact: '', parts: [] };

it('refuses what cannot be judged any more when its review is over, and ends nothing else', async () => {
  const review = Promise.withResolvers<Verdict>();
  let broken = false;
  const watches = [{ name: 'ask', pattern: RE2JS.compile('secret') }];
  const policy = { output: () => ({ finder: undefined, watches }), outputVerdict: () => ({ verdict: 'review' }) };
  const hold = { verdict: 'hold', notice: ['held'], settled: review.promise, cancel: () => {} } as unknown as Decision;
  const decider = {
    masking: { columns: false, values: false },
    inForce: {
      current: () => {
        if (broken) throw new Error('there is no policy');
        return policy;
      },
    },
    judged: () => ({ id: 2, decision: hold }),
    cut: (_: unknown, why: (session: string) => Refusal) => why('s-1'),
  } as unknown as Decider;
  const told: string[] = [];
  const context = { decider, now: () => 0, recording: { result: () => {} } } as unknown as OutputContext;
  const output = new GuardedOutput(context, 1, OPERATION, {
    ...{ stream: 'out', holdMs: 10 },
    tell: (lines) => void told.push(...lines),
    refused: ({ code }, ends) => void told.push(`${code} ${ends}`),
    released: (bytes) => void told.push(`released ${bytes}`),
  });
  expect(output.push(Buffer.from('a secret\n'), 0).toString()).toBe('');
  await Promise.resolve();
  broken = true;
  review.resolve({ verdict: 'allow' } as Verdict);
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual(['held', 'internal true']);
});
